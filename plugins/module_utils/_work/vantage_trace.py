# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Do a host's part in examining broken handshakes closely, and in measuring ways on which others complete: three more phases, skipped if
there is nothing to examine or nobody asked for them.

The only changes that they may make are a separate nf_tables table, which disappears with the process that made it (see `_trace/table.py`),
and listeners of our own.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from .._errors import NotPermittedError
from .._trace.kernel import MAX_BYTES, Tracer
from .._trace.table import MAX_FLOWS, NOT_PERMITTED, Flow
from .._wire.netlink import NetlinkError
from .vantage import Order, part

if TYPE_CHECKING:
    from .._drops.tracepoint import TracepointTracer
    from .._drops.tracer import Tracer as DropTracer
    from .deeper import Tracers

TRACE, DROPS = "trace", "drops"
PACES = "rates of SYNs that pass"
PATH_LISTENERS, PATH_SIZES = "listeners for the sizes of packets that pass", "sizes of packets that pass"


def trace_open(order: Order) -> dict[str, Any]:
    """Where handshakes are expected, until `trace_close` or the deadline: trace their packets, and listen for full segments."""
    answer: dict[str, Any] = {"tracer": None, "path_listeners": None, "absent": []}
    with part(answer, TRACE):
        tracers = _tracers(answer, order)
        if tracers:
            from .._record.detached import detach

            answer["tracer"] = {"handle": detach(tracers, order["trace_seconds"], MAX_BYTES, "handshake-trace")}
    if order.get("path_listeners"):
        with part(answer, PATH_LISTENERS):
            _listen(answer, order)
    return answer


def _listen(answer: dict[str, Any], order: Order) -> None:
    from .._connect.path_listeners import PathListeners
    from .._record.detached import detach

    worker = PathListeners(order["path_listeners"])
    answer["absent"] += [{"what": PATH_LISTENERS, "why": why} for why in worker.lacking]
    ends = worker.ends()
    if not ends:
        worker.close()
        return
    answer["path_listeners"] = {"handle": detach(worker, order["trace_seconds"], 0, "handshake-lsn"), "ends": ends}


def trace_try(order: Order) -> dict[str, Any]:
    """Try each handshake once more, and trace its packets here; and dial servers past the balancer in front of them."""
    from .._connect.probe import try_all
    from .._connect.resolve import resolve
    from .dials import dials_of

    answer: dict[str, Any] = {"probes": [], "bypass": [], "path_sizes": [], "paces": [], "trace": None, "drops": None, "absent": []}
    tracers = _tracers(answer, order)
    try:
        watch = {tracers.fileno(): tracers.collect} if tracers else {}
        with part(answer, "probes"):
            bypass = order.get("bypass") or []
            resolved = resolve(dials_of({"dials": [*order["dials"], *bypass]}, answer["absent"]))
            probes = try_all(resolved, patience=order["patience"], settle=order["settle"], watch=watch)
            past = {dial["id"] for dial in bypass}
            for probe in probes:
                answer["bypass" if probe["dial"] in past else "probes"].append(probe)
        if order.get("paces"):
            with part(answer, PACES):
                from .._connect.rates import sweep

                answer["paces"] = sweep(resolve(dials_of({"dials": order["paces"]}, answer["absent"])), watch)
        if order.get("path_sizes"):
            with part(answer, PATH_SIZES):
                from .._connect.path_sizes import measure

                answer["path_sizes"], missed = measure(order["path_sizes"])
                answer["absent"] += [{"what": PATH_SIZES, "why": why} for why in missed]
        if tracers:
            with part(answer, TRACE):
                answer.update(tracers.result())
    finally:
        if tracers:
            tracers.close()
    return answer


def trace_close(handle: str | None, listeners: str | None = None) -> dict[str, Any]:
    """After the handshakes: fetch what was traced, which ends it, and end the listeners."""
    answer: dict[str, Any] = {"trace": None, "drops": None, "absent": []}
    if listeners:
        with part(answer, PATH_LISTENERS):
            from .._record.detached import stop_detached

            stop_detached(listeners)
    if handle:
        with part(answer, TRACE):
            from .._record.detached import stop_detached

            answer.update(stop_detached(handle))
    return answer


def _tracers(answer: dict[str, Any], order: Order) -> Tracers | None:
    """What the order asks for, begun; None where that is nothing, or nothing of it can be had."""
    rules = drops = None
    with part(answer, TRACE):
        rules = _tracer(answer, order)
    with part(answer, DROPS):
        drops = _drop_tracer(order)
    if rules is None and drops is None:
        return None
    from .deeper import Tracers

    return Tracers(rules, drops)


def _drop_tracer(order: Order) -> DropTracer | TracepointTracer | None:
    """A trace of drops that has begun; None where nobody asks for it. ObserveError."""
    if not order.get("drops"):
        return None
    from .._drops import records
    from .._drops.start import start
    from .._drops.tracer import own_namespace

    flows = [records.Flow(flow["client"], flow["server"], flow["port"]) for flow in order["drops"]]
    return start(flows, own_namespace(), order["trace_seconds"])


def _tracer(answer: dict[str, Any], order: Order) -> Tracer | None:
    """A trace that has begun; None where there is nothing to trace, or no chain of nf_tables that does anything. ObserveError."""
    if not order["trace"]:
        return None
    from .._host.hooks import base_chains, legacy_tables

    try:
        legacy, chains = legacy_tables(), base_chains()
    except (NetlinkError, OSError) as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            raise NotPermittedError(NOT_PERMITTED) from error
        raise
    if legacy:
        why = f"the kernel's trace does not show what the legacy tables do ({', '.join(legacy)})"
        answer["absent"].append({"what": "trace of legacy iptables", "why": why})
    if order["left_out"]:
        why = f"{order['left_out']} broken handshakes are not traced: at most {MAX_FLOWS} pairs of addresses are on a host"
        answer["absent"].append({"what": TRACE, "why": why})
    if not chains:
        return None
    flows = [Flow(flow["client"], flow["server"], flow["port"], flow["ack"]) for flow in order["trace"]]
    return Tracer(order["run"], flows, order["trace_seconds"])

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Do a host's part in tracing broken handshakes: three more phases, which are skipped if nothing broke or nobody asked for them.

The only change is a separate nf_tables table, which disappears with the process that made it (see `_trace/table.py`).
"""

from __future__ import annotations

import errno
from typing import Any

from .._errors import NotPermittedError
from .._trace.kernel import MAX_BYTES, Tracer
from .._trace.table import MAX_FLOWS, NOT_PERMITTED, Flow
from .._wire.netlink import NetlinkError
from .vantage import Order, part

TRACE = "trace"


def trace_open(order: Order) -> dict[str, Any]:
    """Where handshakes are expected: trace their packets from now on, until `trace_close`, or the deadline."""
    answer: dict[str, Any] = {"tracer": None, "absent": []}
    with part(answer, TRACE):
        tracer = _tracer(answer, order)
        if tracer:
            from .._record.detached import detach

            answer["tracer"] = {"handle": detach(tracer, order["trace_seconds"], MAX_BYTES, "handshake-trace")}
    return answer


def trace_try(order: Order) -> dict[str, Any]:
    """Try each handshake once more, and trace its packets here."""
    from .._connect.probe import try_all
    from .._connect.resolve import Dial, resolve

    answer: dict[str, Any] = {"probes": [], "trace": None, "absent": []}
    tracer = None
    with part(answer, TRACE):
        tracer = _tracer(answer, order)
    try:
        watch = {tracer.fileno(): tracer.collect} if tracer else {}
        with part(answer, "probes"):
            resolved = resolve([Dial(**dial) for dial in order["dials"]])
            answer["probes"] = try_all(resolved, patience=order["patience"], settle=order["settle"], watch=watch)
        if tracer:
            with part(answer, TRACE):
                answer["trace"] = tracer.result()
    finally:
        if tracer:
            tracer.close()
    return answer


def trace_close(handle: str | None) -> dict[str, Any]:
    """After the handshakes: fetch what was traced, which ends it."""
    answer: dict[str, Any] = {"trace": None, "absent": []}
    if handle:
        with part(answer, TRACE):
            from .._record.detached import stop_detached

            answer["trace"] = stop_detached(handle)
    return answer


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

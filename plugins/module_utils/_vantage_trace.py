# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A host's part in tracing handshakes that broke: three more phases, which are left out when nothing broke, or nobody asked for them.

The only thing that they change is a table of their own, which goes with the process that made it (see `_trace_table`).
"""

from __future__ import annotations

from typing import Any

from ._errors import ObserveError
from ._trace import MAX_BYTES, Tracer
from ._trace_table import MAX_FLOWS, Flow
from ._vantage import Order, part

TRACE = "trace"


def trace_open(order: Order) -> dict[str, Any]:
    """Where handshakes are expected: trace their packets from now on, until `trace_close`, or the deadline."""
    answer: dict[str, Any] = {"tracer": None, "absent": []}
    with part(answer, TRACE):
        from ._detached import detach

        handle = detach(_tracer(order), order["trace_seconds"], MAX_BYTES, "handshake-trace")
        answer["tracer"] = {"handle": handle}
        _limits(answer, order)
    return answer


def trace_try(order: Order) -> dict[str, Any]:
    """Try each handshake once more, and trace its packets here."""
    from ._probe import try_all
    from ._resolve import Dial, resolve

    answer: dict[str, Any] = {"probes": [], "trace": None, "absent": []}
    tracer = None
    with part(answer, TRACE):
        tracer = _tracer(order)
        _limits(answer, order)
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
            from ._detached import stop_detached

            answer["trace"] = stop_detached(handle)
    return answer


def _tracer(order: Order) -> Tracer:
    return Tracer(order["run"], _flows(order), order["trace_seconds"])


def _flows(order: Order) -> list[Flow]:
    return [Flow(flow["client"], flow["server"], flow["port"], flow["ack"]) for flow in order["trace"]]


def _limits(answer: dict[str, Any], order: Order) -> None:
    """What a trace that did begin will not show."""
    from ._hooks import legacy_tables

    if len(order["trace"]) > MAX_FLOWS:
        answer["absent"].append(
            {"what": TRACE, "why": f"only the first {MAX_FLOWS} of {len(order['trace'])} pairs of addresses are traced"}
        )
    try:
        legacy = legacy_tables()
    except (ObserveError, OSError) as error:
        answer["absent"].append({"what": "trace of legacy iptables", "why": str(error)})
        return
    if legacy:
        why = f"the kernel's trace does not show what the legacy tables do ({', '.join(legacy)})"
        answer["absent"].append({"what": "trace of legacy iptables", "why": why})

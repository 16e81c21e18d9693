# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Begin a trace of drops in the best way that this host supports."""

from __future__ import annotations

import typing as t

from .absence import Unavailable
from .records import Flow
from .tracepoint import TracepointTracer
from .tracer import Tracer


def start(flows: t.Iterable[Flow], namespace: int | None = None, seconds: float = 60.0) -> Tracer | TracepointTracer:
    """A trace by BPF programs, or by the bare tracepoint: see their attribute `how`. The latter says why in `missing`.

    Unavailable, of the kind and value that BPF was refused for, where neither can be done. ValueError for flows that are none.
    """
    try:
        return Tracer(flows, namespace, seconds)
    except Unavailable as refused:
        return _bare(refused, seconds)


def _bare(refused: Unavailable, seconds: float) -> TracepointTracer:
    """A trace by the bare tracepoint, which says why it is no better one. Unavailable."""
    try:
        tracer = TracepointTracer(seconds)
    except Unavailable as error:
        why = f"{refused}; {error}"
    else:
        tracer.missing.append(refused)
        return tracer
    raise Unavailable(refused.kind, refused.value, why)

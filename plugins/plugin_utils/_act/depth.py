# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""How deep a diagnosis may look into a host, from its options of today and the older one."""

from __future__ import annotations

from .role_options import RoleOptions

_DEPTH, _TRACE = "diagnose_depth", "diagnose_trace"


def depth(options: RoleOptions, host: str) -> str:
    """`quick`, `normal` or `full`, see `trace_orders.follow_up`. Who calls the modules without the role, and so without its options, wants
    `full`. OptionError.
    """
    if not options.has(host, _DEPTH) and not options.has(host, _TRACE):
        return "full"
    return "full" if options.of(host, _TRACE) else str(options.of(host, _DEPTH))

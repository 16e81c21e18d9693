# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Room in the table of connection tracking."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.firewall_subjects import Table
from .._model.fixes import Fix
from .sysctl import sysctls

_LEAST, _ENTRY = 65_536, 320  # bytes: about the size of struct nf_conn with its extensions
_MOST = 1 << 24


def conntrack_full(case: Case, finding: Finding) -> Fix | None:
    """Twice the limit. Beyond eight entries to a bucket of the hash table, which the kernel sizes when it loads, lookups become slow."""
    table, host = finding.about(Table), case.named(finding.host)
    if table is None or host is None:
        return None
    wanted = min(_MOST, max(_LEAST, 2 * table.limit))
    return sysctls(
        host,
        {"net.netfilter.nf_conntrack_max": wanted},
        f"raise net.netfilter.nf_conntrack_max on {host.name} from {table.limit} to {wanted} (up to {wanted * _ENTRY >> 20} MiB), and see "
        f"to net.netfilter.nf_conntrack_buckets, best {wanted // 4}; or shorten the timeouts of what fills the table",
        why=f"{table.count} connections are tracked, and there is room for {table.limit}",
    )

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Room in the table of connection tracking."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.firewall_subjects import Table
from .._model.fixes import Fix
from .._model.network_subjects import Forgetting
from .make import advice, shell
from .sysctl import FILE, sysctls

_LEAST, _ENTRY = 65_536, 320  # bytes: about the size of struct nf_conn with its extensions
_MOST = 1 << 24
_ESTABLISHED = "net.netfilter.nf_conntrack_tcp_timeout_established"
_FIVE_DAYS = 432_000  # the kernel's own (net/netfilter/nf_conntrack_proto_tcp.c)


def conntrack_full(case: Case, finding: Finding) -> Fix | None:
    """Twice the limit. Beyond eight entries to a bucket of the hash table, which the kernel sizes when it loads, lookups become slow."""
    table, host = finding.about(Table), case.named(finding.host)
    if table is None or host is None:
        return None
    wanted = min(_MOST, max(_LEAST, 2 * table.limit))
    return sysctls(
        host,
        {"net.netfilter.nf_conntrack_max": wanted},
        f"raise net.netfilter.nf_conntrack_max on {host.name} from {table.limit} to {wanted} (up to {wanted * _ENTRY >> 20} MiB), and "
        f"net.netfilter.nf_conntrack_buckets, ideally to {wanted // 4}; or shorten the timeouts of what fills the table",
        why=f"{table.count} connections are tracked, and there is room for {table.limit}",
    )


def stale_nat_idle(case: Case, finding: Finding) -> Fix | None:
    """Whoever forgets may do so for lack of room: the ends are to say now and then that they are still there."""
    found = finding.about(Forgetting)
    if found is None:
        return None
    often = max(1, (found.timeout or int(found.idle)) // 2)
    keepalive = (
        f"have the application on {case.client.name} or the server keep idle connections alive (SO_KEEPALIVE and TCP_KEEPIDLE, or requests "
        f"of its own) every {often} s or more often, or not keep them idle for so long"
    )
    if found.timeout is None or found.timeout >= _FIVE_DAYS:
        return advice("advice", case.client.name, f"{keepalive}; a restart of the client ends those that hang")
    return advice(
        "sysctl",
        finding.host,
        f"{keepalive}; or have {finding.host} remember them for longer ({_ESTABLISHED}, {_FIVE_DAYS} s by default); a restart of the "
        "client ends those that hang",
        [f"{shell('sysctl', '-w', f'{_ESTABLISHED}={_FIVE_DAYS}')} && echo {shell(f'{_ESTABLISHED}={_FIVE_DAYS}')} >> {FILE}"],
    )

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find rules and objects that make the kernel track connections (nf_ct_netns_get in net/netfilter/nf_conntrack_proto.c).

Since Linux 4.10 conntrack is hooked in only while a rule or an object of the ruleset asks for it, for the IP versions of its family.
Without it no packet has a connection, and NAT chains are not run (nf_nat_inet_fn). Whether packets ever meet the rule does not matter.
"""

from __future__ import annotations

FAMILIES = {4: ("ip", "inet", "bridge"), 6: ("ip6", "inet", "bridge")}
"""IP version -> the families whose rules ask for it."""

MATCHES = frozenset(("cluster", "connbytes", "connlabel", "connlimit", "connmark", "conntrack", "helper", "state"))
"""xtables matches whose checkentry asks for conntrack."""
TARGETS = frozenset(("CLUSTERIP", "CONNMARK", "CONNSECMARK", "CT", "DNAT", "MASQUERADE", "NETMAP", "REDIRECT", "SNAT", "SYNPROXY"))
"""xtables targets that do; CT does not where it says --notrack."""

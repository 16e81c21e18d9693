# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The counters that rise in healthy runs: generated from their recordings by dev/envelope; do not edit."""

HEALTHY = frozenset(
    (
        "Icmp6.InMsgs",
        "Icmp6.InRouterSolicits",
        "Icmp6.InType133",
        "Icmp6.OutMsgs",
        "Icmp6.OutRouterSolicits",
        "Icmp6.OutType133",
        "Ip.ForwDatagrams",
        "Ip.InDelivers",
        "Ip.InReceives",
        "Ip.OutRequests",
        "Ip.OutTransmits",
        "Ip6.InDelivers",
        "Ip6.InMcastOctets",
        "Ip6.InMcastPkts",
        "Ip6.InNoECTPkts",
        "Ip6.InOctets",
        "Ip6.InReceives",
        "Ip6.OutMcastOctets",
        "Ip6.OutMcastPkts",
        "Ip6.OutOctets",
        "Ip6.OutRequests",
        "Ip6.OutTransmits",
        "IpExt.InNoECTPkts",
        "IpExt.InOctets",
        "IpExt.OutOctets",
        "Softnet.processed",
        "Tcp.ActiveOpens",
        "Tcp.InSegs",
        "Tcp.OutRsts",
        "Tcp.OutSegs",
        "Tcp.PassiveOpens",
        "TcpExt.DelayedACKs",
        "TcpExt.TCPDelivered",
        "TcpExt.TCPOrigDataSent",
        "TcpExt.TCPPureAcks",
        "TcpExt.TW",
    )
)

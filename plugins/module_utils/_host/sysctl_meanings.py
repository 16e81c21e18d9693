# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The effect of each sysctl on a TCP handshake, for people (sources: the kernel's ip-sysctl documentation and net/ipv4)."""

from __future__ import annotations

import typing as t


class Meaning(t.NamedTuple):
    """`side`: whose sysctl matters, client, server, both or router. `since`: the Linux that brought it, None when older than 3.0."""

    unit: str
    side: str
    since: str | None
    text: str


# name | unit | side | since, and below it the meaning
_TABLE = """\
fs.file-max | files | both
    Open files of the whole host; beyond it, socket() and accept() fail with ENFILE.
fs.nr_open | files | both
    The highest value that a process's limit of open files can be raised to.
net.bridge.bridge-nf-call-ip6tables | switch | both
    1: IPv6 packets that a bridge forwards pass ip6tables and nftables ip6 chains as well.
net.bridge.bridge-nf-call-iptables | switch | both
    1: IPv4 packets that a bridge forwards pass iptables and nftables ip chains as well.
net.core.netdev_budget | packets | both
    Packets taken from all devices in one softirq round.
net.core.netdev_max_backlog | packets | both
    Room of each CPU's queue of received packets; beyond it packets are dropped (softnet_stat, second column).
net.core.somaxconn | connections | server
    Upper limit of listen()'s backlog, applied when listen() is called; the default is 4096, 128 before Linux 5.4.
net.ipv4.icmp_msgs_per_sec | messages/s | both | 3.19
    ICMP messages of the whole host per second; beyond it errors are not sent, and silence proves nothing.
net.ipv4.icmp_ratelimit | ms | both
    Least time between two ICMP messages of the kinds in icmp_ratemask to the same destination; 0: no limit.
net.ipv4.icmp_ratemask | bits | both
    The ICMP types that the rate limits apply to, one bit per type.
net.ipv4.ip_default_ttl | hops | both
    TTL of outgoing IPv4 packets.
net.ipv4.ip_forward | switch | router
    0: IPv4 packets for other hosts are dropped without an ICMP error.
net.ipv4.ip_local_port_range | ports | client
    First and last port that connect() chooses from; fewer ports than connections to one destination end in EADDRNOTAVAIL.
net.ipv4.ip_local_reserved_ports | ports | client
    Ports of ip_local_port_range that connect() leaves alone.
net.ipv4.ip_nonlocal_bind | switch | both
    1: bind() accepts IPv4 addresses that are on no interface.
net.ipv4.ip_unprivileged_port_start | port | server | 4.11
    Ports below it need CAP_NET_BIND_SERVICE; without it bind() fails with EACCES.
net.ipv4.neigh.default.gc_thresh1 | entries | both
    Up to so many IPv4 neighbours are never collected as garbage.
net.ipv4.neigh.default.gc_thresh2 | entries | both
    Beyond so many IPv4 neighbours, those unused for five seconds are removed.
net.ipv4.neigh.default.gc_thresh3 | entries | both
    Most IPv4 neighbours; beyond it new ones cannot be resolved and the kernel logs a neighbour table overflow.
net.ipv4.tcp_abort_on_overflow | switch | server
    1: a connection that finds the accept queue full at its final ACK is reset; 0: the ACK is ignored and tried again.
net.ipv4.tcp_challenge_ack_limit | ACKs/s | both | 3.6
    Challenge ACKs per second (RFC 5961), sent among others for a SYN that hits an existing connection.
net.ipv4.tcp_ecn | mode | both
    0: no ECN; 1: ask for it in SYNs and accept it; 2: accept it only; 3 to 5: with AccECN (since Linux 6.18).
net.ipv4.tcp_ecn_fallback | switch | client | 4.2
    1: when a SYN that asks for ECN gets no answer, its retransmissions do not ask (RFC 3168, 6.1.1.1).
net.ipv4.tcp_fastopen | bits | both | 3.6
    1: Fast Open for clients; 2: for servers; further bits allow data in a SYN without a cookie (RFC 7413).
net.ipv4.tcp_fin_timeout | s | both
    How long an orphaned connection stays in FIN-WAIT-2; it holds its local port that long. TIME-WAIT itself is always 60 s.
net.ipv4.tcp_fwmark_accept | switch | server | 3.16
    1: an accepted connection takes over the mark of its SYN, so that policy routing applies to the answers.
net.ipv4.tcp_invalid_ratelimit | ms | both | 4.0
    Least time between two answers to repeated SYNs or out-of-window packets of one connection.
net.ipv4.tcp_l3mdev_accept | switch | server | 4.5
    1: a listener that is bound to no VRF also accepts connections that arrive within one.
net.ipv4.tcp_max_syn_backlog | connections | server
    Half-open connections that a listener remembers when SYN cookies are off; its last quarter is for known peers.
net.ipv4.tcp_max_tw_buckets | sockets | both
    Most sockets in TIME-WAIT; beyond it they end early (TCPTimeWaitOverflow) and old segments may meet new connections.
net.ipv4.tcp_mem | pages | both
    TCP's memory on the whole host: no pressure, pressure, and the limit beyond which new connections are dropped.
net.ipv4.tcp_migrate_req | switch | server | 5.14
    1: when a SO_REUSEPORT listener closes, the handshakes in its queues move to another listener of the group.
net.ipv4.tcp_min_snd_mss | bytes | both | 5.2
    Least MSS that is used, whatever the peer's SYN announces.
net.ipv4.tcp_mtu_probing | mode | both
    0: off; 1: look for the path MTU once a black hole shows; 2: always.
net.ipv4.tcp_rfc1337 | switch | both
    1: an RST does not end a socket in TIME-WAIT (RFC 1337).
net.ipv4.tcp_rto_max_ms | ms | both | 6.15
    Longest time between two retransmissions, of SYN and SYN-ACK too; before it existed: 120 s.
net.ipv4.tcp_rto_min_us | µs | both | 6.11
    Shortest retransmission timeout once a round trip was measured; the first SYN always waits 1 s.
net.ipv4.tcp_sack | switch | both
    1: SYN and SYN-ACK offer selective acknowledgements (RFC 2018).
net.ipv4.tcp_syn_linear_timeouts | retransmissions | client | 6.5
    So many SYNs are repeated one second apart before the waits double; they come on top of tcp_syn_retries.
net.ipv4.tcp_syn_retries | retransmissions | client
    SYNs repeated before connect() fails with ETIMEDOUT; TCP_SYNCNT overrides it for one socket.
net.ipv4.tcp_synack_retries | retransmissions | server
    SYN-ACKs repeated before a half-open connection is forgotten; fewer when the queue is more than half full.
net.ipv4.tcp_syncookies | mode | server
    0: SYNs beyond the queue are dropped; 1: they are answered with cookies; 2: all SYNs are.
net.ipv4.tcp_timestamps | mode | both
    0: no timestamps option (RFC 7323); 1: with a random offset per connection; 2: without the offset.
net.ipv4.tcp_tw_reuse | mode | client
    connect() may take a port in TIME-WAIT when timestamps are on: 0 never, 1 always, 2 over loopback only.
net.ipv4.tcp_tw_reuse_delay | ms | client | 6.14
    Age that a TIME-WAIT socket needs before tcp_tw_reuse applies; before: 1 s.
net.ipv4.tcp_window_scaling | switch | both
    1: SYN and SYN-ACK offer window scaling (RFC 7323).
net.ipv6.bindv6only | switch | server
    1: a socket bound to [::] does not accept IPv4 unless it asks for it (IPV6_V6ONLY).
net.ipv6.icmp.ratelimit | ms | both
    Least time between two ICMPv6 messages to the same destination; 0: no limit.
net.ipv6.ip_nonlocal_bind | switch | both | 4.3
    1: bind() accepts IPv6 addresses that are on no interface.
net.ipv6.neigh.default.gc_thresh1 | entries | both
    Up to so many IPv6 neighbours are never collected as garbage.
net.ipv6.neigh.default.gc_thresh2 | entries | both
    Beyond so many IPv6 neighbours, those unused for five seconds are removed.
net.ipv6.neigh.default.gc_thresh3 | entries | both
    Most IPv6 neighbours; beyond it new ones cannot be resolved and the kernel logs a neighbour table overflow.
net.netfilter.nf_conntrack_max | connections | both
    Most connections that conntrack follows; beyond it the SYNs of new ones are dropped.
net.netfilter.nf_conntrack_tcp_be_liberal | switch | both
    1: only an RST outside of the window is invalid for conntrack; 0: every segment outside of it is.
net.netfilter.nf_conntrack_tcp_loose | switch | both
    1: conntrack picks up connections whose handshake it did not see; 0: their packets are invalid.
net.netfilter.nf_conntrack_tcp_timeout_established | s | both
    How long conntrack remembers an idle connection.
net.netfilter.nf_conntrack_tcp_timeout_syn_recv | s | both
    How long conntrack remembers a SYN-ACK without its ACK.
net.netfilter.nf_conntrack_tcp_timeout_syn_sent | s | both
    How long conntrack remembers a SYN without an answer.
net.netfilter.nf_conntrack_tcp_timeout_time_wait | s | both
    How long conntrack remembers a closed connection.
net.ipv4.conf.INTERFACE.accept_local | switch | server
    1: packets from outside may carry a source address that is this host's own; 0: they are martians and dropped.
net.ipv4.conf.INTERFACE.arp_announce | mode | both
    Source address of ARP requests: 0 any of this host, 1 one of the target's subnet if possible, 2 the best for the target.
net.ipv4.conf.INTERFACE.arp_filter | switch | server
    1: ARP is answered only on the interface that the route to the asker leaves by.
net.ipv4.conf.INTERFACE.arp_ignore | mode | server
    0: ARP is answered for any address of this host; 1: for those of the interface only; 2 to 8 are stricter; 8 never.
net.ipv4.conf.INTERFACE.forwarding | switch | router
    0: IPv4 packets for others that arrive here are dropped.
net.ipv4.conf.INTERFACE.log_martians | switch | both
    1, here or for all: packets with impossible addresses, among them those that rp_filter drops, are logged.
net.ipv4.conf.INTERFACE.proxy_arp | switch | router
    1, here or for all: ARP is answered for every address to which a route leads by another interface.
net.ipv4.conf.INTERFACE.route_localnet | switch | server | 3.6
    1, here or for all: 127.0.0.0/8 may be routed; 0: such packets from outside are dropped, redirected ones too.
net.ipv4.conf.INTERFACE.rp_filter | mode | both
    0: off; 1: drop packets whose way back leaves by another interface; 2: drop those without any way back. The higher of all and here
    counts.
net.ipv4.conf.INTERFACE.src_valid_mark | switch | both
    1, here or for all: rp_filter's look-up uses the packet's mark, as policy routing of marked packets needs.
net.ipv6.conf.INTERFACE.accept_dad | mode | both
    0: no duplicate address detection; 1: a duplicate address is not used; 2: a duplicate of the MAC-based one disables IPv6.
net.ipv6.conf.INTERFACE.accept_ra | mode | both
    0: router advertisements are ignored; 1: accepted unless the host forwards; 2: accepted always.
net.ipv6.conf.INTERFACE.accept_ra_defrtr | switch | both
    0: router advertisements bring no default route.
net.ipv6.conf.INTERFACE.disable_ipv6 | switch | both
    1: the interface has no IPv6 addresses and drops all IPv6 packets.
net.ipv6.conf.INTERFACE.forwarding | switch | router
    For all: 0 means that IPv6 packets for others are dropped. For one interface: whether it acts as a host or as a router.
net.ipv6.conf.INTERFACE.hop_limit | hops | both
    Hop limit of outgoing IPv6 packets.
net.ipv6.conf.INTERFACE.proxy_ndp | switch | router
    1, here or for all: neighbour solicitations are answered for the addresses of ip -6 neigh show proxy.
"""


def _parse(table: str) -> dict[str, Meaning]:
    meanings: dict[str, Meaning] = {}
    name = ""
    for line in table.splitlines():
        if line.startswith(" "):
            entry = meanings[name]
            meanings[name] = entry._replace(text=f"{entry.text} {line.strip()}".lstrip())
        else:
            name, unit, side, *since = line.split(" | ")
            meanings[name] = Meaning(unit, side, since[0] if since else None, "")
    return meanings


MEANINGS = _parse(_TABLE)

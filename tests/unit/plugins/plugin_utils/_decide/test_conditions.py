# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence that lacks one of the conditions of a proof: a recording with the smallest change that has another explanation."""

from __future__ import annotations

import pytest

from tests.unit.plugins.plugin_utils._decide.changes import (
    CLIENT,
    LISTENER,
    OTHER,
    ROUTER,
    RST_ACK,
    SERVER,
    TARGET,
    Scene,
    a_services,
    accepted_before,
    added,
    all_of,
    answer,
    answered_late,
    answers_once_each,
    came,
    claimed_by_its_owner,
    counted,
    dialled_from,
    each,
    frames_of,
    generations,
    icmp,
    incomplete,
    late_syns,
    leads_to_a_container,
    low_ttl,
    nat,
    not_of,
    nothing,
    only,
    only_claimed,
    only_hops_to,
    overheard,
    probes,
    quenched,
    quoting,
    read_slowly,
    rose,
    served_on_another_port,
    setting,
    snapshots,
    to_another_port,
    tracked,
    translated,
    unclaimed_by_its_owner,
    unfinished,
    unit,
    unknown,
    unrecorded,
    without,
)
from tests.unit.plugins.plugin_utils._decide.test_not_proven import SYN, SYN_ACK, checksums, flags, frames, moved

SCENES = {
    # addresses
    "a source of its own that may be accepted": Scene(
        "martian_source", "martian_source", "likely", setting(SERVER, "net.ipv4.conf.all.accept_local", None)
    ),
    "one machine that claims the address": Scene("ip_conflict", "ip_conflict", "likely", nothing),
    "an address that only the other one claims to have": Scene(
        "ip_conflict.both-answer.refused", "ip_conflict", "likely", unclaimed_by_its_owner
    ),
    "an address that the other one only claims to have": Scene("ip_conflict.both-answer.refused", "ip_conflict", "likely", only_claimed),
    "claims to have an address, and neighbours that are not known": Scene(
        "ip_conflict.both-answer", "ip_conflict", "likely", unknown(SERVER, "neighbours")
    ),
    "an address that only the managed one claims to have": Scene("ip_conflict.answered", "ip_conflict", "likely", claimed_by_its_owner),
    # altered
    "a slow server": Scene("path_slow", "path_slow", "likely", unrecorded(SERVER)),
    "a slow client": Scene("path_slow", "path_slow", None, lambda found: frames(answer(found, CLIENT)["recording"], late_syns)),
    # backlog
    "fewer overflows than SYNs": Scene("accept_queue_full", "accept_queue_full", "likely", rose(SERVER, "TcpExt", "ListenOverflows", 1)),
    "overflows, and SYNs that may not have arrived": Scene("accept_queue_full", "accept_queue_full", "likely", unrecorded(SERVER)),
    "SYN cookies that may be on": Scene("syn_queue_full", "syn_queue_full", "likely", setting(SERVER, "net.ipv4.tcp_syncookies", None)),
    "a SYN queue with room": Scene(
        "syn_queue_full",
        "syn_queue_full",
        "likely",
        lambda found: (
            [
                counts.update(SYN_RECV=15)  # of 16
                for snapshot in snapshots(found, SERVER)
                for counts in snapshot["socket_counts"].values()
            ]
        ),
    ),
    "fewer drops for lack of room in the SYN queue than SYNs": Scene(
        "syn_queue_full", "syn_queue_full", "likely", rose(SERVER, "TcpExt", "TCPReqQFullDrop", 1)
    ),
    "fewer drops of the listener than SYNs": Scene(
        "syn_backlog_reserved", "syn_backlog_reserved", "likely", rose(SERVER, "TcpExt", "ListenDrops", 1)
    ),
    "a listener that may not defer": Scene("defer_accept", "defer_accept", "possible", each(SERVER, "listeners", defer_accept=None)),
    "fewer ACKs dropped than attempts": Scene("defer_accept", "defer_accept", "possible", rose(SERVER, "TcpExt", "TCPDeferAcceptDrop", 1)),
    # checksum
    "fewer wrong checksums than SYNs": Scene("bad_checksum", "bad_checksum", "possible", rose(SERVER, "Tcp", "InCsumErrors", 1)),
    "checksums that were left to a device": Scene(
        "bad_checksum", "bad_checksum", "likely", lambda found: checksums(found, "Tcp", unfinished)
    ),
    # client
    "a source that may be there": Scene("source_address_unavailable", "source_address_unavailable", "likely", unknown(CLIENT, "addresses")),
    "a port that is left": Scene(
        "ephemeral_ports_exhausted",
        "ephemeral_ports_exhausted",
        "possible",
        lambda found: ([entry.update(used=entry["used"] - 1) for snapshot in snapshots(found, CLIENT) for entry in snapshot["ephemeral"]]),
    ),
    "no route that was not looked up": Scene("no_route", "no_route", "likely", unknown(CLIENT, "routes")),
    "a route of unknown type": Scene("route_prohibit", "route_prohibit", "likely", each(CLIENT, "routes", type=None)),
    # client_links
    "a next hop that did not answer before": Scene(
        "neighbour_unresolved", "neighbour_unresolved", "likely", each(CLIENT, "neighbours", state="STALE")
    ),
    "a next hop that was not asked, for its interface is down": Scene("link_down", "neighbour_unresolved", "likely", nothing),
    # counted
    "a rule that counted others' packets, too": Scene("firewall_drop.server-input", "firewall_drop", "likely", counted(SERVER, 1)),
    "a rule that missed a packet": Scene("firewall_drop.server-input", "firewall_drop", "possible", counted(SERVER, -1)),
    "a rule that counted nothing": Scene("firewall_drop.server-input", "firewall_drop", "possible", counted(SERVER, -18)),
    "a rule that counted nothing since it was loaded again": Scene(
        "firewall_drop.server-input", "firewall_drop", "likely", all_of(counted(SERVER, -18), generations(SERVER, 7, 8))
    ),
    "a rule that counted less since it was loaded again": Scene(
        "firewall_drop.server-input", "firewall_drop", "likely", all_of(counted(SERVER, -5), generations(SERVER, 7, 8))
    ),
    "a rule that counted, and packets that were not": Scene("firewall_drop.server-input", "firewall_drop", "likely", unrecorded(SERVER)),
    "a rule that counted, and packets of which some were not": Scene(
        "firewall_drop.server-input", "firewall_drop", "likely", incomplete(SERVER)
    ),
    "a rule that was loaded meanwhile": Scene(
        "firewall_drop.server-input", "firewall_drop", "likely", all_of(accepted_before, generations(SERVER, 7, 8))
    ),
    "a rule that may have been loaded meanwhile": Scene(
        "firewall_drop.server-input", "firewall_drop", "likely", all_of(accepted_before, generations(SERVER, None, None))
    ),
    "a rule that counted packets while its counter was read": Scene("firewall_drop.server-input", "firewall_drop", "likely", read_slowly),
    # exhausted
    "more clashes than SYNs": Scene("nat_ports_exhausted", "nat_ports_exhausted", "likely", tracked(ROUTER, "insert_failed", 1)),
    "clashes, and SYNs that may have left": Scene(
        "nat_ports_exhausted", "nat_ports_exhausted", "likely", all_of(unrecorded(SERVER), incomplete(ROUTER))
    ),
    "a table that was full at one time only": Scene(
        "conntrack_full", "conntrack_full", "likely", lambda found: snapshots(found, SERVER)[0].pop("conntrack")
    ),
    "a table of which the size before is not known": Scene(
        "conntrack_full", "conntrack_full", "likely", lambda found: snapshots(found, SERVER)[0]["conntrack"].update(count=None)
    ),
    "a table that had room before": Scene(
        "conntrack_full",
        "conntrack_full",
        "likely",
        lambda found: snapshots(found, SERVER)[0]["conntrack"].update(count=snapshots(found, SERVER)[0]["conntrack"]["max"] - 1),
    ),
    "a table from which entries were evicted": Scene("conntrack_full", "conntrack_full", "likely", tracked(SERVER, "early_drop", 1)),
    "a full table ahead of which a rule may drop": Scene("conntrack_full", "conntrack_full", "likely", unknown(SERVER, "firewall")),
    # fronts
    "a balancer that is served on another port": Scene(
        "load_balancer_no_backend.checked", "load_balancer_no_backend", "likely", served_on_another_port
    ),
    "a service that is stopped behind a balancer that serves": Scene(
        "load_balancer_no_backend.http", "load_balancer_no_backend", "likely", all_of(unit(SERVER, "declared"), probes(peer=None))
    ),
    "a balancer that closes at once, of whose host nobody knows whether it reaches the server": Scene(
        "load_balancer_no_backend.http",
        "load_balancer_no_backend",
        "likely",
        all_of(probes(peer="closed"), lambda found: found["db2"].pop("trace_try")),
    ),
    # icmp_errors
    "an ICMP error that may be the server's": Scene("path_icmp_rejected", "path_icmp_rejected", "likely", unknown(SERVER, "addresses")),
    "an ICMP error for a SYN whose TTL something may have lowered": Scene(
        "routing_loop", "routing_loop", "likely", lambda found: found[CLIENT]["try"]["evidence"]["hops"].clear()
    ),
    "routers that answer twice, as behind ways of two lengths": Scene("routing_loop", "routing_loop", "likely", only_hops_to(4)),
    "a low TTL in a loop": Scene("routing_loop", "ttl_too_low", None, low_ttl),
    "a low TTL in a loop that does not show": Scene("routing_loop", "ttl_too_low", "likely", all_of(low_ttl, answers_once_each)),
    # impostors
    "an RST, and RSTs of the server's TCP": Scene("path_reset", "path_reset", "likely", rose(SERVER, "Tcp", "OutRsts", 3)),
    "an RST for an address that may not be the server's": Scene("path_reset", "path_reset", "likely", unknown(SERVER, "addresses")),
    "an RST for an address that the client may translate": Scene("path_reset", "path_reset", "likely", nat(CLIENT, "output")),
    "an RST of a router that has the address, too": Scene(
        "firewall_reject.router-reset.uncounted", "path_reset", "likely", added(ROUTER, "addresses", address=TARGET, interface="lo")
    ),
    "an answer, and connections that the server accepted": Scene(
        "answered_by_middlebox", "answered_by_middlebox", "likely", rose(SERVER, "Tcp", "PassiveOpens", 3)
    ),
    "an answer for an address that the client may translate": Scene(
        "answered_by_middlebox", "answered_by_middlebox", "likely", nat(CLIENT, "output")
    ),
    "an answer from as far as the server": Scene("ip_conflict.answered", "answered_by_middlebox", "likely", nothing),
    # listener options
    "fewer unsigned SYNs than came": Scene("tcp_md5_mismatch", "tcp_md5_mismatch", "possible", rose(SERVER, "TcpExt", "TCPMD5NotFound", 1)),
    "a listener that may have no key": Scene("tcp_md5_mismatch", "tcp_md5_mismatch", "possible", each(SERVER, "listeners", md5=None)),
    "fewer SYNs of a low TTL than came": Scene("min_ttl_drop", "min_ttl_drop", "likely", rose(SERVER, "TcpExt", "TCPMinTTLDrop", 1)),
    "a listener that may demand no TTL": Scene("min_ttl_drop", "min_ttl_drop", "likely", each(SERVER, "listeners", min_ttl=None)),
    # misdelivered
    "two that have the address, and a SYN that may have come": Scene(
        "ip_conflict.split-brain", "ip_conflict", "likely", incomplete(SERVER)
    ),
    "another one that has the address, and may not have got the SYN": Scene(
        "address_elsewhere", "address_elsewhere", "likely", unrecorded(OTHER)
    ),
    "a SYN that went to another one, and may have come as well": Scene(
        "neighbour_wrong.failover", "neighbour_wrong", "likely", incomplete(OTHER)
    ),
    "a SYN that went to another one, and came as well": Scene(
        "neighbour_wrong.failover", "neighbour_wrong", "likely", all_of(came(CLIENT, OTHER), probes(errno="ECONNREFUSED"))
    ),
    # neighbour
    "a link address that was learned": Scene("neighbour_wrong", "neighbour_wrong", "likely", each(CLIENT, "neighbours", state="REACHABLE")),
    # path
    "a SYN for an address that must be translated": Scene("path_drop.syn", "path_drop", "likely", not_of(SERVER, TARGET)),
    "a SYN that may have been translated where it was lost": Scene(
        "firewall_drop.router-syn.uncounted",
        "path_drop",
        "likely",
        all_of(unknown(ROUTER, "firewall"), unrecorded(ROUTER), nat(ROUTER, "prerouting")),
    ),
    "a SYN-ACK about which a router says something": Scene("path_icmp_rejected.back", "path_drop", "possible", quenched),
    "a SYN that the server overheard": Scene("path_drop.syn", "path_drop", "likely", overheard),
    # resolve
    "a resolver that may still answer": Scene(
        "name_resolution_failed",
        "name_resolution_failed",
        "likely",
        lambda found: [entry.update(error="ETIMEDOUT") for entry in found[CLIENT]["try"]["evidence"]["resolutions"]],
    ),
    "a name that was slow once": Scene(
        "name_resolution_slow",
        "name_resolution_slow",
        "likely",
        lambda found: [entry.update(again_ms=None) for entry in found[CLIENT]["try"]["evidence"]["resolutions"]],
    ),
    # routing
    "a way back that is not known": Scene("rp_filter_drop.server", "rp_filter_drop", "likely", unknown(SERVER, "routes")),
    "a way back by the same interface": Scene(
        "rp_filter_drop.twin", "rp_filter_drop", None, rose(SERVER, "TcpExt", "IPReversePathFilter", 50)
    ),
    "fewer packets filtered than came": Scene(
        "rp_filter_drop.server", "rp_filter_drop", "likely", rose(SERVER, "TcpExt", "IPReversePathFilter", 1)
    ),
    "no way back, and SYNs that nothing counted": Scene(
        "no_return_route",
        "no_return_route",
        "likely",
        all_of(rose(SERVER, "TcpExt", "ListenDrops", 0), rose(SERVER, "Ip", "OutNoRoutes", 0)),
    ),
    "no way back, and SYNs that may not have come": Scene("no_return_route", "no_return_route", "likely", unrecorded(SERVER)),
    "fewer SYNs for a foreign address than came": Scene(
        "address_not_local", "address_not_local", "likely", rose(SERVER, "Ip", "InAddrErrors", 1)
    ),
    "a link that is down, and SYNs that may have come": Scene("server_link_down", "server_link_down", "likely", incomplete(SERVER)),
    "a link that is down beside another": Scene(
        "server_link_down",
        "server_link_down",
        "likely",
        added(SERVER, "links", index=99, name="eth9", up=True, carrier=True, operstate="up"),
    ),
    "a way back by the same interface, and packets that were filtered": Scene(
        "firewall_drop.server-input",
        "rp_filter_drop",
        None,
        all_of(setting(SERVER, "net.ipv4.conf.all.rp_filter", "1"), rose(SERVER, "TcpExt", "IPReversePathFilter", 50)),
    ),
    "a foreign address for which a firewall of the server's rejects": Scene(
        "firewall_reject.server-icmp",
        "address_not_local",
        "likely",
        all_of(
            not_of(SERVER, TARGET),
            added(SERVER, "addresses", address="10.0.2.5", prefix=24, interface="eth0"),
            icmp(source=bytes((10, 0, 2, 5))),
        ),
    ),
    "a foreign address that somebody else calls unreachable": Scene(
        "firewall_reject.server-icmp", "address_not_local", "likely", all_of(not_of(SERVER, TARGET), icmp(code=1))
    ),
    "an address that nobody calls unreachable: the error quotes a packet for another one": Scene(
        "address_not_local.gone", "address_not_local", None, all_of(quoting(bytes((10, 0, 2, 99))), unrecorded(SERVER))
    ),
    "an address that nobody calls unreachable, asked for on the server's link in vain": Scene(
        "address_not_local.gone", "address_not_local", "likely", quoting(bytes((10, 0, 2, 99)))
    ),
    "another way back that a loose filter does not mind": Scene(
        "rp_filter_drop.server", "rp_filter_drop", None, setting(SERVER, "net.ipv4.conf.all.rp_filter", "2")
    ),
    "a next hop back, and SYNs that may not have come": Scene(
        "return_neighbour_unresolved", "return_neighbour_unresolved", "likely", unrecorded(SERVER)
    ),
    "a next hop back that was not asked for": Scene(
        "return_neighbour_unresolved",
        "return_neighbour_unresolved",
        "likely",
        all_of(
            frames_of(SERVER, lambda frame: flags(frame) is not None),
            each(SERVER, "sockets", state="ESTABLISHED"),
            rose(SERVER, "TcpExt", "TCPTimeouts", 0),
        ),
    ),
    # rules
    "a rule that counted, and SYNs that nobody counted": Scene(
        "firewall_drop.client-output", "firewall_drop", "likely", unrecorded(CLIENT)
    ),
    "a rule that counted, and SYN-ACKs of which nobody saw where they came from": Scene(
        "firewall_drop.client-input", "firewall_drop", "likely", unrecorded(SERVER)
    ),
    # socket
    "RSTs that nobody saw leave": Scene("no_listener", "no_listener", "likely", unrecorded(SERVER)),
    "fewer RSTs of TCP's than left": Scene("no_listener", "no_listener", "likely", rose(SERVER, "Tcp", "OutRsts", 1)),
    "RSTs for a port to which a rule may have led": Scene("no_listener", "no_listener", "likely", nat(SERVER, "prerouting")),
    "RSTs for a port to which rules may have led, if there are any": Scene(
        "no_listener", "no_listener", "likely", unknown(SERVER, "hooks")
    ),
    "a listener that came meanwhile": Scene(
        "no_listener", "no_listener", "likely", lambda found: snapshots(found, SERVER)[1]["listeners"].append(LISTENER)
    ),
    "RSTs in vain, as many as SYNs of one flow": Scene(
        "no_listener.reset-dropped", "no_listener", "likely", rose(SERVER, "Tcp", "OutRsts", 1)
    ),
    "RSTs in vain for a port to which a rule may have led": Scene(
        "no_listener.reset-dropped", "no_listener", "likely", nat(SERVER, "prerouting")
    ),
    "a unit that only its name tells of": Scene("no_listener", "service_stopped", "likely", unit(SERVER, "wellknown")),
    "RSTs in vain, fewer than SYNs of all flows": Scene(
        "no_listener.reset-dropped", "no_listener", "likely", rose(SERVER, "Tcp", "OutRsts", 4)
    ),
    # stale
    "a bare ACK that nobody saw leave": Scene("stale_connection", "stale_connection", "likely", unrecorded(SERVER)),
    "fewer sockets of old than bare ACKs": Scene(
        "stale_connection",
        "stale_connection",
        "likely",
        lambda found: only(SERVER, "sockets", lambda entry: entry["remote_port"] != dialled_from(found)[0])(found),
    ),
    "segments of old that were counted here, of a port that leads elsewhere": Scene(
        "stale_connection.other-client", "stale_connection", "likely", leads_to_a_container
    ),
    "a counter that was set back": Scene("stale_translation", "stale_translation", "likely", generations(ROUTER, 7, 8)),
    "traffic control that may translate": Scene(
        "stale_translation",
        "stale_translation",
        "likely",
        lambda found: [snapshot["hooks"].pop("tc") for snapshot in snapshots(found, ROUTER)],
    ),
    # timeouts
    "a late answer that nobody saw come": Scene("connect_timeout_too_short", "connect_timeout_too_short", "likely", unrecorded(CLIENT)),
    "a late answer to the second SYN": Scene(
        "connect_timeout_too_short",
        "connect_timeout_too_short",
        "likely",
        all_of(unrecorded(SERVER), lambda found: frames(answer(found, CLIENT)["recording"], answered_late)),
    ),
    "an ACK later than the last wait alone": Scene(
        "synack_retries_too_low",
        "synack_retries_too_low",
        "likely",
        all_of(
            setting(SERVER, "net.ipv4.tcp_synack_retries", "1"),  # kept for 3 s, 2 s of them behind the last SYN-ACK
            lambda found: frames(
                answer(found, SERVER)["recording"],
                lambda all_: (frame if flags(frame) in (SYN, SYN_ACK) else moved(frame, 0.5) for frame in all_),
            ),
        ),
    ),
    # translations
    "a redirect that counted others' connections, too": Scene(
        "redirected_to_proxy.counter", "redirected_to_proxy", "likely", counted(CLIENT, 1)
    ),
    "a service's address that a router translates to another host": Scene("nat_wrong_target", "nat_wrong_target", "likely", a_services),
    "a service's address that the client translates to another host, which refuses": Scene(
        "nat_wrong_target.client-elsewhere",
        "nat_wrong_target",
        "likely",
        all_of(a_services, probes(outcome="error", errno="ECONNREFUSED")),
    ),
    "a service's address that a router's rule translates to nobody": Scene(
        "nat_wrong_target.router-nobody", "nat_wrong_target", "likely", a_services
    ),
    "a translation at the client that counted others' connections, too": Scene(
        "nat_wrong_target.client-elsewhere", "nat_wrong_target", "likely", counted(CLIENT, 1)
    ),
    "a translation on the way that counted others' connections, too": Scene(
        "nat_wrong_target.router-dead-port", "nat_wrong_target", "likely", counted(ROUTER, 1)
    ),
    "a translation at the server that counted others' connections, too": Scene(
        "nat_wrong_target.dead-port", "nat_wrong_target", "likely", counted(SERVER, 1)
    ),
    "a translation to a port of the client's on which something listens": Scene(
        "nat_wrong_target.client-dead-port", "nat_wrong_target", "likely", added(CLIENT, "listeners", **{**LISTENER, "port": 3128})
    ),
    "a translation to a dead port, and SYNs that nothing refused": Scene(
        "nat_wrong_target.client-dead-port", "nat_wrong_target", "likely", all_of(probes(errno=None), unrecorded(CLIENT))
    ),
    "a translation to another address of the client's on which something listens": Scene(
        "nat_wrong_target.client-dead-port",
        "nat_wrong_target",
        "likely",
        all_of(translated(CLIENT, destination="10.0.1.11"), added(CLIENT, "listeners", **{**LISTENER, "port": 3128})),
    ),
    "a translation to a loopback address of unknown addresses": Scene(
        "nat_wrong_target.client-dead-port",
        "nat_wrong_target",
        "likely",
        all_of(unknown(CLIENT, "addresses"), added(CLIENT, "listeners", **{**LISTENER, "port": 3128})),
    ),
    "a translation on the way to a dead port, and SYNs that nothing refused": Scene(
        "nat_wrong_target.router-dead-port",
        "nat_wrong_target",
        "likely",
        all_of(probes(errno=None), without(CLIENT, RST_ACK), without(ROUTER, RST_ACK)),
    ),
    "a translation on the way to another address, from which the SYN came on to the server": Scene(
        "nat_wrong_target.router-nobody", "nat_wrong_target", "likely", all_of(came(ROUTER, SERVER), probes(errno="ECONNREFUSED"))
    ),
    "a translation at the server to a dead port, and SYNs that nothing refused": Scene(
        "nat_wrong_target.dead-port",
        "nat_wrong_target",
        None,
        all_of(probes(errno=None), without(CLIENT, RST_ACK), without(SERVER, RST_ACK)),
    ),
    "a source that a rule without a name translates": Scene(
        "nat_wrong_source",
        "nat_wrong_source",
        "likely",
        lambda found: ([verdict["path"].clear() for snapshot in snapshots(found, ROUTER) for verdict in snapshot["firewall"]["verdicts"]]),
    ),
    "a source that the server asks for, and SYNs that may not have come": Scene(
        "nat_wrong_source", "nat_wrong_source", "likely", all_of(without(SERVER, SYN), incomplete(SERVER))
    ),
    "a translation on the way to a port on which something listens": Scene(
        "nat_wrong_target.router-dead-port", "nat_wrong_target", "likely", added(SERVER, "listeners", **{**LISTENER, "port": 5999})
    ),
    "a translation at the server to a port on which something listens": Scene(
        "nat_wrong_target.dead-port", "nat_wrong_target", None, added(SERVER, "listeners", **{**LISTENER, "port": 5999})
    ),
    "a translation to another address, from which the SYN came on to the server": Scene(
        "nat_wrong_target.router-nobody", "nat_wrong_target", None, came(ROUTER, SERVER)
    ),
    "a SYN for another address, which came on to the server": Scene("nat_wrong_target", "nat_wrong_target", None, came(ROUTER, SERVER)),
    "a SYN for another port, on which something listens": Scene(
        "nat_wrong_target",
        "nat_wrong_target",
        "likely",
        all_of(probes(errno="ECONNREFUSED"), to_another_port, added(SERVER, "listeners", **{**LISTENER, "port": 5999})),
    ),
    "fewer RSTs than SYNs on the way to a dead port": Scene(
        "nat_wrong_target.router-dead-port", "nat_wrong_target", "likely", rose(SERVER, "Tcp", "OutRsts", 1)
    ),
    "fewer RSTs than SYNs at a dead port": Scene("nat_wrong_target.dead-port", "nat_wrong_target", None, rose(SERVER, "Tcp", "OutRsts", 1)),
    "a source to which the way back may be known": Scene(
        "nat_wrong_source",
        "nat_wrong_source",
        "likely",
        lambda found: frames(answer(found, SERVER)["recording"], lambda all_: (frame for frame in all_ if flags(frame) is not None)),
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_what_lacks_a_condition_is_not_proven(name: str) -> None:
    assert SCENES[name].certainty_found() == SCENES[name].certainty

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence that lacks one of the conditions of a proof, see test_conditions.py: causes about neighbours, routers, balancers and sockets."""

from __future__ import annotations

import struct

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_ARP, ETH_P_IP
from tests.unit.plugins.plugin_utils._decide.changes import (
    CLIENT,
    OTHER,
    ROUTER,
    SERVER,
    Change,
    Scene,
    all_of,
    answer,
    counted,
    each,
    icmp,
    incomplete,
    nat,
    nothing,
    only,
    probes,
    rose,
    setting,
    snapshots,
)
from tests.unit.plugins.plugin_utils._decide.test_lies import flows
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes, frames
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

IN_ICMP = 1
PINNED, GATEWAY, SILENT = "02:00:00:00:00:99", "10.0.1.1", "10.0.2.100"


def claimed(host: str, address: str, mac: str) -> Change:
    """Somebody with that link address says by ARP to the host that it has the address."""
    sender = bytes.fromhex(mac.replace(":", ""))
    reply = struct.pack("!HHBBH", 1, ETH_P_IP, 6, 4, 2) + sender + bytes(map(int, address.split("."))) + bytes(10)
    return lambda found: frames(
        answer(found, host)["recording"],
        lambda all_: [*all_, all_[0]._replace(ethertype=ETH_P_ARP, pkttype=0, lladdr=sender, data=reply)],
    )


def asked_once(found: Phases) -> None:
    """One request is no repeated one, and whoever sent it may have got what it asked for in another way."""
    frames(answer(found, SERVER)["recording"], lambda all_: all_[:1])


def without_errors(found: Phases) -> None:
    frames(answer(found, CLIENT)["recording"], lambda all_: [frame for frame in all_ if frame.data[9] != IN_ICMP])
    probes(icmp=None, errno="ETIMEDOUT")(found)


def balancers(**values: object) -> Change:
    """What the balancer's log or socket says of its servers."""
    return lambda found: [entry.update(values) for entry in answer(found, OTHER)["after"]["balancers"]]


def of_another_client_as_well(found: Phases) -> None:
    entries = answer(found, OTHER)["after"]["balancers"]
    entries[:0] = [{**entry, "client": "10.0.1.99"} for entry in entries]


def nginx_instead(found: Phases) -> None:
    """It says nothing of servers that it can connect to."""
    for snapshot in snapshots(found, SERVER):
        for entry in snapshot["balancers"]:
            entry.update(program="nginx", proxy=None, server=None, status="111", check=None)
        for listener in snapshot["listeners"]:
            for process in listener["processes"] or ():
                process["name"] = "nginx"


def one_more_up(found: Phases) -> None:
    """In another section of its configuration."""
    for snapshot in snapshots(found, SERVER):
        [down, *_others] = snapshot["balancers"]
        snapshot["balancers"].append({**down, "proxy": "reports", "up": True, "status": "UP"})


def attempts(number: int) -> Change:
    """There were only so many."""
    return lambda found: answer(found, CLIENT).update(probes=answer(found, CLIENT)["probes"][:number])


def one_error(found: Phases) -> None:
    """One ICMP error came at all, and no router answered SYNs with rising TTL."""

    def change(all_: list[Frame]) -> list[Frame]:
        errors = [frame for frame in all_ if frame.ethertype == ETH_P_IP and frame.data[9] == IN_ICMP]
        return [frame for frame in all_ if frame not in errors[1:]]

    frames(answer(found, CLIENT)["recording"], change)
    probes(icmp=None, outcome="timeout", errno="ETIMEDOUT")(found)
    answer(found, CLIENT)["hops"] = []


def loopback(counted: int = 0, truncated: str | None = None) -> Change:
    """The client, which is the server as well, counted so many more, and its recording is that long."""

    def change(found: Phases) -> None:
        evidence = found[SERVER]["try"]["evidence"]
        evidence["recording"]["truncated"] = truncated
        for verdict in evidence["after"]["firewall"]["verdicts"]:
            for step in verdict["path"]:
                step["rule"]["packets"] += counted

    return change


def some_namespaces_unseen(found: Phases) -> None:
    absent = {"what": "other network namespaces", "why": "64 of 70 were looked at"}
    found[SERVER]["close"]["evidence"]["absent"].append(absent)


SCENES = {
    # addresses
    "an address that another one claims, and SYNs that may have come": Scene(
        "ip_conflict.unnamed", "ip_conflict", "likely", incomplete(SERVER)
    ),
    "an address that was given up, and SYNs that may have come": Scene(
        "ip_conflict.dad-failed", "ip_conflict", "likely", incomplete(SERVER)
    ),
    # loopback
    "a loopback address translated, as others may have been": Scene("loopback_kept", "loopback_kept", "likely", loopback(counted=1)),
    "a loopback address translated, and SYNs that may have left": Scene(
        "loopback_kept", "loopback_kept", "likely", loopback(truncated="bytes")
    ),
    # neighbour
    "a next hop that was pinned elsewhere, and claims that nobody heard": Scene(
        "neighbour_wrong.gateway", "neighbour_wrong", "likely", incomplete(CLIENT)
    ),
    "a next hop that was pinned to somebody who is there": Scene(
        "neighbour_wrong.gateway", "neighbour_wrong", "likely", claimed(CLIENT, "10.0.1.77", PINNED)
    ),
    "a next hop that two claim to be": Scene(
        "neighbour_wrong.gateway", "neighbour_wrong", "likely", claimed(CLIENT, GATEWAY, "02:00:00:00:00:88")
    ),
    # proxy_answers
    "an answer for somebody else, by who knows what setting": Scene(
        "proxy_answers", "proxy_answers", "likely", setting(ROUTER, "net.ipv4.conf.eth0.proxy_arp", "0")
    ),
    "an answer for somebody else, who may have got the SYNs": Scene("proxy_answers", "proxy_answers", "likely", incomplete("web2")),
    # next_hops
    "a gateway that is asked for in vain, and may have answered before": Scene(
        "next_hop_silent", "next_hop_silent", "likely", only(ROUTER, "neighbours", lambda entry: entry["address"] != "10.0.2.99")
    ),
    # silent
    "a request that was not repeated, and nobody who gave up": Scene(
        "neighbour_silent.arp-ignore", "neighbour_silent", "likely", all_of(asked_once, without_errors)
    ),
    "a request that was not repeated, and a router without a route": Scene(
        "neighbour_silent.arp-ignore", "neighbour_silent", "likely", all_of(asked_once, icmp(code=0, source=bytes((10, 0, 1, 1))))
    ),
    "requests that were repeated, and a router that forbids": Scene(
        "neighbour_silent.arp-ignore", "neighbour_silent", "likely", icmp(code=13, source=bytes((10, 0, 1, 1)))
    ),
    "a request that was not repeated, and an error of the host itself": Scene(
        "neighbour_silent.arp-ignore", "neighbour_silent", "likely", all_of(asked_once, icmp(code=1, source=bytes((10, 0, 2, 100))))
    ),
    "requests that somebody else answered": Scene(
        "neighbour_silent.arp-ignore", "neighbour_silent", "likely", claimed(SERVER, SILENT, "02:00:00:00:00:88")
    ),
    # fronts
    "a balancer that said so of another client": Scene(
        "load_balancer_no_backend.nginx", "load_balancer_no_backend", "likely", balancers(client="10.0.1.99")
    ),
    "a balancer that said so of another client as well": Scene(
        "load_balancer_no_backend.nginx", "load_balancer_no_backend", "proven", of_another_client_as_well
    ),
    "a balancer that said so, and goes on with the connection": Scene(
        "load_balancer_no_backend.nginx", "load_balancer_no_backend", "likely", probes(peer="open", ended=False)
    ),
    # relays
    "a balancer that logs only the servers that fail": Scene("proxy_no_backend.haproxy", "proxy_no_backend", "likely", nginx_instead),
    "a balancer of which one server is up": Scene("proxy_no_backend.haproxy", "proxy_no_backend", "likely", one_more_up),
    "a program of which fewer connections failed than were closed": Scene(
        "proxy_no_backend", "proxy_no_backend", "likely", rose(SERVER, "Tcp", "AttemptFails", 2)
    ),
    "a program that passes connections on to where not all listeners were seen": Scene(
        "proxy_no_backend", "proxy_no_backend", "likely", some_namespaces_unseen
    ),
    # icmp_errors
    "one error of many attempts, by who knows whom": Scene(
        "path_icmp_rejected", "path_icmp_rejected", "likely", all_of(icmp(code=13, source=bytes((203, 0, 113, 9))), one_error)
    ),
    # inside
    "a listener in another namespace, and namespaces that nobody saw": Scene(
        "listener_other_address.container",
        "listener_other_address",
        "likely",
        lambda found: answer(found, SERVER)["absent"].append({"what": "other network namespaces", "why": "there are too many"}),
    ),
    # path
    "a router that does not forward, and may translate": Scene(
        "router_not_forwarding", "router_not_forwarding", "likely", nat(ROUTER, "prerouting")
    ),
    # patterns
    "ports of too few attempts": Scene("port_range_dropped", "port_range_dropped", "likely", attempts(9)),
    # translations
    "a rule ahead of a translation that took others' connections, too": Scene(
        "nat_hidden.return", "nat_hidden", "likely", counted(ROUTER, 50)
    ),
    "a translation that is not made, to a port where nobody listens": Scene(
        "nat_hidden.return", "nat_hidden", "likely", only(SERVER, "listeners", lambda entry: entry["port"] != 5432)
    ),
    "a translation to whom listens for itself alone": Scene(
        "nat_hidden.return", "nat_hidden", "likely", each(SERVER, "listeners", address="127.0.0.1", family="ipv4")
    ),
    # routers
    "a mark for which a host on the way says that it has no way": Scene("router_route.marked.refused", "router_route", "likely", nothing),
    "a next hop that is silent, with errors of the router that its own rules drop": Scene(
        "next_hop_silent", "next_hop_silent", "proven", rose(ROUTER, "Ip", "OutDiscards", 6)
    ),
    # sockets
    "RSTs in vain, more than SYNs that came in": Scene(
        "no_listener.reset-dropped", "no_listener", "likely", rose(SERVER, "Tcp", "OutRsts", 99)
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_what_lacks_a_condition_is_not_proven(name: str) -> None:
    assert SCENES[name].certainty_found() == SCENES[name].certainty


def test_syns_that_a_rule_turned_inwards_and_counted_prove_it() -> None:
    assert causes(*recorded("loopback_kept"))[0] == ("loopback_kept", SERVER, "proven")


def test_a_published_port_that_answers_is_well_also_where_no_bridge_is_known() -> None:
    plan, found = recorded("loopback_kept.twin")
    for snapshot in snapshots(found, SERVER):
        snapshot.pop("links")
    flow = flows(plan, found)[0]
    assert (flow["status"], flow["causes"]) == ("ok", [])


def test_no_flood_is_proven_by_handshakes_that_complete() -> None:
    """SYN cookies are off, and the SYNs that were dropped are somebody else's."""
    plan, found = recorded("syn_flood.twin")
    for snapshot in snapshots(found, SERVER):
        snapshot["sysctls"]["net.ipv4.tcp_syncookies"] = "0"
    all_of(rose(SERVER, "TcpExt", "TCPReqQFullDrop", 5), rose(SERVER, "TcpExt", "TCPReqQFullDoCookies", 0))(found)
    assert causes(plan, found) == []

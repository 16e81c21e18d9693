# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways, links and next hops: evidence that lacks one of the conditions of a proof."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_IPV6, ICMPV6
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.stretch import forbidden
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.examine import examine
from tests.unit.plugins.plugin_utils._decide.changes import (
    CLIENT,
    ROUTER,
    SERVER,
    Change,
    Scene,
    all_of,
    answer,
    each,
    incomplete,
    probes,
    rose,
)
from tests.unit.plugins.plugin_utils._decide.connecting import one_connects
from tests.unit.plugins.plugin_utils._decide.test_not_proven import SYN_ACK, causes, flags, frames, moved
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

UNREACHABLE, SOLICITATION = 1, 135  # RFC 4443, RFC 4861


def asked_once(host: str) -> Change:
    """The host's recording has a single neighbour solicitation."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        types = [frame.data[40] if frame.ethertype == ETH_P_IPV6 and frame.data[6] == ICMPV6 else 0 for frame in all_]
        first = types.index(SOLICITATION) if SOLICITATION in types else None
        yield from (frame for at, frame in enumerate(all_) if types[at] != SOLICITATION or at == first)

    return lambda found: frames(answer(found, host)["recording"], change)


def errors(code: int) -> Change:
    """What the ICMP errors for the client say, which are about IPv6."""

    def change(frame: Frame) -> Frame:
        is_error = frame.ethertype == ETH_P_IPV6 and frame.data[6] == ICMPV6 and frame.data[40] == UNREACHABLE
        return frame._replace(data=frame.data[:41] + bytes((code,)) + frame.data[42:]) if is_error else frame

    def changed(found: Phases) -> None:
        for host in (CLIENT, ROUTER):
            frames(answer(found, host)["recording"], lambda all_: map(change, all_))
        probes(icmp=None)(found)

    return changed


NO_ROUTE, PROHIBITED = 0, 1  # RFC 4443, 3.1


def one_answer_comes(found: Phases) -> None:
    """To each other attempt the server answers once, and that is lost."""

    def first(all_: list[Frame]) -> Iterator[Frame]:
        known = set()
        for frame in all_:
            tcp = decode(frame.data, frame.ethertype).tcp
            if flags(frame) != SYN_ACK or (tcp and tcp.dport not in known):
                yield frame
            if flags(frame) == SYN_ACK and tcp:
                known.add(tcp.dport)

    frames(answer(found, SERVER)["recording"], first)
    all_of(one_connects("healthy.twin"), ACCEPTED)(found)


def clock(host: str, ahead: float) -> Change:
    """What the host recorded is later, by its clock."""
    return lambda found: frames(answer(found, host)["recording"], lambda all_: (moved(frame, ahead) for frame in all_))


ACCEPTED = rose(SERVER, "Tcp", "PassiveOpens", 1)
REFUSED: dict[str, Any] = {"icmp": {"type": 3, "code": 1, "offender": "10.0.1.1"}, "outcome": "error", "errno": "EHOSTUNREACH"}
SCENES = {
    # next_hops
    "a gateway that is asked for in vain, and answers may be missing": Scene(
        "next_hop_silent", "next_hop_silent", "likely", all_of(incomplete(ROUTER), probes(**REFUSED))
    ),
    "a gateway that is asked for in vain, while one attempt passes": Scene(
        "next_hop_silent", "next_hop_silent", "likely", all_of(one_connects("firewall_drop.router.twin"), ACCEPTED)
    ),
    "a gateway that is asked for in vain, and a router that forbids": Scene(
        "next_hop_silent", "next_hop_silent", "likely", probes(**{**REFUSED, "icmp": {**REFUSED["icmp"], "code": 13}})
    ),
    # path
    "answers that are lost, while one comes": Scene("path_drop.syn-ack", "path_loss", "proven", one_answer_comes),
    "answers that are lost, while one comes, by a clock that may tell of a long way": Scene(
        "path_drop.syn-ack", "path_loss", "likely", all_of(one_answer_comes, clock(SERVER, ahead=20.0))
    ),
    # proxied
    "an address behind the server, which one attempt reaches": Scene(
        "not_answered_for", "not_answered_for", "likely", one_connects("not_answered_for.twin")
    ),
    "an address behind the server that was asked for once, and a router without a route": Scene(
        "not_answered_for", "not_answered_for", "likely", all_of(asked_once(SERVER), errors(NO_ROUTE))
    ),
    "an address behind the server, and a router that forbids": Scene("not_answered_for", "not_answered_for", "likely", errors(PROHIBITED)),
    # requests
    "requests that are lost, while one attempt passes": Scene(
        "requests_lost", "requests_lost", "likely", all_of(one_connects("firewall_drop.ipv6-only.twin"), ACCEPTED)
    ),
    "requests that are lost, and answers may be missing": Scene("requests_lost", "requests_lost", "likely", incomplete(ROUTER)),
    "requests that are lost, and a router that forbids": Scene("requests_lost", "requests_lost", "likely", errors(PROHIBITED)),
    "a request that was lost once": Scene(
        "requests_lost", "requests_lost", "likely", all_of(asked_once(ROUTER), each(ROUTER, "neighbours", state="STALE"))
    ),
    # routing
    "a link of the server's that is down, while one attempt passes": Scene(
        "server_link_down", "server_link_down", "likely", all_of(one_connects("healthy.twin"), ACCEPTED)
    ),
    "a link of the server's that is down, and a router that drops": Scene(
        "firewall_drop.router-syn.uncounted",
        "server_link_down",
        "likely",
        each(SERVER, "links", up=False, carrier=None, operstate="down"),
    ),
}


@pytest.mark.parametrize("name", SCENES)
def test_what_lacks_a_condition_is_not_proven(name: str) -> None:
    assert SCENES[name].certainty_found() == SCENES[name].certainty


@pytest.mark.parametrize(("elsewhere", "certainty"), [(True, "likely"), (False, "proven")])
def test_what_a_host_beside_the_flow_took_in_is_not_proven_to_be_lost(elsewhere: bool, certainty: str) -> None:
    plan, found = recorded("firewall_drop.router-syn.uncounted")
    (entry,) = plan.entries
    plan = replace(plan, entries=(replace(entry, via=()), replace(entry, flow="other", port=22, dial=9)))
    if not elsewhere:
        frames(answer(found, ROUTER)["recording"], lambda _all: [])
    assert causes(plan, found)[0] == ("path_drop", "path", certainty)


@pytest.mark.parametrize(("name", "said"), [("path_icmp_rejected.back", True), ("path_no_route.back", False)])
def test_an_error_about_the_answer_may_forbid_as_well(name: str, said: bool) -> None:
    _hosts, [examined, *_others] = examine(*recorded(name))
    assert {forbidden(case) for case in examined.cases} == {said}

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What SYNs with rising TTL say together; tests/integration/test_hops.py holds the same against other tools."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.reach import reach
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.probe_records import Hop
from tests.unit.plugins.plugin_utils.recordings import recorded

ASKED = ("address", "port", "ttl", "answer", "offender")


def hops(*answers: tuple[int, str | None]) -> list[Hop]:
    """(TTL, who answers) each: R1 is 10.0.0.1 with "time exceeded", !R1 the same with "unreachable"; "rst" and "syn_ack" are the end's."""
    found = []
    for ttl, who in answers:
        if who in ("rst", "syn_ack"):
            found.append(Hop("10.0.2.21", 5432, ttl, who))
            continue
        answer = "none" if who is None else "unreachable" if who.startswith("!") else "time_exceeded"
        found.append(Hop("10.0.2.21", 5432, ttl, answer, who and f"10.0.0.{who[-1]}"))
    return found


@pytest.mark.parametrize(
    ("asked", "last", "silent", "sent", "mute", "repeated"),
    [
        pytest.param(hops((1, "R1"), (2, "R2"), (3, None), (3, None), (4, None)), 2, 3, 3, (), (), id="two answer"),
        pytest.param(hops((1, None), (1, None), (2, "R2"), (3, None)), 2, 3, 1, (1,), (), id="the first sends no errors"),
        pytest.param(hops((1, None), (1, "R1"), (2, None)), 1, 2, 1, (), (), id="the second try is answered"),
        pytest.param(hops((1, None), (2, None)), None, 1, 2, (), (), id="nobody answers"),
        pytest.param(hops((1, "R1"), (2, "!R1"), (3, "!R1"), (4, None)), 2, 0, 0, (), (), id="the first rejects what goes on"),
        pytest.param(hops((1, "R1"), (2, None), (3, "syn_ack"), (4, "syn_ack")), 3, 0, 0, (2,), (), id="the end answers"),
        pytest.param(
            hops((1, "R1"), (2, "R2"), (3, "R3"), (4, "R2"), (5, "R3"), (6, None)), 5, 6, 1, (), ("10.0.0.2", "10.0.0.3"), id="a loop"
        ),
    ],
)
def test_the_last_hop_that_answers_and_the_first_that_does_not(
    asked: list[Hop], last: int | None, silent: int, sent: int, mute: tuple[int, ...], repeated: tuple[str, ...]
) -> None:
    found = reach(asked)
    assert found is not None
    assert (found.last.ttl if found.last else None, found.silent, found.sent, found.mute, found.repeated) == (
        last,
        silent,
        sent,
        mute,
        repeated,
    )


def test_nothing_is_said_where_nothing_was_asked() -> None:
    assert reach([]) is None


def test_the_end_is_named_where_it_answers() -> None:
    found = reach(hops((1, "R1"), (2, "rst")))
    assert found is not None and found.passed
    assert found.text == "the last hop that answers is 10.0.2.21 (hop 2, the end itself, with an RST)"


def test_a_loop_is_said_where_ways_of_two_lengths_do_not_explain_it() -> None:
    round_ = [(1, "R1"), (2, "R2"), (3, "R1"), (4, "R2")]
    ways, loop = reach(hops(*round_)), reach(hops(*round_, (5, "R1")))
    assert ways is not None and loop is not None
    assert (ways.loop, loop.loop) == (False, True)
    assert "loop" not in ways.text
    assert loop.text.endswith("; 10.0.0.1 and 10.0.0.2 answer again and again: it goes round in a loop")


ANOTHER = [replace(hop, address="10.0.2.22") for hop in hops((1, "R1"), (2, "R2"), (3, "R3"), (4, None))]


def test_silence_of_routers_that_answer_for_others_is_no_silence_of_the_first_router() -> None:
    asked = hops((1, None), (2, None), (3, None), (4, None))
    alone, beside = reach(asked), reach(asked, [*asked, *ANOTHER])
    assert alone is not None and beside is not None
    assert (alone.limited, alone.no_router) == ((), True)
    assert (beside.limited, beside.no_router) == ((1, 2, 3), False)
    assert beside.text == (
        "no hop answers 4 packets; hop 1, 2, 3 answered for other ends at the time, so that a limit of ICMP errors may be why it is silent"
    )


def test_only_ways_over_the_same_last_hop_say_that_the_next_answers() -> None:
    same, other = (hops((1, last), (2, None), (3, None)) for last in ("R1", "R9"))
    found = [reach(asked, [*asked, *ANOTHER]) for asked in (same, other)]
    assert [each.limited for each in found if each] == [(2, 3), ()]


def test_the_interval_is_told_with_the_loss() -> None:
    (flow,) = decide(*recorded("path_drop.syn"), "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"]
    (cause,) = flow["causes"]
    assert (cause["detail"]["last_hop_ttl"], cause["detail"]["first_silent_ttl"]) == (1, 2)
    (told,) = [each["observation"] for each in cause["evidence"] if each["source"] == "SYNs with rising TTL"]
    assert told.startswith(
        "the last hop that answers is 10.0.1.1 (hop 1), and from hop 2 on 3 packets stay unanswered: it is lost after hop 1"
    )


def path_drop(*answers: tuple[int, str | None], besides: bool = False) -> dict[str, Any]:
    """The cause of a recorded loss, had SYNs with rising TTL been answered so, and `besides`, those to another silent server by the way."""
    plan, found = recorded("path_drop.syn")
    evidence = found["web1"]["try"]["evidence"]
    wanted = [*hops(*answers), *(ANOTHER if besides else ())]
    evidence["hops"] = [{**evidence["hops"][0], **{name: getattr(hop, name) for name in ASKED}} for hop in wanted]
    (flow,) = decide(plan, found, "2026-11-29T04:00:00Z", "2026-11-29T04:00:09Z").report["flows"]
    (cause,) = flow["causes"]
    return dict(cause)


def test_where_one_of_them_is_answered_by_the_server_not_all_are_dropped() -> None:
    assert path_drop((1, "R1"), (2, None))["certainty"] == "proven"
    cause = path_drop((1, "R1"), (2, "syn_ack"))
    assert (cause["code"], cause["certainty"]) == ("path_drop", "likely")
    assert "the last hop" not in cause["summary"]


def test_the_gateway_is_suspected_only_where_it_answers_nobody() -> None:
    silent = [(ttl, None) for ttl in range(1, 5)]
    suspected = "answers no SYN with a TTL of 1"
    assert suspected in path_drop(*silent)["fix"]["summary"]
    assert suspected not in path_drop(*silent, besides=True)["fix"]["summary"]


@pytest.mark.parametrize(
    ("asked", "by"),
    [
        pytest.param(hops((1, "R1"), (2, "R2"), (3, "R2"), (4, "R2"), (5, None)), "10.0.0.2", id="what R1 sends on has one TTL"),
        pytest.param(hops((1, "R1"), (2, "R1"), (3, "R1"), (4, None), (9, "R1")), "10.0.0.1", id="what leaves has one TTL"),
        pytest.param(hops((1, "R1"), (2, "R2"), (3, "R1"), (4, "R2"), (5, "R1")), None, id="a loop of two"),
        pytest.param(hops((1, "R1"), (2, None), (3, "R1"), (4, None), (5, "R1")), None, id="a loop of two, one of which is silent"),
        pytest.param(hops((2, "R1"), (3, "R1"), (4, "R1"), (4, "R2"), (5, "R2")), None, id="ways of several lengths"),
        pytest.param(hops((1, "R1"), (2, "R2"), (3, "R2"), (4, None)), None, id="twice is a way that is longer for some"),
    ],
)
def test_a_ttl_that_is_set_on_the_way_is_no_loop(asked: list[Hop], by: str | None) -> None:
    found = reach(asked)
    assert found is not None
    assert found.reset_ahead_of == by
    assert not (found.loop and by)
    assert ("goes round in a loop" in found.text) == found.loop


def test_who_answers_in_the_name_of_the_address_behind_a_translation_sets_no_ttl() -> None:
    asked = [replace(hop, offender=hop.address) for hop in hops((2, "R1"), (3, "R2"), (4, "R3"), (5, None))]
    found = reach(asked)
    assert found is not None
    assert found.reset_ahead_of is None

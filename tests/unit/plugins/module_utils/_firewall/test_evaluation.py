# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._firewall import prose
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.evaluation import (
    ACCEPT,
    LIMIT,
    MOST_TRIES,
    TOO_MANY,
    UNKNOWN,
    Evaluation,
    Outcome,
    Undecided,
    UnsupportedError,
    explore,
)
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.packet import Packet, packed

DROP = Outcome("drop")
SYN = Packet("syn", packed("192.0.2.1"), packed("192.0.2.2"))


def test_what_is_known_needs_one_try() -> None:
    tries = []

    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        tries.append(evaluation)
        return DROP

    assert explore(evaluate, SYN, None).outcome is DROP
    assert len(tries) == 1


def test_an_unknown_that_makes_no_difference_is_of_no_account() -> None:
    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        evaluation.choose("limit rate 5/second")
        return ACCEPT

    assert explore(evaluate, SYN, None).outcome == ACCEPT


def test_an_unknown_that_decides_is_named() -> None:
    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        evaluation.choose("ip ttl < 5")  # makes no difference
        return ACCEPT if evaluation.choose("limit rate 5/second") else DROP

    explored = explore(evaluate, SYN, None)
    assert explored.outcome is None
    assert prose.because(explored.undecided) == "it depends on limit rate 5/second: drop if not, accept if so"
    assert set(explored.possible) == {ACCEPT, DROP}


def test_a_limit_goes_before_other_unknowns() -> None:
    """Whether the TTL is low matters only for what is over the limit."""

    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        within = evaluation.choose("limit rate 5/second", kind=LIMIT)
        return ACCEPT if within or evaluation.choose("ip ttl < 5") else DROP

    assert explore(evaluate, SYN, None).undecided == Undecided(LIMIT, "limit rate 5/second", "drop", "accept")


def test_a_limit_that_makes_no_difference_is_not_named() -> None:
    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        evaluation.choose("limit rate 5/second", kind=LIMIT)
        return ACCEPT if evaluation.choose("ip ttl < 5") else DROP

    assert explore(evaluate, SYN, None).undecided == Undecided(UNKNOWN, "ip ttl < 5", "drop", "accept")


def test_one_unknown_has_one_answer_and_two_of_the_same_name_have_two() -> None:
    seen = set()

    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        answers = [
            evaluation.choose("x"),
            evaluation.choose("x"),
            evaluation.choose("limit", "rule 1"),
            evaluation.choose("limit", "rule 2"),
        ]
        seen.add(tuple(answers))
        return ACCEPT

    explore(evaluate, SYN, None)
    assert seen == {(x, x, one, two) for x in (False, True) for one in (False, True) for two in (False, True)}


def test_where_a_packet_goes_may_hang_on_an_unknown_too() -> None:
    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        if evaluation.choose("numgen random mod 2 == 0"):
            packet.rewrite(destination=packed("198.51.100.1"))
        return ACCEPT

    explored = explore(evaluate, SYN, None)
    assert explored.outcome is None
    assert prose.because(explored.undecided) == "where it goes depends on numgen random mod 2 == 0"


def test_too_many_unknowns_are_given_up() -> None:
    tries = []

    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        tries.append(evaluation)
        for number in range(20):
            evaluation.choose(f"limit {number}")
        return ACCEPT

    explored = explore(evaluate, SYN, None)
    assert explored.outcome is None
    assert explored.undecided == Undecided(TOO_MANY, "limit 0")
    assert len(tries) == MOST_TRIES


def test_what_is_not_modelled_is_undecided() -> None:
    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        raise UnsupportedError("the expression osf is not modelled")

    explored = explore(evaluate, SYN, None)
    assert (explored.outcome, prose.because(explored.undecided)) == (None, "the expression osf is not modelled")


def test_every_try_has_a_packet_of_its_own() -> None:
    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        assert packet.mark == 0
        packet.mark = 1
        evaluation.choose("x")
        return ACCEPT

    assert explore(evaluate, SYN, None).packet.mark == 1
    assert SYN.mark == 0


def test_how_a_packet_is_marked_may_be_unknown_where_its_outcome_is_not() -> None:
    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        packet.mark = 7 if evaluation.choose("ip ttl < 5") else 0
        return ACCEPT

    explored = explore(evaluate, SYN, None)
    assert (explored.outcome, explored.packet.mark) == (ACCEPT, None)


def test_where_either_of_two_chains_drops_it_none_is_named() -> None:
    def evaluate(evaluation: Evaluation, packet: Packet) -> Outcome:
        return Outcome("drop", chain={"chain": "one" if evaluation.choose("ip ttl < 5") else "other"})

    explored = explore(evaluate, SYN, None)
    assert explored.outcome == Outcome("drop")

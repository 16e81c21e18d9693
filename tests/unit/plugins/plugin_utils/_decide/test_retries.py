# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How likely handshakes complete in time: against arithmetic, against random draws, and against the kernel."""

from __future__ import annotations

import json
import random
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._connect.schedule import Schedule, syn, syn_ack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.retries import Way, curve, outlook, sentence
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.network_subjects import GOAL
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

OLD = {"net.ipv4.tcp_syn_retries": "6", "net.ipv4.tcp_syn_linear_timeouts": "0"}
NEW = {**OLD, "net.ipv4.tcp_syn_linear_timeouts": "4"}
SERVER = {"net.ipv4.tcp_synack_retries": "5"}
THIRD = Way(forward=0.3, back=0.0, rtt=0.001)


@pytest.mark.parametrize(
    ("timeout", "sysctls", "through"),
    [(1.0, OLD, 0.7), (1.5, OLD, 0.91), (3.0, OLD, 0.91), (3.5, OLD, 0.973), (3.0, NEW, 0.973), (0.0005, OLD, 0.0), (500.0, OLD, 0.99978)],
)
def test_each_syn_within_the_timeout_is_a_chance(timeout: float, sysctls: dict[str, str], through: float) -> None:
    assert outlook(THIRD, timeout, sysctls, SERVER).through == pytest.approx(through, rel=1e-5)


@pytest.mark.parametrize(("sysctls", "enough"), [(OLD, 32), (NEW, 6)])
def test_the_smallest_timeout_that_is_enough(sysctls: dict[str, str], enough: int) -> None:
    assert outlook(THIRD, 1.0, sysctls, SERVER).enough == enough
    assert outlook(THIRD, enough, sysctls, SERVER).through >= GOAL
    assert outlook(THIRD, enough - 1, sysctls, SERVER).through < GOAL


def test_the_kernel_gives_up_before_the_application() -> None:
    few = {**OLD, "net.ipv4.tcp_syn_retries": "1"}
    found = outlook(THIRD, 60.0, few, SERVER)
    assert (found.by_kernel, found.timeout, found.retries, found.enough) == (True, 3.0, 5, 32)
    assert sentence(found, "30 % of SYNs") == (
        "with 30 % of SYNs lost at random, tcp_syn_retries, which ends them after 3 s, lets 91 % of handshakes through; 32 s with "
        "tcp_syn_retries of 5 reach 99.9 %"
    )


def test_what_is_said() -> None:
    assert sentence(outlook(THIRD, 1.0, NEW, SERVER), "30 % of SYNs") == (
        "with 30 % of SYNs lost at random, a timeout of 1 s lets 70 % of handshakes through; 6 s reaches 99.9 %"
    )
    assert "99.9 % of" in sentence(outlook(Way(forward=0.01, back=0.0), 2.0, NEW, SERVER), "1 % of SYNs")
    assert "no retries within reason" in sentence(outlook(Way(forward=0.99, back=0.0), 3.0, NEW, SERVER), "99 % of SYNs")


def test_shares_are_never_rounded_up_to_all() -> None:
    assert "lets 99.9 % of" in sentence(outlook(Way(forward=0.01, back=0.0), 3.5, OLD, SERVER), "1 % of SYNs")


def test_a_way_that_is_whole_takes_a_round_trip() -> None:
    assert curve(Way(forward=0.0, back=0.0, rtt=0.2), syn(NEW), syn_ack(SERVER)).reaches(1.0) == pytest.approx(0.2)


def test_a_way_that_loses_all_never_completes() -> None:
    found = outlook(Way(forward=1.0, back=0.0), 3.0, NEW, SERVER)
    assert (found.through, found.enough, found.retries) == (0.0, None, None)


def test_nobody_is_told_to_wait_longer_than_connect_does() -> None:
    assert outlook(Way(forward=0.67, back=0.0), 3.0, OLD, SERVER).enough is None
    assert outlook(Way(forward=0.67, back=0.0), 3.0, NEW, SERVER).enough is None


def test_a_lost_syn_ack_is_repeated_by_either_kernel() -> None:
    """With few SYNs it is the server that repeats it; its retries count then."""
    way = Way(forward=0.0, back=0.5)
    one_syn = Schedule((0.0,), 100.0)
    assert curve(way, one_syn, syn_ack({"net.ipv4.tcp_synack_retries": "2"})).within(100) == pytest.approx(1 - 0.5**3)
    assert curve(way, syn(OLD), syn_ack(SERVER)).within(1.5) == pytest.approx(0.75)


def simulate(way: Way, syns: Schedule, answers: Schedule, dice: random.Random) -> float | None:
    """One handshake, packet by packet; when connect() succeeds."""
    waits = [later - sooner for sooner, later in pairwise((*answers.sent, answers.gives_up))]
    count, expiry = 0, float("inf")
    arrivals = [sent + way.rtt / 2 for sent in syns.sent if dice.random() >= way.forward]
    known = False
    while arrivals or known:
        if known and (not arrivals or expiry < arrivals[0] - 1e-9):
            moment, count = expiry, count + 1
            if count == len(waits):
                known = False
                continue
        else:
            moment = arrivals.pop(0)
            count = count if known else 0
            known = True
        expiry = moment + waits[count]
        if dice.random() >= way.back:
            done = moment + way.rtt / 2
            return done if done < syns.gives_up else None
    return None


@pytest.mark.parametrize("way", [Way(forward=0.3, back=0.3, rtt=0.05), Way(forward=0.6, back=0.1, rtt=1.3), Way(forward=0.1, back=0.8)])
@pytest.mark.parametrize("retries", [OLD, NEW])
def test_it_agrees_with_random_draws(way: Way, retries: dict[str, str]) -> None:
    dice, draws = random.Random(7), 20_000
    syns, answers = syn(retries), syn_ack({"net.ipv4.tcp_synack_retries": "2"})
    drawn = [simulate(way, syns, answers, dice) for _turn in range(draws)]
    found = curve(way, syns, answers)
    for seconds in (0.5, 1.2, 3.4, 8.0, 40.0, 130.0):
        share = sum(done is not None and done < seconds for done in drawn) / draws
        assert found.within(seconds) == pytest.approx(share, abs=0.015)


def moments(lost_syns: int, lost_syn_acks: int, syns: Schedule) -> list[float]:
    """The first and the last moment at which connect() may succeed if so many first SYNs, and then SYN-ACKs, are dropped on a way that
    takes no time.

    A SYN comes as the server's timer runs out. Of the two, the one that comes first restarts the timer, so that either both are answered
    or, as the model has it, the SYN alone.
    """
    first = syns.sent[lost_syns]
    rest = Schedule(tuple(sent - first for sent in syns.sent[lost_syns:]), syns.gives_up - first)
    modelled = [moment for moment, _probability in curve(Way(forward=0.0, back=0.5), rest, syn_ack(SERVER)).steps]
    both = sorted([*rest.sent, *(sent for sent in rest.sent[1:])])
    return sorted(first + each[lost_syn_acks] for each in (modelled, both))


def measure(cases: dict[int, tuple[int, int]], sysctls: dict[str, str], seconds: float) -> dict[str, Any]:
    """In one namespace, each on a port of its own, all at once: when the kernel's connect() succeeded."""
    rules = []
    for port, (syns, syn_acks) in cases.items():
        if syns:
            rules.append(f"tcp dport {port} tcp flags & (syn|ack) == syn numgen inc mod 100000 < {syns} drop")
        if syn_acks:
            rules.append(f"tcp sport {port} tcp flags & (syn|ack) == (syn|ack) numgen inc mod 100000 < {syn_acks} drop")
    with Rootless() as namespace:
        for name, value in {**sysctls, **SERVER}.items():
            namespace.sh(f"sysctl -qw {name}={value}")
        ruleset = f"table ip t {{ chain c {{ type filter hook input priority 0; {'; '.join(rules)}; }}; }}"
        namespace.sh(f"ip link set lo up; nft '{ruleset}'")
        script = Path(__file__).with_name("time_connects.py")
        return dict(json.loads(namespace.sh(f"{sys.executable} {script} {seconds} {' '.join(map(str, cases))}")))


QUICK = [(0, 0), (1, 0), (2, 0), (3, 0), (0, 1), (0, 2), (1, 1), (2, 1)]
LONG = [(4, 0), (5, 0), (6, 0), (7, 0), (0, 3), (0, 4), (0, 5), (1, 3), (3, 3), (5, 1)]


@pytest.mark.clock("measures when the kernel retransmits")
@pytest.mark.parametrize(
    ("sysctls", "losses", "seconds"),
    [
        pytest.param(NEW, QUICK, 6, id="linear"),
        pytest.param(OLD, [each for each in QUICK if sum(each) < 3], 6, id="exponential"),
        pytest.param(NEW, LONG, 25, id="linear-long", marks=pytest.mark.slow),
        pytest.param(OLD, [(3, 0), (4, 0), (0, 3), (1, 2)], 25, id="exponential-long", marks=pytest.mark.slow),
    ],
)
def test_the_kernel_completes_when_the_model_says(sysctls: dict[str, str], losses: list[tuple[int, int]], seconds: float) -> None:
    cases = {7000 + number: each for number, each in enumerate(losses)}
    measured = measure(cases, sysctls, seconds)
    for port, (syns, syn_acks) in cases.items():
        expected = moments(syns, syn_acks, syn(sysctls))
        took = measured[str(port)]
        assert took is not None, (syns, syn_acks)
        assert expected[0] - 0.05 <= took <= expected[1] + 0.5, (syns, syn_acks, took, expected)

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import sys
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._connect.schedule import Schedule, syn, syn_ack
from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

DROP_SYN = "tcp dport 7000 tcp flags & (syn|ack) == syn drop"
DROP_SYN_ACK = "tcp sport 7000 drop"
# What is sent, the sysctls, and for how long to watch.
WATCHED: dict[str, tuple[str, dict[str, str], float]] = {
    "one retry": ("syn", {"tcp_syn_retries": "1", "tcp_syn_linear_timeouts": "0"}, 5),
    "two retries": ("syn", {"tcp_syn_retries": "2", "tcp_syn_linear_timeouts": "0"}, 9),
    "one retry and four linear": ("syn", {"tcp_syn_retries": "1", "tcp_syn_linear_timeouts": "4"}, 9),
    "two retries and four linear": ("syn", {"tcp_syn_retries": "2", "tcp_syn_linear_timeouts": "4"}, 9),
    "two retries and one linear": ("syn", {"tcp_syn_retries": "2", "tcp_syn_linear_timeouts": "1"}, 10),
    "SYN-ACK, no retry": ("syn_ack", {"tcp_synack_retries": "0"}, 3),
    "SYN-ACK, two retries": ("syn_ack", {"tcp_synack_retries": "2"}, 9),
}
CAPPED: dict[str, tuple[str, dict[str, str], float]] = {
    "SYN, capped": ("syn", {"tcp_syn_retries": "6", "tcp_syn_linear_timeouts": "4", "tcp_rto_max_ms": "1000"}, 14),
    "SYN-ACK, which the cap does not touch": ("syn_ack", {"tcp_synack_retries": "2", "tcp_rto_max_ms": "1000"}, 9),
}


def sysctls(**values: str) -> dict[str, str]:
    return {f"net.ipv4.{name}": value for name, value in values.items()}


def test_the_usual_schedule_before_linux_6_5() -> None:
    assert syn(sysctls(tcp_syn_retries="6")) == Schedule((0, 1, 3, 7, 15, 31, 63), 127)


def test_the_usual_schedule_with_linear_timeouts() -> None:
    schedule = syn(sysctls(tcp_syn_retries="6", tcp_syn_linear_timeouts="4"))
    assert schedule == Schedule((0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67), 131)


def test_the_usual_schedule_of_a_syn_ack() -> None:
    assert syn_ack(sysctls(tcp_synack_retries="5")) == Schedule((0, 1, 3, 7, 15, 31), 63)


def test_waits_are_never_longer_than_two_minutes() -> None:
    schedule = syn(sysctls(tcp_syn_retries="9"))
    assert schedule.sent[-3:] == (127, 247, 367)
    assert schedule.gives_up == 487


def test_a_socket_may_have_retries_of_its_own() -> None:
    assert syn(sysctls(tcp_syn_retries="6"), retries=1).gives_up == 3


@pytest.mark.parametrize(("timeout", "count"), [(0.5, 1), (1.0, 1), (3.0, 2), (3.1, 3), (1000, 7)])
def test_transmissions_within_an_applications_timeout(timeout: float, count: int) -> None:
    assert syn(sysctls(tcp_syn_retries="6")).within(timeout) == count


@pytest.mark.parametrize("value", ["", "-1", "six", "9999999", "²"])
def test_a_value_that_is_no_number_is_named(value: str) -> None:
    with pytest.raises(DecodeError, match="tcp_syn_retries"):
        syn(sysctls(tcp_syn_retries=value))


def watch(what: str, values: dict[str, str], seconds: float) -> dict[str, t.Any]:
    with Rootless() as namespace:
        rule = DROP_SYN if what == "syn" else DROP_SYN_ACK
        settings = "; ".join(f"sysctl -qw net.ipv4.{name}={value}" for name, value in values.items())
        namespace.sh(f"{settings}; nft 'table ip t {{ chain c {{ type filter hook input priority 0; {rule}; }}; }}'")
        script = Path(__file__).with_name("watch_schedule.py")
        return dict(json.loads(namespace.sh(f"{sys.executable} {script} {what} {seconds}")))


def watch_all(cases: dict[str, tuple[str, dict[str, str], float]]) -> dict[str, Future[dict[str, t.Any]]]:
    with ThreadPoolExecutor(len(cases)) as pool:
        return {name: pool.submit(watch, *case) for name, case in cases.items()}


@pytest.fixture(scope="module")
def watched() -> dict[str, Future[dict[str, t.Any]]]:
    return watch_all(WATCHED)


def compare(case: tuple[str, dict[str, str], float], seen: dict[str, t.Any]) -> None:
    what, values, _seconds = case
    schedule = (syn if what == "syn" else syn_ack)(sysctls(**values))
    assert seen["sent"] == pytest.approx(schedule.sent, abs=0.3)
    assert seen["gives_up"] == pytest.approx(schedule.gives_up, abs=0.4)


@pytest.mark.parametrize("name", WATCHED)
def test_the_kernel_keeps_the_schedule(name: str, watched: dict[str, Future[dict[str, t.Any]]]) -> None:
    compare(WATCHED[name], watched[name].result())


@pytest.mark.slow
def test_the_kernel_keeps_the_longest_timeout() -> None:
    if not Path("/proc/sys/net/ipv4/tcp_rto_max_ms").exists():
        pytest.skip("before Linux 6.15: no tcp_rto_max_ms")
    seen = watch_all(CAPPED)
    for name, case in CAPPED.items():
        compare(case, seen[name].result())

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""When a kernel retransmits a SYN and a SYN-ACK, and when it gives up, from its sysctls: pure arithmetic, no clock.

Sources: RFC 6298 (first timeout 1 s, doubled each time), Linux net/ipv4/tcp_timer.c (tcp_retransmit_timer, tcp_write_timeout,
tcp_model_timeout) and net/ipv4/inet_connection_sock.c (reqsk_timer_handler, syn_ack_recalc).
"""

from __future__ import annotations

import math
import typing as t

from .._errors import DecodeError

FIRST_TIMEOUT = 1.0  # s; TCP_TIMEOUT_INIT. Only a BPF program of type sock_ops can change it.
LONGEST_TIMEOUT = 120.0  # s; TCP_RTO_MAX


class Schedule(t.NamedTuple):
    """Seconds since the first transmission: when each is sent, the first at 0.0, and when the kernel gives up."""

    sent: tuple[float, ...]
    gives_up: float

    def within(self, timeout: float) -> int:
        """How many transmissions an application sees that waits for `timeout` seconds."""
        return sum(1 for moment in self.sent if moment < timeout)


def syn(sysctls: t.Mapping[str, str], retries: int | None = None) -> Schedule:
    """The SYNs of connect(), which then fails with ETIMEDOUT. `retries`: the socket's TCP_SYNCNT, if it set one.

    The first tcp_syn_linear_timeouts repetitions (none before Linux 6.5) keep the wait as it is and come on top of the retries, but
    none is sent once the time is over that the retries alone would have taken.
    """
    linear = _number(sysctls, "net.ipv4.tcp_syn_linear_timeouts", "0")
    count = _number(sysctls, "net.ipv4.tcp_syn_retries") if retries is None else retries
    longest = _number(sysctls, "net.ipv4.tcp_rto_max_ms", "120000") / 1000  # Linux 6.15
    without_linear = _schedule(count, 0, longest)
    return _schedule(count + linear, linear, longest, without_linear.gives_up)


def syn_ack(sysctls: t.Mapping[str, str], retries: int | None = None) -> Schedule:
    """The SYN-ACKs of a listener, which then forgets the half-open connection. `retries`: the listener's TCP_SYNCNT, if it set one.

    As the timer sends them; tcp_rto_max_ms does not shorten their waits.
    Each further SYN of the client is answered as well, and restarts the wait that runs.
    A queue more than half full has fewer retries; after an ACK that TCP_DEFER_ACCEPT ignores, SYN-ACKs pause until its period ends.
    """
    count = _number(sysctls, "net.ipv4.tcp_synack_retries") if retries is None else retries
    return _schedule(count, 0, LONGEST_TIMEOUT)


def _schedule(retransmissions: int, linear: int, longest: float, deadline: float = math.inf) -> Schedule:
    sent, now, timeout = [0.0], min(FIRST_TIMEOUT, longest), min(FIRST_TIMEOUT, longest)
    while len(sent) <= retransmissions and now < deadline:
        if len(sent) > linear:
            timeout = min(2 * timeout, longest)
        sent.append(now)
        now += timeout
    return Schedule(tuple(sent), now)


def _number(sysctls: t.Mapping[str, str], name: str, missing: str = "") -> int:
    text = sysctls.get(name, missing)
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise DecodeError(f"the schedule is unknown: {name} is {text[:20]!r}, not a number")
    return int(text)

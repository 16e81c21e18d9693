# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find out how far SYNs get: connect with a rising TTL. ICMP errors arrive in the socket's error queue, so no privilege is needed."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from .._wire.addresses import canonical
from .identity import Identity, acting_as
from .tcp_info import SYN_SENT, errno_name, icmp_error, local_name, open_socket, tcp_state

MAX_DESTINATIONS = 16
MAX_TTL = 16
WAVE = 4  # TTLs that are sent at once, behind the last that is answered; no more, so that few SYNs reach a silent server
WAVE_TIME = 0.35  # seconds
RATE_TIME = 0.8  # seconds before the last try: with the waves' own time, routers that limit themselves have a second for one more error
TIME_LIMIT = 2.5  # seconds in all
TRIES = 3  # SYNs with one TTL, as traceroute has it: one of them, or its answer, may be lost
BEYOND = 2  # TTLs behind the last that is answered which are tried again: whether they are silent is what is asked

_TIME_EXCEEDED: dict[int, int] = {socket.AF_INET: 11, socket.AF_INET6: 3}  # ICMP (RFC 792) and ICMPv6 (RFC 4443) types


@dataclass(frozen=True)
class Destination:
    """Where SYNs went unanswered."""

    family: int
    sockaddr: tuple[Any, ...]
    source: str | None = None
    user: Identity | None = None

    @property
    def text(self) -> str:
        """For people: C(192.0.2.1:80)."""
        return f"{canonical(self.sockaddr[0])} port {self.sockaddr[1]}"


class _Step:
    """One SYN with one TTL."""

    def __init__(self, destination: Destination, ttl: int) -> None:
        self.destination = destination
        self.ttl = ttl
        self.sock: socket.socket | None = None
        self.started = 0.0
        self.port: int | None = None
        self.answer = "none"
        self.offender: str | None = None
        self.rtt: float | None = None

    def start(self) -> str | None:
        """Send it; the errno's name when the kernel did not let it out."""
        with acting_as(self.destination.user):
            number = self._connect()
        if number not in (0, errno.EINPROGRESS):
            self.close()
            return errno_name(number)
        self.port = local_name(self.sock)[1] if self.sock else None
        return None

    def _connect(self) -> int:
        try:
            self.sock = open_socket(self.destination.family)
            if self.destination.family == socket.AF_INET6:
                self.sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, self.ttl)
            else:
                self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, self.ttl)
            if self.destination.source:
                self.sock.bind((self.destination.source, 0))
            self.started = time.monotonic()
            return self.sock.connect_ex(self.destination.sockaddr)
        except OSError as exc:
            return exc.errno or errno.EIO

    def event(self, now: float) -> bool:
        """Read the socket's state; False as long as nothing final came."""
        if self.sock is None:
            return False
        number = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        icmp = icmp_error(self.sock)
        if icmp:
            self.offender = icmp["offender"]
            self.answer = "time_exceeded" if icmp["type"] == _TIME_EXCEEDED[self.destination.family] else "unreachable"
        elif number:
            self.answer = {errno.ECONNREFUSED: "rst", errno.ECONNRESET: "syn_ack"}.get(number, "unreachable")
        elif tcp_state(self.sock) == SYN_SENT:
            return False
        else:
            self.answer = "syn_ack"
        self.rtt = now - self.started
        return True

    def close(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def record(self) -> dict[str, Any]:
        return {
            "address": canonical(self.destination.sockaddr[0]),
            "port": self.destination.sockaddr[1],
            "ttl": self.ttl,
            "local_port": self.port,
            "answer": self.answer,
            "offender": self.offender,
            "rtt_ms": None if self.rtt is None else round(self.rtt * 1000, 3),
        }


def locate(destinations: list[Destination], *, time_limit: float = TIME_LIMIT) -> tuple[list[dict[str, Any]], list[str]]:
    """Ask how far SYNs to each destination get; returns H of docs/evidence.md, and sentences about what was left out.

    At most MAX_DESTINATIONS are asked, different addresses first; it takes at most `time_limit` seconds for all of them together.
    A hop without an answer proves nothing: a Linux router sends one host six ICMP errors at once, then one a second
    (inet_peer_xrlim_allow in net/ipv4/inetpeer.c). So silent TTLs are tried again, each time all at once, the last time a second later.
    """
    chosen, left_out = _choose(destinations)
    missing = (
        [
            f"the hops to {len(left_out)} more silent destinations were not asked for: the limit is {MAX_DESTINATIONS}"
            f" ({left_out[0].text} is the first)"
        ]
        if left_out
        else []
    )
    steps: list[_Step] = []
    going = list(chosen)
    deadline = time.monotonic() + time_limit
    with selectors.DefaultSelector() as selector:
        try:
            while going:
                wanted = [(each, ttl, tries) for each in going for ttl, tries in _wanted(steps, each)]
                if not wanted:
                    break
                last = all(tries == TRIES - 1 for _destination, _ttl, tries in wanted)
                begins = time.monotonic() + (RATE_TIME if last else 0.0)
                if begins >= deadline:
                    break
                if last:
                    _await(selector, steps, [step for step in steps if step.answer == "none"], begins)
                wave = []
                for destination, ttl, tries in wanted:
                    if destination not in going or (ttl, tries) not in _wanted(steps, destination):
                        continue  # answered meanwhile
                    step = _Step(destination, ttl)
                    refused = step.start()
                    if refused:
                        missing.append(f"no SYN with TTL {ttl} to {destination.text}: {refused}")
                        going.remove(destination)
                        continue
                    wave.append(step)
                    selector.register(step.sock, selectors.EVENT_WRITE, step)  # type: ignore[arg-type]
                steps += wave
                _await(selector, steps, wave, min(deadline, time.monotonic() + WAVE_TIME))
        finally:
            for step in steps:
                step.close()
    return [step.record() for step in sorted(steps, key=lambda s: (s.destination.text, s.ttl))], missing


def _wanted(steps: list[_Step], destination: Destination) -> list[tuple[int, int]]:
    """The TTLs to send next, each with how often it was sent: a wave behind the last that is answered, and the silent ones up to there.

    None behind an answer that is no router's.
    """
    own = [step for step in steps if step.destination == destination]
    answered = {step.ttl for step in own if step.answer != "none"}
    last = max(answered, default=0)
    end = min((step.ttl for step in own if step.answer not in ("none", "time_exceeded")), default=MAX_TTL + 1)
    tries = Counter(step.ttl for step in own)
    return [
        (ttl, tries[ttl])
        for ttl in range(1, min(last + WAVE, MAX_TTL, end - 1) + 1)
        if ttl not in answered and tries[ttl] < (TRIES if ttl <= last + BEYOND else 1)
    ]


def _choose(destinations: list[Destination]) -> tuple[list[Destination], list[Destination]]:
    seen: dict[str, int] = {}
    ranked = []
    for destination in dict.fromkeys(destinations):
        address = canonical(destination.sockaddr[0])
        seen[address] = seen.get(address, -1) + 1
        ranked.append((seen[address], destination))
    ordered = [destination for _rank, destination in sorted(ranked, key=lambda pair: pair[0])]
    return ordered[:MAX_DESTINATIONS], ordered[MAX_DESTINATIONS:]


def _await(selector: selectors.BaseSelector, steps: list[_Step], until: list[_Step], deadline: float) -> None:
    """Read answers to `steps` until all of `until` have theirs, or the deadline is over."""
    while any(step.answer == "none" for step in until):
        left = deadline - time.monotonic()
        if left <= 0:
            return
        for key, _mask in selector.select(left):
            if key.data.event(time.monotonic()):
                selector.unregister(key.fileobj)
                key.data.close()

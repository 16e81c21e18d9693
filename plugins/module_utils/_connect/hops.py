# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find out how far SYNs get: connect with a rising TTL. ICMP errors arrive in the socket's error queue, so no privilege is needed."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from .._wire.addresses import canonical
from . import rising_ttl
from .identity import Identity, acting_as
from .tcp_info import SYN_SENT, errno_name, icmp_error, local_name, open_socket, tcp_state

MAX_DESTINATIONS = 16


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


class _Syn(rising_ttl.Step):
    """One SYN with one TTL."""

    def __init__(self, destination: Destination, ttl: int) -> None:
        super().__init__(destination, ttl)
        self.destination = destination
        self.sock: socket.socket | None = None
        self.started = 0.0
        self.port: int | None = None
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
            self.answer = rising_ttl.ICMP_ANSWERS[self.destination.family].get(icmp["type"], "unreachable")
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


def locate(destinations: list[Destination]) -> tuple[list[dict[str, Any]], list[str]]:
    """Ask how far SYNs to each destination get; returns H of docs/evidence.md, and sentences about what was left out.

    At most MAX_DESTINATIONS are asked, different addresses first.
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
    sent: list[_Syn] = []
    with selectors.DefaultSelector() as selector:

        def send(destination: Destination, ttl: int) -> _Syn | None:
            syn = _Syn(destination, ttl)
            refused = syn.start()
            if refused:
                missing.append(f"no SYN with TTL {ttl} to {destination.text}: {refused}")
                return None
            sent.append(syn)
            selector.register(syn.sock, selectors.EVENT_WRITE, syn)  # type: ignore[arg-type]
            return syn

        try:
            rising_ttl.ask(chosen, send, partial(_take_in, selector))
        finally:
            for syn in sent:
                syn.close()
    return [syn.record() for syn in sorted(sent, key=lambda syn: (syn.destination.text, syn.ttl))], missing


def _choose(destinations: list[Destination]) -> tuple[list[Destination], list[Destination]]:
    seen: dict[str, int] = {}
    ranked = []
    for destination in dict.fromkeys(destinations):
        address = canonical(destination.sockaddr[0])
        seen[address] = seen.get(address, -1) + 1
        ranked.append((seen[address], destination))
    ordered = [destination for _rank, destination in sorted(ranked, key=lambda pair: pair[0])]
    return ordered[:MAX_DESTINATIONS], ordered[MAX_DESTINATIONS:]


def _take_in(selector: selectors.BaseSelector, until: Sequence[rising_ttl.Step], deadline: float) -> None:
    """Read answers, until all of `until` have theirs or the deadline is over."""
    while any(step.answer == "none" for step in until):
        left = deadline - time.monotonic()
        if left <= 0:
            return
        for key, _mask in selector.select(left):
            if key.data.event(time.monotonic()):
                selector.unregister(key.fileobj)
                key.data.close()

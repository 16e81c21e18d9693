# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Try TCP handshakes as applications do, all at once in one loop of non-blocking sockets, and keep what the kernel says about each."""

from __future__ import annotations

import errno
import heapq
import itertools
import os
import resource
import selectors
import socket
import time
from typing import Any, Callable, Iterable, Mapping

from .._errors import ObserveError
from .attempt import Attempt, attempts_to
from .resolve import Resolved
from .source_ports import ephemeral
from .tcp_info import SYN_SENT, icmp_error, tcp_state

MAX_SOCKETS = 16384  # open at a time, if the descriptor limit allows
SPARE_DESCRIPTORS = 32  # left to the rest of the process
FURTHER = 8  # attempts more for a destination whose attempts differ, or lose packets: what distinguishes a pattern from chance
BESIDE_ONE = 2  # where a single attempt was to be made, as by schedules, and failed
PORTS_FOR_ONE = 16  # ephemeral ports that there must be for each of these
MOST_FURTHER = 256  # for all destinations together
BURST = 64  # connects between two looks at the sockets, so that thousands of starts do not spoil the times measured

Watch = Mapping[int, Callable[[], None]]


def try_all(
    resolved: Iterable[Resolved],
    *,
    patience: float = 2.0,
    settle: float = 0.25,
    watch: Watch | None = None,
) -> list[dict[str, Any]]:
    """Try every address of every dial, all attempts; returns P of docs/evidence.md, ordered by dial, address, attempt.

    Attempts to one address start `interval` seconds after each other, whatever happens to the earlier ones. After the dial's own timeout
    an attempt is watched for another `patience` seconds, after a handshake, and after a first byte, for `settle` seconds; where the kernel
    gives up before the timeout, the wire is watched for another `patience` seconds. `watch` maps further file descriptors to callbacks that
    are called when there is something to read; one that raises ObserveError or OSError is not called again.
    To a destination whose attempts ended differently or lost packets its dial's `further` attempts are made once all have ended.
    What the kernel refuses is a result. OSError only if not even the loop's own descriptor can be had.
    """
    return _Trial(resolved, patience, settle, watch or {}).run()


class _Trial:
    def __init__(self, resolved: Iterable[Resolved], patience: float, settle: float, watch: Watch) -> None:
        self.patience = patience
        self.settle = settle
        self.watch = watch
        self.usable = ephemeral()
        self.groups = [
            attempts_to(answer.dial, family, sockaddr, range(answer.dial.attempts), self.usable)
            for answer in resolved
            for family, sockaddr in answer.targets
        ]
        self.timers: list[tuple[float, int, Attempt]] = []
        self.order = itertools.count()
        self.open = 0
        self.watched_until = 0.0

    def run(self) -> list[dict[str, Any]]:
        with selectors.DefaultSelector() as self.selector:
            for fd in self.watch:
                self.selector.register(fd, selectors.EVENT_READ, None)
            capacity = _capacity()
            self._loop([attempt for group in self.groups for attempt in group], capacity)
            self._loop(self._more(), capacity)
        return [attempt.record for group in self.groups for attempt in group]

    def _more(self) -> list[Attempt]:
        """The attempts to add where those made so far do not say the same."""
        added: list[Attempt] = []
        for group in self.groups:
            records = [attempt.record for attempt in group]
            wanted = FURTHER if _unlike(records) else BESIDE_ONE if _failed_alone(records) else 0
            spare = len(self.usable) // PORTS_FOR_ONE  # each attempt may leave its port in TIME_WAIT
            room = min(wanted, group[0].dial.further if group else 0, MOST_FURTHER - len(added), spare)
            if room > 0:
                more = attempts_to(group[0].dial, group[0].family, group[0].sockaddr, range(len(group), len(group) + room), self.usable)
                group += more
                added += more
        return added

    def _loop(self, attempts: list[Attempt], capacity: int) -> None:
        if not attempts:
            return
        began, first = time.monotonic(), min(a.record["attempt"] for a in attempts)
        waiting = [(began + (a.record["attempt"] - first) * a.dial.interval, index) for index, a in enumerate(attempts)]
        heapq.heapify(waiting)
        while waiting or self.open or time.monotonic() < self.watched_until:
            now = time.monotonic()
            for _turn in range(BURST):
                if not waiting or waiting[0][0] > now or self.open >= capacity:
                    break
                self._start(attempts[heapq.heappop(waiting)[1]])
            wake = self.timers[0][0] if self.timers else now + 1.0
            if not self.open and now < self.watched_until:
                wake = min(wake, self.watched_until)
            if waiting and self.open < capacity:
                wake = min(wake, waiting[0][0])
            ready = self.selector.select(max(0.0, wake - time.monotonic()))
            now = time.monotonic()
            for key, _mask in ready:  # before the timers: what is ready here came while the attempt was still in time
                if key.data is None:
                    self._drain(key.fd)
                else:
                    self._event(key.data, now)
            while self.timers and self.timers[0][0] <= now:
                _due, _order, attempt = heapq.heappop(self.timers)
                self._expired(attempt, now)

    def _start(self, attempt: Attempt) -> None:
        if attempt.start():
            self.open += 1
            self.selector.register(attempt.sock, selectors.EVENT_WRITE, attempt)  # type: ignore[arg-type]
            self._arm(attempt)

    def _arm(self, attempt: Attempt) -> None:
        heapq.heappush(self.timers, (attempt.due, next(self.order), attempt))

    def _event(self, attempt: Attempt, now: float) -> None:
        sock = attempt.sock
        if sock is None:
            return
        if attempt.state == "settling":
            self._settling(attempt, sock, now)
            return
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number in (errno.ECONNRESET, errno.EPIPE):
            # A RST that answers the SYN is ECONNREFUSED; these two need an established connection (tcp_reset in net/ipv4/tcp_input.c).
            self._end(attempt, lambda: attempt.connected(now, "reset"))
        elif number:
            if number == errno.ETIMEDOUT and attempt.state == "connecting":  # the answer may come all the same
                self.watched_until = max(self.watched_until, now + self.patience)
            self._end(attempt, lambda: attempt.failed(number, now))
        elif tcp_state(sock) == SYN_SENT:  # an ICMP error that the kernel did not take as final
            attempt.record["icmp"] = icmp_error(sock) or attempt.record["icmp"]
        elif attempt.state == "late":
            self._end(attempt, lambda: attempt.connected(now, None))
        else:
            attempt.connected(now, None)
            self.selector.modify(sock, selectors.EVENT_READ, attempt)
            attempt.due = now + max(self.settle, attempt.dial.greeting)
            self._arm(attempt)

    def _settling(self, attempt: Attempt, sock: socket.socket, now: float) -> None:
        peer = _look(sock)
        if peer == "data":
            if attempt.heard(now):
                attempt.due = now + self.settle
                self._arm(attempt)
        elif peer:
            self._end(attempt, lambda: attempt.settled(peer, now))

    def _expired(self, attempt: Attempt, now: float) -> None:
        if attempt.sock is None or attempt.due > now:  # ended, or armed again since
            return
        if attempt.state == "settling":
            self._end(attempt, lambda: attempt.settled("open", now))
        elif attempt.state == "connecting":
            attempt.gave_up(now)
            attempt.due = now + self.patience
            self._arm(attempt)
        else:
            self._end(attempt, attempt.silent)

    def _end(self, attempt: Attempt, step: Callable[[], None]) -> None:
        if attempt.sock is not None:
            self.selector.unregister(attempt.sock)
        step()
        self.open -= 1

    def _drain(self, fd: int) -> None:
        try:
            self.watch[fd]()
        except (ObserveError, OSError):
            self.selector.unregister(fd)


def _unlike(records: list[dict[str, Any]]) -> bool:
    """Whether attempts ended differently, or one of them needed more than one SYN and was answered all the same."""
    ends = {(record["outcome"], record["errno"], record["peer"] == "reset") for record in records}
    answered = [
        record for record in records if record["outcome"] == "connected" or (record["late_ms"] is not None and not record["late_errno"])
    ]
    if not answered and any(record["icmp"] for record in records):  # routers limit how many errors they send: silence is no other end
        return False
    return len(ends) > 1 or any((record["tcp_info"] or {}).get("retransmits") for record in answered)


def _failed_alone(records: list[dict[str, Any]]) -> bool:
    """Whether there was one attempt only, which went out and was not answered well."""
    return len(records) == 1 and records[0]["outcome"] != "connected" and records[0]["stage"] == "wait"


def _look(sock: socket.socket) -> str | None:
    """What the peer sent, without taking it: data, closed (FIN), reset; null for nothing yet."""
    try:
        return "data" if sock.recv(1, socket.MSG_PEEK) else "closed"
    except BlockingIOError:
        return None
    except OSError:
        return "reset"


def _capacity() -> int:
    """How many sockets this process may have open; its soft limit is raised as far as the hard limit lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_SOCKETS + SPARE_DESCRIPTORS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
            soft = allowed
        except (OSError, ValueError):
            pass
    if soft == resource.RLIM_INFINITY:
        soft = wanted
    try:
        used = len(os.listdir("/proc/self/fd"))
    except OSError:
        used = soft
    return max(1, min(MAX_SOCKETS, soft - used - SPARE_DESCRIPTORS))

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Resolve the addresses of dials on this host: getaddrinfo for all names at once, keeping all addresses of both families."""

from __future__ import annotations

import queue
import socket
import threading
import time
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Callable

from .._host import hosts_file, nsswitch
from .._host.nameservers import ask
from .._host.resolv_conf import Resolver, configured, passed_over, unconfigured
from .._wire.addresses import canonical
from .identity import Identity

RESOLVER_THREADS = 32
SLOW_MS = 1000.0
_WORTHWHILE = 3.0  # seconds
_MOST_ASKED = 8  # names about which nameservers are asked because they cannot be resolved, or by a search list
_UNRESOLVED = ("EAI_NONAME", "EAI_NODATA", "EAI_AGAIN", "EAI_FAIL", "ETIMEDOUT")
_EAI = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}


@dataclass(frozen=True)
class Dial:
    """One connection to try: as an application on this host would be configured. Times in seconds."""

    id: int
    address: str
    port: int
    timeout: float = 3.0
    source: str | None = None
    attempts: int = 3
    interval: float = 0.2
    greeting: float = 0.0
    """How long to wait for the server's first byte, where it speaks first."""
    further: int = 0
    """Attempts more, where those made end differently or lose packets."""
    identity: Identity | None = None
    """The user as whom to connect; None: the one as whom this process runs."""


@dataclass(frozen=True)
class Resolved:
    """The answer for one dial: socket addresses to try, or the resolver's error."""

    dial: Dial
    targets: list[tuple[int, tuple[Any, ...]]] = field(default_factory=list)  # (family, sockaddr)
    error: str | None = None
    message: str | None = None
    elapsed_ms: float | None = None
    again_ms: float | None = None
    nameservers: list[dict[str, Any]] | None = None
    hosts: list[str] | None = None  # what the hosts file has for it; None for literals, and where it cannot be read
    joined: list[str] | None = None  # addresses at the end of other words of its line there
    unconfigured: dict[str, Any] | None = None  # why resolv.conf names no nameserver, where the name could not be resolved
    passed_over: list[dict[str, Any]] | None = None  # likewise: lines for nameservers that the C library does not heed
    sources: list[str] | None = None  # which sources nsswitch.conf has the C library ask, of a name that it cannot resolve
    unreadable: list[str] | None = None  # of another user's: the resolver's files that it may not read

    def record(self) -> dict[str, Any]:
        """R of docs/evidence.md."""
        record = {
            "dial": self.dial.id,
            "name": self.dial.address,
            "addresses": [canonical(sockaddr[0]) for _family, sockaddr in self.targets],
            "error": self.error,
            "message": self.message,
            "elapsed_ms": self.elapsed_ms,
            "hosts": self.hosts,
            "joined": self.joined,
            "sources": self.sources,
            "unconfigured": self.unconfigured,
            "passed_over": self.passed_over,
            "user": self.dial.identity.name if self.dial.identity else None,
            "unreadable": self.unreadable,
        }
        return record if self.nameservers is None else {**record, "again_ms": self.again_ms, "nameservers": self.nameservers}


def resolve(dials: list[Dial], *, limit: float | None = None) -> list[Resolved]:
    """Resolve every dial, names concurrently; a name without an answer within `limit` seconds has the error ETIMEDOUT.

    The C library gives up by itself, with its own error, in less than `limit`, which is made of its configuration: ETIMEDOUT is our word
    alone. A dial with a source address asks for that address's family only, as an application that binds it must. A dial of another user is
    resolved as that user.
    """
    limit = configured().patience if limit is None else limit
    answers: list[Resolved | None] = [None] * len(dials)
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, Resolved]] = queue.SimpleQueue()
    names = 0
    of_users: dict[Identity, list[int]] = {}
    for index, dial in enumerate(dials):
        literal = _ask(dial, socket.AI_NUMERICHOST)
        if literal.error != "EAI_NONAME":
            answers[index] = literal
        elif dial.identity:  # a name
            of_users.setdefault(dial.identity, []).append(index)
        else:
            todo.put(index)
            names += 1

    def work() -> None:
        while True:
            try:
                index = todo.get_nowait()
            except queue.Empty:
                return
            done.put((index, _ask(dials[index], 0)))

    children = _ask_as_users(dials, of_users, limit)  # before there are threads
    # Daemon threads: getaddrinfo cannot be interrupted, and a dead name server must not keep this process.
    for _thread in range(min(names, RESOLVER_THREADS)):
        threading.Thread(target=work, daemon=True).start()
    deadline = time.monotonic() + limit
    for _answer in range(names):
        try:
            index, answer = done.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        answers[index] = answer
    for indices, collected in children:
        for index, each in zip(indices, collected(deadline) or ()):
            answers[index] = each
    known = hosts_file.entries() if names or of_users else None
    found = [
        answer or Resolved(dial, error="ETIMEDOUT", message=f"the resolver did not answer within {limit:g} s", elapsed_ms=limit * 1000)
        for dial, answer in zip(dials, answers)
    ]
    if known is None:
        return found
    joined = hosts_file.run_together()
    return [
        answer if answer.dial.identity and hosts_file.HOSTS not in (answer.unreadable or ()) else _with_hosts(answer, known, joined)
        for answer in found
    ]


def _with_hosts(answer: Resolved, known: dict[str, list[str]], joined: dict[str, list[str]]) -> Resolved:
    """What the hosts file has for a name."""
    name = hosts_file.comparable(answer.dial.address)
    return replace(answer, hosts=known.get(name, []), joined=joined.get(name))


def _ask_as_users(
    dials: list[Dial], of_users: dict[Identity, list[int]], limit: float
) -> list[tuple[list[int], Callable[[float], list[Resolved] | None]]]:
    """The dials of each user, by their number, and what has their answers by a deadline."""
    if not of_users:
        return []
    from .resolve_as import begin, collect

    children = [(indices, begin(user, [dials[index] for index in indices], limit)) for user, indices in of_users.items()]
    return [(indices, partial(collect, child)) for indices, child in children]


def examine_slow(answers: list[Resolved], until: float) -> list[Resolved]:
    """Resolve names that took long once more, and ask each nameserver by itself: a cold cache is slow once, a dead nameserver each time.

    `until`: the monotonic time at which to have done with it. Where there is no time for it, answers stay as they are.
    """
    slow = {}  # type: dict[tuple[str, bool], Resolved]
    for answer in answers:
        if (answer.elapsed_ms or 0.0) >= SLOW_MS and answer.error != "ETIMEDOUT":
            slow.setdefault((answer.dial.address, bool(answer.dial.source)), answer)
    left = until - time.monotonic()
    if not slow or left < _WORTHWHILE:
        return answers
    asked = ask(configured(), next(iter(slow))[0])
    again = resolve([answer.dial for answer in slow.values()], limit=until - time.monotonic())
    times = {key: answer.elapsed_ms for key, answer in zip(slow, again) if answer.error != "ETIMEDOUT"}
    return [
        replace(answer, again_ms=times.get(key), nameservers=asked) if key in slow and (answer.elapsed_ms or 0.0) >= SLOW_MS else answer
        for answer, key in ((answer, (answer.dial.address, bool(answer.dial.source))) for answer in answers)
    ]


def examine_odd(answers: list[Resolved], until: float) -> list[Resolved]:
    """Ask the nameservers themselves about names that could not be resolved, and about those that the search list may have changed."""
    resolver, by_name = configured(), {}  # type: Any, dict[str, list[dict[str, Any]]]
    overlooked = {}  # type: dict[str, list[dict[str, Any]]]
    for answer in answers:
        name = answer.dial.address
        searched = "." in name and not answer.hosts and resolver.names(name)[0] != name.rstrip(".")
        odd = answer.nameservers is None and (answer.error in _UNRESOLVED or (answer.hosts is not None and not answer.error and searched))
        if odd and name not in by_name and len(by_name) < _MOST_ASKED and until - time.monotonic() >= _WORTHWHILE:
            by_name[name] = ask(resolver, name)
            if answer.error:
                overlooked[name] = _passed_over(resolver, name, until)
    return [
        replace(
            answer,
            nameservers=by_name[answer.dial.address],
            sources=nsswitch.sources("hosts") if answer.error else None,
            unconfigured=unconfigured() if answer.error else None,
            passed_over=overlooked.get(answer.dial.address) if answer.error else None,
        )
        if answer.dial.address in by_name and answer.nameservers is None
        else answer
        for answer in answers
    ]


def _passed_over(resolver: Resolver, name: str, until: float) -> list[dict[str, Any]]:
    """What resolv.conf names in vain, and whether it has records of the name, null where it does not answer or there is no time to ask."""
    found = passed_over()
    addresses = tuple(dict.fromkeys(each["address"] for each in found if each["address"]))
    asks = addresses and until - time.monotonic() >= _WORTHWHILE
    asked = {each["address"]: each for each in ask(resolver._replace(nameservers=addresses), name)} if asks else {}
    for each in found:
        said = asked.get(each["address"])
        answers = [query["answers"] for query in said["queries"] if query["answers"] is not None] if said else []
        each["holds"] = any(answers) if answers else None
    return found


def _ask(dial: Dial, flags: int) -> Resolved:
    family = socket.AF_UNSPEC
    if dial.source:
        family = socket.AF_INET6 if ":" in dial.source else socket.AF_INET
    started = time.monotonic()
    error = message = None
    found: list[tuple[int, tuple[Any, ...]]] = []
    try:
        if min(dial.address, default=" ") <= " ":  # the C library would stop reading at a NUL byte
            raise ValueError("it is empty or contains a space or control character")
        for each, _type, _protocol, _name, sockaddr in socket.getaddrinfo(dial.address, dial.port, family, socket.SOCK_STREAM, 0, flags):
            if (each, sockaddr) not in found:
                found.append((int(each), sockaddr))
    except socket.gaierror as exc:
        error, message = _EAI.get(exc.errno, str(exc.errno)), exc.strerror
    except ValueError as exc:  # UnicodeError among them: a label that IDNA cannot encode
        error, message = "EINVAL", f"{dial.address!r} is not a host name: {exc}"
    return Resolved(dial, found, error, message, round((time.monotonic() - started) * 1000, 3))

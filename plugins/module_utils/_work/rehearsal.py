# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rehearse fixes of a firewall in a copy of this host's rules: do they let their packets through, and nothing else?

The copy is made as the guard restores rules, in a network namespace that ends with the child process that made it. Each fix is made there
by the same code and programs as on the host, one after the other; files that programs write are copies, too. The evaluator then says of
each packet what happens to it. Routes, addresses and
whatever else rules ask for are those of the host: they are asked for in its own network namespace.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import time
import typing as t

from .._commands import Run
from .._errors import ObserveError
from .._firewall.describer import Describer
from .._firewall.facts import LiveFacts
from .._firewall.link_kinds import registered
from .._firewall.loaded import load, sets
from .._firewall.named_links import names_in
from .._firewall.saved import make_link
from .._firewall.verdicts import judge
from .._guard.base import unpacked
from .._guard.disk import RememberedBlobs
from .._guard.firewall import Firewall
from .._host.apart import CLONE_NEWNET, MOST_SECONDS, Files, checked_seconds, copied, emptied, files_of, in_namespace, put_files
from .._wire.netlink import NETLINK_ROUTE, Netlink
from .rehearsed import NotRehearsedError, Step

Json = t.Dict[str, t.Any]
Fix = t.Tuple[t.List[Step], t.List[Json]]
"""The steps, and the packets that they are to let through, the one that they are made for first."""

OPENS, FURTHER, FAILS, UNKNOWN, NOT_REHEARSED = "opens", "further", "fails", "unknown", "not_rehearsed"
_STOPS = ("drop", "reject")
_HERE = "/proc/self/ns/net"
_LOCKS = "/run"  # where ufw and iptables make their locks, for which nobody else is to wait


def rehearse(run: Run, fixes: t.Sequence[Fix], *, alone: bool = False, seconds: float = 0.0) -> list[Json]:
    """Of each fix, in their order: `result`, `why`, and the packets with their verdicts before and after. Raises ObserveError.

    `alone`: each is taken back before the next one, as if nobody made the others. `seconds`: after which no further fix is begun, 0 for any
    time; what has not ended after twice as many is given up.

    opens: its packets pass, and the verdicts of neighbouring packets do not change; `why` has those of which nobody knows what happens to
    them, with the change as without. further: the first packet passes the rule that stops it now, and another rule stops it, or any rule
    another packet. fails: the first one is stopped by the same rule, or something else is opened. unknown: the evaluator cannot decide it.
    not_rehearsed: it is not known what its steps would do. A fix that fails is taken back, so that the next one is rehearsed without it.
    """
    checked_seconds(seconds)
    until = time.monotonic() + seconds if seconds else float("inf")
    directories = sorted({directory for steps, _packets in fixes for step in steps for directory in step.directories})

    def work(facts: LiveFacts, restore: t.Callable[[], None]) -> Json:
        there = _Copy(run, restore, directories, t.cast(_There, facts).missing_links)
        late = _late("copying the rules", seconds)
        results: list[Json] = []
        for fix in fixes:
            if time.monotonic() < until:
                late = _late("the changes before it", seconds)
                results.append(_one(run, facts, there, *fix, alone))
            else:
                results.append(late)
        return {"results": results}

    return list(_in_a_copy(run, work, directories, min(2 * seconds, MOST_SECONDS))["results"])


def _in_a_copy(run: Run, work: t.Callable[[LiveFacts, t.Callable[[], None]], Json], directories: t.Sequence[str], seconds: float) -> Json:
    """What `work` returns in a copy of this host's rules, with the facts of the host; its second argument makes the copy again.

    `seconds`: after which it is given up, 0 for any time. Raises ObserveError.
    """
    began = time.monotonic()
    blobs = RememberedBlobs()
    firewall = Firewall()
    saved = firewall.read(True, blobs, run)
    if saved["not_saved"]:
        raise ObserveError("the copy would not be complete: " + "; ".join(saved["not_saved"]))
    host = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Netlink(NETLINK_ROUTE) as netlink:
            facts = LiveFacts(netlink, sets(run))
            links = names_in(unpacked(blobs.get(saved["nftables"]["text"])))

            def there() -> Json:
                copy = os.open(_HERE, os.O_RDONLY | os.O_CLOEXEC)
                with contextlib.suppress(ObserveError):
                    emptied(_LOCKS)
                copied(directories)
                missing = _make_links(facts, links)
                firewall.restore(saved, blobs, run)
                theirs = t.cast(LiveFacts, _There(facts, host, copy, missing))
                return work(theirs, lambda: firewall.restore(saved, blobs, run))

            return in_namespace("rehearse the change", there, seconds, time.monotonic() - began)
    finally:
        os.close(host)


def _late(what: str, seconds: float) -> Json:
    return {"result": NOT_REHEARSED, "why": f"{what} took all of the {seconds:g} s that there are for it", "packets": []}


def _one(run: Run, facts: LiveFacts, there: _Copy, steps: t.Sequence[Step], packets: t.Sequence[Json], alone: bool) -> Json:
    beside = [neighbour for packet in packets for neighbour in neighbours(packet)]
    questions = [*packets, *beside]
    before = _verdicts(run, facts, questions)
    try:
        there.take(steps)
    except ObserveError as error:
        there.back()
        if there.missing_links:  # for which it may not fail on the host
            because = f"no kernel module is loaded to make a link {there.missing_links[0]} in the copy, without which: {error}"
            return {"result": NOT_REHEARSED, "why": because, "packets": []}
        return {"result": NOT_REHEARSED if isinstance(error, NotRehearsedError) else FAILS, "why": str(error), "packets": []}
    after = _verdicts(run, facts, questions)
    changed = _compared(before[: len(packets)], after[: len(packets)])
    opened = [now for then, now in zip(before[len(packets) :], after[len(packets) :]) if now["verdict"] != then["verdict"]]
    result, why = _result(packets, before, after, opened)
    if alone or result in (FAILS, UNKNOWN):
        there.back()
    else:
        there.keep(steps)
    return {"result": result, "why": why, "packets": changed}


def _result(packets: t.Sequence[Json], before: t.Sequence[Json], after: t.Sequence[Json], opened: t.Sequence[Json]) -> tuple[str, str]:
    if opened:
        return FAILS, f"it would also change what happens to {_words(opened[0])}, which would be {_ends(opened[0])}"
    result, why = OPENS, ""
    pairs = list(zip(before, after))[: len(packets)]
    for then, now in pairs:
        if now["verdict"] not in _STOPS:
            continue
        if then["verdict"] not in _STOPS:
            return FAILS, f"{_words(now)} would be {_ends(now)}, and is not now"
        still = _place(then) == _place(now)
        if still and not _is_freed(*pairs[0]):
            return FAILS, f"{_words(now)} would still be {_ends(now)}"
        if result == OPENS:
            result, why = FURTHER, f"{_words(now)} would {'still' if still else 'then'} be {_ends(now)}"
    helped = any(then["verdict"] in _STOPS for then, _now in pairs)
    for then, now in pairs:
        if now["verdict"] in (*_STOPS, "accept"):
            continue
        unsure = f"what would happen to {_words(now)} is not known: {now['undecided_because'] or 'it is ' + now['verdict']}"
        if then["verdict"] in _STOPS or not helped:
            return UNKNOWN, unsure
        why = why or unsure  # it is not stopped for sure, neither before nor after
    return result, why


def _is_freed(then: Json, now: Json) -> bool:
    return then["verdict"] in _STOPS and (now["verdict"] not in _STOPS or _place(then) != _place(now))


def neighbours(packet: Json) -> t.Iterator[Json]:
    """Packets that differ from this one in one thing alone: the service's port, one of the addresses."""
    service = "source_port" if packet["packet"] == "syn_ack" else "port"
    if packet.get(service):
        yield {**packet, service: packet[service] + (1 if packet[service] < 0xFFFF else -1), "header": None}
    for end in ("source", "destination"):
        address = ipaddress.ip_address(packet[end])
        last = int(address) == 2**address.max_prefixlen - 1
        yield {**packet, end: str(address - 1 if last else address + 1), "header": None}


def _verdicts(run: Run, facts: LiveFacts, questions: t.Sequence[Json]) -> list[Json]:
    return list(judge(questions, facts, load(run, facts), Describer(run))["verdicts"])


def _compared(before: t.Sequence[Json], after: t.Sequence[Json]) -> list[Json]:
    names = ("packet", "direction", "source", "source_port", "destination", "port")
    return [
        {**{name: now[name] for name in names}, "before": then["verdict"], "after": now["verdict"], "rule": now["rule"]}
        for then, now in zip(before, after)
    ]


def _place(verdict: Json) -> t.Any:
    """Which rule or policy stops it: handles and numbers are other ones once a rule stands before it."""
    rule = verdict["rule"] or {}
    return [rule.get(name) for name in ("family", "table", "chain", "text", "legacy")]


def _words(verdict: Json) -> str:
    kind = {"syn": "SYN", "syn_ack": "SYN-ACK", "ack": "ACK"}[verdict["packet"]]
    ends = [f"{verdict[end]} port {verdict[port] or 'any'}" for end, port in (("source", "source_port"), ("destination", "port"))]
    return f"a {kind} from {ends[0]} to {ends[1]}"


def _ends(verdict: Json) -> str:
    done = {"drop": "dropped", "reject": "rejected", "accept": "accepted"}.get(verdict["verdict"], str(verdict["verdict"]))
    rule = verdict["rule"]
    return f"{done} by {rule['text']} (table {rule['family']} {rule['table']}, chain {rule['chain']})" if rule else done


def _make_links(facts: LiveFacts, names: t.Iterable[str]) -> list[str]:
    """Links of the same names and numbers, as chains are bound to them and rules name them. Those that cannot be made are returned.

    No kernel module is loaded for them.
    """
    kinds, missing = registered(), []
    with Netlink(NETLINK_ROUTE) as netlink:
        for link in filter(None, map(facts.link, names)):
            try:
                make_link(netlink, link, kinds)
            except ObserveError:
                missing.append(link.name)
    return missing


class _There:
    """Facts of the host, each asked for in the host's own network namespace."""

    def __init__(self, facts: LiveFacts, host: int, copy: int, missing: t.Sequence[str]) -> None:
        self._facts, self._host, self._copy = facts, host, copy
        self.missing_links = missing  # in the copy

    def __getattr__(self, name: str) -> t.Any:
        found = getattr(self._facts, name)
        return self._asked(found) if callable(found) else found

    def _asked(self, ask: t.Callable[..., t.Any]) -> t.Callable[..., t.Any]:
        def there(*arguments: t.Any, **options: t.Any) -> t.Any:
            _enter(self._host)
            try:
                return ask(*arguments, **options)
            finally:
                _enter(self._copy)

        return there


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise ObserveError(f"the network namespace cannot be changed: {os.strerror(ctypes.get_errno())}")


class _Copy:
    """The copy as it is with the steps that are kept. To go back costs the more, because it is rare: all of them are taken once more."""

    def __init__(self, run: Run, restore: t.Callable[[], None], directories: t.Sequence[str], missing_links: t.Sequence[str]) -> None:
        self.missing_links = missing_links
        self._run, self._restore, self._kept = run, restore, t.cast("list[Step]", [])
        self._files: dict[str, Files] = {directory: files_of(directory) for directory in directories}

    def take(self, steps: t.Iterable[Step]) -> None:
        for step in steps:
            step.take(self._run)

    def keep(self, steps: t.Iterable[Step]) -> None:
        self._kept.extend(steps)

    def back(self) -> None:
        self._restore()
        for directory, files in self._files.items():
            put_files(directory, files)
        self.take(self._kept)

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The steps of a fix as they are taken in a copy of the host's firewall: each by the code or the program that takes it on the host."""

from __future__ import annotations

import collections
import ipaddress
import os
import typing as t

from .._commands import Run
from .._errors import ObserveError
from .._firewall.accept import arguments, firewalld_words, ufw_words
from .._firewall.accept.change import carry_out, plan
from .._firewall.accept.loaded import Loaded, Place, checked
from .._firewall.accept.words import Accepted
from .._firewall.managers.firewalld import DIRECTORIES as FIREWALLD
from .._firewall.managers.firewalld_files import Files
from .._firewall.managers.ufw import DIRECTORY as UFW

Arguments = t.Mapping[str, t.Any]
MOST_LOST = 3


class NotRehearsedError(ObserveError):
    """It is not known what a step would do."""


class Rule(t.NamedTuple):
    """Of the module firewall_rule."""

    place: Place
    accepted: Accepted
    known: str | None  # the digest of the rule before which it goes

    @property
    def directories(self) -> tuple[str, ...]:
        """What its program writes into."""
        return ()

    def take(self, run: Run) -> None:
        carry_out(run, self.place, self.accepted, plan(run, self.place, self.accepted, self.known, None, True))


class Ufw(t.NamedTuple):
    """Of the module community.general.ufw: ufw itself, which writes the copies of its files and loads them into the copy of the rules."""

    arguments: Arguments

    @property
    def directories(self) -> tuple[str, ...]:
        return (UFW,)

    def take(self, run: Run) -> None:
        if os.geteuid() != 0:
            raise NotRehearsedError("ufw asks for root, which this is not")
        words = ufw_words.words(self.arguments)
        before = _saved(run)
        code, output, error = run(words)
        if code == 127:
            raise NotRehearsedError(f"ufw cannot be run: {error.strip()[:300]}")
        if code != 0:
            raise ObserveError(f"{' '.join(words)} says {(error or output).strip()[:300]}")
        lost = before - _saved(run)
        if lost:
            names = "; ".join(sorted(lost)[:MOST_LOST])
            raise ObserveError(
                f"ufw would also take {sum(lost.values())} of others' rules out of its chains, which it does not know: {names}"
            )


def _saved(run: Run) -> collections.Counter[str]:
    """All rules of iptables and ip6tables, as ufw runs these. For some rules it loads its own chains again, with what it knows alone."""
    return collections.Counter(
        line for tool in ("iptables", "ip6tables") for line in run([f"{tool}-save"])[1].splitlines() if line[:3] == "-A "
    )


class Firewalld(t.NamedTuple):
    """Of the module ansible.posix.firewalld: the rule that firewalld makes of a rich rule, in the chain into which it puts it.

    firewalld itself cannot be asked to: it keeps what is set at runtime in its own memory, and writes into the running rules alone.
    """

    zone: str
    rich: firewalld_words.Rich

    @property
    def directories(self) -> tuple[str, ...]:
        return ()

    def take(self, run: Run) -> None:
        files = Files(FIREWALLD)
        kept = files.holder("zone", self.zone)
        if kept is None and files.readable:
            raise ObserveError(f"zone {self.zone} of firewalld exists at runtime alone: the rule cannot be made permanent in it")
        rich = self.rich
        place = Place("nft", "inet", "firewalld", checked(f"filter_IN_{self.zone}_{rich.part}"))
        loaded = Loaded(run, place, Accepted(rich.source, rich.destination, rich.port, None, False))
        try:
            rules = loaded.rules()
        except ObserveError as error:
            raise NotRehearsedError(f"firewalld's chain of zone {self.zone} is not read: {error}") from error
        first = [item for item in kept.all_items if item.priority == firewalld_words.FIRST] if kept else []
        at = len(first) if rich.priority == firewalld_words.FIRST else len(rules)
        loaded.insert(rules[at] if at < len(rules) else None)


Step = t.Union[Rule, Ufw, Firewalld]


def read(module: str, given: Arguments) -> Step:
    """A step of a fix, by its module and arguments. Raises KeyError, TypeError, ValueError, ObserveError."""
    if module not in _READERS:
        raise ValueError(f"module is {module!r}: give one of {', '.join(sorted(_READERS))}")
    return _READERS[module](given)


def _rule(rule: Arguments) -> Rule:
    return Rule(*arguments.read(rule), rule.get("before"))


def _ufw(rule: Arguments) -> Ufw:
    """Only what `ufw_words.allowing` makes: nothing else is a word of a command here."""
    source, destination = (str(ipaddress.ip_address(rule[end])) for end in ("from_ip", "to_ip"))
    direction = "forward" if rule.get("route") else str(rule["direction"])
    if direction not in ("in", "out", "forward"):
        raise ValueError(f"direction is {direction!r}: give in or out, or route")
    number = None if rule.get("insert") is None else int(rule["insert"])
    allowing = ufw_words.allowing(source, destination, int(rule["to_port"]), direction, number)
    if {name: str(value) for name, value in allowing.items()} != {name: str(value) for name, value in rule.items() if value is not None}:
        raise ValueError("only a rule that allows TCP from one address to one address and port can be rehearsed")
    return Ufw(allowing)


def _firewalld(rule: Arguments) -> Firewalld:
    return Firewalld(str(rule["zone"]), firewalld_words.read(str(rule["rich_rule"])))


_READERS: dict[str, t.Callable[[Arguments], Step]] = {
    "threeway.handshake.firewall_rule": _rule,
    ufw_words.MODULE: _ufw,
    firewalld_words.MODULE: _firewalld,
}

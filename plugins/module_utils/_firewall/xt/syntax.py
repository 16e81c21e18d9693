# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Split the words of a rule into its conditions and its target, as iptables' own option parser does."""

from __future__ import annotations

import typing as t

from ..._errors import DecodeError
from .save import shown, words

# Options whose value is free text, which may look like another option.
_FREE = ("comment", "log-prefix", "nflog-prefix", "string", "hex-string", "name", "u32", "hashlimit-name", "helper", "path", "bytecode")
_PAIRS = ("tcp-flags", "match-set", "add-set", "del-set", "map-set")

_CORE = {
    "-s": "source", "--source": "source", "--src": "source",
    "-d": "destination", "--destination": "destination", "--dst": "destination",
    "-i": "in-interface", "--in-interface": "in-interface",
    "-o": "out-interface", "--out-interface": "out-interface",
    "-p": "protocol", "--protocol": "protocol", "--proto": "protocol",
}  # fmt: skip
_SHORT = {"source": "-s", "destination": "-d", "in-interface": "-i", "out-interface": "-o", "protocol": "-p"}
_FRAGMENT = ("-f", "--fragment")
_MATCH, _JUMP, _GOTO = ("-m", "--match"), ("-j", "--jump"), ("-g", "--goto")


class Option(t.NamedTuple):
    """`name` is without dashes; `negated` by a `!` before or after it."""

    name: str
    values: list[str]
    negated: bool = False

    @property
    def value(self) -> str:
        """Its one value; DecodeError when it has none or several."""
        if len(self.values) != 1:
            raise DecodeError(f"--{self.name} has {len(self.values)} values, expected 1")
        return self.values[0]

    @property
    def text(self) -> str:
        """As `iptables-save` writes it."""
        values = (value if value and " " not in value else f'"{value}"' for value in self.values)
        return " ".join([*(["!"] if self.negated else []), _SHORT.get(self.name, f"--{self.name}"), *values])


class Clause(t.NamedTuple):
    """A match or a target with its options."""

    name: str
    options: list[Option]

    def get(self, name: str) -> Option | None:
        return next((option for option in self.options if option.name == name), None)


class Syntax(t.NamedTuple):
    """`core`: addresses, interfaces, protocol and fragments; `target` None for a rule that only counts; `goto`: it came with -g."""

    chain: str
    core: list[Option]
    matches: list[Clause]
    target: Clause | None
    goto: bool


def parse(rule: str) -> Syntax:
    """A rule such as "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"; DecodeError when it cannot be one."""
    left = _Words(words(rule), rule)
    if left.take() != "-A":
        raise DecodeError(f"{shown(rule)} does not begin with -A")
    chain = left.take()
    core: list[Option] = []
    matches: list[Clause] = []
    target: Clause | None = None
    goto, current, negated = False, None, False
    while left.more():
        word = left.take()
        if word == "!":
            negated = True
            continue
        if word in _CORE:
            core.append(left.option(_CORE[word], negated))
        elif word in _FRAGMENT:
            core.append(Option("fragment", [], negated))
        elif word in _MATCH:
            current = Clause(left.take(), [])
            matches.append(current)
        elif word in _JUMP or word in _GOTO:
            goto = word in _GOTO
            current = target = Clause(left.take(), [])
        elif word.startswith("--") and len(word) > 2:
            current = current or _implied(core, matches, rule)
            current.options.append(left.option(word[2:], negated))
        else:
            raise DecodeError(f"{shown(rule)}: {shown(word)} is not expected there")
        negated = False
    return Syntax(chain, core, matches, target, goto)


def _implied(core: t.Sequence[Option], matches: list[Clause], rule: str) -> Clause:
    """The match that `-p tcp` alone brings along."""
    protocol = next((option.value for option in core if option.name == "protocol"), None)
    if protocol is None:
        raise DecodeError(f"{shown(rule)} has options of no match")
    clause = Clause({"6": "tcp"}.get(protocol, protocol), [])
    matches.append(clause)
    return clause


class _Words:
    def __init__(self, found: list[str], rule: str) -> None:
        self._found, self._at, self._rule = found, 0, rule

    def more(self) -> bool:
        return self._at < len(self._found)

    def take(self) -> str:
        if not self.more():
            raise DecodeError(f"{shown(self._rule)} ends where another word is expected")
        self._at += 1
        return self._found[self._at - 1]

    def option(self, name: str, negated: bool) -> Option:
        """An option with its values: as many as the option has, else all words up to the next option."""
        if name in _FREE:
            return Option(name, [self.take()], negated)
        if self._peek(0) == "!" and not self._peek(1).startswith("-"):  # as iptables before 1.4.3 wrote it
            self.take()
            negated = True
        if name in _PAIRS:
            return Option(name, [self.take(), self.take()], negated)
        values = []
        while self.more() and self._peek(0) != "!" and not (self._peek(0).startswith("-") and len(self._peek(0)) > 1):
            values.append(self.take())
        return Option(name, values, negated)

    def _peek(self, ahead: int) -> str:
        return self._found[self._at + ahead] if self._at + ahead < len(self._found) else "-"

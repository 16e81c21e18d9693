# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Parse the output of `iptables-save -c` and `ip6tables-save -c` into chains; rules are parsed when a packet meets them.

The format is that of iptables' own tools (iptables/iptables-save.c, xtables_save_string): `*table`,
`:CHAIN POLICY [packets:bytes]`, `[packets:bytes] -A CHAIN ...`, `COMMIT`, and lines that begin with `#`.
"""

from __future__ import annotations

import re
import typing as t

from ..._errors import DecodeError

_CHAIN = re.compile(r":(\S+) (\S+)(?: \[(\d{1,20}):(\d{1,20})\])?\s*")
_COUNTERS = re.compile(r"\[(\d{1,20}):\d{1,20}\] ")
_WORD = re.compile(r'(?:[^\s"]+|"[^"\\]*(?:\\.[^"\\]*)*")+')
_QUOTED = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"')
_ESCAPED = re.compile(r"\\(.)")
_MOST_SHOWN = 200  # characters of a line in a sentence


class Chain:
    """A chain and its rules as lines. `policy` is None for a chain of the user's own."""

    __slots__ = ("lines", "name", "policy")

    def __init__(self, name: str, policy: str | None) -> None:
        self.name, self.policy = name, policy
        self.lines: list[str] = []


class Table:
    """`damaged`: why what was read cannot be the whole table; None when it can."""

    __slots__ = ("chains", "damaged", "family", "name")

    def __init__(self, family: str, name: str) -> None:
        self.family, self.name = family, name
        self.chains: dict[str, Chain] = {}
        self.damaged: str | None = None


class Saved(t.NamedTuple):
    """Tables by name, and a sentence for each thing that could not be read."""

    tables: dict[str, Table]
    problems: list[str]


def parse(text: str, family: str) -> Saved:
    """The tables in a save file of `family` (ip | ip6). A line that is none of the format damages its table; the others go on."""
    saved = Saved({}, [])
    table: Table | None = None
    for line in text.split("\n"):
        start = line[:1]
        if start in ("[", "-") and table is not None:
            try:
                _rule(table, line)
            except DecodeError as error:
                _damage(saved, table, str(error))
        elif start == "*":
            if table is not None:
                _damage(saved, table, f"table {table.name} ends without COMMIT")
            name = line[1:].strip()
            again = name in saved.tables
            table = saved.tables[name] = Table(family, name)
            if again:
                _damage(saved, table, f"table {name} stands there twice")
        elif start == ":" and table is not None:
            found = _CHAIN.fullmatch(line)
            if found is None:
                _damage(saved, table, f"{shown(line)} is not a chain: expected ':NAME POLICY [packets:bytes]'")
            else:
                table.chains[found[1]] = Chain(found[1], None if found[2] == "-" else found[2])
        elif line.strip() == "COMMIT":
            table = None
        elif start == "#":
            if "incompatible" in line:
                saved.problems.append(line[1:].strip())
        elif line.strip():
            _damage(saved, table, f"{shown(line)} is no line of a save file")
    if table is not None:
        _damage(saved, table, f"table {table.name} ends without COMMIT")
    return saved


def _rule(table: Table, line: str) -> None:
    at = 0
    if line[0] == "[":
        at = line.find("] ") + 2
    if at == 1 or not line.startswith("-A ", at):
        raise DecodeError(f"{shown(line)} is not a rule: expected '[packets:bytes] -A CHAIN ...'")
    end = line.find(" ", at + 3)
    chain = table.chains.get(line[at + 3 :] if end < 0 else line[at + 3 : end])
    if chain is None:
        raise DecodeError(f"{shown(line)} belongs to a chain that table {table.name} does not have")
    chain.lines.append(line)


def _damage(saved: Saved, table: Table | None, problem: str) -> None:
    saved.problems.append(problem)
    if table is not None:
        table.damaged = table.damaged or problem


def packets_and_rule(line: str) -> tuple[int | None, str]:
    """A rule's counter, where it was saved, and the rule without it: "-A INPUT -j ACCEPT"."""
    counters = _COUNTERS.match(line)
    if counters is None:
        return None, line[line.find("-A ") :].rstrip()
    return int(counters[1]), line[counters.end() :].rstrip()


def words(rule: str) -> list[str]:
    """A rule's words, without the quotes and escapes of texts with blanks; DecodeError for a quotation that never ends."""
    if '"' not in rule:
        return rule.split()
    found: list[str] = []
    at, end = 0, len(rule)
    while at < end:
        if rule[at].isspace():
            at += 1
            continue
        word = _WORD.match(rule, at)
        if word is None or (word.end() < end and rule[word.end()] == '"'):
            raise DecodeError(f"{shown(rule)} has a quotation that does not end")
        found.append(_QUOTED.sub(lambda quoted: _ESCAPED.sub(r"\1", quoted[1]), word[0]))
        at = word.end()
    return found


def shown(line: str) -> str:
    """A line in a sentence, not longer than people can read, with control characters escaped."""
    return repr(line if len(line) <= _MOST_SHOWN else line[:_MOST_SHOWN] + "...")

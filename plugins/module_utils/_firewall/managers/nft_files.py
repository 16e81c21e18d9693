# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rules in files of nft, with their lines: blocks of tables and chains, commands, includes and definitions. See nft(8).

This finds the line of a rule that is known; it does not understand rules. What it does not understand it passes over.
"""

from __future__ import annotations

import glob
import itertools
import os
import re
import typing as t

from .files import content
from .nft_words import MOST_WORDS, Words, tokens, words_of

DEEPEST_INCLUDE, MOST_FILES, MOST_RULES = 16, 200, 50_000

Chain = t.Tuple[str, str, str]  # family, table, chain
_FAMILIES = ("ip", "ip6", "inet", "arp", "bridge", "netdev")
_VARIABLE = re.compile(r"\$([A-Za-z_][\w/.-]*)")
_AFTER_A_KEY = (":", "timeout", "expires", "counter", "comment")
_EMPTYING = ("flush", "delete", "destroy")
_NO_RULES = ("type", "device", "devices", "comment", "flags")


class Statement(t.NamedTuple):
    chain: Chain
    words: Words
    file: str
    line: int
    number: int  # in its chain, from 1, as far as the files show; 0: the chain's policy
    said: Words = ()  # as it is written, with definitions in place of variables; empty: put in front of others, or too long


class Flush(t.NamedTuple):
    """A command that empties or deletes something."""

    kind: str  # ruleset, table, chain, rule ...
    family: str | None  # None: of all
    table: str | None  # None: all
    behind: int  # how many statements

    def meets(self, family: str, table: str) -> bool:
        return self.family in (None, family) and self.table in (None, table)


class Rules(t.NamedTuple):
    """What a file and its includes have: `complete` is False where something was left out."""

    statements: list[Statement]
    flushes: list[Flush]
    complete: bool


class Kept(t.NamedTuple):
    """An element of a set with a name, or with no `element` the set itself, and where that is written."""

    place: Chain  # family, table, the set's name
    element: str | None
    file: str
    line: int


def read(root: str) -> list[Statement]:
    """The rules and policies of a file and of what it includes."""
    reader = _Reader()
    reader.file(root, 0)
    return reader.statements


def read_rules(root: str, most: int) -> Rules:
    """The same, and what empties the tables that they are for; `most`: characters of all files together."""
    reader = _Reader(most)
    reader.file(root, 0)
    return Rules(reader.statements, reader.flushes, reader.complete)


def read_sets(root: str) -> list[Kept]:
    """The sets and maps with names of a file and of what it includes, each followed by its elements."""
    reader = _Reader()
    reader.file(root, 0)
    return reader.kept


class _Reader:
    def __init__(self, most: int | None = None) -> None:
        self.complete, self._left = True, most
        self.statements: list[Statement] = []
        self.flushes: list[Flush] = []
        self.kept: list[Kept] = []
        self._files = 0
        self._blocks: list[list[str]] = []  # those that are open: their words, without add or create
        self._defined: dict[str, list[str]] = {}
        self._counts: dict[Chain, int] = {}
        self._open: list[str] = []  # files that are being read: an include of one of them is a cycle

    def file(self, path: str, depth: int) -> None:
        path = os.path.realpath(path)
        text = content(path)
        if text is None or depth > DEEPEST_INCLUDE or self._files >= MOST_FILES or path in self._open:
            self.complete = False
            return
        if self._left is not None:
            self._left -= len(text)
            if self._left < 0:
                self.complete = False
                return
        self._files += 1
        self._open.append(path)
        words: list[str] = []
        line, began, inside = 1, 1, 0  # inside: braces of sets, which belong to the statement
        for token in tokens(text):
            began = began if words else line
            line += token.count("\n")
            if inside and token != "\n":
                words.append(token)
                inside += (token == "{") - (token == "}")
            elif token == "{" and self._begins_block(words):
                self._blocks.append(words[1:] if words[0] in ("add", "create") else words)
                words = []
                self._keep_set(path, began)
            elif token == "{":
                words.append(token)
                inside = 1
            elif token in ("\n", ";", "}") and not inside:
                self._take(words, path, began, depth)
                words = []
                if token == "}" and self._blocks:
                    self._blocks.pop()
            elif not token.isspace() and token != "\\\n" and not token.startswith("#"):
                words.append(token)
        self._take(words, path, began, depth)
        self._open.pop()

    def _begins_block(self, words: t.Sequence[str]) -> bool:
        """Within a chain there are only sets; elsewhere braces are blocks, but for values of definitions and rules of commands."""
        return bool(words) and self._chain() is None and words[0] not in ("define", "redefine") and words[1:2] != ["rule"]

    def _chain(self) -> Chain | None:
        """The chain whose block is open."""
        if not self._blocks or self._blocks[-1][0] != "chain":
            return None
        inner = self._blocks[-1]
        if len(inner) == 2 and len(self._blocks) == 2 and self._blocks[0][0] == "table":
            family, names = _family(self._blocks[0][1:])
            return (family, names[0], inner[1].strip('"')) if names else None
        family, names = _family(inner[1:])  # of a command: add chain inet filter input { ... }
        return (family, names[0], names[1]) if len(names) == 2 else None

    def _take(self, words: list[str], path: str, line: int, depth: int) -> None:
        chain = self._chain()
        if not words:
            return
        if self._blocks and self._blocks[-1][0] in ("element", "elements"):
            self._keep_elements(words, path, line)
            return
        if words[0] == "include" and len(words) > 1:
            self._include(words[1].strip("\"'"), path, depth)
        elif words[0] in ("define", "redefine") and words[2:3] == ["="]:
            self._defined[words[1]] = words[3:MOST_WORDS]
        elif words[0] in _EMPTYING and chain is None and len(self.flushes) < MOST_RULES:
            self.flushes.append(_flush(words, len(self.statements)))
        elif chain is not None:
            self._keep(chain, words, path, line)
        elif words[0] in ("add", "insert", "create") and words[1:2] == ["rule"]:
            family, rest = _family(words[2:])
            placed = len(rest) > 4 and rest[2] in ("position", "handle", "index")
            if placed:
                rest = [*rest[:2], *rest[4:]]
            if len(rest) > 2:
                self._keep((family, rest[0], rest[1]), rest[2:], path, line, placed or words[0] == "insert")

    def _include(self, pattern: str, path: str, depth: int) -> None:
        """See include in nft(8): a pattern without a slash at its start is looked for in nft's own directory, /etc. Globs are sorted."""
        if not os.path.isabs(pattern):
            pattern = os.path.join(os.path.dirname(path) if pattern.startswith("./") else "/etc", pattern)
        for name in sorted(glob.glob(pattern))[:MOST_FILES]:
            self.file(name, depth + 1)

    def _keep(self, chain: Chain, words: list[str], path: str, line: int, placed: bool = False) -> None:
        if words[0] in _NO_RULES:
            return
        if len(self.statements) >= MOST_RULES:
            self.complete = False
            return
        number = 0
        if words[0] != "policy":
            number = self._counts[chain] = self._counts.get(chain, 0) + 1
        said = self._expanded(words)
        kept = () if placed or len(said) > MOST_WORDS else tuple(said)
        self.statements.append(Statement(chain, words_of(" ".join(said)), path, line, number, kept))

    def _set(self) -> Chain | None:
        """The set or map whose block, or whose elements' block, is open."""
        inner = self._blocks[-1] if self._blocks else []
        outer = self._blocks[-2] if inner[:1] == ["elements"] and len(self._blocks) > 1 else inner
        if outer[:1] not in (["set"], ["map"], ["element"]):
            return None
        if len(outer) == 2 and self._blocks[0][0] == "table":
            family, names = _family(self._blocks[0][1:])
            return (family, names[0], outer[1].strip('"')) if names else None
        family, names = _family(outer[1:])
        return (family, names[0], names[1]) if len(names) == 2 else None

    def _keep_set(self, path: str, line: int) -> None:
        place = self._set()
        if place is not None and self._blocks[-1][0] != "elements" and len(self.kept) < MOST_RULES:
            self.kept.append(Kept(place, None, path, line))

    def _keep_elements(self, words: t.Sequence[str], path: str, line: int) -> None:
        """Those on one line: a key, and what belongs to it."""
        place = self._set()
        keys = " ".join(self._expanded(words)).replace("{", "").replace("}", "").split(",")
        for key in keys if place is not None else ():
            words_of_key = list(itertools.takewhile(lambda word: word not in _AFTER_A_KEY, key.split()))
            if words_of_key and len(self.kept) < MOST_RULES:
                self.kept.append(Kept(t.cast("Chain", place), " ".join(words_of_key), path, line))

    def _expanded(self, words: t.Sequence[str]) -> list[str]:
        """With definitions in place of variables, and those of variables in definitions."""
        for _level in range(DEEPEST_INCLUDE):
            if len(words) > MOST_WORDS or not any(self._value(word) for word in words):
                break
            words = [each for word in words for each in self._value(word) or (word,)]
        return list(words)

    def _value(self, word: str) -> list[str] | None:
        named = _VARIABLE.fullmatch(word)
        return self._defined.get(named.group(1)) if named else None


def _family(words: t.Sequence[str]) -> tuple[str, list[str]]:
    """The family of a table, ip where none is named, and the other words, without quotes."""
    named = bool(words) and words[0] in _FAMILIES
    return (words[0] if named else "ip"), [word.strip('"') for word in (words[1:] if named else words)]


def _flush(words: t.Sequence[str], behind: int) -> Flush:
    kind, rest = (words[1] if len(words) > 1 else ""), list(words[2:])
    if kind == "ruleset":
        return Flush(kind, rest[0] if rest else None, None, behind)
    family, names = _family(rest)
    return Flush(kind, family, names[0] if names else None, behind)

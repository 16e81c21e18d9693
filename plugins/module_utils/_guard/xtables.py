# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Save the tables of iptables-legacy and ip6tables-legacy, which nf_tables does not show. Empty tables count."""

from __future__ import annotations

import re
import typing as t

from .._commands import Run
from .base import Blobs, GuardError, Json, packed, succeed, unpacked
from .merge import Entry, merge_lists, merge_maps, without_marked

_LOADED = {"iptables": "/proc/net/ip_tables_names", "ip6tables": "/proc/net/ip6_tables_names"}
_RULE = re.compile(r"(?:\[\d+:\d+\] )?-A (\S+)")
_COUNTERS = re.compile(r"^\[\d+:\d+\] |(?<=\S) \[\d+:\d+\]$", re.MULTILINE)


class Xtables:
    """State: iptables | ip6tables -> table -> what iptables-save prints of it, with counters."""

    def save(self, blobs: Blobs, run: Run) -> Json:
        """Only tables that are loaded: to ask for another one would load it."""
        return {family: {table: blobs.put(packed(_table(family, table, run))) for table in tables} for family, tables in _loaded().items()}

    def target(self, saved: Json, made: Json, now: Json, blobs: Blobs, marked: t.Callable[[str], bool] | None) -> Json:
        """What is to be restored, table by table. With `marked`, ours are the rules of which it is true, whatever else has changed."""

        def table(record: Json, family: str, name: str, otherwise: str) -> Table:
            known = (record or now).get(family, {}).get(name)
            return Table.read(unpacked(blobs.get(known)) if known else otherwise)

        found: dict[str, dict[str, str]] = {}
        for family, tables in now.items():
            found[family] = {}
            for name in {**tables, **saved[family]}:
                text = unpacked(blobs.get(tables[name] if name in tables else saved[family][name]))
                old, new, present = (table(record, family, name, _emptied(text)) for record in (saved, made, now))
                merged = _without_marked(old, present, marked) if marked else _merged(old, new, present)
                found[family][name] = blobs.put(packed(merged.text(name)))
        return found

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Each table that differs is replaced as a whole. One that is new cannot be unloaded: it is emptied, and its chains accept."""
        for family, tables in _loaded().items():
            text = ""
            for table in sorted({*tables, *record[family]}):  # to ask for one that has been unloaded since loads it
                now = _table(family, table, run)
                wanted = unpacked(blobs.get(record[family][table])) if table in record[family] else _emptied(now)
                text += wanted if without_counters(wanted) != without_counters(now) else ""
            if text:
                succeed(run, [_tool(family, "restore", run), "-c", "-w", "10"], text)

    def essence(self, record: Json, blobs: Blobs) -> Json:
        """Tables without counters, and without tables that have nothing in them: to be loaded is no difference."""
        texts = {f"{family} {table}": unpacked(blobs.get(name)) for family, tables in record.items() for table, name in tables.items()}
        return {name: without_counters(text) for name, text in texts.items() if text != _emptied(text)}


class Table(t.NamedTuple):
    """A table: chain -> its policy with counters, and its rules in order."""

    policies: dict[str, str]
    rules: dict[str, list[Entry]]

    @classmethod
    def read(cls, text: str) -> Table:
        """From what iptables-save prints."""
        lines = text.splitlines()
        policies = dict(line[1:].split(" ", 1) for line in lines if line.startswith(":"))
        rules: dict[str, list[Entry]] = {chain: [] for chain in policies}
        for line in lines:
            match = _RULE.match(line)
            if match:
                rules.setdefault(match.group(1), []).append(Entry(without_counters(line), line))
        return cls(policies, rules)

    def text(self, name: str) -> str:
        """As iptables-restore reads it."""
        chains = [f":{chain} {policy}" for chain, policy in self.policies.items()]
        rules = [entry.content for chain in self.policies for entry in self.rules.get(chain, [])]
        return "".join(f"{line}\n" for line in (f"*{name}", *chains, *rules, "COMMIT"))


def _merged(old: Table, new: Table, now: Table) -> Table:
    policies = merge_maps(old.policies, new.policies, now.policies, without_counters)
    return Table(policies, {chain: merge_lists(*(table.rules.get(chain, []) for table in (old, new, now))) for chain in policies})


def _without_marked(old: Table, now: Table, marked: t.Callable[[str], bool]) -> Table:
    rules = {chain: without_marked(old.rules.get(chain, []), now.rules[chain], lambda entry: marked(entry.content)) for chain in now.rules}
    return Table(now.policies, rules)


def without_counters(text: str) -> str:
    """What iptables-save prints, without the counters of rules and chains."""
    return _COUNTERS.sub("", text)


def _loaded() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for family, path in _LOADED.items():
        try:
            with open(path, encoding="ascii") as stream:
                found[family] = sorted(stream.read().split())
        except FileNotFoundError:
            found[family] = []
        except OSError as error:
            raise GuardError(f"{path} cannot be read: {error.strerror}") from error
    return found


def _table(family: str, table: str, run: Run) -> str:
    output = succeed(run, [_tool(family, "save", run), "-c", "-t", table])
    return "".join(line + "\n" for line in output.splitlines() if not line.startswith("#"))  # the time is in comments


def _tool(family: str, verb: str, run: Run) -> str:
    """The program for legacy tables: named so beside nft's, or without further words where there is no other."""
    for name in (f"{family}-legacy", family):
        code, output, _error = run([name, "--version"])
        if code == 0 and "nf_tables" not in output:
            return f"{name}-{verb}"
    raise GuardError(f"{family} has tables of the legacy kind on this host, but {family}-legacy-save is missing: install it")


def _emptied(text: str) -> str:
    """The same table with its own chains, accepting, and nothing in them."""
    header = [line for line in text.splitlines() if line.startswith("*")]
    chains = [line.split()[0] + " ACCEPT [0:0]" for line in text.splitlines() if line.startswith(":") and line.split()[1] != "-"]
    return "\n".join([*header, *chains, "COMMIT", ""])

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Saves the tables of iptables-legacy and ip6tables-legacy, which nf_tables does not know of. Empty tables count."""

from __future__ import annotations

import re

from ._base import Blobs, GuardError, Json, Run, packed, succeed, unpacked

_LOADED = {"iptables": "/proc/net/ip_tables_names", "ip6tables": "/proc/net/ip6_tables_names"}
_COUNTERS = re.compile(r"^\[\d+:\d+\] |(?<=\S) \[\d+:\d+\]$", re.MULTILINE)


class Xtables:
    """State: iptables | ip6tables -> table -> what iptables-save prints of it, with counters."""

    def save(self, blobs: Blobs, run: Run) -> Json:
        """Only tables that are loaded: to ask for another one would load it."""
        return {family: {table: blobs.put(packed(_table(family, table, run))) for table in tables} for family, tables in _loaded().items()}

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Each table is replaced as a whole. One that is new cannot be unloaded: it is emptied, and its chains accept."""
        for family, tables in _loaded().items():
            text = ""
            for table in sorted({*tables, *record[family]}):  # to ask for one that has been unloaded since loads it
                now = _table(family, table, run)
                saved = unpacked(blobs.get(record[family][table])) if table in record[family] else _emptied(now)
                text += saved if without_counters(saved) != without_counters(now) else ""
            if text:
                succeed(run, [_tool(family, "restore", run), "-c", "-w", "10"], text)

    def essence(self, record: Json, blobs: Blobs) -> Json:
        """Tables without counters, and without tables that have nothing in them: to be loaded is no difference."""
        texts = {f"{family} {table}": unpacked(blobs.get(name)) for family, tables in record.items() for table, name in tables.items()}
        return {name: without_counters(text) for name, text in texts.items() if text != _emptied(text)}


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

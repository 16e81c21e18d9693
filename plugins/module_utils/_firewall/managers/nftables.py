# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rules of nftables itself: where they are in /etc/nftables.conf and its includes, and how to change them."""

from __future__ import annotations

import typing as t

from .flow import Flow, quoted
from .names import builtin
from .nft_files import Statement, read
from .nft_words import words_of

ROOTS = ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf", "/etc/nftables.nft", "/etc/nftables/main.nft")


class Nftables:
    def __init__(self, here: bool, roots: t.Sequence[str] = ROOTS) -> None:
        self._roots = roots if here else ()
        self._here = here
        self._statements: dict[tuple[str, str, str], list[Statement]] | None = None

    def origin(self, reference: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
        """{file, line, because}: where the rule is written, or null and why that was not found. None for a saved ruleset."""
        if not self._here:
            return None
        if self._statements is None:
            self._statements = {}
            for root in self._roots:
                for statement in read(root):
                    self._statements.setdefault(statement.chain, []).append(statement)
        chain = (str(reference["family"]), str(reference["table"]), str(reference["chain"]))
        there = self._statements.get(chain, [])
        wanted = words_of(str(reference["text"]))
        same = [statement for statement in there if statement.words == wanted]
        if not same:
            files = sorted({statement.file for chain_ in self._statements.values() for statement in chain_})
            known = ", ".join(files[:5]) or "/etc/nftables.conf, /etc/sysconfig/nftables.conf"
            return {
                "file": None,
                "line": None,
                "because": f"it was not recognised in {known}: whether it outlasts the next start is not known",
            }
        number = reference["number"] or 0
        best = min(same, key=lambda statement: abs(statement.number - number))
        return {"file": best.file, "line": best.line, "because": None}

    def change(self, reference: t.Mapping[str, t.Any], flow: Flow) -> dict[str, t.Any]:
        family, table, chain = (str(reference[name]) for name in ("family", "table", "chain"))
        place, conditions = quoted(family, table, chain), flow.nft().replace('"', '\\"')
        if reference["number"] is None and reference["handle"] is None:
            rule = f"nft add rule {place} {conditions} accept"
            where = f"at the end of chain {chain}"
        else:
            before = f"index {reference['number'] - 1}" if reference["handle"] is None else f"position {int(reference['handle'])}"
            rule = f"nft insert rule {place} {before} {conditions} accept"
            where = f"before rule {reference['number']} of chain {chain}" if reference["number"] else f"before that rule of chain {chain}"
        origin = reference.get("origin") or {}
        kept = f", and write it before line {origin['line']} of {origin['file']} to keep it" if origin.get("file") else ""
        simple = None
        if flow.tracked:
            simple = f"nft insert rule {place} ct state established,related accept"
        elif not builtin(chain) and flow.opens:
            simple = rule.replace(conditions, f"tcp dport {flow.port}")
        return {"summary": f"accept {flow.words()} {where}{kept}", "commands": [rule], "simple": simple}

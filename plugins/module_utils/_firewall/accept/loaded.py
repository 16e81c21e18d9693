# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read the loaded rules of one chain, and change them with the tool of their variant."""

from __future__ import annotations

import re
import typing as t

from ..._commands import Run
from ..._errors import ObserveError
from ..managers.flow import plain_interface
from .words import VARIANTS, Accepted, digest, tool

Reference = t.Dict[str, t.Any]
_WAIT = ["-w", "5"]  # seconds for iptables' lock


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./:-]{0,63}")
FAMILIES = ("ip", "ip6", "inet", "netdev", "bridge")


def checked(name: object) -> str:
    """The name of a table or chain, which becomes a word of nft's language. Raises ObserveError."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ObserveError(f"{name!r} is no name of a table or chain: give letters, digits and _ . / : -")
    return name


def checked_interface(name: object) -> str | None:
    """The name of an interface, as above; None for none. Raises ObserveError."""
    if name is None:
        return None
    if not isinstance(name, str) or plain_interface(name) is None:
        raise ObserveError(f"{name!r} cannot stand in a rule as an interface: give at most 15 letters, digits and _ . : @ -")
    return name


class Place(t.NamedTuple):
    """A chain, and whose rules are in it."""

    variant: str
    family: str
    table: str
    chain: str

    def __str__(self) -> str:
        return f"chain {self.family} {self.table} {self.chain}"


class Loaded:
    """Raises ObserveError for what cannot be read or changed."""

    def __init__(self, run: Run, place: Place, accepted: Accepted) -> None:
        self._run, self._place, self._accepted = run, place, accepted
        self._tool = [] if place.variant == VARIANTS[0] else [tool(place.variant, accepted.source), *_WAIT, "-t", place.table]

    def rules(self) -> list[Reference]:
        """In their order: family, table, chain, handle (None: legacy iptables), number, text."""
        return self._legacy() if self._place.variant == "iptables-legacy" else self._of_nf_tables()

    def ours(self, rules: t.Sequence[Reference]) -> list[Reference]:
        return [rule for rule in rules if f'"{self._accepted.tag}"' in rule["text"]]

    def stopping(self, rules: t.Sequence[Reference], known: str) -> Reference:
        """The first rule of that digest."""
        found = next((rule for rule in rules if digest(rule["text"]) == known), None)
        if found is None:
            raise ObserveError(f"{self._place} no longer has the rule that was seen there (digest {known}): diagnose again")
        return found

    def insert(self, before: Reference | None) -> None:
        """In front of a rule, or at the chain's end."""
        place = self._place
        if not self._tool:
            where = f"{place.family} {place.table} {place.chain}"
            begin = f"add rule {where}" if before is None else f"insert rule {where} position {before['handle']}"
            self._do(["nft", f"{begin} {self._accepted.nft()}"])
        else:
            start = ["-A", place.chain] if before is None else ["-I", place.chain, str(before["number"])]
            self._do([*self._tool, *start, *self._accepted.iptables()])

    def remove(self, rules: t.Sequence[Reference]) -> None:
        place = self._place
        for rule in reversed(rules):  # the last one first: numbers count from the chain's beginning
            if not self._tool:
                self._do(["nft", "delete", "rule", place.family, place.table, place.chain, "handle", str(rule["handle"])])
            else:
                self._do([*self._tool, "-D", place.chain, str(rule["number"])])

    def _do(self, command: list[str]) -> str:
        code, output, error = self._run(command)
        if code != 0:
            raise ObserveError(f"{' '.join(command)} failed: {(error or output).strip()[:500] or f'exit status {code}'}")
        return output

    def _legacy(self) -> list[Reference]:
        place, start = self._place, f"-A {self._place.chain} "
        lines = [line for line in self._do([*self._tool, "-S", place.chain]).splitlines() if line.startswith(start)]
        about = {"family": place.family, "table": place.table, "chain": place.chain, "handle": None}
        return [{**about, "number": number, "text": line.rstrip()} for number, line in enumerate(lines, 1)]

    def _of_nf_tables(self) -> list[Reference]:
        """With the reader that evaluates them, so that their texts are those of the evidence."""
        from ..._wire.netlink import NETLINK_ROUTE, Netlink
        from ..evaluation import UnsupportedError
        from ..facts import LiveFacts
        from ..loaded import sets
        from ..nft import read as nftables
        from ..xt import read as xtables

        place = self._place
        with Netlink(NETLINK_ROUTE) as netlink:
            tables = nftables.read({link.index: link for link in LiveFacts(netlink, sets(self._run)).links()})
        tables.base_chains(xtables.read(self._run).compat)
        table = tables.tables.get((place.family, place.table))
        if table is None:
            raise ObserveError(f"there is no table {place.family} {place.table}")
        chain = table.chain(place.chain)
        try:
            return [chain.rule(index).reference() for index in range(len(chain.bodies))]
        except UnsupportedError as error:
            raise ObserveError(f"{place} cannot be read: {error}") from error

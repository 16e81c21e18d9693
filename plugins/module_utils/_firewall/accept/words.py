# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Write a rule that accepts one flow's packets, in the syntax of nft and iptables. Nothing is read or run here."""

from __future__ import annotations

import hashlib
import shlex
import typing as t

from ..managers.flow import Flow

OWNER = "threeway.handshake"
VARIANTS = ("nft", "iptables-nft", "iptables-legacy")
MOST_COMMENT = 127  # characters: nft's NFTNL_UDATA_COMMENT_MAXLEN without the last byte
MOST_TEXT = 500  # characters of a rule's text that a digest is made of: evidence has no more


def digest(text: str) -> str:
    """What a rule is known by again, whatever its handle and number are by then."""
    return hashlib.sha256(text[:MOST_TEXT].encode("utf-8", "surrogateescape")).hexdigest()[:16]


class Accepted(t.NamedTuple):
    """The packets: one of `port` (destination) and `source_port` is given. `established`: only those of tracked connections.

    `in_interface`, `out_interface`: only those that come or leave by it.
    """

    source: str
    destination: str
    port: int | None
    source_port: int | None
    established: bool
    in_interface: str | None = None
    out_interface: str | None = None

    @property
    def tag(self) -> str:
        """The comment by which our rule is found again."""
        ends = [self.source, *([f"port {self.source_port}"] if self.source_port else []), "to", self.destination]
        ways = [f"{way} {name}" for way, name in (("in", self.in_interface), ("out", self.out_interface)) if name]
        whole = " ".join([f"{OWNER}:", *ends, *([f"port {self.port}"] if self.port else []), *ways])
        return whole if len(whole) <= MOST_COMMENT else f"{OWNER}: {digest(whole)}"

    def nft(self) -> str:
        return f'{self._flow.nft()} counter accept comment "{self.tag}"'

    def iptables(self) -> list[str]:
        return [*self._flow.iptables().split(), "-m", "comment", "--comment", self.tag, "-j", "ACCEPT"]

    @property
    def _flow(self) -> Flow:
        return Flow(
            {
                "packet": "syn_ack" if self.source_port else "ack" if self.established else "syn",
                "direction": "in",
                "source": self.source,
                "destination": self.destination,
                "port": self.port,
                "source_port": self.source_port,
                "interface": self.in_interface,
                "out_interface": self.out_interface,
                "state": "established" if self.established else "new",
            },
            interfaces=("in", "out"),
        )

    def line(self, variant: str, chain: str) -> str:
        """The rule as a file that is loaded at boot has it."""
        return self.nft() if variant == "nft" else f"-A {chain} {_save_format(self.iptables())}"

    def command(self, variant: str, family: str, table: str, chain: str, handle: int | None, number: int | None) -> str:
        """For a shell: in front of the rule of that handle or number, or at the chain's end."""
        if variant == "nft":
            place = f"insert rule {family} {table} {chain} position {handle}" if handle else f"add rule {family} {table} {chain}"
            return f"nft {shlex.quote(f'{place} {self.nft()}')}"
        where = ["-I", chain, str(number)] if number else ["-A", chain]
        return _joined([tool(variant, self.source), "-t", table, *where, *self.iptables()])

    def removal(self, variant: str, family: str, table: str, chain: str) -> str:
        """For a shell."""
        if variant == "nft":
            place = f"{family} {table} {chain}"
            find = f"nft -a list chain {place} | sed -n 's/.*\"{self.tag}\".* handle //p'"
            return f'nft delete rule {place} handle "$({find})"'
        return _joined([tool(variant, self.source), "-t", table, "-D", chain, *self.iptables()])


def tool(variant: str, address: str) -> str:
    """The tool of a variant of iptables, by the name that has the variant."""
    return ("ip6tables" if ":" in address else "iptables") + variant[len("iptables") :]


def _save_format(words: t.Sequence[str]) -> str:
    """As iptables-save writes texts with blanks."""
    return " ".join(f'"{word}"' if " " in word else word for word in words)


def _joined(words: list[str]) -> str:
    """A command for a shell: shlex.join, which Python 3.7 does not have."""
    return " ".join(map(shlex.quote, words))

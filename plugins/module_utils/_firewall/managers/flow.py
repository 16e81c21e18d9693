# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The flow to let through, in the syntax of iptables, nft and firewalld."""

from __future__ import annotations

import re
import shlex
import typing as t

from ..accept.firewalld_words import Rich

_INTERFACE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,14}")


class Flow:
    """The packet that was stopped, and the words for no more than packets like it. The source port may be unknown.

    A SYN or ACK is recognised by the service's port, its destination; a SYN-ACK by the service's port, its source.
    Not `here`: it is a saved ruleset that stops it. `interfaces`: which of its interfaces ("in", "out") the rule looks at in front of which
    it is let through, so that nothing is let through there by another one.
    """

    def __init__(self, question: t.Mapping[str, t.Any], here: bool = True, interfaces: t.Collection[str] = ()) -> None:
        self.here = here
        self.packet: str = question["packet"]
        self.direction: str = question["direction"]
        self.dialled: t.Mapping[str, t.Any] = question.get("asked") or question  # before its ends were translated
        self.source: str = question["source"]
        self.destination: str = question["destination"]
        self.port: int = question["port"]
        self.source_port: int | None = question["source_port"]
        self.interface: str | None = question["interface"]
        self.out_interface: str | None = question["out_interface"]
        self.comes_by = plain_interface(self.interface) if "in" in interfaces else None
        self.leaves_by = plain_interface(self.out_interface) if "out" in interfaces else None
        self.state: str = question["state"]
        self.ipv6 = ":" in self.source
        entered = question.get("entered")
        self._entered: set[tuple[str, str, str]] | None = None if entered is None else {(each[0], each[1], each[2]) for each in entered}

    def met(self, chain: str) -> bool:
        """Whether the packet came to a chain of iptables' table filter before it was stopped; True where its way is not known."""
        return self._entered is None or ("ip6" if self.ipv6 else "ip", "filter", chain) in self._entered

    @property
    def opens(self) -> bool:
        """Whether this packet opens the connection, so that a rule for its port lets the flow through."""
        return self.packet == "syn"

    @property
    def tracked(self) -> bool:
        """Whether the packet belongs to a connection that was let through."""
        return not self.opens and self.state == "established"

    def nft(self) -> str:
        """Conditions of a rule of nft. In a chain of one direction the addresses say the rest."""
        network = "ip6" if self.ipv6 else "ip"
        words = [f'{key} "{name}"' for key, name in (("iifname", self.comes_by), ("oifname", self.leaves_by)) if name]
        words += [f"{network} saddr {self.source}", f"{network} daddr {self.destination}"]
        words += self._service("tcp sport", "tcp dport")
        return " ".join(words + (["ct state established"] if self.tracked else []))

    def iptables(self) -> str:
        """Conditions of a rule of iptables."""
        words = [f"{option} {name}" for option, name in (("-i", self.comes_by), ("-o", self.leaves_by)) if name]
        words += [f"-s {self.source} -d {self.destination} -p tcp", *self._service("--sport", "--dport")]
        return " ".join(words + (["-m conntrack --ctstate ESTABLISHED"] if self.tracked else []))

    def _service(self, at_source: str, at_destination: str) -> list[str]:
        """The condition for the service's port."""
        if self.packet != "syn_ack":
            return [f"{at_destination} {self.port}"]
        return [] if self.source_port is None else [f"{at_source} {self.source_port}"]

    def rich_rule(self, priority: int = 0) -> str:
        """A rich rule of firewalld that accepts it."""
        return Rich(self.source, self.destination, self.port, priority).text()

    def words(self) -> str:
        """For people."""
        if self.packet == "syn_ack":
            ends = f"SYN-ACKs from {self.source} port {self.source_port or 'any'} to {self.destination}"
        else:
            ends = f"TCP from {self.source} to {self.destination} port {self.port}"
        return ends + "".join(f" {way} {name}" for way, name in (("in by", self.comes_by), ("out by", self.leaves_by)) if name)


def plain_interface(name: str | None) -> str | None:
    """An interface whose name can stand in a rule as it is: the kernel also allows names that nft and shells read otherwise."""
    return name if name and _INTERFACE.fullmatch(name) else None


def quoted(*words: str) -> str:
    """A command line for a shell."""
    return " ".join(shlex.quote(word) for word in words)

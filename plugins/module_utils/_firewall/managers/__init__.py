# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Which program made a rule, where that program stores it, and how to let a flow through with that program.

Names of tables and chains, and the text of rules, come from the host and may be hostile: they are bounded, and quoted for the shell.
What programs keep is read from their files; only what firewalld would forget is asked of itself, where a reload is to be advised.
"""

from __future__ import annotations

import typing as t

from ..._commands import Run
from .names import builtin, jumps_to, maker

Reference = t.Dict[str, t.Any]  # RULE of docs/firewall.md, as far as it is known
Change = t.Dict[str, t.Any]


class Managers:
    """`run` None: a saved ruleset, of which only names can say more, because no file of this host is about it."""

    def __init__(self, run: Run | None) -> None:
        self._run, self._here = run, run is not None
        self._chains: dict[tuple[str, str, str], str] = {}  # chains of the kernel that a program took over
        self._keepers: dict[str, t.Any] = {}

    def owner(self, reference: Reference) -> dict[str, t.Any]:
        """{manager, origin} of a rule or policy; `origin` None where it is not known. Rules are asked for in the order of their way:
        what a program's jumps show of a chain is remembered for the rules and the policy after them."""
        manager = maker(reference)
        if builtin(str(reference["chain"])):
            manager = self._in_shared_chain(manager, reference)
        return {"manager": manager, "origin": self._keeper(manager).origin(reference)}

    def _in_shared_chain(self, manager: str, reference: Reference) -> str:
        """Jumps belong to the program whose chain they lead to, a policy to the program that is known to set it."""
        place = (str(reference["family"]), str(reference["table"]), str(reference["chain"]))
        before = self._chains.get(place)
        if manager == "iptables":
            target = jumps_to(str(reference["text"]))
            led = maker({**reference, "chain": target, "text": "-j"}) if target else manager
            if led != "iptables":
                manager = led
            elif reference["number"] is None and place[0] == "ip6" and self._here and self._keeper("ufw").shuts_ipv6():
                manager = "ufw"
            elif before and (reference["number"] is None or before == "firewalld"):  # which has rules of its own there
                manager = before
        if manager in ("firewalld", "ufw", "shorewall", "csf") or (manager == "docker" and not before and place[2] == "FORWARD"):
            self._chains[place] = manager
        return manager

    def change(self, reference: Reference, question: t.Mapping[str, t.Any]) -> Change | None:
        """How to let the packet of `question` (completed, see docs/firewall.md) through, which the owned rule or policy stops.

        {manager, summary, commands, simple}: `commands` open no more than the flow needs and can be given to a shell as they are;
        `simple` is what people would write, None where that is the same. None where no change of this rule is to be advised.
        """
        from .flow import Flow

        flow = Flow(question, self._here, reference.get("interfaces") or ())
        change = self._keeper(str(reference["manager"])).change(reference, flow)
        if change is None:
            return None
        by = {"in_interface": flow.comes_by, "out_interface": flow.leaves_by}
        return {"manager": reference["manager"], "simple": None, **{name: value for name, value in by.items() if value}, **change}

    def kept_in(self, found: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """{file, line, commands} of what a named set has for a packet, or lacks (`sets` in docs/firewall.md)."""
        from .kept_sets import kept_in

        return kept_in(found, self._here)

    def _keeper(self, manager: str) -> t.Any:
        """What knows the files and words of a program."""
        if manager not in self._keepers:
            self._keepers[manager] = _make(manager, self._run)
        return self._keepers[manager]


def _make(manager: str, run: Run | None) -> t.Any:
    here = run is not None
    if manager == "firewalld":
        from .firewalld import Firewalld

        return Firewalld(here, run=run)
    if manager in ("ufw", "ufw-docker"):  # which leaves what is forwarded to `ufw route`, and drops the rest
        from .ufw import Ufw

        return Ufw(here, run=run)
    if manager == "nftables":
        from .nftables import Nftables

        return Nftables(here)
    if manager == "iptables":
        from .iptables import Iptables

        return Iptables(here)
    from .others import Other

    return Other(manager)

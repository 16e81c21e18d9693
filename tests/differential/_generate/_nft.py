# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random tables of nftables."""

from __future__ import annotations

from collections.abc import Iterator

from .._case import Load
from ._dice import Dice
from ._nft_rules import Place, Rules

_HOOKS = {
    "ip": ("prerouting", "input", "forward", "output", "postrouting"),
    "bridge": ("prerouting", "input", "forward", "output", "postrouting"),
    "netdev": ("ingress", "egress"),
}
_PRIORITIES = (-450, -300, -225, -201, -199, -150, -100, -99, -1, 0, 0, 0, 0, 1, 10, 50, 100, 101, 225, 300)
_FAMILIES = {"inet": 0.45, "ip": 0.25, "ip6": 0.15, "bridge": 0.07, "netdev": 0.08}


def tables(dice: Dice, lucky: bool, beside: bool) -> tuple[Load, bool]:
    """One to three tables, and whether some rule of theirs remembers packets. `lucky`: rules that depend on luck are wanted.

    `beside`: rules of other programs will be loaded, too. At equal priority nobody can tell from outside which runs first: avoid it.
    """
    families, weights = list(_FAMILIES), list(_FAMILIES.values())
    made = [_Table(dice, dice.choices(families, weights)[0], f"t{number}", lucky, beside) for number in range(dice.pick(1, 1, 2, 2, 3))]
    return Load("nft", "\n".join(table.text() for table in made)), any(table.rules.stateful for table in made)


class _Table:
    def __init__(self, dice: Dice, family: str, name: str, lucky: bool, beside: bool) -> None:
        self._dice, self._family, self._name, self._beside = dice, family, name, beside
        self._users = [f"u{number}" for number in range(dice.pick(0, 0, 1, 2, 3))]
        self.rules = Rules(dice, family, lucky)

    def text(self) -> str:
        users = list(self._user_chains())
        bases = list(self._base_chains())
        if any("type nat" in base for base in bases) and self._dice.chance(0.7):  # where nothing asks for conntrack they do not run
            users.append("  chain tracked {\n    ct state invalid counter\n  }")
        body = "\n".join([*self.rules.declarations(), *users, *bases])
        dormant = "  flags dormant\n" if self._dice.chance(0.01) else ""
        return f"table {self._family} {self._name} {{\n{dormant}{body}\n}}"

    def _user_chains(self) -> Iterator[str]:
        """Innermost first: a chain jumps only to those before it, so that there is no loop."""
        for number, name in enumerate(self._users):
            yield self._chain(name, "", Place(None, "filter", tuple(self._users[:number])), self._dice.randint(0, 4))

    def _base_chains(self) -> Iterator[str]:
        dice = self._dice
        for number in range(dice.pick(1, 2, 2, 3, 4)):
            kind = "filter"
            if self._family in ("ip", "ip6", "inet"):
                kind = dice.choices(("filter", "nat", "route"), (0.76, 0.2, 0.04))[0]
            hook = dice.choice(_HOOKS.get(self._family, _HOOKS["ip"]))
            if self._family == "bridge" and dice.chance(0.7):  # by which port a packet leaves a bridge is not asked of it
                hook = dice.pick("prerouting", "input", "forward")
            device = ""
            if kind == "nat":
                hook = dice.pick("prerouting", "prerouting", "postrouting", "output", "input")
                priority = dice.pick(-100, -100, -101, 0) if hook in ("prerouting", "output") else dice.pick(100, 100, 99, 101)
                priority += 3 if self._beside else 0
            elif kind == "route":
                hook, priority = "output", dice.pick(-150, 0) + (3 if self._beside else 0)
            else:
                priority = dice.choice(_PRIORITIES) + (3 if self._beside else 0)
            if self._family == "netdev":
                device = f" device {dice.choice(('eth0', 'eth1', 'wan0', 'eth0', 'eth1', 'wan0', 'port0'))}"
            elif self._family == "inet" and kind == "filter" and dice.chance(0.03):
                hook, device = "ingress", f" device {dice.choice(('eth0', 'eth1', 'wan0'))}"
            policy = " policy drop;" if kind == "filter" and dice.chance(0.2) else dice.pick("", " policy accept;")
            head = f"type {kind} hook {hook}{device} priority {priority};{policy}"
            yield self._chain(
                f"c{number}",
                head,
                Place(hook, kind, tuple(self._users)),
                dice.randint(90, 150) if dice.chance(0.02) else dice.randint(1, 7),
            )

    def _chain(self, name: str, head: str, place: Place, rules: int) -> str:
        lines = [f"    {head}"] if head else []
        lines += [f"    {self.rules.rule(place)}" for _turn in range(rules)]
        return "\n".join([f"  chain {name} {{", *lines, "  }"])

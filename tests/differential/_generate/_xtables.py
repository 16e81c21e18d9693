# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random tables of iptables and ip6tables, and the ipsets that they refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .._case import Load, Tool
from ._dice import Dice
from ._xtables_matches import Conditions

CHAINS = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
_LOG = ("LOG", 'LOG --log-prefix "x "', "AUDIT --type drop", "NFLOG --nflog-group 9")


def tables(dice: Dice, tool: Tool, lucky: bool) -> tuple[list[Load], bool]:
    """What one program of the family loads, ipsets first, and whether some rule remembers packets."""
    version = 6 if tool.startswith("ip6") else 4
    prefix = f"{tool[:3]}{version}{tool.rsplit('-')[-1][0]}"  # of the names of sets, which all programs share
    conditions = Conditions(dice, version, prefix, lucky)
    chosen = ["filter"] if dice.chance(0.85) else []
    chosen += [table for table in ("raw", "mangle", "nat", "security") if dice.chance(0.3 if table != "security" else 0.08)]
    text = "".join(_Table(dice, table, version, conditions).text() for table in chosen or ["filter"])
    sets = "".join(conditions.sets())
    return [*([Load("ipset", sets)] if sets else []), Load(tool, text)], conditions.stateful


class _Table:
    def __init__(self, dice: Dice, name: str, version: int, conditions: Conditions) -> None:
        self._dice, self._name, self._version, self._conditions = dice, name, version, conditions
        # One chain of the user's own belongs to one built-in chain, whose hook decides what may stand in it.
        self._users = {f"u{number}": dice.choice(CHAINS[name]) for number in range(dice.pick(0, 0, 1, 2, 3))}

    def text(self) -> str:
        dice = self._dice
        lines = [f"*{self._name}"]
        for chain in CHAINS[self._name]:
            lines.append(f":{chain} {'DROP' if self._name == 'filter' and dice.chance(0.15) else 'ACCEPT'} [0:0]")
        lines += [f":{user} - [0:0]" for user in self._users]
        if self._name == "nat":  # without conntrack it would not run, and nobody has that
            lines += [":tracked - [0:0]", "-A tracked -m conntrack --ctstate INVALID"]
        lines += self._rules()
        return "\n".join([*lines, "COMMIT\n"])

    def _rules(self) -> Iterator[str]:
        dice = self._dice
        earlier: dict[str, str] = {}
        for user, hook in self._users.items():
            inner = tuple(name for name, where in earlier.items() if where == hook)
            yield from (self._rule(user, hook, inner) for _turn in range(dice.randint(0, 4)))
            earlier[user] = hook
        for chain in CHAINS[self._name]:
            users = tuple(name for name, where in self._users.items() if where == chain)
            yield from (
                self._rule(chain, chain, users) for _turn in range(dice.randint(90, 150) if dice.chance(0.02) else dice.pick(0, 1, 2, 3, 5))
            )

    def _rule(self, chain: str, hook: str, users: tuple[str, ...]) -> str:
        conditions = self._conditions.some(self._name, hook)
        return f"-A {chain} {conditions} {self._target(hook, users, '-p tcp' in conditions and '! -p' not in conditions)}".rstrip()

    # -- targets

    def _target(self, hook: str, users: tuple[str, ...], tcp: bool) -> str:
        dice = self._dice
        weighted: list[tuple[float, Callable[[], str]]] = [
            (3, lambda: "-j ACCEPT"),
            (0.4, lambda: "-j RETURN"),
            (0.5, lambda: ""),
            (1, lambda: f"-j {dice.choice(_LOG)}"),
            (0.06, lambda: f"-j {self._conditions.set_target()}"),
            (1.5 if self._name == "mangle" else 0.7, lambda: f"-j {self._mark()}"),
        ]
        if self._name != "nat":
            weighted.append((2, lambda: "-j DROP"))
        if users:
            weighted += [(3, lambda: f"-j {dice.choice(users)}"), (0.5, lambda: f"-g {dice.choice(users)}")]
        if self._name == "filter":
            weighted += [
                (1.5, lambda: f"-j {self._reject(tcp)}"),
                (0.3, lambda: f"-j NFQUEUE --queue-num {dice.pick(0, 3)}{dice.pick('', ' --queue-bypass')}"),
            ]
        if self._name == "mangle":
            weighted.append((3, lambda: f"-j {self._mangle(hook, tcp)}"))
        if self._name == "raw":
            weighted.append((3, lambda: dice.pick("-j NOTRACK", "-j CT --notrack", "-j TRACE")))
        if self._name == "nat":
            weighted.append((8, lambda: f"-j {self._nat(hook, tcp)}"))
        return dice.one_of(weighted)

    def _mark(self) -> str:
        dice = self._dice
        mark = hex(dice.mark())
        return dice.pick(
            f"MARK --set-mark {mark}",
            f"MARK --set-xmark {mark}/{hex(dice.pick(0xF, 0xFFFFFFFF, 0xFF00))}",
            f"MARK --or-mark {mark}",
            f"MARK --and-mark {mark}",
            f"MARK --xor-mark {mark}",
            f"CONNMARK --set-mark {mark}",
            f"CONNMARK --set-xmark {mark}/0xff",
            "CONNMARK --save-mark",
            "CONNMARK --restore-mark",
            "CONNMARK --restore-mark --nfmask 0xf --ctmask 0xff",
        )

    def _reject(self, tcp: bool) -> str:
        if self._version == 4:
            kinds = [
                "icmp-net-unreachable",
                "icmp-host-unreachable",
                "icmp-port-unreachable",
                "icmp-proto-unreachable",
                "icmp-net-prohibited",
            ]
            kinds += ["icmp-host-prohibited", "icmp-admin-prohibited"]
        else:
            kinds = ["icmp6-no-route", "icmp6-adm-prohibited", "icmp6-addr-unreachable", "icmp6-port-unreachable"]
        kind = self._dice.choice([*kinds, *["tcp-reset"] * tcp * 3, ""])
        return f"REJECT --reject-with {kind}" if kind else "REJECT"

    def _mangle(self, hook: str, tcp: bool) -> str:
        dice = self._dice
        hops = "TTL --ttl" if self._version == 4 else "HL --hl"
        choices = [
            f"DSCP --set-dscp {dice.pick(0, 8, 46)}",
            "DSCP --set-dscp-class ef",
            f"TOS --set-tos {dice.pick('0x10', '0x08/0x3f')}",
            f"{hops}-{dice.pick('set 5', 'set 33', 'dec 1', 'inc 1')}",
        ]
        if tcp and hook in ("FORWARD", "OUTPUT", "POSTROUTING"):
            choices.append("CLASSIFY --set-class 1:2")
            choices.append("TCPOPTSTRIP --strip-options timestamp,sack-permitted")
        if hook == "PREROUTING" and tcp and dice.chance(0.05):
            choices.append(f"TPROXY --on-port {dice.port()}")
        return dice.choice(choices)

    def _nat(self, hook: str, tcp: bool) -> str:
        dice = self._dice
        address = dice.address(self._version)
        if hook in ("PREROUTING", "OUTPUT"):
            port = dice.port()
            return dice.pick(
                f"DNAT --to-destination {address}",
                f"DNAT --to-destination {_with_port(address, port)}" if tcp else f"DNAT --to-destination {address}",
                f"REDIRECT --to-ports {port}" if tcp else "REDIRECT",
                f"NETMAP --to {dice.prefix(self._version)}" if dice.chance(0.3) else f"DNAT --to-destination {address}",
            )
        port = dice.pick(2000, 30000)
        choices = [f"SNAT --to-source {address}", f"SNAT --to-source {_with_port(address, port) if tcp else address}"]
        return dice.choice(choices + ["MASQUERADE"] * (hook == "POSTROUTING"))


def _with_port(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"

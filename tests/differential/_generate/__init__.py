# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random but plausible rulesets, and packets that meet them. The same seed gives the same case."""

from __future__ import annotations

from .._case import Case, Load, Tool
from . import _nft, _packets, _xtables
from ._dice import Dice

LUCKY = 0.1  # the share of rulesets with rules that depend on luck
_MIXES: dict[tuple[Tool, ...], float] = {
    ("nft",): 0.5,
    ("iptables-legacy",): 0.08,
    ("ip6tables-legacy",): 0.04,
    ("iptables-legacy", "ip6tables-legacy"): 0.08,
    ("iptables-nft",): 0.06,
    ("ip6tables-nft",): 0.03,
    ("iptables-nft", "ip6tables-nft"): 0.04,
    ("nft", "iptables-legacy"): 0.06,
    ("nft", "iptables-nft"): 0.04,
    ("iptables-legacy", "ip6tables-nft"): 0.03,
    ("nft", "iptables-legacy", "ip6tables-nft"): 0.04,
}


def case(seed: str, packets: int, uids: tuple[int, ...]) -> Case:
    dice = Dice(seed)
    lucky = dice.chance(LUCKY)
    tools = dice.choices(list(_MIXES), list(_MIXES.values()))[0]
    loads: list[Load] = []
    stateful = False
    for tool in tools:
        if tool == "nft":
            load, remembers = _nft.tables(dice, lucky, len(tools) > 1)
            more = [load]
        else:
            more, remembers = _xtables.tables(dice, tool, lucky)
        loads, stateful = loads + more, stateful or remembers
    return Case(seed, tuple(loads), tuple(_packets.packet(dice, uids) for _turn in range(packets)), stateful, lucky)

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rulesets that nobody here wrote: of the tests of nftables and iptables, whose sources are unpacked in one directory.

What these tests load is taken as it is (`tests/shell` of nft, `*-save` of iptables). Of rules that they have one by one (`tests/py`,
`extensions/*.t`) each gets a ruleset: where it would let packets on, it drops them instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .. import _generate
from ._host import Load

_HOOKS = ("input", "forward", "output")
_FAMILIES = ("ip", "ip6", "inet")
_ENDS = re.compile(r"\b(accept|drop|reject|queue|continue|return|jump|goto|vmap|masquerade|redirect|snat|dnat|tproxy|synproxy)\b")
_ELSEWHERE = re.compile(r"\b(?:[sd]nat|masquerade|redirect|netmap|[ts]proxy|dup|fwd|tee)\b", re.IGNORECASE)
_TARGET = re.compile(r"(?:^|\s)(-[jg]|--jump|--goto)\b")


@dataclass(frozen=True)
class Ruleset:
    """`alternatives`: of which the first that the tools take is meant."""

    name: str
    alternatives: tuple[tuple[Load, ...], ...]

    def order(self) -> dict[str, Any]:
        """For `_worker.py`."""
        return {"name": self.name, "alternatives": [[asdict(load) for load in loads] for loads in self.alternatives]}


def rulesets(directory: Path) -> Iterator[Ruleset]:
    for file in sorted(directory.rglob("*.nft")):
        if text := file.read_text(errors="replace").strip():
            yield Ruleset(_name(directory, file), ((Load("nft", text),),))
    for file in sorted(directory.rglob("tests/py/*/*.t")):
        yield from _nft_rules(_name(directory, file), file.read_text(errors="replace"))
    for file in sorted(directory.rglob("extensions/lib*.t")):
        yield from _iptables_rules(_name(directory, file), file)
    for file in sorted(directory.rglob("testcases/ip*/dumps/*")):
        yield from _saved(_name(directory, file), file)


def _name(directory: Path, file: Path) -> str:
    return "/".join(file.relative_to(directory).parts[-3:])


def _nft_rules(name: str, text: str) -> Iterator[Ruleset]:
    families = [family for family in _FAMILIES if re.search(rf"^\*{family};", text, re.MULTILINE)]
    for number, line in enumerate(re.findall(r"^([^#\n:*!?%-][^;\n]*);ok", text, re.MULTILINE) if families else ()):
        family = families[number % len(families)]
        rules = (line,) if _ENDS.search(line) else (f"{line} drop", line)
        yield Ruleset(f"{name}#{number}", tuple((Load("nft", _table(family, rule)),) for rule in rules))
        yield Ruleset(f"{name}#{number} policy", ((Load("nft", _table(family, line, "drop")),),))


def _table(family: str, rule: str, policy: str = "accept") -> str:
    chains = "".join(f"  chain {hook} {{\n    type filter hook {hook} priority 0; policy {policy};\n    {rule}\n  }}\n" for hook in _HOOKS)
    return f"table {family} t {{\n{chains}}}\n"


def _iptables_rules(name: str, file: Path) -> Iterator[Ruleset]:
    text = file.read_text(errors="replace")
    table = found[1] if (found := re.search(r"^\*(\w+)", text, re.MULTILINE)) else "filter"
    head = re.search(r"^:([\w,-]+)", text, re.MULTILINE)
    chains = [chain for chain in (head[1].split(",") if head else ()) if chain.isupper()]
    prefix = file.name[: file.name.index("_")]
    if not chains or table in ("broute",) or prefix in ("libarpt", "libebt"):
        return
    tools = ("ip6tables",) if prefix == "libip6t" else ("iptables",) if prefix == "libipt" else ("iptables", "ip6tables")
    rules = re.findall(r"^(-[^;\n]*);[^;\n]*;OK", text, re.MULTILINE)
    for number, rule in enumerate(rules):
        rule = rule if _TARGET.search(rule) else f"{rule} -j DROP"
        tool = tools[number % len(tools)]
        for variant in ("nft", "legacy"):
            saved = "".join(f"-A {chain} {rule}\n" for chain in chains)
            yield Ruleset(f"{name}#{number} {variant}", ((Load(f"{tool}-{variant}", f"*{table}\n{saved}COMMIT\n"),),))
            if table == "filter":
                policies = "".join(f":{chain} DROP [0:0]\n" for chain in chains)
                text = f"*filter\n{policies}{saved.replace(' -j DROP', ' -j RETURN')}COMMIT\n"
                yield Ruleset(f"{name}#{number} {variant} policy", ((Load(f"{tool}-{variant}", text),),))


def _saved(name: str, file: Path) -> Iterator[Ruleset]:
    text = file.read_text(errors="replace")
    if not re.search(r"^\*\w+", text, re.MULTILINE):
        return
    tool = "ip6tables" if "ip6tables" in file.name else "iptables"
    for variant in ("nft", "legacy"):
        yield Ruleset(f"{name} {variant}", ((Load(f"{tool}-{variant}", text + "\n"),),))


def drawn(seed: str, count: int) -> Iterator[Ruleset]:
    """Those with which the evaluator is compared with the kernel, but for those with ipsets, and those that lead connections elsewhere."""
    for number in range(count):
        loads = _generate.case(f"{seed}/{number}", 0, (0,)).loads
        if not any(load.tool == "ipset" or _ELSEWHERE.search(load.text) for load in loads):
            yield Ruleset(f"{seed}/{number}", (tuple(Load(load.tool, load.text) for load in loads),))

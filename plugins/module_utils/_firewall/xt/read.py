# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read the loaded rules of iptables and ip6tables on this host, with iptables' own tools.

Legacy tables are read only where /proc/net/ip_tables_names names some: asking for a table would load it. iptables-nft-save writes what
nf_tables holds and creates nothing. Both may be loaded at once, and both count.
"""

from __future__ import annotations

import os
import typing as t

from ..._commands import Run
from ..ruleset import Absence
from ..tracking import FAMILIES
from . import save
from .chains import BuiltIn, Chains, Rules
from .rule import Rule

_NAMES = {"ip": "/proc/net/ip_tables_names", "ip6": "/proc/net/ip6_tables_names"}
_TOOL = {"ip": "iptables", "ip6": "ip6tables"}
_DIRECTORIES = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin", "/usr/local/bin")
# The order in which the tables of a hook run is that of their priorities; within a table the hooks are these.
_BUILT_IN = {
    "raw": ("PREROUTING", "OUTPUT"),
    "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
    "filter": ("INPUT", "FORWARD", "OUTPUT"),
    "security": ("INPUT", "FORWARD", "OUTPUT"),
}
_TRANSLATING = (" -j DNAT", " -j SNAT", " -j MASQUERADE", " -j REDIRECT", " -j NETMAP")
_MARKING = (" -j CONNMARK --set", " -j CONNMARK --save", " -j CONNMARK --or", " -j CONNMARK --and", " -j CONNMARK --xor")


class Xtables:
    """Rules of iptables and ip6tables. `absent` names what could not be read, and grows when rules of iptables-nft are asked for."""

    def __init__(self, legacy: t.Sequence[save.Table], nft: t.Callable[[str], t.Mapping[str, save.Table]], absent: list[Absence]) -> None:
        self._legacy, self._read_nft, self.absent = legacy, nft, absent
        self._nft: dict[tuple[str, str], Chains] = {}
        self._families: set[str] = set()
        text = "\n".join(line for table in legacy for chain in table.chains.values() for line in chain.lines)
        self.tracks_marks = any(each in text for each in _MARKING)
        self.translates = any(each in text for each in _TRANSLATING)

    def base_chains(self) -> list[BuiltIn]:
        """The built-in chains of legacy tables that may do something to a packet."""
        found = []
        for table in self._legacy:
            chains = Chains(table)
            found += [BuiltIn(chains, name) for name in _BUILT_IN.get(table.name, ()) if name in table.chains]
        return [chain for chain in found if not chain.idle]

    def tracks(self, version: int) -> bool:
        """Whether some rule of a legacy table has the kernel track connections of IPv4 or IPv6."""
        tables = (Chains(table) for table in self._legacy if table.family in FAMILIES[version])
        several = (chains.get(name) for chains in tables for name in chains.table.chains)
        return any(rules.tracks() for rules in several if rules is not None)

    def compat(self, family: str, table: str, chain: str, index: int) -> Rule | None:
        """A rule of iptables-nft: the `index`-th of its chain, from 0. None where iptables-nft-save does not print it."""
        rules = self._rules(family, table, chain)
        return rules[index] if rules is not None and 0 <= index < len(rules) else None

    def _rules(self, family: str, table: str, chain: str) -> Rules | None:
        if family not in self._families:
            self._families.add(family)
            for name, saved in self._read_nft(family).items():
                if saved.damaged is None:
                    self._nft[family, name] = Chains(saved)
        chains = self._nft.get((family, table))
        return chains.get(chain) if chains else None


def read(run: Run) -> Xtables:
    """What is loaded. `run` takes a list of words and returns the exit code and what the tool wrote; each trouble is an Absence."""
    reader = _Reader(run)
    legacy = [table for family in _NAMES for table in reader.legacy(family)]
    return Xtables(legacy, reader.nft, reader.absent)


def from_text(texts: t.Mapping[str, str]) -> Xtables:
    """Tables of save files: family (ip | ip6) -> text. Whatever variant they were saved by, they are evaluated as they stand."""
    absent: list[Absence] = []
    tables: list[save.Table] = []
    for family, text in texts.items():
        saved = save.parse(text, family)
        absent += [Absence(f"a part of the saved {_TOOL[family]} rules", problem) for problem in saved.problems]
        tables += saved.tables.values()
    return Xtables(tables, lambda family: {}, absent)


class _Reader:
    def __init__(self, run: Run) -> None:
        self._run = run
        self.absent: list[Absence] = []
        self._variants: dict[str, str] = {}

    def legacy(self, family: str) -> t.Sequence[save.Table]:
        try:
            with open(_NAMES[family], encoding="ascii", errors="replace") as file:
                names = file.read().split()
        except FileNotFoundError:  # the module is not even loaded
            return ()
        except OSError as error:
            self.absent.append(Absence(f"legacy {_TOOL[family]} rules", f"{_NAMES[family]} cannot be read: {error.strerror}"))
            return ()
        if not names:
            return ()
        saved = self._saved(family, "legacy")
        for name in names:
            if saved and name not in saved:
                why = f"the kernel has a table {name}, which {_TOOL[family]}-save did not write"
                self.absent.append(Absence(f"legacy {_TOOL[family]} table {name}", why))
        return list(saved.values())

    def nft(self, family: str) -> t.Mapping[str, save.Table]:
        return self._saved(family, "nf_tables")

    def _saved(self, family: str, variant: str) -> t.Mapping[str, save.Table]:
        what = f"{'legacy ' if variant == 'legacy' else ''}{_TOOL[family]} rules{'' if variant == 'legacy' else ' of nf_tables'}"
        hidden = variant == "legacy"  # those of nf_tables are seen all the same: each that is not described is undecided by itself
        tool = self._tool(family, variant)
        if tool is None:
            self.absent.append(Absence(what, f"there is no {_TOOL[family]}-save of the variant {variant} on this host", hidden))
            return {}
        code, out, err = self._run([tool, "-c"])
        if code != 0:
            last = (err.strip() or out.strip() or "it wrote nothing").splitlines()[-1]
            self.absent.append(Absence(what, f"{tool} -c failed with exit code {code}: {last[:300]}", hidden))
            return {}
        saved = save.parse(out, family)
        self.absent += [Absence(f"a part of the {what}", problem, hidden) for problem in saved.problems[:20]]
        return saved.tables

    def _tool(self, family: str, variant: str) -> str | None:
        """The tool that writes this variant: by its own name, or the one without a variant in its name, whose version says which it is."""
        short = "legacy" if variant == "legacy" else "nft"
        named = _find(f"{_TOOL[family]}-{short}-save")
        if named:
            return named
        plain = _find(f"{_TOOL[family]}-save")
        if plain is None:
            return None
        if plain not in self._variants:
            _code, out, _err = self._run([plain, "--version"])
            self._variants[plain] = "nf_tables" if "nf_tables" in out else "legacy"  # before 1.8 there was no other
        return plain if self._variants[plain] == variant else None


def _find(name: str) -> str | None:
    return next((path for path in (f"{directory}/{name}" for directory in _DIRECTORIES) if os.access(path, os.X_OK)), None)

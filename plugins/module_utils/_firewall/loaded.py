# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The loaded ruleset of this network namespace, of all firewalls together."""

from __future__ import annotations

import typing as t

from .._commands import Run
from .._errors import ObserveError
from .nft import read as nftables
from .ruleset import Absence, BaseChain, Facts, Ruleset
from .xt import ipset
from .xt import read as xtables


def load(run: Run, facts: Facts) -> Ruleset:
    """Read everything; what cannot be read is named in `absent`, and the rest is evaluated all the same."""
    chains: list[BaseChain] = []
    iptables = xtables.read(run)
    absent = iptables.absent  # which grows, as rules of iptables-nft are read when a packet meets them
    chains += iptables.base_chains()
    tracks_marks, translates, tracks = iptables.tracks_marks, iptables.translates, [iptables.tracks]
    try:
        tables = nftables.read({link.index: link for link in facts.links()})
    except ObserveError as error:
        absent.append(Absence("nf_tables", str(error)))
    else:
        chains += tables.base_chains(iptables.compat)
        tracks_marks, translates = tracks_marks or bool(tables.tables), translates or tables.translates
        tracks.append(tables.tracks)
    return Ruleset(chains, absent, tracks_marks, translates, lambda version: any(each(version) for each in tracks))


def sets(run: Run) -> t.Callable[[str], t.Any]:
    """Members of ipsets, each set read when a rule first asks for it."""
    known: dict[str, t.Any] = {}

    def members(name: str) -> t.Any:
        if name not in known:
            known[name] = ipset.read(run, name)
        return known[name]

    return members

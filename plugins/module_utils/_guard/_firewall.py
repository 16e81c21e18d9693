# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Saves what the host's firewall has in the kernel: nf_tables (iptables-nft's tables with it), legacy xtables, ipsets."""

from __future__ import annotations

from functools import partial

from ._base import Blobs, Json, Run, try_all
from ._disk import RememberedBlobs
from ._ipsets import Ipsets
from ._nftables import Nftables
from ._xtables import Xtables


class Firewall:
    """State: a record for each of the three, and what each is without counters."""

    title = "firewall rules"
    survives_reboot = False

    def __init__(self) -> None:
        self._nftables, self._xtables, self._ipsets = Nftables(), Xtables(), Ipsets()

    def save(self, wanted: bool, blobs: Blobs, run: Run) -> Json:
        """All rulesets of the host's network namespace."""
        nftables = self._nftables.save(blobs, run)
        self._nftables.check(nftables, blobs)
        xtables = self._xtables.save(blobs, run)
        ipsets = self._ipsets.save(blobs, run)
        essence = {"xtables": self._xtables.essence(xtables, blobs), "ipsets": self._ipsets.essence(ipsets, blobs)}
        not_saved = [f"table {name} of nftables belongs to a running program, which alone may change it" for name in nftables["owned"]]
        if ipsets is None:
            not_saved.append("ipsets are not saved: ipset is missing on this host")
        return {"nftables": nftables, "xtables": xtables, "ipsets": ipsets, "essence": essence, "not_saved": not_saved}

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Sets before the rules that refer to them, and new sets away once nothing does."""
        try_all((
            partial(self._ipsets.bring_back, record["ipsets"], blobs, run),
            partial(self._restore_nftables, record["nftables"], blobs, run),
            partial(self._xtables.restore, record["xtables"], blobs, run),
            partial(self._ipsets.remove_new, record["ipsets"], blobs, run),
        ))  # fmt: skip

    def _restore_nftables(self, record: Json, blobs: Blobs, run: Run) -> None:
        if self._nftables.save(RememberedBlobs(), run)["essence"] != record["essence"]:
            self._nftables.restore(record, blobs)

    def essence(self, record: Json) -> Json:
        """Rules, sets and policies without counters."""
        return [record["nftables"]["essence"], record["essence"]]

    def lines(self, record: Json, blobs: Blobs) -> list[str]:
        """As nft, iptables-save and ipset print them, without counters."""
        found = self._nftables.lines(record["nftables"], blobs)
        for name, text in record["essence"]["xtables"].items():
            found += [f"# {name.split()[0]}-legacy", *text.splitlines()]
        for name, (kind, *entries) in record["essence"]["ipsets"].items():
            found += [f"create {name} {kind}", *(f"add {name} {entry}" for entry in entries)]
        return found

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Save the host's firewall state in the kernel: nf_tables (including iptables-nft's tables), legacy xtables, ipsets."""

from __future__ import annotations

from functools import partial

from .._commands import Run
from .base import Blobs, Json, packed, try_all
from .ipsets import Ipsets
from .nftables import Nftables
from .xtables import Xtables

MARKED = "marked"
"""What is wanted of the firewall where only rules with our mark are going to change."""
MARK = "threeway.handshake: "
"""How the comments of the rules of module firewall_rule begin, see _firewall.accept.words."""


class Firewall:
    """State: a record for each of the three, and what each is without counters."""

    title = "firewall rules"
    survives_reboot = False

    def __init__(self) -> None:
        self._nftables, self._xtables, self._ipsets = Nftables(), Xtables(), Ipsets()

    def save(self, wanted: bool | str, blobs: Blobs, run: Run) -> Json:
        """All rulesets of the host's network namespace."""
        record = self.read(wanted, blobs, run)
        self._nftables.check(record["nftables"], blobs)
        return record

    def read(self, wanted: bool | str, blobs: Blobs, run: Run) -> Json:
        """The same, for who will not restore it here: the kernel is not asked to try that out, for which others would wait."""
        nftables = self._nftables.save(blobs, run)
        xtables, ipsets = self._xtables.save(blobs, run), self._ipsets.save(blobs, run)
        not_saved = [f"table {name} of nftables belongs to a running program, which alone may change it" for name in nftables["owned"]]
        not_saved += self._ipsets.not_saved(ipsets)
        return {**self._record(nftables, xtables, ipsets, blobs), "marked": wanted == MARKED, "not_saved": not_saved}

    def target(self, saved: Json, made: Json, now: Json, blobs: Blobs) -> Json:
        """Where only marked rules are ours, nothing else is undone, whether `made` is known or not. Version 0.1.0 saved no `marked`."""
        marked, new = saved.get("marked", False), made or {"nftables": None, "xtables": None, "ipsets": None}
        nftables = self._nftables.target(
            saved["nftables"], new["nftables"], now["nftables"], blobs, (lambda said: packed(MARK) in said) if marked else None
        )
        xtables = self._xtables.target(
            saved["xtables"], new["xtables"], now["xtables"], blobs, (lambda rule: f'--comment "{MARK}' in rule) if marked else None
        )
        ipsets = self._ipsets.target(saved["ipsets"], new["ipsets"], now["ipsets"], blobs, keep=marked)
        return {**self._record(nftables, xtables, ipsets, blobs), "marked": False, "not_saved": saved["not_saved"]}

    def _record(self, nftables: Json, xtables: Json, ipsets: Json, blobs: Blobs) -> dict[str, Json]:
        essence = {"xtables": self._xtables.essence(xtables, blobs), "ipsets": self._ipsets.essence(ipsets, blobs)}
        return {"nftables": nftables, "xtables": xtables, "ipsets": ipsets, "essence": essence}

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Sets before the rules that refer to them, and new sets away once nothing does."""
        try_all((
            partial(self._ipsets.bring_back, record["ipsets"], blobs, run),
            partial(self._nftables.restore, record["nftables"], blobs),
            partial(self._xtables.restore, record["xtables"], blobs, run),
            partial(self._ipsets.remove_new, record["ipsets"], blobs, run),
        ))  # fmt: skip

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

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A rule of plain nftables or iptables before the one that stops the packet, in the running ruleset and in the file that it came from."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.words import Accepted, digest

from .._model.firewall_records import Verdict
from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from .._model.opening_records import RuleChange
from .._model.prose import Prose, unwrapped
from .._model.rule_records import Rule
from . import fit
from .make import mending, shell

_FAMILIES = ("ip", "ip6", "inet", "netdev", "bridge")
_MOST_LINES = 100_000


def before_rule(host: Host, verdict: Verdict, rule: Rule, summary: Prose) -> Fix | None:
    if rule.family not in _FAMILIES or not fit.name(rule.table) or not fit.name(rule.chain):
        return None
    variant = _variant(host, rule)
    met = verdict.rewritten or verdict  # the rule met the packet as rules before it had translated it
    accepted = Accepted(
        met.source,
        met.destination,
        None if verdict.packet == "syn_ack" else met.port,
        met.source_port if verdict.packet == "syn_ack" else None,
        verdict.packet != "syn" and verdict.state == "established" and not (verdict.change and verdict.change.stateless),
        *((verdict.change.in_interface, verdict.change.out_interface) if verdict.change and _fit(verdict.change) else ()),
    )
    file, line = kept(rule)
    arguments: dict[str, object] = {
        "variant": variant,
        "family": rule.family,
        "table": rule.table,
        "chain": rule.chain,
        "source": accepted.source,
        "destination": accepted.destination,
        "port": accepted.port,
        "source_port": accepted.source_port,
        "in_interface": accepted.in_interface,
        "out_interface": accepted.out_interface,
        "established": accepted.established,
        "state": "present",
    }
    if not rule.is_policy:
        # The rule is known again by what it says: its handle or number may have changed, and its text is the host's.
        arguments.update(before=digest(unwrapped(rule.text)))
    if file:
        arguments.update(file=file)
    place = f"chain {rule.family} {rule.table} {rule.chain}"
    command = accepted.command(variant, rule.family, rule.table, rule.chain, rule.handle, rule.number)
    if file and line and not rule.is_policy:
        command += " && " + shell("sed", "-i", f"{line}i {accepted.line(variant, rule.chain)}", file)
    return mending(
        "firewall",
        host.name,
        summary,
        [Step("threeway.handshake.firewall_rule", {name: value for name, value in arguments.items() if value is not None}, command)],
        Saves(files=(file,) if file else (), firewall=True),
        why=f"{rule.name} stops it" + ("" if file else "; no file is known that has this rule, so none gets the new one"),
        undo=[
            accepted.removal(variant, rule.family, rule.table, rule.chain),
            *([f"sed -i '/\"{accepted.tag}\"/d' {file}"] if file else []),
        ],
        check=f"{place} has a rule with the comment '{accepted.tag}'" + (f", and so has {file}" if file else ""),
    )


def _fit(change: RuleChange) -> bool:
    return all(name is None or fit.interface(name) for name in (change.in_interface, change.out_interface))


def _variant(host: Host, rule: Rule) -> str:
    """Which tool's rule it is. A policy without that is legacy iptables' unless nf_tables has such a chain."""
    if rule.manager == "nftables":
        return "nft"
    if rule.legacy is not None:
        return "iptables-legacy" if rule.legacy else "iptables-nft"
    chains = host.snapshot.hooks.netfilter if host.snapshot and host.snapshot.hooks else None
    known = {(chain.family, chain.table, chain.chain) for chain in chains or ()}
    of_nft = rule.handle is not None or (rule.is_policy and (rule.family, rule.table, rule.chain) in known)
    return "iptables-nft" if of_nft else "iptables-legacy"


def kept(rule: Rule) -> tuple[str | None, int | None]:
    """The file that has the rule, and the line, where they are known."""
    origin = rule.origin if isinstance(rule.origin, dict) else {}
    file, line = origin.get("file"), origin.get("line")
    if not isinstance(file, str) or not fit.file(file):
        return None, None
    return file, line if isinstance(line, int) and 0 < line < _MOST_LINES else None

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the kernel itself says of a packet at a place: which rule stopped it there, at which hook it was dropped, or that none did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._model.firewall_records import Verdict
from ..._model.rule_records import Rule
from ..case import Case
from ..kernel_word import Dropped, dropped, ended_alike
from ..traced import TracedRule, let_through, traced

if TYPE_CHECKING:
    from .traversals import Place

_HOOKS = {
    "in": ("ingress", "prerouting", "input"),
    "out": ("output", "postrouting", "egress"),
    "forward": ("ingress", "prerouting", "forward", "postrouting", "egress"),
}
_REASON, _DROPPER = "NETFILTER_DROP", "nft_do_chain"
_READERS_WORD = {"nf_reinject", "nfqnl_reinject", "nfqnl_recv_verdict", "nfqnl_recv_verdict_batch"}  # net/netfilter/nfnetlink_queue.c
_ENTRIES = {"ip": "nft_do_chain_ipv4", "ip6": "nft_do_chain_ipv6", "inet": "nft_do_chain_inet"}
_CALLED_FROM = {  # docs/drops.md; what is bridged comes from br_netfilter
    "prerouting": ("ip_rcv", "ip_sublist_rcv", "ipv6_rcv", "ip6_sublist_rcv", "br_nf_pre_routing"),
    "input": ("ip_local_deliver", "ip6_input"),
    "forward": ("ip_forward", "ip6_forward", "br_nf_forward_ip"),
    "output": ("__ip_local_out", "__ip6_local_out", "ip6_xmit"),
    "postrouting": ("ip_output", "ip6_output", "br_nf_post_routing"),
}


def stop(case: Case, place: Place) -> TracedRule | None:
    """The rule at which the kernel saw the packet end there."""
    return traced(case, place.host, place.leg, _HOOKS[place.direction]) if ended_alike(case) else None


def cleared(case: Case, place: Place) -> bool:
    """Whether the kernel saw nf_tables let the packet through there, and there is no other firewall."""
    hooks = place.host.snapshot.hooks if place.host.snapshot else None
    if hooks is None or hooks.iptables_legacy != () or place.host is case.client is case.server:
        return False
    return ended_alike(case) and let_through(case, place.host, place.leg) > 0


def is_rule(seen: TracedRule, rule: Rule) -> bool:
    """Whether the kernel and an evaluation mean the same rule: iptables counts its rules, and gives no handles."""
    if (seen.family, seen.table, seen.chain) != (rule.family, rule.table, rule.chain):
        return False
    if rule.handle is not None or rule.is_policy:
        return seen.handle == rule.handle
    return seen.number is not None and seen.number == rule.number


def dropped_where(case: Case, place: Place, verdict: Verdict, rule: Rule) -> Dropped | None:
    """The kernel's word that nf_tables dropped the packet just where, evaluated, the rule drops it: at that hook, for that family.

    It does not name the rule: an evaluation does. None where it dropped some of them elsewhere.
    """
    hook = hook_of(verdict, rule)
    if hook not in _CALLED_FROM or rule.family not in _ENTRIES:
        return None
    seen = [each for each in dropped(case) if each.exact and each.host is place.host and each.leg == place.leg]
    return seen[0] if seen and all(_is_there(each, rule.family, _CALLED_FROM[hook]) for each in seen) else None


def dropped_by_reader(case: Case, place: Place) -> Dropped | None:
    """The kernel's word that it dropped the packet because the program that reads a queue of netfilter said so."""
    seen = [each for each in dropped(case) if each.exact and each.host is place.host and each.leg == place.leg]
    return seen[0] if seen and all({each.function, *each.callers} & _READERS_WORD for each in seen) else None


def hook_of(verdict: Verdict, rule: Rule) -> str | None:
    """The hook at which a packet meets a rule on the way that an evaluation names."""
    chain = (rule.family, rule.table, rule.chain)
    met = (step.chain for step in reversed(verdict.path))
    return next((each.hook for each in met if (each.family, each.table, each.chain) == chain), None)


def _is_there(seen: Dropped, family: str, hook: tuple[str, ...]) -> bool:
    if (seen.drop_reason, seen.function) != (_REASON, _DROPPER) or _ENTRIES[family] not in seen.callers:
        return False
    hooks = {name for names in _CALLED_FROM.values() for name in names}
    return next((caller for caller in seen.callers if caller in hooks), None) in hook

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The targets of xtables, by name: what each does to the packet, and where the packet continues."""

from __future__ import annotations

import typing as t

from ...effect import Effect
from ...evaluation import Action, Evaluation, Outcome, UnsupportedError
from ...packet import Packet
from ..condition import Place
from ..syntax import Clause

Done = t.Tuple[Effect, t.Optional[Action]]  # the effect, and what it did besides
Target = t.Callable[[Packet, Evaluation, t.Optional[str]], Done]

CONTINUE: Done = ("continue", None)
_ENDS: dict[str, Effect] = {"ACCEPT": "accept", "DROP": "drop", "RETURN": "return"}
# They notify somebody, or change what no rule asks for.
_ASIDE = {
    "LOG", "NFLOG", "ULOG", "TRACE", "AUDIT", "IDLETIMER", "RATEEST", "LED", "CHECKSUM", "TEE", "CLASSIFY", "SECMARK", "CONNSECMARK",
}  # fmt: skip
_MARK = ("MARK", "CONNMARK", "HMARK", "CT", "NOTRACK")
_NAT = ("DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP")
_HEADER = ("TTL", "HL", "TOS", "DSCP", "ECN", "TCPMSS", "TCPOPTSTRIP")
_REJECT = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}
_REJECT_NAMES = {
    4: {
        "icmp-net-unreachable", "net-unreach", "icmp-host-unreachable", "host-unreach", "icmp-proto-unreachable", "proto-unreach",
        "icmp-port-unreachable", "port-unreach", "icmp-net-prohibited", "net-prohib", "icmp-host-prohibited", "host-prohib",
        "tcp-reset", "tcp-rst", "icmp-admin-prohibited", "admin-prohib",
    },
    6: {
        "icmp6-no-route", "no-route", "icmp6-adm-prohibited", "adm-prohibited", "icmp6-addr-unreachable", "addr-unreach",
        "icmp6-port-unreachable", "port-unreach", "tcp-reset", "icmp6-policy-fail", "policy-fail", "icmp6-reject-route", "reject-route",
    },
}  # fmt: skip


def go_on(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
    """No target, or one that leaves the packet alone."""
    return CONTINUE


def unsupported(reason: str) -> Target:
    """A target of which it is not known what it does."""

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        raise UnsupportedError(reason)

    return apply


def build(clause: Clause, place: Place) -> Target:
    """What does the target's work; DecodeError when its options are not understood."""
    name = clause.name
    if name in _ENDS:
        done = (_ENDS[name], None)
        return lambda packet, evaluation, hook: done
    if name in _ASIDE:
        return go_on
    if name == "REJECT":
        option = clause.get("reject-with")
        how = option.value if option else _REJECT[place.family]
        if how not in _REJECT_NAMES[place.family]:
            return unsupported(f"REJECT --reject-with {how[:40]}: we do not know it")
        rejected = (Outcome("reject", reject_with=how), None)
        return lambda packet, evaluation, hook: rejected
    if name in _MARK:
        from . import mark

        return mark.BUILDERS[name](clause, place)
    if name in _NAT:
        from . import nat

        return nat.BUILDERS[name](clause, place)
    if name in _HEADER:
        from . import header

        return header.BUILDERS[name](clause, place)
    if name in ("NFQUEUE", "QUEUE", "TPROXY", "SYNPROXY", "SET"):
        from . import elsewhere

        return elsewhere.BUILDERS[name](clause, place)
    return unsupported(f"the target {name}: we do not model it")

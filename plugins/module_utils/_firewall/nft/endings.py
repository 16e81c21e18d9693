# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Expressions that end a packet's traversal, or copy the packet: reject, queue, synproxy, fwd, dup; and those of xtables.

Sources: net/netfilter/nft_{reject_inet,queue,synproxy,fwd_netdev,dup_netdev,compat}.c.
"""

from __future__ import annotations

import sys
import typing as t

from ..evaluation import Action, Outcome, UnsupportedError
from ..packet import ACK, SYN
from ..tracking import MATCHES, TARGETS
from .context import BREAK, Context, Result, sure_number, unknown
from .operations import Expression
from .wire import Attributes, byte, name, number, register

ICMP, TCP_RESET, ICMPX = range(3)
_ICMP = {
    0: "icmp-net-unreachable", 1: "icmp-host-unreachable", 2: "icmp-proto-unreachable", 3: "icmp-port-unreachable",
    9: "icmp-net-prohibited", 10: "icmp-host-prohibited", 13: "icmp-admin-prohibited",
}  # fmt: skip
_ICMP6 = {
    0: "icmp6-no-route", 1: "icmp6-adm-prohibited", 3: "icmp6-addr-unreachable", 4: "icmp6-port-unreachable",
    5: "icmp6-policy-fail", 6: "icmp6-reject-route",
}  # fmt: skip
_ICMPX = ((0, 0), (3, 4), (1, 3), (13, 1))  # code -> those of ICMP and ICMPv6 (nf_reject.c)
NFT_QUEUE_FLAG_BYPASS = 1
NFTA_TARGET_INFO, XT_CT_NOTRACK = 3, 1


class Reject(Expression):
    __slots__ = ("code", "kind")

    def __init__(self, about: Attributes) -> None:
        self.kind, self.code = number(about, 1), byte(about, 2)

    def answer(self, family: int) -> str:
        """In iptables' words."""
        if self.kind == TCP_RESET:
            return "tcp-reset"
        code = self.code
        if self.kind == ICMPX:
            code = _ICMPX[code][0 if family == 4 else 1] if code < len(_ICMPX) else -1
        return (_ICMP if family == 4 else _ICMP6).get(code, f"icmp{'' if family == 4 else '6'} code {code}")

    def run(self, at: Context) -> Result:
        return Outcome("reject", reject_with=self.answer(at.packet.family))


class Queue(Expression):
    """To a program. Where none reads the queue, the packet is dropped, or with bypass leaves this base chain as accepted."""

    __slots__ = ("bypass", "first", "source", "total")

    def __init__(self, about: Attributes) -> None:
        self.first = int.from_bytes(about.get(1, b"")[:2], "big")
        self.total = max(int.from_bytes(about.get(2, b"")[:2], "big"), 1)
        self.bypass = bool(int.from_bytes(about.get(3, b"")[:2], "big") & NFT_QUEUE_FLAG_BYPASS)
        self.source = register(about, 4) if 4 in about else None

    def run(self, at: Context) -> Result:
        first = self.first
        if self.source is not None:
            chosen = sure_number(at.registers.get(self.source, 4))
            if chosen is None:
                raise UnsupportedError("it goes to a queue whose number cannot be known")
            first = chosen & 0xFFFF
        numbers = range(first, first + self.total)
        answers = {at.evaluation.facts.queue_read(each) for each in numbers}
        told = f"queue {first}" if self.total == 1 else f"one of the queues {first}-{numbers[-1]}"
        read = answers.pop() if len(answers) == 1 else None
        if read is None:
            read = at.choose(f"whether a program reads {told}", ("queue", first, self.total))
        if self.bypass and not read:
            return "accept"
        return Outcome("queue" if read else "drop", queue=first if self.total == 1 else None)


class Synproxy(Expression):
    """Answers a SYN itself; what follows the SYN must be an ACK with its cookie."""

    __slots__ = ()
    tracks = True

    def __init__(self, about: Attributes) -> None:
        del about

    def run(self, at: Context) -> Result:
        if at.packet.flags & SYN:
            at.changed(Action("synproxy", "answers it"))
            return Outcome("stolen")
        if at.packet.flags & ACK:
            mine = at.choose("whether the ACK answers synproxy's own SYN-ACK", "synproxy")
            return Outcome("stolen") if mine else "drop"
        return None


class Forward(Expression):
    """Sends the packet out of another device, past everything else."""

    __slots__ = ()

    def __init__(self, about: Attributes) -> None:
        del about

    def run(self, at: Context) -> Result:
        at.changed(Action("fwd", "another device"))
        return Outcome("stolen")


class Duplicate(Expression):
    """Sends a copy elsewhere; the packet itself goes on."""

    __slots__ = ()

    def __init__(self, about: Attributes) -> None:
        del about

    def run(self, at: Context) -> Result:
        return None


class Xtables(Expression):
    """An xtables match or target: its bytes are understood by its own module only, rules with such are told by iptables-nft-save."""

    __slots__ = ("kind", "name", "tracks")

    def __init__(self, kind: str, about: Attributes) -> None:
        self.kind, self.name = kind, name(about, 1)
        self.tracks = self.name in (MATCHES if kind == "match" else TARGETS) and not (self.name == "CT" and _notrack(about))

    def run(self, at: Context) -> Result:
        raise UnsupportedError(f"the xtables {self.kind} {self.name} is not told by iptables-nft-save")


def _notrack(about: Attributes) -> bool:
    """Of the target CT: the flags of struct xt_ct_target_info."""
    return bool(int.from_bytes(about.get(NFTA_TARGET_INFO, b"")[:2], sys.byteorder) & XT_CT_NOTRACK)


class Unknown(Expression):
    """An expression that is not known here. Only a packet that gets to it is undecided."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        self.why = why

    def run(self, at: Context) -> Result:
        raise UnsupportedError(self.why)


class Nothing(Expression):
    """Without an effect that is told here."""

    __slots__ = ()

    def __init__(self, about: Attributes) -> None:
        del about

    def run(self, at: Context) -> Result:
        return None


class Absent(Expression):
    """Asks for something that a packet may or may not have (an IPsec or tunnel context), and whose content is not known."""

    __slots__ = ("length", "target", "what")

    def __init__(self, what: str, length: int, about: Attributes, kind: int) -> None:
        self.what, self.length, self.target = what, length, register(about, kind)

    def run(self, at: Context) -> Result:
        if not at.choose(f"whether it {self.what}", self.what):
            return BREAK
        at.registers.put(self.target, unknown(self.length, f"how it {self.what} is not known"))
        return None


class Ipsec(Absent):
    """Asks for the packet's IPsec context, which it has not where none is used."""

    __slots__ = ("outward",)

    def __init__(self, about: Attributes) -> None:
        super().__init__("goes through IPsec" if byte(about, 3) else "came through IPsec", 16, about, 1)
        self.outward = bool(byte(about, 3))

    def run(self, at: Context) -> Result:
        ipsec = at.evaluation.facts.ipsec()
        return BREAK if (ipsec.outward if self.outward else ipsec.inward) is False else super().run(at)


DECODERS: dict[str, t.Callable[[Attributes], Expression]] = {
    "reject": Reject,
    "queue": Queue,
    "synproxy": Synproxy,
    "fwd": Forward,
    "dup": Duplicate,
    "match": lambda about: Xtables("match", about),
    "target": lambda about: Xtables("target", about),
    "xfrm": Ipsec,
    "tunnel": lambda about: Absent("came through a tunnel", 4, about, 2),
}

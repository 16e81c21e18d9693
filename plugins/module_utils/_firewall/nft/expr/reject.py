# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Reject a packet with a message to its sender (net/netfilter/nft_reject_inet.c)."""

from __future__ import annotations

from ...evaluation import Outcome
from ..context import Context, Result
from ..describer import Describer
from ..expression import Expression
from ..wire import Attributes, byte, number

NFTA_REJECT_TYPE, NFTA_REJECT_ICMP_CODE = 1, 2
NFT_REJECT_ICMP_UNREACH, NFT_REJECT_TCP_RST, NFT_REJECT_ICMPX_UNREACH = range(3)
# as iptables names them
_IPTABLES = {
    0: "icmp-net-unreachable", 1: "icmp-host-unreachable", 2: "icmp-proto-unreachable", 3: "icmp-port-unreachable",
    9: "icmp-net-prohibited", 10: "icmp-host-prohibited", 13: "icmp-admin-prohibited",
}  # fmt: skip
_IPTABLES6 = {
    0: "icmp6-no-route", 1: "icmp6-adm-prohibited", 3: "icmp6-addr-unreachable", 4: "icmp6-port-unreachable",
    5: "icmp6-policy-fail", 6: "icmp6-reject-route",
}  # fmt: skip
_ICMPX_CODES = (
    (0, 0),
    (3, 4),
    (1, 3),
    (13, 1),
)  # code -> those of ICMP and ICMPv6 (nf_reject.c)  # code -> those of ICMP and ICMPv6 (nf_reject.c)
# as nft does
_NAMES = {
    "icmp": {0: "net-unreachable", 1: "host-unreachable", 2: "prot-unreachable", 9: "net-prohibited", 10: "host-prohibited",
             13: "admin-prohibited"},
    "icmpv6": {0: "no-route", 1: "admin-prohibited", 3: "addr-unreachable", 5: "policy-fail", 6: "reject-route"},
    "icmpx": {0: "no-route", 2: "host-unreachable", 3: "admin-prohibited"},
}  # fmt: skip
_PORT_UNREACHABLE = {"icmp": 3, "icmpv6": 4, "icmpx": 1}  # which nft does not say  # which nft does not say


class Reject(Expression):
    __slots__ = ("code", "kind")

    def __init__(self, about: Attributes) -> None:
        self.kind, self.code = number(about, NFTA_REJECT_TYPE), byte(about, NFTA_REJECT_ICMP_CODE)

    def answer(self, family: int) -> str:
        """In iptables' words."""
        if self.kind == NFT_REJECT_TCP_RST:
            return "tcp-reset"
        code = self.code
        if self.kind == NFT_REJECT_ICMPX_UNREACH:
            code = _ICMPX_CODES[code][0 if family == 4 else 1] if code < len(_ICMPX_CODES) else -1
        return (_IPTABLES if family == 4 else _IPTABLES6).get(code, f"icmp{'' if family == 4 else '6'} code {code}")

    def run(self, at: Context) -> Result:
        return Outcome("reject", reject_with=self.answer(at.packet.family))

    def describe(self, rule: Describer, at: int) -> None:
        layers = ["network"] if self.kind == NFT_REJECT_ICMP_UNREACH else []
        rule.add(self.text(rule), {at}, condition=False, layers=layers)

    def text(self, rule: Describer) -> str:
        if self.kind == NFT_REJECT_TCP_RST:
            return "reject with tcp reset"
        message = "icmpx" if self.kind == NFT_REJECT_ICMPX_UNREACH else "icmpv6" if rule.network == "ip6" else "icmp"
        if self.code == _PORT_UNREACHABLE[message]:
            return "reject"
        return f"reject with {message} {_NAMES[message].get(self.code, self.code)}"


EXPRESSIONS = {"reject": Reject}

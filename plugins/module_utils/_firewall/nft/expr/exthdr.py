# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Load, write or remove IPv6 extension headers, IP and TCP options (net/netfilter/nft_exthdr.c)."""

from __future__ import annotations

from ...bits import Partial, Value
from ...evaluation import UnsupportedError
from .. import fields
from ..context import BREAK, Context, Result, host, unknown
from ..describer import Describer
from ..expression import Expression, Load
from ..fields import Field
from ..wire import Attributes, byte, number, register

(NFTA_EXTHDR_DREG, NFTA_EXTHDR_TYPE, NFTA_EXTHDR_OFFSET, NFTA_EXTHDR_LEN, NFTA_EXTHDR_FLAGS, NFTA_EXTHDR_OP, NFTA_EXTHDR_SREG) = range(1, 8)
NFT_EXTHDR_F_PRESENT = 1
NFT_EXTHDR_OP_IPV6, NFT_EXTHDR_OP_TCPOPT, NFT_EXTHDR_OP_IPV4, NFT_EXTHDR_OP_SCTP, NFT_EXTHDR_OP_DCCP = range(5)
TCPOPT_MSS = 2
_LONGEST = 64  # bytes, all registers
_OPTIONS = {
    0: "eol", 1: "nop", 2: "maxseg", 3: "window", 4: "sack-perm", 5: "sack", 8: "timestamp", 19: "md5sig", 30: "mptcp", 34: "fastopen"
}  # fmt: skip  # fmt: skip
_OPTION_FIELDS = {(2, 2, 2): "size", (3, 2, 1): "count", (8, 2, 4): "tsval", (8, 6, 4): "tsecr"}  # by option, offset and length
_HEADERS = {0: "hbh", 43: "rt", 44: "frag", 51: "ah", 60: "dst", 135: "mh"}


class ExtensionHeader(Load):
    """A field of an option or extension header, or whether there is such a header."""

    __slots__ = ("kind", "length", "offset", "operation", "present")

    def __init__(self, about: Attributes) -> None:
        self.target = register(about, NFTA_EXTHDR_DREG)
        self.kind = byte(about, NFTA_EXTHDR_TYPE)
        self.offset = number(about, NFTA_EXTHDR_OFFSET)
        self.length, self.present = number(about, NFTA_EXTHDR_LEN), bool(number(about, NFTA_EXTHDR_FLAGS, 0) & NFT_EXTHDR_F_PRESENT)
        self.operation = number(about, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_IPV6)
        if self.operation > NFT_EXTHDR_OP_DCCP or self.length > _LONGEST:
            raise UnsupportedError(f"an expression asks for extension headers of a kind {self.operation} that is not known here")

    def load(self, at: Context) -> Value | None:
        found: Value | None = None
        if self.operation == NFT_EXTHDR_OP_TCPOPT:
            found = self._option(at)
        if self.present:
            return found if isinstance(found, Partial) else host(found is not None, 1)
        return found

    def field(self, rule: Describer) -> Field:
        if self.operation == NFT_EXTHDR_OP_TCPOPT:
            name = f"tcp option {_OPTIONS.get(self.kind, str(self.kind))}"
            if self.present:
                return Field(name, fields.presence, 1)
            part = _OPTION_FIELDS.get((self.kind, self.offset, self.length), f"@{self.offset * 8},{self.length * 8}")
            return Field(f"{name} {part}", fields.number, self.length)
        of_ipv4 = self.operation == NFT_EXTHDR_OP_IPV4
        name = f"ip option {self.kind}" if of_ipv4 else f"exthdr {_HEADERS.get(self.kind, str(self.kind))}"
        return Field(name, fields.presence if self.present else fields.number, self.length)

    def _option(self, at: Context) -> Value | None:
        """The option's bytes; a bit or a choice where the question does not have the options."""
        if at.packet.options is None:
            why = f"the question does not have TCP option {self.kind}"
            if self.present:
                return Partial(b"\0", b"\xfe", why)
            there = at.choose(f"whether there is a TCP option {self.kind}", ("tcp option", self.kind))
            return unknown(self.length, why) if there else None
        found = option(at.packet.options, self.kind)
        if found is None or self.offset + self.length > len(found):
            return None
        return found[self.offset : self.offset + self.length]


class ExtensionHeaderSet(Expression):
    """Writes to a TCP option, or removes it (no register to write from). Where there is no such option, nothing is done."""

    __slots__ = ("condition", "kind", "length", "offset", "operation", "source")

    def __init__(self, about: Attributes) -> None:
        self.kind = byte(about, NFTA_EXTHDR_TYPE)
        self.offset = number(about, NFTA_EXTHDR_OFFSET, 0)
        self.length = number(about, NFTA_EXTHDR_LEN, 0)
        self.operation = number(about, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_IPV6)
        self.source = register(about, NFTA_EXTHDR_SREG) if NFTA_EXTHDR_SREG in about else None
        self.condition = self.source is not None
        if self.operation != NFT_EXTHDR_OP_TCPOPT:
            raise UnsupportedError("a rule writes to an extension header, which is not modelled")

    def run(self, at: Context) -> Result:
        options = at.packet.options
        found = None if options is None else option(options, self.kind)
        if options is None or found is None:
            return None
        if self.source is None:
            at.packet.options = options.replace(found, b"\1" * len(found))
        elif self.offset + self.length > len(found):
            return BREAK
        else:
            self._write(at, options, found)
        at.packet.generation += 1
        return None

    def _write(self, at: Context, options: bytes, found: bytes) -> None:
        fresh = at.registers.get(self.source or 0, self.length)
        if not isinstance(fresh, bytes):
            at.packet.options = None
            return
        if self.kind == TCPOPT_MSS and self.length == 2 and fresh > found[self.offset : self.offset + 2]:
            return  # the MSS is never raised (nft_exthdr_tcp_set_eval)
        start = options.index(found) + self.offset
        at.packet.options = options[:start] + fresh + options[start + self.length :]

    def text(self, rule: Describer) -> str:
        name = _OPTIONS.get(self.kind, str(self.kind))
        if self.source is None:
            return f"reset tcp option {name}"
        part = _OPTION_FIELDS.get((self.kind, self.offset, self.length), "")
        field = Field(f"tcp option {name} {part}", fields.number, self.length)
        return f"{field.name} set {rule.value(self.source, field)}"


def option(options: bytes, kind: int) -> bytes | None:
    """The bytes of a TCP option, kind and length included; as the kernel, nothing after one of a wrong length."""
    at = 0
    while at < len(options):
        if options[at] == kind and kind in (0, 1):
            return options[at : at + 1]
        if options[at] == 0:
            return None
        length = 1 if options[at] == 1 else options[at + 1] if at + 1 < len(options) else 0
        if length == 0 or at + length > len(options) or (options[at] > 1 and length < 2):
            return None
        if options[at] == kind:
            return options[at : at + length]
        at += length
    return None


def _decode(about: Attributes) -> Expression:
    return ExtensionHeader(about) if NFTA_EXTHDR_DREG in about else ExtensionHeaderSet(about)


EXPRESSIONS = {"exthdr": _decode}

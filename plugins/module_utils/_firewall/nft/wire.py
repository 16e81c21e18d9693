# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The elements of nf_tables messages (linux/netfilter/nf_tables.h): numbers in network order, names, register numbers, data."""

from __future__ import annotations

import struct
import typing as t

from ..._errors import DecodeError
from ..._wire.netlink import NLA_F_NESTED, attribute, attribute_list, attributes, unpack
from ..effect import Effect

NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETRULE, NFT_MSG_GETSET, NFT_MSG_GETSETELEM, NFT_MSG_GETGEN, NFT_MSG_GETOBJ = (
    10 << 8 | number for number in (1, 4, 7, 10, 13, 16, 19)
)
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
NFPROTO = {name: number for number, name in FAMILIES.items()}

IFNAMSIZ = 16  # bytes of an interface's name, with the zero after it (linux/if.h)
NFTA_LIST_ELEM = 1
NFTA_EXPR_NAME, NFTA_EXPR_DATA = 1, 2
NFTA_DATA_VALUE, NFTA_DATA_VERDICT = 1, 2
NFTA_VERDICT_CODE, NFTA_VERDICT_CHAIN = 1, 2

_U32, _S32, _U64 = struct.Struct("!I"), struct.Struct("!i"), struct.Struct("!Q")
_VERDICTS = {0: "drop", 1: "accept", -1: "continue", -2: "break", -5: "return"}
_JUMPS = {-3: "jump", -4: "goto"}

Attributes = t.Dict[int, bytes]

__all__ = ["NLA_F_NESTED", "Attributes", "DecodeError", "attribute", "attribute_list", "attributes"]


def number(about: Attributes, kind: int, default: int | None = None) -> int:
    """A 32-bit attribute in network order; DecodeError where it is missing and there is no default."""
    data = about.get(kind)
    if data is None:
        if default is None:
            raise DecodeError(f"an nf_tables message lacks its attribute {kind}")
        return default
    return int(unpack(_U32, data, f"nf_tables attribute {kind}")[0])


def signed(data: bytes) -> int:
    return int(unpack(_S32, data, "an nf_tables number")[0])


def long(about: Attributes, kind: int, default: int = 0) -> int:
    """A 64-bit attribute in network order."""
    return int(unpack(_U64, about[kind], f"nf_tables attribute {kind}")[0]) if kind in about else default


def byte(about: Attributes, kind: int, default: int = 0) -> int:
    return about[kind][0] if about.get(kind) else default


def name(about: Attributes, kind: int) -> str:
    """A string attribute; DecodeError where it is missing."""
    if kind not in about:
        raise DecodeError(f"an nf_tables message lacks its attribute {kind}")
    return about[kind].split(b"\0", 1)[0].decode("utf-8", "replace")


def register(about: Attributes, kind: int) -> int:
    """Where a register begins, in bytes from the first one; -1 for the verdict register.

    Registers 1 to 4 have 16 bytes, 8 to 23 are the same memory in pieces of 4 (nft_parse_register).
    """
    at = number(about, kind)
    if at == 0:
        return -1
    if 1 <= at <= 4:
        return (at - 1) * 16
    if 8 <= at <= 23:
        return (at - 8) * 4
    raise DecodeError(f"there is no nf_tables register {at}")


def value(data: bytes) -> bytes:
    """The payload of NFTA_DATA_VALUE in a nested attribute."""
    about = attributes(data)
    if NFTA_DATA_VALUE not in about:
        raise DecodeError("nf_tables data without a value")
    return about[NFTA_DATA_VALUE]


def value_or_verdict(data: bytes) -> bytes | Effect:
    """Data that may also be a verdict, as immediates and map elements have it."""
    about = attributes(data)
    if NFTA_DATA_VALUE in about:
        return about[NFTA_DATA_VALUE]
    if NFTA_DATA_VERDICT not in about:
        raise DecodeError("nf_tables data with neither value nor verdict")
    inner = attributes(about[NFTA_DATA_VERDICT])
    code = signed(inner.get(NFTA_VERDICT_CODE, b""))
    if code in _JUMPS:
        return (_JUMPS[code], name(inner, NFTA_VERDICT_CHAIN))
    if code not in _VERDICTS:
        raise DecodeError(f"there is no nf_tables verdict {code}")
    return _VERDICTS[code]

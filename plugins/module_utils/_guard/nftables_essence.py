# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Reduce an nf_tables message to what the ruleset does: without counters, handles and remaining times."""

from __future__ import annotations

import struct
import typing as t

from .._wire.netlink import NLA_F_NESTED, attribute, attribute_list, attributes

NEWTABLE, NEWCHAIN, NEWRULE, NEWSET, NEWSETELEM, NEWOBJ, NEWFLOWTABLE = 0, 3, 6, 9, 12, 18, 22
# The attributes with which an object is made; handles, use counts and positions are the kernel's to give.
MADE_OF = {
    NEWTABLE: {1, 2, 6},  # name, flags, user data
    NEWCHAIN: {1, 3, 4, 5, 7, 8, 10, 12},  # table, name, hook, policy, type, counters, flags, user data
    NEWSET: {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 15, 17, 18},  # all but its id and its handle
    NEWSETELEM: {1, 2, 3},  # table, set, elements
    NEWOBJ: {1, 2, 3, 4, 8},  # table, name, type, data, user data
    NEWFLOWTABLE: {1, 2, 3, 7},  # table, name, hook, flags
    NEWRULE: {1, 2, 4, 7},  # table, chain, expressions, user data
}
EXPIRATION = 5  # NFTA_SET_ELEM_EXPIRATION
_CHAIN_COUNTERS, _SET_EXPRESSION, _SET_EXPRESSIONS = 8, 17, 18
_COUNTING = {b"counter", b"last"}
_QUOTA_CONSUMED = 4  # NFTA_QUOTA_CONSUMED
_OBJECT_COUNTER, _OBJECT_QUOTA = (struct.pack("!I", kind) for kind in (1, 2))
_ELEMENT_SAYING = {1, 2, 3, 4, 6, 9, 10}  # key, data, flags, timeout, user data, object, end of the range
_SET_NAMED_BY = {b"lookup": 1, b"dynset": 1, b"objref": 4}  # NFTA_LOOKUP_SET, NFTA_DYNSET_SET_NAME, NFTA_OBJREF_SET_NAME
_EXTHDR_DREG, _EXTHDR_OFFSET, _EXTHDR_LEN, _EXTHDR_FLAGS, _EXTHDR_SREG = 1, 3, 4, 5, 7
_NONE_IF_ZERO = {b"dynset": 6, b"osf": 3}  # NFTA_DYNSET_TIMEOUT, NFTA_OSF_FLAGS

Names = t.Union[t.Mapping[bytes, bytes], t.Callable[[bytes], bytes]]


def essence_of(kind: int, family: int, about: t.Sequence[tuple[int, bytes]]) -> bytes:
    """Bytes that are equal for messages that mean the same."""
    said = [(name, value) for name, value in about if name in MADE_OF[kind]]
    if kind == NEWCHAIN:
        said = [(name, value) for name, value in said if name != _CHAIN_COUNTERS]
    elif kind == NEWRULE:
        said = [(name, _expressions(value) if name == 4 else value) for name, value in said]
    elif kind == NEWSET:
        said = [(name, value) for name, value in said if name not in (_SET_EXPRESSION, _SET_EXPRESSIONS)]
    elif kind == NEWOBJ and dict(about)[3] == _OBJECT_COUNTER:
        said = [(name, value) for name, value in said if name != 4]
    elif kind == NEWOBJ and dict(about)[3] == _OBJECT_QUOTA:
        said = [(name, _unused_quota(value) if name == 4 else value) for name, value in said]
    return struct.pack("=BB", kind, family) + b"".join(attribute(name, value) for name, value in said)


def element_says(element: bytes) -> bytes:
    """Bytes that are equal for elements of a set that mean the same."""
    return b"".join(attribute(name, value) for name, value in sorted(attributes(element).items()) if name in _ELEMENT_SAYING)


def with_set_names(expressions: bytes, names: Names) -> bytes:
    """A rule's expressions with other names of sets."""
    renamed = names if callable(names) else lambda name: names.get(name, name)
    found = []
    for kind, element in attribute_list(expressions):
        about = attributes(element)
        which = _SET_NAMED_BY.get(about[1].rstrip(b"\0"))
        if which is not None and 2 in about:
            data = [(name, renamed(value) if name == which else value) for name, value in attribute_list(about[2])]
            element = attribute(1, about[1]) + attribute(2 | NLA_F_NESTED, b"".join(attribute(name, value) for name, value in data))
        found.append(attribute(kind | NLA_F_NESTED, element))
    return b"".join(found)


def as_taken(expressions: bytes) -> bytes:
    """A rule's expressions as the kernel takes them: of some it returns more than it accepts."""
    found = []
    for kind, element in attribute_list(expressions):
        about = attributes(element)
        name, data = about[1].rstrip(b"\0"), attribute_list(about.get(2, b""))
        said = [(number, value) for number, value in data if number not in _surplus(name, dict(data))]
        if said != data:
            rest = b"".join(attribute(number, value) for number, value in said)
            element = attribute(1, about[1]) + attribute(2 | NLA_F_NESTED, rest)
        found.append(attribute(kind | NLA_F_NESTED, element))
    return b"".join(found)


def _surplus(name: bytes, data: t.Mapping[int, bytes]) -> set[int]:
    """What the dump has, and nft_exthdr_tcpopt_set_init, nft_exthdr_tcpopt_strip_init, nft_dynset_init or nft_osf_init refuses."""
    if name == b"exthdr" and _EXTHDR_DREG not in data:
        return {_EXTHDR_FLAGS} if _EXTHDR_SREG in data else {_EXTHDR_OFFSET, _EXTHDR_LEN, _EXTHDR_FLAGS}
    number = _NONE_IF_ZERO.get(name)
    return {number} if number is not None and not any(data.get(number, b"")) else set()


def _expressions(data: bytes) -> bytes:
    found = []
    for _kind, element in attribute_list(data):
        about = attributes(element)
        name, rest = about[1].rstrip(b"\0"), about.get(2, b"")
        says = b"" if name in _COUNTING else _unused_quota(rest) if name == b"quota" else rest
        found.append(attribute(1, about[1]) + attribute(2, says))
    return b"".join(attribute(1, element) for element in found)


def _unused_quota(data: bytes) -> bytes:
    return b"".join(attribute(name, value) for name, value in attribute_list(data) if name != _QUOTA_CONSUMED)

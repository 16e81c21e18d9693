# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What of an nf_tables message says what the ruleset does, and not what has passed it: without counters, handles and remaining times."""

from __future__ import annotations

import struct
import typing as t

from ansible_collections.threeway.handshake.plugins.module_utils._netlink import attribute, attribute_list, attributes

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
_CHAIN_COUNTERS, _SET_EXPRESSION, _SET_EXPRESSIONS = 8, 17, 18
_COUNTING = {b"counter", b"last", b"quota", b"connlimit"}
_OBJECT_COUNTING = {struct.pack("!I", kind) for kind in (1, 2)}  # NFT_OBJECT_COUNTER, NFT_OBJECT_QUOTA
_ELEMENT_SAYING = {1, 2, 3, 4, 6, 9, 10}  # key, data, flags, timeout, user data, object, end of the range


def essence_of(kind: int, family: int, about: t.Sequence[tuple[int, bytes]]) -> bytes:
    """Bytes that are equal for messages that mean the same."""
    said = [(name, value) for name, value in about if name in MADE_OF[kind]]
    if kind == NEWCHAIN:
        said = [(name, value) for name, value in said if name != _CHAIN_COUNTERS]
    elif kind == NEWRULE:
        said = [(name, _expressions(value) if name == 4 else value) for name, value in said]
    elif kind == NEWSET:
        said = [(name, value) for name, value in said if name not in (_SET_EXPRESSION, _SET_EXPRESSIONS)]
    elif kind == NEWSETELEM:
        said = [(name, _elements(value) if name == 3 else value) for name, value in said]
    elif kind == NEWOBJ and dict(about)[3] in _OBJECT_COUNTING:
        said = [(name, value) for name, value in said if name != 4]
    return struct.pack("=BB", kind, family) + b"".join(attribute(name, value) for name, value in said)


def _expressions(data: bytes) -> bytes:
    found = []
    for _kind, element in attribute_list(data):
        about = attributes(element)
        counting = about[1].rstrip(b"\0") in _COUNTING
        found.append(attribute(1, about[1]) + (b"" if counting else attribute(2, about.get(2, b""))))
    return b"".join(attribute(1, element) for element in found)


def _elements(data: bytes) -> bytes:
    """Those that stay: elements that expire come and go with packets and are left out. Their order has no meaning."""
    found = []
    for _kind, element in attribute_list(data):
        about = attributes(element)
        if 5 not in about:  # NFTA_SET_ELEM_EXPIRATION
            found.append(b"".join(attribute(name, value) for name, value in sorted(about.items()) if name in _ELEMENT_SAYING))
    return b"".join(sorted(found))

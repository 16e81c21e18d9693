# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Decode expressions from bytes. Equal bytes give the same object, so a common beginning of a thousand rules is decoded once."""

from __future__ import annotations

import typing as t

from ..._errors import DecodeError
from ..._wire.netlink import attribute_list, attributes
from ..evaluation import UnsupportedError
from . import ct, endings, headers, host, limits, lookups, meta, nat, operations
from .operations import Expression
from .wire import NFTA_EXPR_DATA, NFTA_EXPR_NAME, Attributes, name

_DECODERS: dict[str, t.Callable[[Attributes], Expression]] = {
    key: decoder for part in (operations, headers, meta, ct, limits, nat, endings, host) for key, decoder in part.DECODERS.items()
}
# named objects by type (NFT_OBJECT_*): those that decide something, and those that do not
_OBJECTS = {1: "counter", 2: "quota", 4: "limit", 5: "connlimit", 10: "synproxy"}
_HARMLESS_OBJECTS = {3: "ct helper", 6: "tunnel", 7: "ct timeout", 8: "secmark", 9: "ct expectation"}
_MOST_INTERNED = 100_000

_interned: dict[bytes, Expression] = {}


def decode(raw: bytes) -> Expression:
    """One expression, from the contents of its list entry. What is not known here says so when a packet gets to it."""
    found = _interned.get(raw)
    if found is None:
        found = _decode(raw)
        if len(_interned) < _MOST_INTERNED:
            _interned[raw] = found
    return found


def decode_all(raw: bytes) -> list[Expression]:
    """The expressions of a rule, from its NFTA_RULE_EXPRESSIONS."""
    found = [decode(each) for _kind, each in attribute_list(raw)]
    for at, each in enumerate(found):
        if isinstance(each, limits.Number) and any(isinstance(later, lookups.Lookup) for later in found[at + 1 : at + 3]):
            found[at] = each.with_lookup()
    return found


def named_object(kind: int, data: bytes) -> Expression:
    """A named object as the expression that it is."""
    if kind in _HARMLESS_OBJECTS:
        return endings.Nothing({})
    if kind not in _OBJECTS:
        return endings.Unknown(f"an object of type {kind} is not known here")
    return _DECODERS[_OBJECTS[kind]](attributes(data))


def _decode(raw: bytes) -> Expression:
    about = attributes(raw)
    kind = name(about, NFTA_EXPR_NAME)
    data = attributes(about.get(NFTA_EXPR_DATA, b""))
    try:
        if kind == "lookup":
            return lookups.Lookup(data)
        if kind == "dynset":
            return lookups.dynset(data, decode)
        if kind == "objref":
            return lookups.ObjectReference(data)
        if kind not in _DECODERS:
            return endings.Unknown(f"the expression {kind} is not known here")
        return _DECODERS[kind](data)
    except UnsupportedError as error:
        return endings.Unknown(str(error))
    except DecodeError as error:
        return endings.Unknown(f"the expression {kind} cannot be read: {error}")

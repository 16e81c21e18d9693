# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Expressions from their bytes. Equal bytes give the same object, so that a thousand rules that begin alike are decoded once."""

from __future__ import annotations

import typing as t

from ..._errors import DecodeError
from ..._netlink import attribute_list, attributes
from .._evaluation import UnsupportedError
from . import _ct, _endings, _headers, _host, _limits, _lookups, _meta, _nat, _operations
from ._operations import Expression
from ._wire import NFTA_EXPR_DATA, NFTA_EXPR_NAME, Attributes, name

_DECODERS: dict[str, t.Callable[[Attributes], Expression]] = {
    key: decoder for part in (_operations, _headers, _meta, _ct, _limits, _nat, _endings, _host) for key, decoder in part.DECODERS.items()
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
        if isinstance(each, _limits.Number) and any(isinstance(later, _lookups.Lookup) for later in found[at + 1 : at + 3]):
            found[at] = each.with_lookup()
    return found


def named_object(kind: int, data: bytes) -> Expression:
    """A named object as the expression that it is."""
    if kind in _HARMLESS_OBJECTS:
        return _endings.Nothing({})
    if kind not in _OBJECTS:
        return _endings.Unknown(f"an object of type {kind} is not known here")
    return _DECODERS[_OBJECTS[kind]](attributes(data))


def _decode(raw: bytes) -> Expression:
    about = attributes(raw)
    kind = name(about, NFTA_EXPR_NAME)
    data = attributes(about.get(NFTA_EXPR_DATA, b""))
    try:
        if kind == "lookup":
            return _lookups.Lookup(data)
        if kind == "dynset":
            return _lookups.dynset(data, decode)
        if kind == "objref":
            return _lookups.ObjectReference(data)
        if kind not in _DECODERS:
            return _endings.Unknown(f"the expression {kind} is not known here")
        return _DECODERS[kind](data)
    except UnsupportedError as error:
        return _endings.Unknown(str(error))
    except DecodeError as error:
        return _endings.Unknown(f"the expression {kind} cannot be read: {error}")

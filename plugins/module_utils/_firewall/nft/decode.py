# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Decode expressions from bytes. Equal bytes give the same object, so a common beginning of a thousand rules is decoded once."""

from __future__ import annotations

from ..._errors import DecodeError
from ..._wire.netlink import attribute_list, attributes
from ..evaluation import UnsupportedError
from .expr import decoder, objects
from .expression import Expression, Unknown
from .wire import NFTA_EXPR_DATA, NFTA_EXPR_NAME, name

_MOST_INTERNED = 100_000
_FOLLOWING = 2  # expressions that one may ask for that it is in front of

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
    return [each.before(found[at + 1 : at + 1 + _FOLLOWING]) for at, each in enumerate(found)]


def named_object(kind: int, data: bytes) -> Expression:
    """A named object as the expression that it is."""
    known = objects().get(kind)
    if known is None:
        return Unknown(f"an object of type {kind} is not known here")
    return known.decode(attributes(data))


def _decode(raw: bytes) -> Expression:
    about = attributes(raw)
    kind = name(about, NFTA_EXPR_NAME)
    data = attributes(about.get(NFTA_EXPR_DATA, b""))
    try:
        known = decoder(kind)
        if known is None:
            return Unknown(f"the expression {kind} is not known here")
        found = known(data)
        if found.raw:
            found.contain([decode(each) for each in found.raw])
        return found
    except UnsupportedError as error:
        return Unknown(str(error))
    except DecodeError as error:
        return Unknown(f"the expression {kind} cannot be read: {error}")

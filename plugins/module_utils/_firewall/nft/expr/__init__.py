# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The expressions of nf_tables, each complete in one file: decode, evaluate, words, and what others need not know of it.

A file has `EXPRESSIONS`: the kernel's names with what decodes their attributes; perhaps `OBJECTS`: types of named objects that it runs; and
`MAY_TRACK` where a rule with it may have the kernel track connections.

Imports are written out, as Ansible ships what they name. Each call of a module compiles what it imports, so what most rulesets lack is
imported when it is asked for.
"""

from __future__ import annotations

import functools
import typing as t
from types import ModuleType

from ..expression import Decoder, NamedObject
from . import (
    bitwise,
    cmp,
    counter,
    ct,
    immediate,
    limit,
    log,
    lookup,
    meta,
    payload,
    range,
    reject,
    xtables,
)

_COMMON = (
    bitwise, cmp, counter, ct, immediate, limit, log, lookup, meta, payload, range, reject, xtables,
)  # fmt: skip


@functools.lru_cache(maxsize=None)
def _tracking_or_named() -> tuple[ModuleType, ...]:
    """Those of which a whole ruleset is asked: that have connections tracked, or are run by named objects. `_COMMON` has more."""
    from . import connlimit, flow_offload, masq, nat, quota, redir, synproxy, tunnel

    return connlimit, flow_offload, masq, nat, quota, redir, synproxy, tunnel


@functools.lru_cache(maxsize=None)
def files() -> tuple[ModuleType, ...]:
    """All of them."""
    from . import (
        byteorder,
        dup,
        dynset,
        exthdr,
        fib,
        fwd,
        last,
        notrack,
        numgen,
        objref,
        osf,
        queue,
        rt,
        socket,
        tproxy,
        xfrm,
    )

    return (
        *_COMMON, *_tracking_or_named(),
        byteorder, dup, dynset, exthdr, fib, fwd, last, notrack, numgen, objref, osf, queue, rt, socket, tproxy, xfrm,
    )  # fmt: skip


def decoder(name: str) -> Decoder | None:
    """What makes an expression of its attributes, by the kernel's name; None for one that is not known here."""
    for some in (_common, _tracking_or_named, files):
        found = _decoders(some).get(name)
        if found is not None:
            return found
    return None


@functools.lru_cache(maxsize=None)
def objects() -> t.Mapping[int, NamedObject]:
    """The types of named objects, by their numbers (NFT_OBJECT_*)."""
    return {kind: each for file in (*_COMMON, *_tracking_or_named()) for kind, each in getattr(file, "OBJECTS", {}).items()}


@functools.lru_cache(maxsize=None)
def tracking() -> frozenset[str]:
    """The names of expressions that may have the kernel track connections."""
    those = (file for file in (*_COMMON, *_tracking_or_named()) if getattr(file, "MAY_TRACK", False))
    return frozenset(name for file in those for name in file.EXPRESSIONS)


def _common() -> tuple[ModuleType, ...]:
    return _COMMON


@functools.lru_cache(maxsize=None)
def _decoders(some: t.Callable[[], tuple[ModuleType, ...]]) -> dict[str, Decoder]:
    return {name: each for file in some() for name, each in file.EXPRESSIONS.items()}

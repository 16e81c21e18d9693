# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Values in which some bits may be unknown: what a firewall loads from a packet that is described, but was not captured."""

from __future__ import annotations

import typing as t


class Partial(t.NamedTuple):
    """Bytes of which only the bits in `known` are known (the others are 0 in `value`), and why the others are not.

    `drawn`: they are drawn by lot, or counted up, for each packet.
    """

    value: bytes
    known: bytes
    why: str
    drawn: bool = False

    @classmethod
    def nothing(cls, length: int, why: str, drawn: bool = False) -> Partial:
        return cls(bytes(length), bytes(length), why, drawn)


Value = t.Union[bytes, Partial]  # bytes: wholly known, as nearly always


def known(value: Value) -> bytes | None:
    """The bytes, where all of their bits are known."""
    if isinstance(value, bytes):
        return value
    return value.value if value.known == b"\xff" * len(value.value) else None


def equal(value: Value, wanted: bytes) -> bool | None:
    """Whether the first bytes of `value` are `wanted`; None when unknown bits decide it."""
    if isinstance(value, bytes):
        return value[: len(wanted)] == wanted
    for have, sure, want in zip(value.value, value.known, wanted):
        if (have ^ want) & sure:
            return False
    return True if value.known[: len(wanted)] == b"\xff" * len(wanted) else None


def masked(value: Value, mask: bytes, flip: bytes) -> Value:
    """`(value & mask) ^ flip`, as the nftables bitwise expression computes it."""
    if isinstance(value, bytes):
        return bytes((byte & keep) ^ turn for byte, keep, turn in zip(value, mask, flip))
    sure = bytes(bits | ~keep & 0xFF for bits, keep in zip(value.known, mask))
    kept = bytes(((byte & keep) ^ turn) & bits for byte, keep, turn, bits in zip(value.value, mask, flip, sure))
    return simplest(Partial(kept, sure, value.why, value.drawn))


def bounds(value: Value) -> tuple[bytes, bytes]:
    """The least and the greatest that a big-endian value can be."""
    if isinstance(value, bytes):
        return value, value
    return value.value, bytes(byte | ~sure & 0xFF for byte, sure in zip(value.value, value.known))


def within(value: Value, first: bytes, last: bytes) -> bool | None:
    """Whether first <= value <= last, None when unknown bits decide it."""
    least, greatest = bounds(value)
    if least >= first and greatest <= last:
        return True
    return False if greatest < first or least > last else None


def simplest(value: Value) -> Value:
    """Plain bytes where nothing is unknown."""
    sure = known(value)
    return value if sure is None else sure

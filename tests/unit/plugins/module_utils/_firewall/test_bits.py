# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.bits import Partial, bounds, equal, known, masked

PARTIALS = st.integers(1, 8).flatmap(
    lambda size: st.tuples(st.binary(min_size=size, max_size=size), st.binary(min_size=size, max_size=size))
)


def readings(value: bytes, sure: bytes) -> list[bytes]:
    """The values that a partial may stand for: a few of them, the least and the greatest among them."""
    unknown = bytes(~bits & 0xFF for bits in sure)
    spread = (bytes(len(value)), b"\xff" * len(value), b"\x55" * len(value), b"\xaa" * len(value))
    return [bytes(have & bits | fill & open_ for have, bits, fill, open_ in zip(value, sure, each, unknown)) for each in spread]


def partial(value: bytes, sure: bytes) -> Partial:
    return Partial(bytes(have & bits for have, bits in zip(value, sure)), sure, "untold")


@given(PARTIALS, st.data())
def test_equality_holds_for_all_readings_or_is_unknown(raw: tuple[bytes, bytes], data: st.DataObject) -> None:
    value, sure = raw
    wanted = data.draw(st.sampled_from([value, data.draw(st.binary(min_size=len(value), max_size=len(value)))]))
    answer = equal(partial(value, sure), wanted)
    if answer is not None:
        assert {reading == wanted for reading in readings(value, sure)} == {answer}


@given(PARTIALS, st.data())
def test_masking_commutes_with_reading(raw: tuple[bytes, bytes], data: st.DataObject) -> None:
    value, sure = raw
    mask, flip = (data.draw(st.binary(min_size=len(value), max_size=len(value))) for _each in range(2))
    result = masked(partial(value, sure), mask, flip)
    for reading in readings(value, sure):
        plain = masked(reading, mask, flip)
        assert isinstance(plain, bytes)
        assert equal(result, plain) is not False


@given(PARTIALS)
def test_bounds_enclose_all_readings(raw: tuple[bytes, bytes]) -> None:
    least, greatest = bounds(partial(*raw))
    assert all(least <= reading <= greatest for reading in readings(*raw))


def test_a_wholly_known_partial_is_known() -> None:
    assert known(Partial(b"ab", b"\xff\xff", "")) == b"ab"
    assert known(Partial(b"a\0", b"\xff\x0f", "")) is None

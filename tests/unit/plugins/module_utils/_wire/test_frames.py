# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._wire import frames as _frames
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import MAX_PACKETS, MAX_WIRE_LENGTH, Frame, pack, unpack

U8, U16, U32, U64 = (st.integers(0, 2**bits - 1) for bits in (8, 16, 32, 64))
FRAMES = st.builds(Frame, U64, U32, U16, U16, U8, st.binary(max_size=8), st.integers(0, MAX_WIRE_LENGTH), st.binary(max_size=300))


def deflated(raw: bytes) -> str:
    return base64.b64encode(zlib.compress(raw)).decode()


@given(st.lists(FRAMES))
def test_what_is_packed_is_unpacked(frames: list[Frame]) -> None:
    assert unpack(pack(frames)) == frames


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        ("ö", "cannot be unpacked"),
        ("AAA", "cannot be unpacked"),
        ("AAAA", "cannot be unpacked"),
        ("", "not complete"),
        (deflated(b"\0" * 5), "cut off"),
        (deflated(b"\0" * 23), "cut off"),
        (deflated(b"\0" * 22 + b"\0\5" + b"abc"), "lacks 2 bytes"),
        (base64.b64encode(zlib.compress(b"") + b"more").decode(), "something follows"),
        (base64.b64encode(zlib.compress(b"x" * 99)[:-3]).decode(), "not complete"),
        (None, "cannot be unpacked"),
        (["x"], "cannot be unpacked"),
    ],
)
def test_anything_else_is_refused(packed: str, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        unpack(packed)


@given(st.one_of(st.text(), st.binary().map(deflated), st.binary().map(lambda raw: base64.b64encode(raw).decode())))
def test_nothing_but_decode_error_is_raised(packed: str) -> None:
    try:
        frames = unpack(packed)
    except DecodeError:
        return
    assert unpack(pack(frames)) == frames


def test_a_bomb_does_not_go_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_frames, "MAX_BYTES", 1 << 20)
    with pytest.raises(DecodeError, match="more than 1048576 bytes"):
        unpack(deflated(bytes(1 << 22)))


FRAME = Frame(ts_ns=1, ifindex=2, ethertype=0x0800, vlan=0, pkttype=0, lladdr=b"", wire_length=40, data=b"x")


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([FRAME._replace(wire_length=0xFFFFFFFF)], "claims to be of a packet of 4294967295 bytes"),
        ([FRAME] * (MAX_PACKETS + 1), "more than 20000 packets"),
    ],
)
def test_what_no_recorder_records_is_refused(frames: list[Frame], reason: str) -> None:
    with pytest.raises(DecodeError, match=reason):
        unpack(pack(frames))

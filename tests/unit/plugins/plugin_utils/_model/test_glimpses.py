# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Glimpses of two hosts are alike only where both recorded the same packets of a usual handshake."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.glimpses import are_alike, backwards, glimpses, isn_of, opened
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.recording import Recording
from tests.unit.plugins.plugin_utils.multiplied import multiplied

Frames = list[Frame]


def _recorded(host: str, phase: str) -> Frames:
    """The packets of the first attempt of the fleet's first flow."""
    _plan, evidence = multiplied("healthy.twin", 1, 1, 1)
    frames = unpack(evidence[host][phase]["evidence"]["recording"]["frames"])
    port = min(min(struct.unpack("!HH", frame.data[20:24])) for frame in frames), max(struct.unpack("!HH", frames[0].data[20:24]))
    return [frame for frame in frames if set(struct.unpack("!HH", frame.data[20:24])) == {7001, port[1]}]


SENT, CAME = _recorded("client0", "try"), _recorded("server0", "close")


def glimpse(frames: Frames) -> bytes | None:
    recording = Recording("host")
    recording.add(pack(frames), {})
    found = glimpses(recording)
    return next(iter(found.values())) if found else None


def seen(frames: Frames) -> bytes:
    found = glimpse(frames)
    assert found is not None
    return found


def changed(number: int, at: int, value: int) -> Callable[[Frames], Frames]:
    """A byte of a packet."""

    def change(frames: Frames) -> Frames:
        data = bytearray(frames[number].data)
        data[at] = value
        return [frame._replace(data=bytes(data)) if frame is frames[number] else frame for frame in frames]

    return change


def in_ipv6(frames: Frames) -> Frames:
    made = []
    for frame in frames:
        ends = bytes(12) + frame.data[12:16] + bytes(12) + frame.data[16:20]
        head = struct.pack("!IHBB", 6 << 28, len(frame.data) - 20, 6, frame.data[8])
        made.append(frame._replace(ethertype=0x86DD, data=head + ends + frame.data[20:]))
    return made


@pytest.mark.parametrize("version", [list, in_ipv6])
def test_both_ends_have_the_same(version: Callable[[Frames], Frames]) -> None:
    left, came = seen(version(SENT)), seen(version(CAME))
    assert are_alike(left, came)
    assert isn_of(left) == opened(left)[1] == struct.unpack("!I", SENT[0].data[24:28])[0]
    assert (opened(left)[-1], opened(came)[-1]) == (True, False)


@pytest.mark.parametrize("version", [list, in_ipv6])
@pytest.mark.parametrize(("number", "at"), [(0, 34), (0, 45), (1, 30), (1, 34), (2, 35), (2, 44)])
def test_a_packet_that_was_altered_on_the_way(version: Callable[[Frames], Frames], number: int, at: int) -> None:
    assert not are_alike(seen(version(SENT)), glimpse(version(changed(number, at, 0xA5)(CAME))) or b"")


def test_checksums_are_not_compared() -> None:
    for at in (10, 11, 36, 37):
        assert are_alike(seen(SENT), seen(changed(0, at, CAME[0].data[at] ^ 0xFF)(CAME)))


@pytest.mark.parametrize(
    "change",
    [
        lambda frames: frames[:2],
        lambda frames: [frames[0], frames[0]._replace(ts_ns=frames[0].ts_ns + 1), *frames[1:]],
        lambda frames: [frames[0]._replace(pkttype=3), *frames[1:]],
        lambda frames: [*frames[:2], frames[2]._replace(pkttype=0), *frames[3:]],
        changed(-1, 33, 0x14),
        changed(2, 33, 0x18),
        changed(-1, 8, 7),
        changed(1, 8, 7),
        changed(2, 27, 0),
        lambda frames: [*frames[:-1], *(frames[-1]._replace(ts_ns=frames[-1].ts_ns + number) for number in range(20))],
        lambda frames: [frames[0], *(frame._replace(ts_ns=frame.ts_ns + (5 << 30)) for frame in frames[1:])],
    ],
)
def test_anything_else_is_not_usual(change: Callable[[Frames], Frames]) -> None:
    assert glimpse(change(SENT)) is None or glimpse(change(CAME)) is None


def test_a_recording_that_was_closed_is_as_it_was() -> None:
    recording = Recording("host")
    recording.add(pack(SENT), {"2": "eth0"})
    recording.add(pack([*SENT, *(frame._replace(ts_ns=frame.ts_ns + (1 << 40)) for frame in SENT)]), {"2": "eth0"})
    ways, packets = {way: [*places] for way, places in recording.tcp.items()}, [*recording]
    assert len(packets) == 2 * len(SENT)
    recording.close()
    assert {way: [*places] for way, places in recording.tcp.items()} == ways
    assert [*recording] == packets


def test_what_goes_the_other_way() -> None:
    assert backwards(b"aaaabbbbccdd") == b"bbbbaaaaddcc"
    assert backwards(b"a" * 16 + b"b" * 16 + b"ccdd") == b"b" * 16 + b"a" * 16 + b"ddcc"

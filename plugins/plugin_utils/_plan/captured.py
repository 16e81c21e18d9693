# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What captures are in terms of evidence: recordings of hosts, and attempts of clients. Pure.

A capture does not say what its filter left out, nor from when to when it would have seen a packet. It counts as a whole recording for
the time between its first and its last packet, and nothing that it lacks proves anything by itself (`explain`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._capture.handshake import Handshake
from ansible_collections.threeway.handshake.plugins.module_utils._capture.segment import endpoints
from ansible_collections.threeway.handshake.plugins.module_utils._capture.selected import Selected
from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none
from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import MAX_PACKETS, Frame, pack
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_IP

from .._model.probe_records import CAPTURED
from .captures import CaptureFile
from .declared import Declared
from .plan import Entry, Plan

MOST_ATTEMPTS = 300  # of an entry
MOST_MATCHED = 2000  # packets of a capture by which clocks are aligned
SLACK = 1.0  # seconds by which a capture may begin after it was started, or end before it was stopped
_OUT, _IN, _OTHER = 4, 0, 3  # linux/if_packet.h pkttype
Read = tuple[CaptureFile, Selected]
Window = tuple[float, float]


def aligned(read: Sequence[Read]) -> list[Read]:
    """The captures with their offsets corrected by the packets that they share with the first one, as far as clocks differ by seconds.

    What is finer is found out for each attempt (`rows.clocks_of`). A retransmission has the IP ID of no other packet.
    """
    if not read:
        return []
    (first, selected), *others = read
    reference = _first_times(first, selected)
    found = [(first, selected)]
    for capture, theirs in others:
        apart = sorted(reference[key] - time for key, time in _first_times(capture, theirs).items() if key in reference)
        ahead = apart[len(apart) // 2] if apart else 0.0
        found.append((replace(capture, offset=capture.offset + ahead) if abs(ahead) > SLACK else capture, theirs))
    return found


def _first_times(capture: CaptureFile, selected: Selected) -> dict[object, float]:
    times: dict[object, float] = {}
    for frame in selected.frames[:MOST_MATCHED]:
        try:
            packet = decode(frame.data, frame.ethertype)
        except DecodeError:
            continue
        tcp = packet.tcp
        if tcp and (packet.ip_id or tcp.options.timestamps):
            times.setdefault((tcp.seq, tcp.ack, tcp.flags, packet.ip_id, tcp.options.timestamps), frame.ts_ns / 1e9 + capture.offset)
    return times


def common_time(read: Sequence[Read]) -> Window | None:
    """From when to when all captures that have packets saw some; None where there is no such time."""
    spans = [_span(each) for each in read if each[1].begins is not None]
    window = (max((span[0] for span in spans), default=0.0), min((span[1] for span in spans), default=0.0))
    return window if spans and window[0] <= window[1] else None


def covering(read: Sequence[Read], window: Window | None) -> bool:
    """Whether these captures say that they were made at that time."""
    return window is not None and any(selected.begins is not None for _capture, selected in read)


def _span(read: Read) -> Window:
    capture, selected = read
    return (selected.begins or 0.0) + capture.offset - SLACK, (selected.ends or 0.0) + capture.offset + SLACK


def recording(host: str, read: Sequence[Read], plan: Plan, window: Window | None) -> dict[str, Any]:
    """The evidence of one host, or of one point on the path."""
    own = _addresses(plan, host)
    frames: list[Frame] = []
    interfaces: dict[str, str] = {}
    for number, (capture, selected) in enumerate(read):
        for frame in selected.frames:
            index = number * 4096 + frame.ifindex + 1
            interfaces[str(index)] = selected.interfaces[frame.ifindex] or capture.point
            time = frame.ts_ns + round(capture.offset * 1e9)
            frames.append(frame._replace(ts_ns=max(0, time), ifindex=index, pkttype=_way(frame, own)))
    frames = sorted(frames)[:MAX_PACKETS]
    notes = [note for _capture, selected in read for note in selected.notes]
    if window is None:
        notes.append("it does not say that it was made while these handshakes were tried")
    begins = [_span(each)[0] + SLACK for each in read if each[1].begins is not None]
    ends = [_span(each)[1] - SLACK for each in read if each[1].ends is not None]
    return {
        "recording": {
            "interfaces": interfaces,
            "frames": pack(frames),
            "count": len(frames),
            "dropped": sum(selected.dropped for _capture, selected in read),
            "truncated": None,
            "from": min(begins, default=0.0),
            "to": max(ends, default=0.0),
        },
        "point": all(frame.pkttype == _OTHER for frame in frames),
        "lacks": "; ".join(dict.fromkeys(notes)) or None,
        "absent": [],
    }


def _addresses(plan: Plan, host: str) -> tuple[Declared, str, frozenset[str]]:
    dialled = frozenset(entry.address for entry in plan.entries if entry.server == host)
    return Declared(plan.addresses), host, dialled


def _way(frame: Frame, own: tuple[Declared, str, frozenset[str]]) -> int:
    """In or out, as the capture has it, or else by the addresses that the inventory has for the host."""
    if frame.pkttype >= 0:
        return frame.pkttype
    declared, host, dialled = own
    width = 4 if frame.ethertype == ETH_P_IP else 16
    at = 12 if width == 4 else 8
    ends = [_text(frame.data[begin : begin + width]) for begin in (at, at + width)]
    source, target = (end in dialled or declared.has(host, end) for end in ends)
    return _OTHER if source == target else _OUT if source else _IN


def _text(packed: bytes) -> str:
    return str(ipaddress.ip_address(packed)) if len(packed) in (4, 16) else ""


def attempts(plan: Plan, read: Sequence[Read], window: Window | None) -> dict[str, list[dict[str, Any]]]:
    """The handshakes of captures as probes of the clients (docs/evidence.md): those in the window, or all where none is."""
    probes: dict[str, list[dict[str, Any]]] = {}
    known: set[tuple[str, int]] = set()
    declared = Declared(plan.addresses)
    for entry in plan.entries:
        if (entry.client, entry.dial) in known:
            continue
        known.add((entry.client, entry.dial))
        found = _handshakes(entry, read, declared)
        within = {key: each for key, each in found.items() if window and window[0] <= each[1].first / 1e9 + each[0].offset <= window[1]}
        ordered = sorted((within or found).values(), key=lambda each: each[1].first)[:MOST_ATTEMPTS]
        probed = probes.setdefault(entry.client, [])
        probed += [_probe(entry, number, *each) for number, each in enumerate(ordered, 1)]
    return probes


def _handshakes(entry: Entry, read: Sequence[Read], declared: Declared) -> dict[object, tuple[CaptureFile, Handshake]]:
    """By ends and ISN; that of the client's own capture where there is one."""
    found: dict[object, tuple[CaptureFile, Handshake]] = {}
    for capture, selected in sorted(read, key=lambda each: each[0].host != entry.client):
        for handshake in selected.handshakes:
            if handshake.syns and _is_of(entry, handshake, declared):
                found.setdefault((handshake.pair, handshake.isn), (capture, handshake))
    return found


def _is_of(entry: Entry, handshake: Handshake, declared: Declared) -> bool:
    client, _port, server, port = endpoints(handshake.pair)
    dialled = canonical_or_none(entry.address)
    reaches = server == dialled if dialled else entry.server is not None and declared.has(entry.server, server)
    return port == entry.port and reaches and declared.has(entry.client, client)


def _probe(entry: Entry, number: int, capture: CaptureFile, handshake: Handshake) -> dict[str, Any]:
    """An attempt of which only packets are known: no application was asked, so that there is no error of connect()."""
    client, client_port, server, port = endpoints(handshake.pair)
    begin = handshake.syns[0]
    refused = handshake.acked is None and handshake.reset is not None and handshake.reset[0] == "server"
    connected = handshake.acked is not None
    return {
        "dial": entry.dial,
        "attempt": number,
        "address": server,
        "port": port,
        "started": begin / 1e9 + capture.offset,
        "stage": CAPTURED,
        "outcome": "connected" if connected else "error" if refused else "timeout",
        "local_address": client,
        "local_port": client_port,
        "errno": None,
        "elapsed_ms": round(((handshake.acked if connected else handshake.last) - begin) / 1e6, 3),  # type: ignore[operator]
        "peer": "reset" if connected and handshake.reset and handshake.reset[0] == "server" and not handshake.bits & 8 else None,
    }

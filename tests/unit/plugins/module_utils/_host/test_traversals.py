# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import socket
import struct
import typing as t

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._host import traversals
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack

CLIENT, SERVER = ("192.0.2.11", 40001), ("198.51.100.21", 5432)
SYN, SYN_ACK, ACK, FIN_ACK, RST = 0x02, 0x12, 0x10, 0x11, 0x04


def frame(
    source: tuple[str, int],
    destination: tuple[str, int],
    flags: int,
    ifindex: int = 2,
    pkttype: int = 0,
    vlan: int = 0,
    lladdr: bytes = b"",
) -> Frame:
    ends = socket.inet_aton(source[0]) + socket.inet_aton(destination[0])
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, 1, 0x4000, 61, 6, 0) + ends
    tcp = struct.pack("!HHIIBBHHH", source[1], destination[1], 7, 0, 0x50, flags, 64240, 0, 0)
    return Frame(ts_ns=1, ifindex=ifindex, ethertype=0x0800, vlan=vlan, pkttype=pkttype, lladdr=lladdr, wire_length=40, data=ip + tcp)


def recording(*frames: Frame) -> dict[str, t.Any]:
    return {"frames": pack(frames), "interfaces": {"2": "eth0", "3": "br0"}}


def told(questions: t.Sequence[traversals.Question], *names: str) -> list[tuple[t.Any, ...]]:
    return [tuple(question.get(name) for name in names) for question in questions]


def test_a_handshake_crosses_client_server_and_router() -> None:
    own = traversals.traversal("client", CLIENT, SERVER, 1000)
    assert told(own, "packet", "direction", "source", "port", "uid") == [
        ("syn", "out", "192.0.2.11", 5432, 1000),
        ("syn_ack", "in", "198.51.100.21", 40001, None),
        ("ack", "out", "192.0.2.11", 5432, 1000),
    ]
    assert [each["direction"] for each in traversals.traversal("server", CLIENT, SERVER)] == ["in", "out", "in"]
    assert {each["direction"] for each in traversals.traversal("via", CLIENT, SERVER)} == {"forward"}


def test_there_is_room_for_so_many_and_the_rest_is_counted() -> None:
    many: list[tuple[str, traversals.End, traversals.End]] = [("server", (f"192.0.2.{host}", None), SERVER) for host in range(1, 151)]
    asked, left_out = traversals.bounded([*many, *many, ("server", ("2001:db8::1", None), SERVER)])
    assert (len(asked), left_out) == (300, 50)


def test_the_ports_to_which_a_handshake_came() -> None:
    """By its number, which a translation leaves alone: not those of other connections, nor those to which it is sent on from here."""
    translated, onward = (SERVER[0], 8080), (SERVER[0], 9090)
    found = recording(frame(CLIENT, translated, SYN), frame(translated, CLIENT, SYN_ACK, pkttype=4), frame(CLIENT, onward, SYN, pkttype=4))
    assert traversals.ports_of(found, [7]) == {8080}
    assert traversals.ports_of(found, [8]) == traversals.ports_of(found, []) == set()


def test_what_came_in_is_asked_as_it_came() -> None:
    planned = traversals.traversal("server", ("192.0.2.11", None), SERVER)
    found = traversals.recorded(recording(frame(CLIENT, SERVER, SYN), frame(SERVER, CLIENT, SYN_ACK, pkttype=4)), planned)
    assert told(found, "packet", "source_port", "port", "interface") == [
        ("syn", 40001, 5432, "eth0"),
        ("syn_ack", 5432, 40001, None),
        ("ack", 40001, 5432, None),
    ]
    assert bytes.fromhex(found[0]["header"])[8] == 61  # its TTL


def test_what_a_bridge_takes_in_is_asked_with_its_port_and_who_sent_it() -> None:
    bridged = frame(CLIENT, SERVER, SYN, pkttype=3, lladdr=bytes.fromhex("525400000099"))
    found = traversals.recorded(recording(bridged, frame(("192.0.2.12", 40002), SERVER, SYN)), [])
    assert told([each for each in found if each["packet"] == "syn"], "interface", "port_in", "sender") == [
        (None, "eth0", "52:54:00:00:00:99"),
        ("eth0", None, None),
    ]


def test_what_translation_made_of_it_is_asked_besides() -> None:
    planned = traversals.traversal("server", CLIENT, SERVER)
    translated = ("203.0.113.5", 61000)
    found = traversals.recorded(recording(frame(translated, SERVER, SYN)), planned)
    assert [each["source"] for each in found if each["packet"] == "syn"] == ["203.0.113.5", "192.0.2.11"]
    assert len(found) == 6


@pytest.mark.parametrize("more", [frame(CLIENT, SERVER, SYN, ifindex=3), frame(CLIENT, SERVER, SYN, vlan=7)])
def test_where_it_arrives_is_left_to_the_routes_when_it_came_twice(more: Frame) -> None:
    assert traversals.recorded(recording(frame(CLIENT, SERVER, SYN), more), [])[0]["interface"] is None


def test_other_packets_are_nobody_s_question() -> None:
    stranger = ("203.0.113.9", 999)
    noise = [frame(CLIENT, SERVER, RST), frame(CLIENT, SERVER, FIN_ACK), frame(stranger, SERVER, ACK)]
    assert traversals.recorded(recording(*noise), []) == []


def test_a_recording_that_is_none_is_refused() -> None:
    with pytest.raises(DecodeError):
        traversals.recorded({"frames": "%%%"}, [])

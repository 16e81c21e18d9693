# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import struct

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.packet import packed
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.questions import asked, packet_of
from tests.unit.plugins.module_utils._firewall.host import Host

IN = {"source": "192.0.2.9", "destination": "192.0.2.1", "port": 5432}


def header(flags: int = 2, source_port: int = 40000, options: bytes = b"\x02\x04\x05\xb4") -> str:
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 44, 7, 0x4000, 63, 6, 0, packed("192.0.2.9"), packed("192.0.2.1"))
    return (ip + struct.pack("!HHIIBBHHH", source_port, 5432, 1, 0, 0x60, flags, 64240, 0, 0) + options).hex()


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (IN, {"direction": "in", "interface": "eth0", "out_interface": None, "state": "new", "packet": "syn"}),
        ({**IN, "packet": "ack"}, {"direction": "in", "state": "established"}),
        (
            {"source": "192.0.2.1", "destination": "203.0.113.77", "port": 1},
            {"direction": "out", "interface": None, "out_interface": "br0"},
        ),
        ({**IN, "destination": "198.51.100.9"}, {"direction": "forward", "interface": "eth0", "out_interface": "eth1"}),
        ({**IN, "direction": "out", "interface": "eth1"}, {"interface": None, "out_interface": "eth1"}),
        ({**IN, "source": "192.0.2.1", "direction": "in"}, {"interface": "lo"}),
    ],
)
def test_what_is_not_told_comes_from_the_host(question: dict[str, object], expected: dict[str, object]) -> None:
    told = asked(packet_of(question, Host()), question)
    assert {name: told[name] for name in expected} == expected


def test_a_real_header_makes_everything_known() -> None:
    packet = packet_of({**IN, "source_port": 40000, "header": header()}, Host())
    assert packet.network.number(8, 1) == 63
    assert packet.transport.number(14, 2) == 64240
    assert (packet.options, packet.length) == (b"\x02\x04\x05\xb4", 44)


def test_without_a_header_such_fields_are_unknown() -> None:
    packet = packet_of(IN, Host())
    assert packet.network.number(8, 1) is None
    assert packet.transport.number(14, 2) is None
    assert packet.source_port is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"source": "db1"}, "source is 'db1': give an IP address, not a name"),
        ({"source": "2001:db8::9"}, "source 2001:db8::9 and destination 192.0.2.1 are of different address families"),
        ({"port": 70000}, "port is 70000: give a number from 1 to 65535"),
        ({"interface": "eth9"}, "interface is 'eth9', and this host has no interface of that name"),
        ({"header": "xyz"}, "header is 'xyz': give hexadecimal digits, from the IP header on"),
        ({"header": "4500"}, "header of 2 bytes is not an IPv4 header followed by a TCP header"),
        ({"header": header(flags=18)}, "header is of another packet than the one that is asked for: its addresses, ports or flags differ"),
        (
            {"header": header(), "source_port": 1},
            "header is of another packet than the one that is asked for: its addresses, ports or flags differ",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_sentence(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(ObserveError) as refusal:
        packet_of({**IN, **change}, Host())
    assert str(refusal.value) == sentence


def test_what_a_bridge_passes_on_comes_by_its_port_from_a_known_sender() -> None:
    bridged = {**IN, "destination": "198.51.100.9", "direction": "forward", "port_in": "port1", "sender": "52:54:00:00:00:99"}
    packet = packet_of(bridged, Host())
    assert packet.port_in is not None
    assert (packet.port_in.name, asked(packet, bridged)["interface"], asked(packet, bridged)["out_interface"]) == ("port1", "br0", "br0")
    assert packet.link.get(6, 6) == bytes.fromhex("525400000099")

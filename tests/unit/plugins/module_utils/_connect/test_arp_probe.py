# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ARP probes against a kernel that answers them, and what they leave as it is."""

from __future__ import annotations

from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._connect.arp_probe import MOST_PROBES, Probe, of_own, of_pinned
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

SNAPSHOT: dict[str, Any] = {
    "links": [
        {"name": "eth0", "type": 1, "up": True, "mac": "02:00:00:00:00:01"},
        {"name": "down0", "type": 1, "up": False, "mac": "02:00:00:00:00:02"},
        {"name": "tun0", "type": 65534, "up": True, "mac": None},
    ],
    "addresses": [{"interface": name, "address": address} for name, address in (("eth0", "192.0.2.1"), ("eth0", "2001:db8::1"))],
    "routes": [{"remote": "198.51.100.1", "gateway": "192.0.2.9", "interface": "eth0", "error": None}],
    "neighbours": [{"address": "192.0.2.9", "interface": "eth0", "mac": "02:00:00:00:00:09", "state": "PERMANENT"}],
}


def test_only_pinned_next_hops_of_broken_ends_are_asked_for() -> None:
    assert of_pinned(SNAPSHOT, ["198.51.100.1"]) == [Probe("eth0", "02:00:00:00:00:01", "192.0.2.9")]
    assert of_pinned(SNAPSHOT, ["198.51.100.2"]) == []
    learned = {**SNAPSHOT, "neighbours": [{**SNAPSHOT["neighbours"][0], "state": "STALE"}]}
    assert of_pinned(learned, ["198.51.100.1"]) == []


def test_own_addresses_are_asked_for_on_ethernet_and_of_ipv4() -> None:
    assert of_own(SNAPSHOT, ["192.0.2.1", "2001:db8::1", "192.0.2.7"]) == [Probe("eth0", "02:00:00:00:00:01", "192.0.2.1")]
    many = [{"interface": "eth0", "address": f"192.0.2.{last}"} for last in range(1, 20)]
    assert len(of_own({**SNAPSHOT, "addresses": many}, [one["address"] for one in many])) == MOST_PROBES


def test_a_probe_has_no_senders_address() -> None:
    """Seen at the other end of the wire, as RFC 5227 has it."""
    with Rootless() as namespace:
        namespace.sh("ip link add a0 type veth peer name b0; ip link set a0 up; ip link set b0 up; ip addr add 192.0.2.1/24 dev a0")
        frame = namespace.python(
            "_connect.arp_probe",
            "(lambda s: (s.bind(('b0', 0)), s.settimeout(3), arp_probe.send([arp_probe.Probe('a0', '02:00:00:00:00:01', '192.0.2.9')]), "
            "s.recv(99).hex())[-1])(__import__('socket').socket(17, 3, 0x0608))",
        )
    assert frame.startswith("ff" * 6 + "020000000001" + "0806" + "0001080006040001" + "020000000001" + "00000000" + "00" * 6 + "c0000209")

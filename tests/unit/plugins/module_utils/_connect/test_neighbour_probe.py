# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""ARP probes and solicitations against a kernel that answers them, and what they leave as it is."""

from __future__ import annotations

from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._connect.neighbour_probe import MOST_PROBES, Probe, of_own, of_pinned
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

SNAPSHOT: dict[str, Any] = {
    "links": [
        {"name": "eth0", "type": 1, "up": True, "mac": "02:00:00:00:00:01"},
        {"name": "down0", "type": 1, "up": False, "mac": "02:00:00:00:00:02"},
        {"name": "tun0", "type": 65534, "up": True, "mac": None},
    ],
    "addresses": [
        {"interface": "eth0", "address": address, "flags": flags}
        for address, flags in (("192.0.2.1", []), ("2001:db8::1", []), ("fe80::9", ["tentative"]), ("fe80::1", []))
    ],
    "routes": [{"remote": "198.51.100.1", "gateway": "192.0.2.9", "interface": "eth0", "error": None}],
    "neighbours": [{"address": "192.0.2.9", "interface": "eth0", "mac": "02:00:00:00:00:09", "state": "PERMANENT"}],
}


def test_only_pinned_next_hops_of_broken_ends_are_asked_for() -> None:
    assert of_pinned(SNAPSHOT, ["198.51.100.1"]) == [Probe("eth0", "02:00:00:00:00:01", "192.0.2.9")]
    assert of_pinned(SNAPSHOT, ["198.51.100.2"]) == []
    learned = {**SNAPSHOT, "neighbours": [{**SNAPSHOT["neighbours"][0], "state": "STALE"}]}
    assert of_pinned(learned, ["198.51.100.1"]) == []


def test_own_addresses_are_asked_for_on_ethernet() -> None:
    assert of_own(SNAPSHOT, ["192.0.2.1", "2001:db8::1", "192.0.2.7"]) == [
        Probe("eth0", "02:00:00:00:00:01", "192.0.2.1"),
        Probe("eth0", "02:00:00:00:00:01", "2001:db8::1", "fe80::1"),
    ]
    alone = {**SNAPSHOT, "addresses": [SNAPSHOT["addresses"][1]]}  # no other address to ask from
    assert of_own(alone, ["2001:db8::1"]) == []
    many = [{"interface": "eth0", "address": f"192.0.2.{last}", "flags": []} for last in range(1, 20)]
    assert len(of_own({**SNAPSHOT, "addresses": many}, [one["address"] for one in many])) == MOST_PROBES


def test_a_probe_has_no_senders_address() -> None:
    """Seen at the other end of the wire, as RFC 5227 has it."""
    with Rootless() as namespace:
        namespace.sh("ip link add a0 type veth peer name b0; ip link set a0 up; ip link set b0 up; ip addr add 192.0.2.1/24 dev a0")
        frame = namespace.python(
            "_connect.neighbour_probe",
            "(lambda s: (s.bind(('b0', 0)), s.settimeout(3), "
            "neighbour_probe.send([neighbour_probe.Probe('a0', '02:00:00:00:00:01', '192.0.2.9')]), "
            "s.recv(99).hex())[-1])(__import__('socket').socket(17, 3, 0x0608))",
        )
    assert frame.startswith("ff" * 6 + "020000000001" + "0806" + "0001080006040001" + "020000000001" + "00000000" + "00" * 6 + "c0000209")


def test_a_kernel_answers_a_solicitation_and_a_pinned_entry_stays() -> None:
    with Rootless() as namespace:
        namespace.sh("""
        ip netns add far; ip link add a0 address 02:00:00:00:00:01 type veth peer name b0 address 02:00:00:00:00:02 netns far
        ip link set a0 up; ip addr add 2001:db8::1/64 dev a0 nodad; ip -n far link set b0 up; ip -n far addr add 2001:db8::2/64 dev b0 nodad
        ip neigh add 2001:db8::2 lladdr 02:00:00:00:00:99 dev a0 nud permanent
        until ip -6 addr show dev b0 2>/dev/null | grep -q tentative || ip -n far -6 addr show dev b0 | grep -q fe80; do sleep 0.05; done
        """)
        frames = namespace.python(
            "_connect.neighbour_probe",
            "(lambda s: (s.bind(('a0', 0)), s.settimeout(3), neighbour_probe.send([neighbour_probe.Probe("
            "'a0', '02:00:00:00:00:01', '2001:db8::2', '2001:db8::1')]), [s.recv(99).hex() for _frame in range(2)])[-1])"
            "(__import__('socket').socket(17, 3, 0xdd86))",
        )
        entry = namespace.sh("ip neigh show 2001:db8::2 dev a0")
    advertised = [frame for frame in frames if frame.startswith("020000000001" + "020000000002" + "86dd") and frame[108:110] == "88"]
    assert len(advertised) == 1 and advertised[0].endswith("0201020000000002")
    assert entry.split() == ["2001:db8::2", "lladdr", "02:00:00:00:00:99", "PERMANENT"]

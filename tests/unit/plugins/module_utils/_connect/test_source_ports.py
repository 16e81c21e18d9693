# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attempts from all over the ephemeral range, and how many are made where they differ: against the kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._connect import source_ports
from ansible_collections.threeway.handshake.plugins.module_utils._connect.source_ports import ephemeral, ephemeral_of, spread
from tests.unit.plugins.module_utils._connect import test_probe
from tests.unit.plugins.module_utils._connect.test_probe import in_fleet

pytestmark = test_probe.pytestmark


@pytest.mark.parametrize("count", [1, 3, 16])
def test_each_attempt_has_a_part_of_the_range_of_its_own(count: int) -> None:
    ports = spread(count, list(range(30000, 46000)))
    width = 16000 / count
    assert sorted(int((each[0] - 30000) / width) for each in ports) == list(range(count))
    assert all(len({int((port - 30000) / width) for port in each}) == 1 for each in ports)


def test_without_room_the_kernel_chooses() -> None:
    assert spread(3, []) == [(), (), ()]
    assert spread(3, [40000]).count(()) == 2
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    assert set(ephemeral()) <= set(range(low, high + 1))


@pytest.mark.parametrize("reserved", ["", "30005", "29990-30002,30008-40000"])
def test_some_ports_are_looked_up_as_in_the_list_of_all(reserved: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("RANGE", "30000\t30010\n"), ("RESERVED", f"{reserved}\n")):
        (tmp_path / name).write_text(text)
        monkeypatch.setattr(source_ports, name, str(tmp_path / name))
    assert ephemeral_of(range(65536)) == set(ephemeral()) != set()
    (tmp_path / "RANGE").unlink()
    assert ephemeral_of(range(65536)) == set(ephemeral()) == set()


def test_attempts_come_from_all_of_the_range() -> None:
    answer = in_fleet("""
import subprocess
subprocess.run(["sysctl", "-qw", "net.ipv4.ip_local_port_range=30000 45999", "net.ipv4.ip_local_reserved_ports=30000-33999"], check=True)
ends = (("10.0.3.2", None), ("10.0.3.2", "10.0.1.2"), ("fd00::3:2", None))
for address, source in ends:
    probe(Dial(1, address, 80, 9.0, source, 1))  # so that neighbours are known
show([probe(Dial(1, address, 80, 1.0, source, 8, 0.0)) for address, source in ends])
""")
    for part in answer:
        assert {probe["outcome"] for probe in part["probes"]} == {"connected"}
        ports = sorted(probe["local_port"] for probe in part["probes"])
        assert [int((port - 34000) / 1500) for port in ports] == list(range(8))


def test_more_attempts_are_made_where_they_differ_and_only_there() -> None:
    """Half of the ports are lost; another destination is lost as a whole, a third one is well, a fourth has one attempt only."""
    answer = in_fleet("""
import subprocess
subprocess.run(["sysctl", "-qw", "net.ipv4.ip_local_port_range=30000 45999"], check=True)
subprocess.run(["nft", "add rule inet t o tcp dport 90 tcp sport 38000-65535 drop"], check=True)
more = {"further": 8}
show(probe(Dial(1, "10.0.3.2", 90, 0.5, None, 4, 0.0, **more), Dial(2, "10.0.3.2", 81, 0.5, None, 4, 0.0, **more),
           Dial(3, "10.0.3.2", 80, 0.5, None, 4, 0.0, **more), Dial(4, "10.0.3.2", 81, 0.5, None, 1, 0.0, **more), patience=0.2))
""")
    made = [probe["dial"] for probe in answer["probes"]]
    assert {dial: made.count(dial) for dial in set(made)} == {1: 12, 2: 4, 3: 4, 4: 3}
    for probe in answer["probes"][:12]:
        assert (probe["outcome"] == "connected") == (probe["local_port"] < 38000)
    assert [probe["attempt"] for probe in answer["probes"][:12]] == list(range(12))


def test_few_ports_are_not_used_up() -> None:
    answer = in_fleet("""
import subprocess
subprocess.run(["sysctl", "-qw", "net.ipv4.ip_local_port_range=30000 30031"], check=True)
subprocess.run(["nft", "add rule inet t o tcp dport 90 tcp sport 30016-65535 drop"], check=True)
show(probe(Dial(1, "10.0.3.2", 90, 0.5, None, 4, 0.0, further=8), patience=0.2))
""")
    assert len(answer["probes"]) == 6


def test_the_first_byte_of_who_speaks_first_is_waited_for() -> None:
    answer = in_fleet("""
show(probe(*[Dial(port, "10.0.3.2", port, 1.0, None, 1, 0.0, 0.5) for port in (80, 90, 91)], settle=0.1))
""")
    told = {probe["dial"]: (probe["peer"], probe["awaited_ms"] >= 500) for probe in answer["probes"]}
    assert told == {80: ("open", True), 90: ("data", False), 91: ("closed", False)}
    assert "private" not in str(answer)

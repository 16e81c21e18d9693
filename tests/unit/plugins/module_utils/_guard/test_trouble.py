# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restores that meet with trouble: what can be put back is, and what cannot be is said."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._guard import xtables
from ansible_collections.threeway.handshake.plugins.module_utils._guard.base import GuardError
from ansible_collections.threeway.handshake.plugins.module_utils._guard.disk import RememberedBlobs
from ansible_collections.threeway.handshake.plugins.module_utils._guard.units import Units
from ansible_collections.threeway.handshake.plugins.module_utils._guard.xtables import Xtables
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._guard.scene import BASE, CHANGE, SOON, Scene

SMALL = "mkdir /run/etc/small; mount -t tmpfs -o size=64k none /run/etc/small; "
FILL = "; cat /dev/zero > /run/etc/small/fill 2> /dev/null || true"


@pytest.fixture
def host() -> Iterator[Scene]:
    with Scene() as scene:
        yield scene


def test_a_file_on_a_full_disk_is_put_back_in_place(host: Scene) -> None:
    about = "stat -c '%a %u %Y %s' /run/etc/small/rules; sha256sum /run/etc/small/rules"
    host.sh(SMALL + "seq 3000 > /run/etc/small/rules; chmod 0640 /run/etc/small/rules; touch -d '2026-01-02 03:04:05' /run/etc/small/rules")
    before = host.sh(about)
    host.arm(saves={"files": ["/run/etc/small/rules"]})
    host.sh("seq 4000 > /run/etc/small/rules" + FILL)
    restored = host.step("restore", "t1")
    assert restored.get("state") == "restored", restored
    assert host.sh(about) == before
    assert host.sh("ls -A /run/etc/small").split() == ["fill", "rules"]


def test_a_file_for_which_there_is_no_room_stays_whole(host: Scene) -> None:
    host.sh(SMALL + "seq 6000 > /run/etc/small/rules")
    host.arm(saves={"files": ["/run/etc/small/rules", "/run/etc/one"]})
    host.sh("echo other > /run/etc/one; seq 3 > /run/etc/small/rules" + FILL)
    assert "/run/etc/small/rules cannot be put back: No space left on device" in host.step("restore", "t1")["error"]
    assert host.sh("cat /run/etc/small/rules /run/etc/one") == "1\n2\n3\none\n"
    host.sh("rm /run/etc/small/fill")
    assert host.step("restore", "t1")["state"] == "restored"
    assert host.sh("tail -n1 /run/etc/small/rules") == "6000\n"


def test_what_was_saved_and_is_damaged_is_said_at_once(host: Scene) -> None:
    host.arm()
    host.sh(f"echo '{{' > {BASE}/t1/saved.json")
    refused = host.step("restore", "t1")["error"]
    assert f"transaction t1 could not be restored completely: {BASE}/t1/saved.json cannot be read" in refused
    assert host.steps() == ["planned", "armed", "restoring", "failed"]
    assert host.step("forget", "t1")["changed"] is True


def test_names_need_not_be_text(host: Scene) -> None:
    """An interface may have any bytes for a name, and so may a comment."""
    make = 'name=$(printf \'caf\\351\'); ip link add "$name" type veth peer name v1; ip link set v1 up; ip link set "$name" up; '
    host.sh(make + 'ip route add 203.0.113.0/24 dev "$name"; iptables-legacy -A INPUT -m comment --comment "$name" -j ACCEPT')
    assert host.arm(saves={"routes": True, "firewall": True}).get("state") == "armed"
    host.sh("ip route del 203.0.113.0/24; iptables-legacy -F")
    assert host.step("restore", "t1").get("state") == "restored"
    assert host.sh("ip route show 203.0.113.0/24 | wc -l; iptables-legacy-save | grep -c comment").split() == ["1", "1"]


def test_rules_are_put_back_where_sets_cannot_be(host: Scene) -> None:
    host.sh("ipset create allowed hash:ip; ipset add allowed 192.0.2.1")
    before = host.sh("nft list ruleset")
    host.arm(saves={"firewall": True})
    host.sh("nft insert rule inet filter input drop; mount --bind /bin/false $(readlink -f $(command -v ipset))")
    assert "ipset save ended with 1" in host.step("restore", "t1")["error"]
    assert host.sh("nft list ruleset") == before


def test_a_table_that_was_unloaded_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace cannot unload one: here the tools and the kernel's list are of a host that can."""
    monkeypatch.setattr(xtables, "_LOADED", {"iptables": "/nowhere"})
    saved, loaded = "*raw\n:OUTPUT ACCEPT [7:9]\n-A OUTPUT -p udp -j DROP\nCOMMIT\n", []

    def run(argv: list[str], data: str | None = None) -> tuple[int, str, str]:
        if argv[0] == "iptables-legacy-restore":
            loaded.append(data)
        return 0, "*raw\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n" if argv[0] == "iptables-legacy-save" else "v1.8.9 (legacy)", ""

    blobs = RememberedBlobs()
    Xtables().restore({"iptables": {"raw": blobs.put(saved.encode())}}, blobs, run)
    assert loaded == [saved]


def test_one_unit_that_does_not_start_keeps_no_other_from_being_started() -> None:
    asked = []

    def run(argv: list[str], data: str | None = None) -> tuple[int, str, str]:
        asked.append(" ".join(argv[1:]))
        failing = argv[1:] == ["start", "a.service"]
        return int(failing), "ActiveState=inactive\nInvocationID=\n", "it is broken" if failing else ""

    was = {"links": {}, "runs": True, "run": "1"}
    with pytest.raises(GuardError, match=r"^systemctl start a\.service ended with 1 and said: it is broken$"):
        Units().restore({"a.service": was, "b.service": was}, RememberedBlobs(), run)
    assert "start b.service" in asked


def test_a_disk_that_nobody_may_write_to_keeps_no_restore_from_happening(host: Scene) -> None:
    before = host.dump()
    host.arm(timeout=SOON)
    with host.before_the_deadline():
        host.sh(CHANGE)
        host.sh(f"mount --bind {BASE} {BASE}; mount -o remount,bind,ro {BASE}")
    host.await_silence()
    assert host.dump() == before

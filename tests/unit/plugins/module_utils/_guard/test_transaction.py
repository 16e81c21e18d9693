# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction's life: who may begin one, when it ends, and what is left then."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator

import pytest

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._guard.scene import (
    BASE,
    CHANGE,
    COLLECTIONS,
    SAVES,
    SOON,
    STEP,
    Scene,
)


@pytest.fixture
def host() -> Iterator[Scene]:
    with Scene() as scene:
        yield scene


def test_a_host_that_nobody_confirms_restores_itself_and_keeps_the_journal(host: Scene) -> None:
    before = host.dump()
    armed = host.arm(timeout=SOON)
    assert (armed["changed"], armed["state"], armed["about"]["guard"]) == (True, "armed", "process")
    with host.before_the_deadline():
        modes = host.sh(f"stat -c %a {BASE} {BASE}/t1; find {BASE}/t1 -type f -printf '%m\n' | sort -u").split()
        assert modes == ["700", "700", "600"]
        host.sh(CHANGE)
        assert host.dump() != before
    host.await_step("restored")
    assert host.dump() == before
    assert host.steps() == ["planned", "armed", "changed", "restoring", "restored"]
    host.await_silence()
    assert host.left() == []


def test_what_is_confirmed_stays(host: Scene) -> None:
    host.arm(timeout=SOON)
    with host.before_the_deadline():
        host.sh(CHANGE)
        changed = host.dump()
        confirmed = host.step("confirm", "t1")
    assert (confirmed["changed"], confirmed["state"]) == (True, "confirmed")
    assert sorted(confirmed["after"]) == ["files", "firewall", "routes", "sysctls"]
    assert "net.ipv4.ip_forward = 0" in confirmed["before"]["sysctls"]
    assert "net.ipv4.ip_forward = 1" in confirmed["after"]["sysctls"]
    host.await_silence()
    host.sh("sleep 6")
    assert host.dump() == changed
    assert host.left() == []
    assert host.step("confirm", "t1")["changed"] is False
    assert "was confirmed and is not restored" in host.step("restore", "t1")["error"]


def test_a_restore_on_demand_outlives_whoever_asked(host: Scene) -> None:
    before = host.dump()
    host.arm()
    host.sh(CHANGE)
    restored = host.step("restore", "t1")
    assert (restored["changed"], restored["state"]) == (True, "restored")
    assert "    other" in restored["before"]["files"] and "    one" in restored["after"]["files"]
    assert host.dump() == before
    assert host.step("restore", "t1")["changed"] is False
    refused = host.step("confirm", "t1")["error"]
    assert re.fullmatch(r"transaction t1 cannot be confirmed: its restore began at [-0-9T:]+Z, and the host is as it was before", refused)


def test_one_transaction_at_a_time(host: Scene) -> None:
    host.arm("t1")
    assert "transaction t1 of this host is armed: confirm it, restore it or wait" in host.arm("t2")["error"]
    assert host.sh(f"ls {BASE}").split() == ["t1"]
    (about,) = host.step("open", "")["open"]
    assert (about["transaction"], about["state"], about["guarded"]) == ("t1", "armed", True)
    host.step("confirm", "t1")
    assert host.arm("t2")["state"] == "armed"
    host.step("confirm", "t2")
    assert "is confirmed already: give every transaction a name of its own" in host.arm("t1")["error"]


def test_two_at_once_are_told_apart(host: Scene) -> None:
    order = json.dumps(SAVES)
    script = "".join(f"PYTHONPATH=$P $PY $STEP 0 arm t{n} 30 '{order}' > /run/out{n} & " for n in range(4))
    host.sh(f"P={COLLECTIONS} PY={sys.executable} STEP={STEP}; {script} wait")
    outcomes = [json.loads(host.sh(f"cat /run/out{n}")) for n in range(4)]
    assert sorted("error" in outcome for outcome in outcomes) == [False, True, True, True]


def test_a_transaction_with_nothing_to_save_keeps_others_away(host: Scene) -> None:
    assert host.arm("t1", saves={"routes": False, "files": []}, timeout=SOON)["state"] == "armed"
    with host.before_the_deadline():
        assert "transaction t1 of this host is armed" in host.arm("t2")["error"]
        before = host.dump()
    host.await_step("restored")
    assert host.dump() == before and host.steps() == ["planned", "armed", "changed", "restoring", "restored"]


def test_arming_again_is_no_change(host: Scene) -> None:
    assert host.arm()["changed"] is True
    assert host.arm()["changed"] is False
    assert "is armed already" in host.arm(saves={"routes": True})["error"]


def test_what_watches_is_two_processes_and_either_would_do(host: Scene) -> None:
    before = host.dump()
    host.arm(timeout=SOON)
    with host.before_the_deadline():
        watchers = host.watchers()
        assert len(watchers) == 2
        assert {host.sh(f"readlink /proc/{pid}/cwd; ps -o ppid=,tty= -p {pid}").split()[0] for pid in watchers} == {"/"}
        host.sh(f"kill -HUP {watchers[0]}; kill -TERM {watchers[1]}; kill -KILL {watchers[0]}")
        host.sh(CHANGE)
    host.await_step("restored")
    assert host.dump() == before


def test_a_transaction_that_nothing_guards_is_recognised(host: Scene) -> None:
    before = host.dump()
    host.arm()
    host.sh(CHANGE)
    host.sh(f"kill -KILL {' '.join(host.watchers())}")
    host.await_silence()
    (about,) = host.step("open", "")["open"]
    assert about["guarded"] is False
    assert "nothing is left that would restore it by itself: restore it" in host.arm("t2")["error"]
    assert host.step("restore", "t1")["state"] == "restored"
    assert host.dump() == before
    assert host.arm("t2")["state"] == "armed"


def test_a_full_disk_is_noticed_before_anything_changes(host: Scene) -> None:
    host.sh(f"mkdir -m 0700 {BASE}; mount -t tmpfs -o size=256k,mode=0700 none {BASE}; head -c 300000 /dev/urandom > /run/etc/large")
    before = host.dump()
    refused = host.arm()["error"]
    assert refused.startswith("transaction t1 cannot be armed, nothing has been changed: the disk is full")
    assert host.sh(f"ls -A {BASE}") == ""
    assert host.watchers() == []
    assert host.dump() == before


@pytest.mark.parametrize("size", range(20, 200, 30))
def test_every_place_where_the_disk_may_fill_up(host: Scene, size: int) -> None:
    host.sh(f"mkdir -m 0700 {BASE}; mount -t tmpfs -o size={size}k,mode=0700 none {BASE}")
    outcome = host.arm(timeout=1.0)
    if "error" in outcome:
        assert host.sh(f"ls -A {BASE}") == ""
    else:
        host.await_step("restored")


def test_a_disk_that_is_full_later_keeps_no_restore_from_happening(host: Scene) -> None:
    host.sh(f"mkdir -m 0700 {BASE}; mount -t tmpfs -o size=1m,mode=0700 none {BASE}")
    before = host.dump()
    host.arm(timeout=SOON)
    with host.before_the_deadline():
        host.sh(CHANGE)
        host.sh(f"cat /dev/zero > {BASE}/fill 2>/dev/null || true")
    host.await_step("restored")
    assert host.dump() == before


def test_what_cannot_be_put_back_is_named_and_the_rest_is_put_back(host: Scene) -> None:
    host.sh("mkdir /run/etc/busy")
    host.arm(saves={"files": ["/run/etc/busy", "/run/etc/one"], "sysctls": ["net.ipv4.tcp_syncookies"]})
    host.sh("echo other > /run/etc/one; rmdir /run/etc/busy; echo > /run/etc/busy; mount --bind /run/etc/one /run/etc/busy")
    host.sh("sysctl -qw net.ipv4.tcp_syncookies=0")
    refused = host.step("restore", "t1")["error"]
    assert "could not be restored completely: files: /run/etc/busy cannot be put back" in refused
    assert host.sh("sysctl -n net.ipv4.tcp_syncookies").strip() == "1"
    assert "mend what kept it from being restored" in host.arm("t2")["error"]
    host.sh("umount /run/etc/busy")
    restored = host.step("restore", "t1")
    assert restored.get("state") == "restored", restored
    assert host.sh("cat /run/etc/one; stat -c %F /run/etc/busy").splitlines() == ["one", "directory"]


def test_a_failed_restore_can_be_given_up(host: Scene) -> None:
    host.sh("mkdir /run/etc/busy")
    host.arm(saves={"files": ["/run/etc/busy"]})
    assert "is armed: confirm or restore it" in host.step("forget", "t1")["error"]
    host.sh("rmdir /run/etc/busy; echo > /run/etc/busy; mount --bind /run/etc/one /run/etc/busy")
    assert "error" in host.step("restore", "t1")
    assert host.step("forget", "t1")["changed"] is True
    assert host.arm("t2")["state"] == "armed"
    assert host.step("forget", "t1")["changed"] is False


def test_what_is_asked_for_wrongly_is_refused_with_a_sentence(host: Scene) -> None:
    assert "is not the name of a transaction" in host.arm("../etc")["error"]
    assert "is not the name of a sysctl" in host.arm(saves={"sysctls": ["net/../../etc/passwd"]})["error"]
    assert "give the absolute path" in host.arm(saves={"files": ["etc/passwd"]})["error"]
    assert "is neither a file nor a directory" in host.arm(saves={"files": ["/dev/null"]})["error"]
    assert "there is no transaction t9 on this host" in host.step("confirm", "t9")["error"]
    assert host.sh(f"ls {BASE}") == ""


def test_check_mode_leaves_nothing(host: Scene) -> None:
    before = host.dump()
    checked = host.step("arm", "t1", 30, SAVES, True)
    assert (checked["changed"], checked["state"]) == (True, "planned")
    assert sorted(checked["after"]) == sorted(SAVES)
    assert host.sh(f"test -e {BASE} || echo nothing").strip() == "nothing"
    host.arm()
    host.sh(CHANGE)
    changed = host.dump()
    for step in ("confirm", "restore", "forget"):
        outcome = host.step(step, "t1", True)
        assert outcome.get("changed", "error" in outcome) is True
    assert host.dump() == changed != before
    assert host.steps() == ["planned", "armed"]


@pytest.mark.slow
def test_old_journals_go(host: Scene) -> None:
    for number in range(23):
        host.arm(f"t{number}", saves={"sysctls": ["net.ipv4.tcp_syncookies"]})
        host.step("confirm", f"t{number}")
    assert len(host.sh(f"ls {BASE}").split()) == 21

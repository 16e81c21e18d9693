# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged files of a transaction: the host is restored exactly, kept exactly because that was confirmed, or a sentence says why not."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._guard.journal import Journal
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._guard.scene import BASE, CHANGE, COLLECTIONS, SOON, Scene

JOURNAL, SAVED = f"{BASE}/t1/journal", f"{BASE}/t1/saved.json"
DAMAGES = {
    "missing": "rm {0}",
    "empty": ": > {0}",
    "NULs": "size=$(stat -c %s {0}); head -c $size /dev/zero > {0}",
    "NULs and an end of line": "head -c 100 /dev/zero > {0}; echo >> {0}",
    "other JSON": "echo '[1, 2]' > {0}",
    "JSON of other types": """echo '{{"step": ["armed"], "time": "x"}}' > {0}""",
    "an unknown state": """echo '{{"step": "sleeping", "time": 1}}' >> {0}""",
    "a time that is none": """echo '{{"step": "armed", "time": 1e999, "deadline": "soon"}}' > {0}""",
    "deep JSON": "for n in $(seq 3000); do printf '['; done > {0}; echo >> {0}",
    "a line that ends early": "truncate -s -20 {0}",
    "its first line alone": "sed -i 2,\\$d {0}",
    "not text": "head -c 4096 /dev/urandom > {0}; echo >> {0}",
    "huge": "head -c 2000000 /dev/zero | tr '\\0' '\\n' > {0}",
    "a directory": "rm {0}; mkdir {0}; touch {0}/x",
    "a pipe": "rm {0}; mkfifo {0}",
    "a link": "rm {0}; ln -s /etc/passwd {0}",
}
CUT = ("missing", "its first line alone", "a line that ends early")
QUICK = ("missing", "other JSON", "a line that ends early")


def damages(*without: str) -> list[Any]:
    """All, the others than `QUICK` left to `make test-all`."""
    return [pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK)) for name in DAMAGES if name not in without]


@pytest.fixture
def host() -> Iterator[Scene]:
    with Scene() as scene:
        yield scene


def usable(host: Scene) -> None:
    """Whatever lies there: what is open is told, and another transaction can be armed once this one is given up."""
    assert "open" in host.step("open", "")
    again = host.arm("t2", saves={"routes": True})
    if "error" in again:
        assert "transaction t1 of this host is failed" in again["error"], again
        assert host.step("forget", "t1").get("changed") is True
        assert host.left() == []
        again = host.arm("t2", saves={"routes": True})
    assert again.get("state") == "armed", again
    assert host.step("confirm", "t2")["state"] == "confirmed"
    assert host.left() == []


@pytest.mark.parametrize("damage", damages())
def test_a_damaged_journal_keeps_no_host_from_being_restored(host: Scene, damage: str) -> None:
    before = host.dump()
    host.arm()
    host.sh(CHANGE)
    host.sh(DAMAGES[damage].format(JOURNAL))
    (about,) = host.step("open", "")["open"]
    assert (about["transaction"], about["state"], about["guarded"]) == ("t1", "armed", True)
    assert JOURNAL in about["damage"]
    assert "transaction t1 of this host is armed" in host.arm("t2")["error"]
    assert "The host will be restored" in host.step("confirm", "t1")["error"]
    assert "is armed: confirm or restore it" in host.step("forget", "t1")["error"]
    restored = host.step("restore", "t1")
    assert restored.get("state") == "restored", restored
    assert host.dump() == before
    assert host.steps()[-1] == "restored"
    usable(host)


@pytest.mark.parametrize(
    "damage", [*(pytest.param(each, marks=pytest.mark.slow) for each in ("missing", "NULs", "other JSON", "a directory")), "a pipe"]
)
def test_the_alarm_restores_a_host_whose_journal_is_damaged(host: Scene, damage: str) -> None:
    before = host.dump()
    host.arm(timeout=SOON)
    with host.before_the_deadline():
        host.sh(CHANGE)
        host.sh(DAMAGES[damage].format(JOURNAL))
    host.await_silence()
    assert host.dump() == before
    assert host.steps()[-1] == "restored"
    usable(host)


@pytest.mark.parametrize("damage", damages())
def test_what_was_confirmed_stays_whatever_becomes_of_the_journal(host: Scene, damage: str) -> None:
    host.arm()
    host.sh(CHANGE)
    host.sh(f"cp {BASE}/t1/restore.pyz /run/restorer")
    assert host.step("confirm", "t1").get("state") == "confirmed"
    changed = host.dump()
    host.sh(DAMAGES[damage].format(JOURNAL))
    host.await_silence()
    host.sh(f"cp /run/restorer {BASE}/t1/restore.pyz")  # an alarm that was about to begin
    host.step("restorer", "t1", "boot")
    assert "error" in host.step("restore", "t1")
    assert host.sh("rm /run/restorer") == "" and host.dump() == changed
    usable(host)


KILLED = """
import os
from ansible_collections.threeway.handshake.plugins.module_utils._guard import restoring, transaction
from ansible_collections.threeway.handshake.plugins.module_utils._guard.restorer import run
transaction.tidy = restoring.tidy = lambda *_arguments: os.kill(os.getpid(), 9)
{step}
"""


def killed_before_it_tidies_up(host: Scene, step: str) -> None:
    host.sh(f"cat > /run/killed.py << 'END'\n{KILLED.format(step=step)}\nEND")
    assert "Killed" in host.sh(f"PYTHONPATH={COLLECTIONS} {sys.executable} /run/killed.py", check=False)
    host.sh(f"rm /run/killed.py; kill -KILL {' '.join(host.watchers())}")


@pytest.mark.parametrize("damage", ["NULs", *(pytest.param(each, marks=pytest.mark.slow) for each in CUT)])
def test_what_was_being_confirmed_stays_although_the_journal_is_damaged(host: Scene, damage: str) -> None:
    host.arm()
    host.sh(CHANGE)
    changed = host.dump()
    killed_before_it_tidies_up(host, "transaction.Guard(run).confirm('t1')")
    host.sh(DAMAGES[damage].format(JOURNAL))
    host.step("restorer", "t1", "boot")
    assert host.dump() == changed
    assert host.steps()[-1] == "confirmed"
    usable(host)


@pytest.mark.parametrize("damage", ["NULs", *(pytest.param(each, marks=pytest.mark.slow) for each in CUT)])
def test_what_was_restored_is_not_restored_again_although_the_journal_is_damaged(host: Scene, damage: str) -> None:
    before = host.dump()
    host.arm()
    host.sh(CHANGE)
    killed_before_it_tidies_up(host, f"restoring.carry_out('{BASE}', 't1', run)")
    assert host.dump() == before
    host.sh("nft add table inet later; echo later > /run/etc/one")
    later = host.dump()
    host.sh(DAMAGES[damage].format(JOURNAL))
    host.step("restorer", "t1", "boot")
    assert host.dump() == later
    assert host.steps()[-1] == "restored"
    usable(host)


def test_a_journal_on_a_bad_sector_keeps_no_host_from_being_restored(host: Scene) -> None:
    before = host.dump()
    host.arm()
    host.sh(CHANGE)
    host.sh(f"mount --bind /proc/1/mem {JOURNAL}; ! cat {JOURNAL} 2> /dev/null")
    (about,) = host.step("open", "")["open"]
    assert about["state"] == "armed" and f"{JOURNAL} cannot be read: Input/output error" in about["damage"], about
    host.step("restorer", "t1", "now")
    assert host.dump() == before
    host.sh(f"umount {JOURNAL}")
    assert host.step("restore", "t1")["state"] == "restored"


@pytest.mark.parametrize("why", ["x" * 5_000_000, "\N{SNOWMAN}" * 500_000])
def test_no_reason_is_too_long_for_the_journal(tmp_path: Path, why: str) -> None:
    journal = Journal(str(tmp_path))
    for _again in range(20):
        journal.append("failed", why=why)
    assert journal.read()[1] is None and len(journal.lines()) == 20


@pytest.mark.parametrize("damage", damages("an unknown state", "its first line alone"))
def test_what_was_saved_and_is_damaged_is_kept_and_said(host: Scene, damage: str) -> None:
    host.arm()
    host.sh(CHANGE)
    changed = host.dump()
    host.sh(DAMAGES[damage].format(SAVED))
    refused = host.step("restore", "t1")["error"]
    assert "could not be restored completely" in refused and SAVED in refused
    assert host.dump() == changed
    assert len(host.left()) > 3
    (about,) = host.step("open", "")["open"]
    assert about["state"] == "failed"
    usable(host)


def mutated(host: Scene, path: str, chance: random.Random) -> str:
    """Change one to four bytes of a file, or its length; what was done."""
    size = int(host.sh(f"stat -c %s {path}"))
    if chance.random() < 0.2:
        length = chance.randrange(size + 20)
        host.sh(f"truncate -s {length} {path}")
        return f"{path}: {length} of {size} bytes"
    places = [(chance.randrange(size), chance.randrange(256)) for _nth in range(chance.randint(1, 4))]
    for place, byte in places:
        host.sh(f"printf '\\{byte:03o}' | dd of={path} bs=1 seek={place} conv=notrunc status=none")
    return f"{path}: {places}"


def trial(seed: int) -> None:
    """A transaction that is armed, confirmed or being restored, and a few bytes of it changed."""
    chance = random.Random(seed)
    with Scene() as host:
        before = host.dump()
        host.arm()
        host.sh(CHANGE)
        changed = host.dump()
        confirmed = chance.random() < 0.3
        if confirmed:
            host.step("confirm", "t1")
        elif chance.random() < 0.3:
            host.step("restorer", "t1", "now", kill_at=chance.randint(1, 200))
        path = chance.choice(host.sh(f"find {BASE}/t1 -name journal -o -name saved.json").split())
        what = f"seed {seed}: {mutated(host, path, chance)}"
        outcome = host.step("restore", "t1")
        assert "killed" not in outcome, what
        if confirmed:
            assert "error" in outcome and host.dump() == changed, (what, outcome)
        elif "error" in outcome:
            assert f"{BASE}/t1/" in outcome["error"] and f"{BASE}/t1/saved.json" in host.left(), (what, outcome)
        else:
            assert outcome["state"] == "restored" and host.dump() == before, (what, outcome)
        usable(host)


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 12))])
def test_whichever_bytes_are_damaged(seed: int) -> None:
    trial(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 300))
def test_two_hundred_more(seed: int) -> None:
    trial(seed)


@pytest.mark.parametrize("damage", ["missing", *(pytest.param(each, marks=pytest.mark.slow) for each in ("not text", "a directory"))])
def test_a_damaged_restorer_is_rewritten_on_demand(host: Scene, damage: str) -> None:
    before = host.dump()
    host.arm()
    host.sh(CHANGE)
    host.sh(f"kill -KILL {' '.join(host.watchers())}")
    host.sh(DAMAGES[damage].format(f"{BASE}/t1/restore.pyz"))
    restored = host.step("restore", "t1")
    assert restored.get("state") == "restored", restored
    assert host.dump() == before

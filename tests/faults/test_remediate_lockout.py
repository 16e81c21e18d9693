# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes between a change and its confirmation: another controller, a full disk, Ctrl-C. The host is as before, or as planned."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults._mending import CLOSED, TRANSACTIONS, await_end, diagnosed, last_steps, mend, state
from tests.lab.fleet import Fleet

TIMEOUT = 20  # a loaded machine takes half of it to arm the guard
MARGIN = 8.0  # seconds by which a loaded machine may be late
SMALL = "/etc/small"
RULES = f"""\
table inet filter {{
\tchain input {{
\t\ttype filter hook input priority filter; policy accept;
\t\ttcp dport 5432 counter drop
\t}}
}}
# {"x" * 2000}
"""


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet() as running:
        running.listen("db1", "10.0.2.21", 5432)
        yield running


def as_planned(before: str, after: str, files: int = 0) -> bool:
    """Whether there is a rule of ours more, in the kernel and in so many files, and nothing else has changed."""
    added, gone = set(after.splitlines()) - set(before.splitlines()), set(before.splitlines()) - set(after.splitlines())
    rules = {line for line in added if "threeway.handshake" in line}
    return len(rules) == 1 and len(gone) == len(added - rules) == files and all(SMALL in line for line in gone | added - rules)


@pytest.mark.slow
def test_of_two_controllers_at_once_one_is_refused(fleet: Fleet) -> None:
    """They even mend the same report."""
    fleet.nft("db1", CLOSED)
    before, report = state(fleet), diagnosed(fleet)
    options = {"remediate_settle": 2, "remediate_confirm_timeout": 60}
    with mend(fleet, report, "one", **options) as one, mend(fleet, report, "other", **options) as other:
        assert (one.wait(), other.wait()) == (0, 0), one.said + other.said
    changes = sorted((controller.report["changes"][0] for controller in (one, other)), key=lambda change: str(change["outcome"]))
    assert [change["outcome"] for change in changes] == ["kept", "refused"], changes
    assert f"transaction {changes[0]['transaction']} of this host is armed" in changes[1]["why"]
    assert as_planned(before, state(fleet)) and last_steps(fleet) == ["confirmed"]
    assert fleet.connect("web1", "10.0.2.21", 5432) == "connected"


def test_ctrl_c_undoes_the_change(fleet: Fleet) -> None:
    fleet.nft("db1", CLOSED)
    before, report = state(fleet), diagnosed(fleet)
    with mend(fleet, report, "one", remediate_settle=5, remediate_confirm_timeout=TIMEOUT) as controller:
        assert controller.await_step("changed"), controller.said
        assert as_planned(before, state(fleet))
        controller.interrupt()
        assert controller.wait() != 0
        assert await_end(fleet, controller, TIMEOUT + MARGIN) == "restored"
    assert state(fleet) == before and controller.steps()[-1] == "changed"


# Which disk is full, behind which step (before the first: at once), and whether the controller is killed then.
FULL = {
    "the guard's, and nobody is left": (TRANSACTIONS, "changed", True),
    "the guard's": (TRANSACTIONS, "changed", False),
    "the file's, and nobody is left": (SMALL, "changed", True),
    "the file's": (SMALL, "changed", False),
    "the file's, before the change": (SMALL, "", False),
}
QUICK = "the guard's, and nobody is left"


@pytest.mark.parametrize("what", [pytest.param(each, marks=[pytest.mark.slow] * (each != QUICK)) for each in FULL])
def test_a_disk_that_is_full_in_the_middle(fleet: Fleet, what: str) -> None:
    place, step, killed = FULL[what]
    fleet.run("db1", ["sh", "-ec", f"mkdir -p -m 0700 {place}; mount -t tmpfs -o size=1m,mode=0700 none {place}; mkdir -p {SMALL}"])
    fleet.write("db1", f"{SMALL}/rules.nft", RULES)
    fleet.write("db1", "/etc/nftables.conf", f'flush ruleset\ninclude "{SMALL}/rules.nft"\n')
    fleet.run("db1", ["nft", "-f", "/etc/nftables.conf"])
    before, report = state(fleet), diagnosed(fleet)
    assert report["flows"][0]["causes"][0]["fix"]["saves"]["files"] == [f"{SMALL}/rules.nft"]
    fill = ["sh", "-c", f"cat /dev/zero > {place}/fill 2> /dev/null; df --output=avail {place} | tail -n1"]
    if not step:
        assert fleet.run("db1", fill).stdout.strip() == "0"
    with mend(fleet, report, "one", remediate_settle=2, remediate_confirm_timeout=TIMEOUT if killed else 60) as controller:
        if step:
            assert controller.await_step(step), controller.said
            assert as_planned(before, state(fleet), files=1)
            assert fleet.run("db1", fill).stdout.strip() == "0"
        if killed:
            controller.kill()
        else:
            controller.wait()
        end = await_end(fleet, controller, TIMEOUT + MARGIN)
    fleet.run("db1", ["rm", f"{place}/fill"])
    after = state(fleet)
    differing = set(before.splitlines()) ^ set(after.splitlines())
    assert not differing if end == "restored" else end == "confirmed" and as_planned(before, after, files=1), (end, differing)
    if killed:
        assert end == "restored"
    else:
        (change,) = controller.report["changes"]
        assert change["outcome"] == {"confirmed": "kept", "restored": "rolled_back"}[end]
        assert step or "No space left on device" in change["why"]

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go wrong between a change and its confirmation where SSH and data share the host: it ends as before, or as planned."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.integration.remediation import (
    ADDRESS,
    CLOSE,
    HOST,
    PORT,
    dump,
    extra,
    last_step,
    remediate,
    reopen,
    serving,
)
from ansible_collections.threeway.handshake.tests.lab._machines import FABRIC
from ansible_collections.threeway.handshake.tests.lab.controller import Controller
from ansible_collections.threeway.handshake.tests.lab.systemd_fleet import SystemdFleet

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.skipif(SystemdFleet.missing() is not None, reason=str(SystemdFleet.missing())),
]
GUARD = "/var/lib/threeway-handshake"


@pytest.fixture(scope="module")
def running() -> Iterator[SystemdFleet]:
    with serving() as started:
        yield started


@pytest.fixture
def fleet(running: SystemdFleet) -> Iterator[SystemdFleet]:
    """The fleet, whose host's firewall is closed, and as before when the test has ended."""
    running.run(HOST, ["sh", "-ec", CLOSE])
    yield running
    reopen(running)


def begun(fleet: SystemdFleet, name: str, *arguments: str, **options: Any) -> Controller:
    """A controller that has just been told to mend; `name`: of its report directory."""
    directory = fleet.directory / name
    told = extra(str(directory), **options)
    return Controller(fleet, directory, "threeway.handshake.remediate", "--become", told, *arguments)


def await_last_step(fleet: SystemdFleet, controller: Controller, wanted: str, patience: float) -> None:
    give_up = time.monotonic() + patience
    while (step := last_step(fleet, controller.notes()[0]["transaction"])) != wanted:
        assert time.monotonic() < give_up, (step, controller.said)
        time.sleep(0.2)


def as_planned(before: list[str], after: list[str]) -> bool:
    """Whether the rule and its file have changed, and nothing else."""
    differing = set(before) ^ set(after)
    return bool(differing) and all("/etc/nftables.conf" in line or str(PORT) in line for line in differing)


@pytest.mark.clock("the guard's timer, within which the controller gives up SSH")
def test_a_fix_behind_which_ssh_no_longer_connects_is_undone_by_the_host(fleet: SystemdFleet) -> None:
    """As long as the rule is there, new connections are dropped; the one that is there goes on, and must not be trusted.

    The drop comes and goes with the rule: what others add after a change, and leave there, the host would keep.
    """
    drop = "table inet cut { chain input { type filter hook input priority 0; tcp dport 22 tcp flags syn / fin,syn,rst,ack drop; }; }"
    gone, there = "*'delete '*' inet filter'*) nft delete table inet cut; exit", f"*' rule inet filter input '*) nft '{drop}'"
    fleet.popen(HOST, ["sh", "-c", f"nft monitor | while read -r event; do case $event in {gone};; {there};; esac; done"])
    before = dump(fleet)
    report, said = remediate(fleet, "--timeout=3", remediate_confirm_timeout=75)
    change = report["changes"][0]
    assert change["outcome"] == "rolled_back", (change, said)
    assert last_step(fleet, change["transaction"]) == "restored"
    assert dump(fleet) == before
    assert "unreachable=1" not in said  # the run goes on to the end
    assert report["flows"][0]["status"] == "broken"


@pytest.mark.slow
@pytest.mark.parametrize("heals", [True, False], ids=["for a while", "for good"])
def test_the_way_to_the_host_is_cut(fleet: SystemdFleet, heals: bool) -> None:
    """The controller lives, and so does the connection that it has: no packet comes through any more."""
    before = dump(fleet)
    address = json.loads(fleet.run(HOST, ["ip", "-4", "-json", "address", "show", "dev", "mgmt0"]).stdout)[0]["addr_info"][0]["local"]
    with begun(fleet, f"cut-{heals}", "--timeout=5", remediate_confirm_timeout=75, remediate_settle=2) as controller:
        assert controller.await_step("changed"), controller.said
        fleet.nft(FABRIC, f"table inet cut {{ chain out {{ type filter hook output priority 0; ip daddr {address} drop; }}; }}")
        try:
            await_last_step(fleet, controller, "restored", 100)
            assert dump(fleet) == before
            if not heals:
                assert controller.wait(600) != 0
        finally:
            fleet.run(FABRIC, ["nft", "delete", "table", "inet", "cut"])
        code = controller.wait()
    (change, *_more) = controller.report["changes"]
    assert (code == 0) == heals and change["outcome"] == ("rolled_back" if heals else "failed"), f"{change}\n{controller.notes()}"
    assert "could not be reached over a new connection" in str(controller.notes()) or "cannot be judged" in change["why"]
    assert dump(fleet) == before


@pytest.mark.slow
@pytest.mark.parametrize("how", [(), ("--force", "--force")], ids=["in order", "at once"])
def test_the_host_is_rebooted(fleet: SystemdFleet, how: tuple[str, ...]) -> None:
    before = dump(fleet)
    with begun(fleet, f"reboot-{len(how)}", "--timeout=5", remediate_confirm_timeout=120, remediate_settle=5) as controller:
        assert controller.await_step("changed"), controller.said
        assert as_planned(before, dump(fleet))
        fleet.reboot(HOST, *how)
        assert controller.wait() == 0, controller.said
    (change, *_more) = controller.report["changes"]
    assert change["outcome"] == "rolled_back", f"{change}\n{controller.notes()}"
    await_last_step(fleet, controller, "restored", 10)
    assert dump(fleet) == before


@pytest.mark.slow
def test_two_controllers_at_once(fleet: SystemdFleet) -> None:
    before = dump(fleet)
    options = {"remediate_settle": 5, "remediate_require": "likely"}  # counters rise for the diagnosis of the other one, too
    with begun(fleet, "one", **options) as one, begun(fleet, "other", **options) as other:
        assert (one.wait(), other.wait()) == (0, 0), one.said + other.said
    kept, refused = sorted((run.report["changes"][0] for run in (one, other)), key=lambda change: str(change["outcome"]))
    told = f"{kept['why']}\n{refused['why']}\n{one.notes()}\n{other.notes()}"
    assert (kept["outcome"], refused["outcome"]) == ("kept", "refused"), told
    assert f"transaction {kept['transaction']} of this host is armed" in refused["why"]
    assert as_planned(before, dump(fleet)) and fleet.connect("web1", ADDRESS, PORT) == "connected"


@pytest.mark.slow
def test_the_disk_is_full_and_the_controller_killed(fleet: SystemdFleet) -> None:
    fleet.run(HOST, ["sh", "-ec", f"mkdir -p -m 0700 {GUARD}; mount -t tmpfs -o size=1m,mode=0700 tmpfs {GUARD}"])
    try:
        before = dump(fleet)
        with begun(fleet, "full", remediate_confirm_timeout=75, remediate_settle=5) as controller:
            assert controller.await_step("changed"), controller.said
            assert as_planned(before, dump(fleet))
            fleet.run(HOST, ["sh", "-c", f"cat /dev/zero > {GUARD}/fill 2> /dev/null"], check=False)
            controller.kill()
            await_last_step(fleet, controller, "restored", 100)
        assert dump(fleet) == before
    finally:
        fleet.run(HOST, ["umount", "--lazy", GUARD])

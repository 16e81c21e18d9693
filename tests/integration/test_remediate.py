# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each cause that can be mended, over SSH on hosts that run systemd: only what was planned changes, for the next boot too, and once."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest

from ansible_collections.threeway.handshake.tests.integration.remediation import HOST, PORT, dump, remediate, reopen, serving
from ansible_collections.threeway.handshake.tests.integration.remediation_cases import CASES, UNSEEN, Broken
from ansible_collections.threeway.handshake.tests.lab.systemd_fleet import SystemdFleet

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.skipif(SystemdFleet.missing() is not None, reason=str(SystemdFleet.missing())),
]
QUICK = ("nftables",)
SYSCTLS = "sysctl -a --pattern '^net[.]ipv[46][.]' 2> /dev/null | grep -vE 'secret|random|route[.]'"


@pytest.fixture(scope="module")
def running() -> Iterator[SystemdFleet]:
    with serving() as started:
        for host in started.hosts:
            started.run(host, ["sh", "-c", f"{SYSCTLS} > /root/sysctls"])
        yield started


@pytest.fixture
def fleet(running: SystemdFleet) -> Iterator[SystemdFleet]:
    """The fleet, whose hosts are as before when the test has ended."""
    yield running
    reopen(running)
    for host in running.hosts:
        running.run(host, ["sh", "-c", f"rm -f /etc/sysctl.d/*threeway*; {SYSCTLS} | grep -vxFf - /root/sysctls | sysctl -qp -; true"])


@pytest.mark.parametrize("what", [pytest.param(each, marks=[] if each in QUICK else [pytest.mark.slow]) for each in CASES])
def test_what_is_mended_stays_mended(fleet: SystemdFleet, what: str) -> None:
    case = CASES[what]
    for host, script in case.scripts.items():
        fleet.run(host, ["sh", "-ec", script])
    load = case.load(fleet) if case.load else None
    try:
        mends(fleet, case)
        if load and case.culprit == "web1":  # whose reboot would wait for what goes on there
            load.close()
        if case.stays:
            outlives_a_reboot(fleet, case)
    finally:
        if load:
            load.close()
        for host, script in case.undo.items():
            fleet.run(host, ["sh", "-c", script], check=False)


def mends(fleet: SystemdFleet, case: Broken) -> None:
    assert not connects(fleet, case)
    before = {host: dump(fleet, host) for host in fleet.hosts}
    runs = invocation(fleet)
    report, said = remediate(fleet, "--check", flow=case.flow, **case.policy)
    assert [(change["code"], change["outcome"]) for change in report["changes"]] == [(case.code, "planned")], report["changes"]
    assert {host: dump(fleet, host) for host in fleet.hosts} == before and invocation(fleet) == runs

    report, said = remediate(fleet, flow=case.flow, **case.policy)
    assert [(change["where"], change["outcome"]) for change in report["changes"]] == [(case.culprit, "kept")], report["changes"]
    await_connection(fleet, case, case.patience)
    mended = {host: dump(fleet, host) for host in fleet.hosts}
    differing = set(before[case.culprit]) ^ set(mended[case.culprit])
    assert [line for line in differing if not re.search(case.planned, line)] == []
    assert [host for host in fleet.hosts if host != case.culprit and mended[host] != before[host]] == []

    report, said = remediate(fleet, flow=case.flow, **case.policy)
    assert report["changes"] == [] and not re.search("changed=[1-9]", said), said
    assert {host: dump(fleet, host) for host in fleet.hosts} == mended


def outlives_a_reboot(fleet: SystemdFleet, case: Broken) -> None:
    fleet.run(case.culprit, ["sh", "-ec", case.lost])
    fleet.reboot(case.culprit)
    await_connection(fleet, case, 30)


def await_connection(fleet: SystemdFleet, case: Broken, patience: float) -> None:
    give_up = time.monotonic() + patience
    while not connects(fleet, case):
        assert time.monotonic() < give_up, dump(fleet, case.culprit)


def connects(fleet: SystemdFleet, case: Broken) -> bool:
    patience = 0.8 if case.flow is UNSEEN else 1.5  # a SYN that does not ask for ECN comes a second later
    return fleet.connect("web1", case.flow["address"], PORT, patience) == "connected"


def invocation(fleet: SystemdFleet) -> str:
    """Which run of the service it is."""
    return fleet.run(HOST, ["systemctl", "show", "--property=InvocationID", "orders"]).stdout

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others change on a host while a remediation is at work on it stays when the remediation is undone."""

from __future__ import annotations

import pytest

from tests.faults._mending import TRANSACTIONS, await_end, diagnosed, mend, state
from tests.lab.fleet import Fleet

TIMEOUT = 20
MARGIN = 8.0  # seconds by which a loaded machine may be late
CLOSED = """
table inet filter {
    set banned { type ipv4_addr; elements = { 198.51.100.1 } }
    set late { type ipv4_addr; flags timeout; elements = { 198.51.100.7 timeout 1h } }
    chain input {
        type filter hook input priority 0; policy accept;
        ip saddr @banned drop
        ip saddr @late drop
        tcp dport 5432 counter drop
    }
}
"""
THEIRS = """
nft add element inet filter banned '{ 198.51.100.2 }'; nft delete element inet filter banned '{ 198.51.100.1 }'
nft delete element inet filter late '{ 198.51.100.7 }'
nft add table ip docker; nft add chain ip docker forward '{ type filter hook forward priority 0; policy accept; }'
iptables -t nat -N DOCKER; iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
ip route add 203.0.113.0/24 dev lo
"""


@pytest.mark.parametrize("step", [pytest.param("armed", marks=pytest.mark.slow), "step", pytest.param("changed", marks=pytest.mark.slow)])
def test_others_keep_what_they_changed(step: str) -> None:
    """From this step of the controller's journal on, behind which the controller is killed: it never says more."""
    with Fleet() as fleet:
        fleet.listen("db1", "10.0.2.21", 5432)
        fleet.nft("db1", CLOSED)
        report = diagnosed(fleet)
        with mend(fleet, report, "one", remediate_settle=4, remediate_confirm_timeout=TIMEOUT) as controller:
            assert controller.await_step(step), controller.said
            fleet.run("db1", ["sh", "-ec", THEIRS])
            wanted = [line for line in state(fleet).splitlines() if "threeway.handshake" not in line]
            controller.kill()
            assert await_end(fleet, controller, TIMEOUT + MARGIN) == "restored"
        assert state(fleet).splitlines() == wanted
        journal = fleet.run("db1", ["sh", "-c", f"cat {TRANSACTIONS}/*/journal"]).stdout
        assert '"kept"' in journal and '"lost"' not in journal and '"undone"' not in journal, journal


@pytest.mark.slow
def test_they_are_kept_where_the_remediation_undoes_its_change_itself() -> None:
    """Somebody closes the port again meanwhile, so that nothing is better."""
    with Fleet() as fleet:
        fleet.listen("db1", "10.0.2.21", 5432)
        fleet.nft("db1", CLOSED)
        report = diagnosed(fleet)
        with mend(fleet, report, "one", remediate_settle=3, remediate_confirm_timeout=60) as controller:
            assert controller.await_step("changed"), controller.said
            fleet.run("db1", ["sh", "-ec", THEIRS + "nft insert rule inet filter input tcp dport 5432 counter drop"])
            wanted = [line for line in state(fleet).splitlines() if "threeway.handshake" not in line]
            controller.wait()
        (change, *_more) = controller.report["changes"]
        assert change["outcome"] == "rolled_back", change
        assert state(fleet).splitlines() == wanted
        assert "undone" not in change["why"], change

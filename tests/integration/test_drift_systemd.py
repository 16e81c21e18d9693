# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runtime against permanent on hosts that boot: what drift says that a reboot would change is what the reboot changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.systemd_fleet import SystemdFleet

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.skipif(SystemdFleet.missing() is not None, reason=str(SystemdFleet.missing())),
]
HOST, FLOW = "db1", "f-web1-db1-10.0.1.12-5432"
PLAIN = """
set -e
systemctl disable --quiet --now ufw firewalld 2>/dev/null; ufw --force reset >/dev/null; rm -rf /etc/firewalld/zones/*
for tool in iptables ip6tables; do $tool -P INPUT ACCEPT; $tool -P FORWARD ACCEPT; $tool -P OUTPUT ACCEPT; done; nft flush ruleset
rm -f /etc/sysctl.d/99-*test.conf /etc/sysctl.d/99-threeway-handshake.conf; sysctl -qw net.ipv4.tcp_syncookies=1 net.core.somaxconn=4096
mkdir -p /etc/nftables.d
printf '#!/usr/sbin/nft -f\\nflush ruleset\\ninclude "/etc/nftables.d/*.nft"\\n' > /etc/nftables.conf
echo 'table inet filter { chain input { type filter hook input priority 0; policy accept; tcp dport { 22, 5432 } accept; }; }' \
    > /etc/nftables.d/a.nft
systemctl enable --quiet nftables; systemctl restart nftables
systemctl enable --quiet orders; systemctl start orders
"""
READY = "until firewall-cmd --state; do sleep 0.1; done"
ORDERS = """[Unit]
Description=A service of the fleet
[Service]
ExecStart=/usr/bin/python3 -B /opt/handshake-lab/serve.py :: 5432
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture(scope="module")
def running() -> Iterator[SystemdFleet]:
    with SystemdFleet(topologies.one_segment("web1", HOST), reboots=[HOST]) as fleet:
        fleet.service(HOST, "orders", 5432)
        fleet.write(HOST, "/etc/systemd/system/orders.service", ORDERS)
        fleet.run(HOST, ["systemctl", "daemon-reload"])
        fleet.run(HOST, ["sh", "-c", PLAIN])
        play(fleet, "baseline")
        yield fleet


@pytest.fixture
def fleet(running: SystemdFleet) -> Iterator[SystemdFleet]:
    yield running
    running.run(HOST, ["sh", "-c", PLAIN], check=False)


def play(fleet: SystemdFleet, book: str, **options: Any) -> str:
    flows = [{"name": "f", "clients": "web1", "servers": HOST, "address": "10.0.1.12", "port": 5432}]
    extra = {"ansible_become": True, "handshake_flows": flows, "handshake_address": "10.0.1.11", **options}
    done = fleet.playbook(f"threeway.handshake.{book}", "--extra-vars", json.dumps(extra))
    return done.stdout


def drift(fleet: SystemdFleet) -> Any:
    return json.loads((fleet.directory / "handshake-drift/drift.json").read_text())


def reboots(fleet: SystemdFleet) -> dict[str, dict[str, Any]]:
    """What a reboot of the host would change that its baseline does not know, by kind and name."""
    play(fleet, "drift")
    report = drift(fleet)
    (host,) = [each for each in report["hosts"] if each["host"] == HOST]
    assert host["not_observed"] == [] and host["problem"] is None
    return {each["name"]: each for each in host["drifts"] if each["kind"] == "reboot" and each["change"] == "added"}


def shell(fleet: SystemdFleet, script: str) -> str:
    return fleet.run(HOST, ["sh", "-ec", script]).stdout.strip()


def test_what_a_reboot_would_change_is_what_it_changes(fleet: SystemdFleet) -> None:
    assert (fleet.directory / "handshake-baseline/db1.yml").read_text().endswith("reboot: []\n")
    assert reboots(fleet) == {}
    shell(fleet, "sed -i 's/policy accept/policy drop/; s/, 5432//' /etc/nftables.d/a.nft")
    shell(fleet, "echo 'net.core.somaxconn = 16' > /etc/sysctl.d/99-test.conf; sysctl -qw net.ipv4.tcp_syncookies=0")
    shell(fleet, "systemctl disable --quiet orders")
    found = reboots(fleet)
    assert set(found) == {
        "nftables table inet filter",
        "service orders.service",
        "sysctl net.core.somaxconn",
        "sysctl net.ipv4.tcp_syncookies",
    }
    rules, service, file, kernel = (found[name] for name in sorted(found))
    assert [each["severity"] for each in (rules, service, file, kernel)] == ["endangering", "endangering", "endangering", "harmless"]
    assert "its SYN meets another outcome: drop by inet filter input: policy drop" in rules["endangers"][0]["how"]
    assert (file["after"]["then"], file["after"]["because"]) == ("16", "/etc/sysctl.d/99-test.conf says so in line 1")
    assert (kernel["after"]["now"], kernel["after"]["then"]) == ("0", "1")  # no file sets it
    assert service["fix"]["steps"][0]["arguments"] == {"name": "orders.service", "enabled": True}
    assert fleet.connect("web1", "10.0.1.12", 5432, timeout=2.0) == "connected"
    fleet.reboot(HOST)
    assert fleet.connect("web1", "10.0.1.12", 5432, timeout=1.0) == "timeout"
    assert shell(fleet, "sysctl -n net.core.somaxconn; systemctl is-active orders || true") == "16\ninactive"


@pytest.mark.slow
def test_rules_that_nobody_keeps(fleet: SystemdFleet) -> None:
    shell(fleet, "nft 'table ip mine { chain i { type filter hook input priority 5; tcp dport 5432 accept; }; }'")
    shell(fleet, "systemctl disable --quiet nftables")
    found = reboots(fleet)
    assert set(found) == {"nftables table inet filter", "nftables table ip mine"}
    assert found["nftables table ip mine"]["severity"] == "harmless"
    assert "tcp dport 5432 accept" in found["nftables table ip mine"]["summary"]
    assert found["nftables table inet filter"]["after"]["because"] == "nothing loads it: nftables.service is disabled"


def test_firewalld(fleet: SystemdFleet) -> None:
    shell(
        fleet,
        f"systemctl disable --quiet --now nftables; systemctl enable --quiet --now firewalld; {READY}",
    )
    shell(
        fleet,
        "for interface in mgmt0 eth0; do firewall-cmd --permanent --zone=public --change-interface=$interface; done; firewall-cmd --reload",
    )
    shell(fleet, "firewall-cmd --zone=public --add-port=5432/tcp")
    (only,) = reboots(fleet).values()
    assert (only["name"], only["severity"]) == ("firewalld zone public", "endangering")
    assert only["after"]["diff"] == ["-ports: 5432/tcp"]
    assert "no longer accepted by" in only["endangers"][0]["how"]
    shell(fleet, "firewall-cmd --runtime-to-permanent")
    assert reboots(fleet) == {}


@pytest.mark.slow
def test_ufw(fleet: SystemdFleet) -> None:
    shell(
        fleet,
        "systemctl disable --quiet --now nftables; ufw allow 22/tcp; ufw allow 5432/tcp; ufw --force enable; systemctl enable --quiet ufw",
    )
    assert reboots(fleet) == {}
    shell(fleet, "sed -i '/dport 5432/d' /etc/ufw/user.rules")
    (only,) = reboots(fleet).values()
    assert (only["name"], only["severity"]) == ("ufw chains of iptables", "endangering")
    assert only["after"]["diff"] == ["--A ufw-user-input -p tcp -m tcp --dport 5432 -j ACCEPT"]
    assert "drop by ip filter INPUT: policy drop" in only["endangers"][0]["how"]


@pytest.mark.slow
def test_iptables_persistent(fleet: SystemdFleet) -> None:
    unit = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
    fleet.write(HOST, "/etc/systemd/system/netfilter-persistent.service", unit)
    shell(fleet, "systemctl disable --quiet --now nftables; systemctl daemon-reload; systemctl enable --quiet --now netfilter-persistent")
    try:
        shell(fleet, "iptables -A INPUT -p tcp --dport 22 -j ACCEPT; iptables -P INPUT DROP")
        shell(fleet, "mkdir -p /etc/iptables; iptables-save > /etc/iptables/rules.v4")
        shell(fleet, "iptables -A INPUT -s 10.0.1.11 -p tcp --dport 5432 -j ACCEPT")
        (only,) = reboots(fleet).values()
        assert (only["name"], only["severity"]) == ("iptables table ip filter", "endangering")
        assert only["after"]["diff"] == ["--A INPUT -s 10.0.1.11/32 -p tcp -m tcp --dport 5432 -j ACCEPT"]
    finally:
        shell(
            fleet, "systemctl disable --quiet netfilter-persistent; rm -rf /etc/systemd/system/netfilter-persistent.service /etc/iptables"
        )
        shell(fleet, "systemctl daemon-reload")


@pytest.mark.slow
def test_back_to_the_baseline_and_over_a_reboot(fleet: SystemdFleet) -> None:
    """A service that was stopped and disabled, a file that would set a sysctl otherwise, and one that our own cannot override."""
    shell(fleet, "systemctl disable --quiet --now orders; sysctl -qw net.ipv4.tcp_syncookies=0")
    shell(fleet, "echo 'net.core.somaxconn = 16' > /etc/sysctl.d/99-test.conf")
    shell(fleet, "echo 'net.ipv4.tcp_max_syn_backlog = 1' > /etc/sysctl.d/99-ztest.conf")
    assert fleet.connect("web1", "10.0.1.12", 5432, timeout=1.0) == "ECONNREFUSED"
    options = {"drift_remediate": True, "remediate_apply": True, "remediate_confirm_timeout": 180}
    said = play(fleet, "drift", **options)
    report = drift(fleet)
    assert {change["code"]: change["outcome"] for change in report["changes"]} == {
        "drift_service:orders.service": "kept",
        "drift_sysctl:net.ipv4.tcp_syncookies": "kept",
        "drift_reboot:sysctl net.core.somaxconn": "kept",
        "drift_reboot:sysctl net.ipv4.tcp_max_syn_backlog": "refused",
    }, said
    (left,) = [drift for host in report["hosts"] for drift in host["drifts"] if drift["severity"] == "endangering"]
    assert left["fix"]["summary"].startswith("have /etc/sysctl.d/99-ztest.conf on db1 set net.ipv4.tcp_max_syn_backlog to")
    assert fleet.connect("web1", "10.0.1.12", 5432) == "connected"
    assert "changed=0" in play(fleet, "drift", **options) and drift(fleet)["changes"] == []
    fleet.reboot(HOST)
    assert shell(fleet, "sysctl -n net.core.somaxconn net.ipv4.tcp_syncookies; systemctl is-active orders") == "4096\n1\nactive"
    assert fleet.connect("web1", "10.0.1.12", 5432) == "connected"

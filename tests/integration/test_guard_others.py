# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard beside those who change a firewall by themselves: fail2ban, Docker, ufw. And what a transaction leaves on a host."""

from __future__ import annotations

import json
import re
import shlex
import time
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
HOST = "db1"
TREE = "find /etc /run/systemd/system /var/lib/threeway-handshake -not -path '/etc/.pwd.lock' -printf '%p %y %l\\n' 2> /dev/null | sort"
JAIL = """[DEFAULT]
banaction = {action}
[sshd]
enabled = true
backend = polling
filter = sshd
logpath = /var/log/f2b.log
port = 22
bantime = 1h
"""
# As Docker makes them when it starts a container that publishes a port.
DOCKER = """
iptables -t nat -N DOCKER; iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
iptables -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80
iptables -N DOCKER; iptables -A FORWARD -o docker0 -j DOCKER
iptables -A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
"""
RULES = "table inet filter { chain input { type filter hook input priority 0; policy accept; tcp dport 5432 drop; }; }"
OURS = """- threeway.handshake.firewall_rule: {chain: input, source: 10.0.1.11, destination: 10.0.2.21, port: 5432}
      become: true
"""


@pytest.fixture(scope="module")
def fleet() -> Iterator[SystemdFleet]:
    with SystemdFleet(topologies.three_hosts()) as running:
        yield running


def sh(fleet: SystemdFleet, script: str) -> str:
    return fleet.run(HOST, ["sh", "-ec", script]).stdout


def guard(**options: Any) -> str:
    return f"- threeway.handshake.guard: {json.dumps(options)}\n      become: true\n"


def play(fleet: SystemdFleet, *tasks: str) -> None:
    text = f"- hosts: {HOST}\n  gather_facts: false\n  tasks:\n" + "".join(f"    {task}" for task in tasks)
    (fleet.directory / "play.yml").write_text(text)
    fleet.playbook("play.yml")


def shell(script: str) -> str:
    return f"- ansible.builtin.shell: {json.dumps(script)}\n      become: true\n"


def rules(fleet: SystemdFleet) -> list[str]:
    """All rules in no order of tables, without what passes."""
    text = sh(fleet, "nft -s list ruleset 2> /dev/null; iptables-save; ip6tables-save")
    text = re.sub(r"expires \S+|timeout \S+|\[\d+:\d+\]|^#.*", "", text, flags=re.MULTILINE)
    return sorted(line.strip() for line in text.splitlines())


def journal(fleet: SystemdFleet, name: str) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(sh(fleet, f"tail -n1 /var/lib/threeway-handshake/{name}/journal"))
    assert line["step"] == "restored", line
    return line


@pytest.mark.parametrize(
    ("action", "marked"),
    [
        ("nftables", True),
        pytest.param("iptables-ipset-proto6", False, marks=pytest.mark.slow),
        pytest.param("nftables", False, marks=pytest.mark.slow),
        pytest.param("iptables-ipset-proto6", True, marks=pytest.mark.slow),
        pytest.param("iptables-multiport", True, marks=pytest.mark.slow),
        pytest.param("iptables-multiport", False, marks=pytest.mark.slow),
    ],
)
def test_bans_and_containers_stay(fleet: SystemdFleet, action: str, marked: bool) -> None:
    """One ban is lifted, and one is made, and Docker starts, while our rule is tried; then it is undone."""
    name = f"f2b-{action}-{'marked' if marked else 'made'}"
    sh(fleet, f"nft flush ruleset; nft {shlex.quote(RULES)}; : > /var/log/f2b.log")
    fleet.write(HOST, "/etc/fail2ban/jail.d/test.local", JAIL.format(action=action))
    ban = "fail2ban-client set sshd banip 198.51.100.1"
    sh(fleet, f"systemctl start fail2ban; until fail2ban-client ping > /dev/null 2>&1; do sleep 0.1; done; {ban}")
    try:
        theirs = f"fail2ban-client set sshd unbanip 198.51.100.1; fail2ban-client set sshd banip 198.51.100.2; {DOCKER}"
        saves = {"firewall": True}
        tasks = [guard(state="armed", transaction=name, timeout=300, marked=marked, saves=saves), OURS]
        tasks += [] if marked else [guard(state="made", transaction=name)]
        play(fleet, *tasks, shell(theirs))
        wanted = [line for line in rules(fleet) if "threeway.handshake" not in line]
        assert wanted != rules(fleet) and any("198.51.100.2" in line for line in [*wanted, sh(fleet, "ipset save")])
        play(fleet, guard(state="restored", transaction=name))
        assert rules(fleet) == wanted
        others = journal(fleet, name)["others"]
        assert others["kept"] and "lost" not in others and "undone" not in others, others
        assert "198.51.100.2" in sh(fleet, "nft list ruleset; ipset save")
        assert "198.51.100.1 " not in sh(fleet, "nft list ruleset; ipset save")
        assert "198.51.100.2" in sh(fleet, "fail2ban-client set sshd unbanip 198.51.100.2; fail2ban-client status sshd; echo 198.51.100.2")
        assert "198.51.100.2" not in sh(fleet, "nft list ruleset; ipset save")  # it still knows its own rules
    finally:
        sh(fleet, "systemctl stop fail2ban; nft flush ruleset")


@pytest.mark.slow
def test_ufw_reloads_in_the_middle(fleet: SystemdFleet) -> None:
    sh(fleet, "ufw allow ssh; ufw --force enable; ufw allow from 203.0.113.5")
    files = ["/etc/ufw", "/etc/default/ufw"]
    try:
        play(
            fleet,
            guard(state="armed", transaction="ufw", timeout=300, saves={"firewall": True, "files": files}),
            shell("ufw allow 5432/tcp"),
            guard(state="made", transaction="ufw"),
            shell(f"ufw reload; {DOCKER}"),
        )
        wanted = [line for line in rules(fleet) if "5432" not in line]
        assert wanted != rules(fleet)
        play(fleet, guard(state="restored", transaction="ufw"))
        assert rules(fleet) == wanted
        assert "5432" not in sh(fleet, "ufw status; cat /etc/ufw/user.rules")
        sh(fleet, "ufw reload")
        assert "5432" not in sh(fleet, "iptables-save") and "203.0.113.5" in sh(fleet, "iptables-save")
    finally:
        sh(fleet, "ufw --force disable; ufw --force reset; rm -f /etc/ufw/*.rules.2*; nft flush ruleset")


@pytest.mark.parametrize("end", [*(pytest.param(end, marks=pytest.mark.slow) for end in ("confirmed", "restored")), "timeout", "refused"])
def test_nothing_stays_but_the_journal(fleet: SystemdFleet, end: str) -> None:
    """No unit, no link, no directory, and with the record's removal not even the directory of the guard."""
    sh(fleet, "rm -rf /var/lib/threeway-handshake; rmdir /etc/systemd/system/sysinit.target.wants 2> /dev/null || true")
    before = sh(fleet, TREE)
    armed = guard(state="armed", transaction=end, timeout=5 if end == "timeout" else 300, saves={"routes": True, "units": ["cron.service"]})
    if end == "refused":
        refused = guard(state="armed", transaction=end, saves={"sysctls": ["net/../../etc/passwd"]})
        play(fleet, refused + "      ignore_errors: true\n")
        assert sh(fleet, TREE).replace("/var/lib/threeway-handshake d \n", "") == before
        return
    play(fleet, armed, *([] if end == "timeout" else [guard(state=end, transaction=end)]))
    give_up = time.monotonic() + 60
    while "threeway" in sh(fleet, "ls /etc/systemd/system /run/systemd/system"):
        assert time.monotonic() < give_up
        time.sleep(0.2)
    left = set(sh(fleet, TREE).splitlines()) - set(before.splitlines())
    assert {line.split()[0] for line in left} == {f"/var/lib/threeway-handshake{path}" for path in ("", f"/{end}", f"/{end}/journal")}
    play(fleet, guard(state="absent", transaction=end))
    assert sh(fleet, TREE) == before


@pytest.mark.slow
def test_directories_made_for_links_go_with_them(fleet: SystemdFleet) -> None:
    unit = "[Unit]\nDescription=x\n[Service]\nExecStart=/bin/sleep 1000\n[Install]\nWantedBy=nobody.target\n"
    sh(fleet, "rm -rf /var/lib/threeway-handshake")
    fleet.write(HOST, "/etc/systemd/system/linked.service", unit)
    before = sh(fleet, TREE)
    play(
        fleet,
        guard(state="armed", transaction="linked", timeout=300, saves={"units": ["linked.service"]}),
        shell("systemctl daemon-reload; systemctl enable --now linked.service"),
        guard(state="restored", transaction="linked"),
        guard(state="absent", transaction="linked"),
    )
    assert sh(fleet, TREE) == before

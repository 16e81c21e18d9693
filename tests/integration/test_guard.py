# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard on hosts that run systemd, over the SSH connection that a change may cut off."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
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
DUMP = r"""
nft list ruleset 2>&1
for family in iptables ip6tables; do $family-save -c 2>/dev/null | sed '/^#/d'; done
find /etc /run/systemd/system -not -path '/etc/.pwd.lock' -printf '%p %y %m %U %G %l\n' | sort
find /etc -type f -printf '%p %T@\n' -exec sha256sum {} \; | sort
find /run/systemd/system -type f -exec sha256sum {} + | sort
sysctl -a --pattern '^net[.]ipv[46][.](ip_forward|tcp_syn|conf.*(forwarding|rp_filter|accept_redirects))' 2>/dev/null
ip route show table all | grep -vE "expires|fe80:"; ip rule; ip neighbour show nud permanent
for unit in ssh orders nftables firewalld ufw; do systemctl is-active $unit; systemctl is-enabled $unit 2>&1; done; true
"""
SAVES: dict[str, Any] = {
    "sysctls": ["net.ipv4.conf.all.rp_filter", "net.ipv4.tcp_syncookies"],
    "files": ["/etc/nftables.conf", "/etc/sysctl.d", "/etc/systemd/system/orders.service"],
    "firewall": True,
    "routes": True,
    "neighbours": True,
    "units": ["orders.service", "nftables.service", "ufw.service"],
}
CHANGE = r"""
echo 'net.ipv4.tcp_syncookies = 0' > /etc/sysctl.d/99-other.conf
sysctl -qw net.ipv4.tcp_syncookies=0 net.ipv4.conf.all.rp_filter=2
cat > /etc/nftables.conf << 'RULES'
flush ruleset
table inet other { chain in { type filter hook input priority 0; policy drop; tcp dport 22 accept; }; }
RULES
systemctl restart nftables; systemctl mask --quiet ufw
sed -i 's/A service/Another service/' /etc/systemd/system/orders.service
systemctl disable --now orders; systemctl daemon-reload
ip route add 203.0.113.0/24 dev eth0; ip rule add from 203.0.113.1 table 7
"""
ARM = "- threeway.handshake.guard: {{state: armed, transaction: {name}, timeout: {timeout}, saves: {saves}}}\n      become: true\n"


@pytest.fixture(scope="module")
def fleet() -> Iterator[SystemdFleet]:
    with SystemdFleet(topologies.three_hosts(), reboots=[HOST]) as running:
        running.service(HOST, "orders", 5432)
        running.write(HOST, "/etc/systemd/system/orders.service", WANTED)
        running.run(HOST, ["sh", "-ec", "systemctl daemon-reload; systemctl enable --quiet orders"])
        running.reboot(HOST)  # a boot sets some sysctls, here as everywhere
        yield running


@pytest.fixture(autouse=True)
def no_journals(fleet: SystemdFleet) -> Iterator[None]:
    """A name is a transaction's own for as long as its journal is there: also when a test is tried again."""
    yield
    fleet.run(HOST, ["rm", "-rf", "/var/lib/threeway-handshake"])


WANTED = """[Unit]
Description=A service of the fleet
[Service]
ExecStart=/usr/bin/python3 -B /opt/handshake-lab/serve.py :: 5432
[Install]
WantedBy=multi-user.target
"""


def dump(fleet: SystemdFleet) -> str:
    return fleet.run(HOST, ["sh", "-c", DUMP]).stdout


def play(fleet: SystemdFleet, name: str, *tasks: str, timeout: float = 60, saves: dict[str, Any] | None = None) -> str:
    """A play that arms a transaction and goes on with these tasks; its file."""
    tasks = (ARM.format(name=name, timeout=timeout, saves=json.dumps(saves or SAVES)), *tasks)
    text = f"- hosts: {HOST}\n  gather_facts: false\n  tasks:\n" + "".join(f"    {task}" for task in tasks)
    (fleet.directory / f"{name}.yml").write_text(text)
    return f"{name}.yml"


def steps(fleet: SystemdFleet, name: str) -> list[dict[str, Any]]:
    text = fleet.run(HOST, ["cat", f"/var/lib/threeway-handshake/{name}/journal"], check=False).stdout
    return [json.loads(line) for line in text.splitlines()]


def await_end(fleet: SystemdFleet, name: str, wanted: str = "restored", patience: float = 60.0) -> None:
    give_up = time.monotonic() + patience
    while not (lines := steps(fleet, name)) or lines[-1]["step"] != wanted:
        assert time.monotonic() < give_up, lines
        time.sleep(0.1)
    while fleet.run(HOST, ["sh", "-c", "ls -d /run/systemd/system/threeway* /etc/systemd/system/threeway*"], check=False).stdout:
        assert time.monotonic() < give_up
        time.sleep(0.1)


def confirm(name: str) -> str:
    return f"- meta: reset_connection\n    - threeway.handshake.guard: {{state: confirmed, transaction: {name}}}\n      become: true\n"


def shell(script: str) -> str:
    return f"- ansible.builtin.shell: {json.dumps(script)}\n      become: true\n"


@pytest.mark.clock("the guard's timer")
def test_the_host_restores_itself_when_the_controller_is_killed(fleet: SystemdFleet) -> None:
    before = dump(fleet)
    book = play(fleet, "killed", shell(CHANGE), "- ansible.builtin.pause: {seconds: 120}\n", timeout=8)
    argv = [*fleet.controller(), sys.executable, "-m", "ansible", "playbook", f"--inventory={fleet.inventory}", book]
    controller = subprocess.Popen(
        argv, env=fleet.environment(), cwd=fleet.directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        give_up = time.monotonic() + 60
        while "table inet other" not in fleet.run(HOST, ["nft", "list", "ruleset"]).stdout:
            assert time.monotonic() < give_up
            time.sleep(0.1)
    finally:
        os.killpg(controller.pid, signal.SIGKILL)
        controller.wait()
    await_end(fleet, "killed")
    lines = {line["step"]: line["time"] for line in steps(fleet, "killed")}
    assert 7.5 < lines["restoring"] - lines["armed"] < 12
    assert dump(fleet) == before


def test_a_change_that_cuts_off_ssh_is_undone(fleet: SystemdFleet) -> None:
    before = dump(fleet)
    cut = "nft add table inet cut; nft 'add chain inet cut in { type filter hook input priority -300; policy drop; }'; ip link set eth0 up"
    book = play(fleet, "cut", shell(f"nohup sh -c 'sleep 0.5; {cut}' > /dev/null 2>&1 &".replace("'add", '"add').replace("}'", '}"')),
                "- ansible.builtin.pause: {seconds: 1}\n", confirm("cut"), timeout=10)  # fmt: skip
    environment_options = ["-e", "ansible_ssh_timeout=2"]
    done = fleet.playbook(book, *environment_options, check=False)
    assert done.returncode != 0 and "unreachable=1" in done.stdout, done.stdout
    await_end(fleet, "cut")
    assert dump(fleet) == before
    query = play(fleet, "later", confirm("later"))
    assert "changed=2" in fleet.playbook(query).stdout


@pytest.mark.slow
def test_whether_anything_still_guards_is_told(fleet: SystemdFleet) -> None:
    """A timer that was stopped restores nothing, but the process beside it does."""
    ask = "- threeway.handshake.guard: {}\n      become: true\n      register: found\n"
    told = "- ansible.builtin.assert: {that: '(found.transactions | first).guarded == %s'}\n"
    stop = shell("systemctl stop threeway-handshake-told.timer")
    kill = shell("pkill -KILL -x handshake-guard")
    tasks = [ask, told % True, stop, ask, told % True, kill, ask, told % False, confirm("told")]
    fleet.playbook(play(fleet, "told", *tasks, saves={"routes": True}))


@pytest.mark.parametrize("how", [pytest.param((), marks=pytest.mark.slow), ("--force", "--force")], ids=["in order", "at once"])
def test_a_reboot_in_the_middle_restores(fleet: SystemdFleet, how: tuple[str, ...]) -> None:
    before = dump(fleet)
    name = f"reboot{len(how)}"
    fleet.playbook(play(fleet, name, shell(CHANGE), timeout=600))
    assert dump(fleet) != before
    fleet.reboot(HOST, *how)
    await_end(fleet, name)
    assert [line["booting"] for line in steps(fleet, name) if line["step"] == "restoring"] == [True]
    assert dump(fleet) == before
    assert fleet.connect("web1", "10.0.2.21", 5432) == "connected"


def test_what_is_confirmed_outlives_a_reboot(fleet: SystemdFleet) -> None:
    saves = {"files": ["/etc/sysctl.d"]}
    change = "echo 'net.ipv4.tcp_syncookies = 2' > /etc/sysctl.d/98-kept.conf; sysctl -qw net.ipv4.tcp_syncookies=2"
    fleet.playbook(play(fleet, "kept", shell(change), confirm("kept"), timeout=20, saves=saves))
    fleet.reboot(HOST)
    time.sleep(20)
    assert fleet.run(HOST, ["sysctl", "-n", "net.ipv4.tcp_syncookies"]).stdout == "2\n"
    assert [line["step"] for line in steps(fleet, "kept")] == ["planned", "armed", "changed", "confirmed"]
    fleet.run(HOST, ["sh", "-c", "rm /etc/sysctl.d/98-kept.conf; sysctl -qw net.ipv4.tcp_syncookies=1"])


@pytest.mark.parametrize("firewall", ["firewalld", pytest.param("ufw", marks=pytest.mark.slow)])
def test_the_firewall_of_a_manager_is_restored(fleet: SystemdFleet, firewall: str) -> None:
    ready = "until firewall-cmd --state; do sleep 0.1; done"
    start = {"firewalld": f"systemctl start firewalld; {ready}", "ufw": "ufw allow ssh; ufw --force enable"}[firewall]
    stop = {"firewalld": "systemctl stop firewalld", "ufw": "ufw disable; ufw --force reset; rm -f /etc/ufw/*.rules.2*"}[firewall]
    told = {"firewalld": "firewall-cmd --list-all; firewall-cmd --permanent --list-all", "ufw": "ufw status verbose"}[firewall]
    change = {
        "firewalld": "firewall-cmd --permanent --add-port=5432/tcp; firewall-cmd --permanent --remove-service=ssh; firewall-cmd --reload",
        "ufw": "ufw allow 5432/tcp; ufw delete allow ssh; ufw default deny outgoing; ufw reload",
    }[firewall]
    files = {"firewalld": ["/etc/firewalld"], "ufw": ["/etc/ufw", "/etc/default/ufw"]}[firewall]
    saves = {"firewall": True, "files": files, "units": [f"{firewall}.service"]}
    fleet.run(HOST, ["sh", "-c", start])
    try:
        before = dump(fleet), fleet.run(HOST, ["sh", "-c", told]).stdout
        fleet.playbook(play(fleet, firewall, timeout=600, saves=saves))
        fleet.run(HOST, ["sh", "-c", change])
        assert fleet.run(HOST, ["sh", "-c", told]).stdout != before[1]
        fleet.run(HOST, ["systemctl", "start", f"threeway-handshake-{firewall}.service"])  # as the timer does
        await_end(fleet, firewall)
        assert fleet.run(HOST, ["sh", "-c", told]).stdout == before[1]
        assert without_counters(dump(fleet)) == without_counters(before[0])
    finally:
        fleet.run(HOST, ["sh", "-c", stop])


def without_counters(text: str) -> str:
    """Packets go on passing the firewall while it is looked at."""
    return re.sub(r"packets \d+ bytes \d+|\[\d+:\d+\]", "", text)

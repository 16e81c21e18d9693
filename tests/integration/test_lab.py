# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rootless fleet: it comes up, carries handshakes, and leaves nothing, whatever happens to whom."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import LAB, Fleet, FleetError

pytestmark = pytest.mark.skipif(Fleet.missing() is not None, reason=str(Fleet.missing()))
NOBODY = 65534


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet() as running:
        yield running


def test_playbooks_have_no_settings_of_the_users(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """With PYTHONUNBUFFERED, hosts would read what Ansible sends them byte by byte."""
    for name in ("PYTHONUNBUFFERED", "PYTHONSTARTUP", "ANSIBLE_TIMEOUT"):
        monkeypatch.setenv(name, "1")
    assert {name for name in fleet.environment() if name.startswith(("PYTHON", "ANSIBLE_"))} == {
        *("ANSIBLE_CONFIG", "ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_NOCOLOR", "PYTHONPATH")
    }


@pytest.mark.parametrize("address", ["10.0.2.21", "2001:db8:2::21"])
def test_handshakes_pass_the_router(fleet: Fleet, address: str) -> None:
    assert fleet.connect("web1", address, 5432) == "ECONNREFUSED"
    with fleet.listen("db1", "::", 5432):
        assert fleet.connect("web1", address, 5432) == "connected"
    assert fleet.connect("web1", address, 5432) == "ECONNREFUSED"


def test_a_silent_listener_fills_up(fleet: Fleet) -> None:
    with fleet.listen("db1", "10.0.2.21", 5433, backlog=1, behaviour="silent"):
        assert sorted(fleet.connects("web1", "10.0.2.21", 5433, count=4, timeout=0.5)) == ["connected"] * 2 + ["timeout"] * 2


def test_a_stopped_process_still_shakes_hands(fleet: Fleet) -> None:
    with fleet.listen("db1", "10.0.2.21", 5434) as listener:
        listener.stop()
        assert fleet.connect("web1", "10.0.2.21", 5434) == "connected"


def test_signatures_must_match(fleet: Fleet) -> None:
    with fleet.listen("db1", "10.0.2.21", 5435, md5=("10.0.1.11", "one")):
        assert fleet.connect("web1", "10.0.2.21", 5435, md5="one") == "connected"
        assert fleet.connect("web1", "10.0.2.21", 5435, md5="two", timeout=0.5) == "timeout"


def test_a_flood_is_as_large_as_ordered(fleet: Fleet) -> None:
    fleet.nft("db2", "table inet t { chain c { type filter hook input priority 0; tcp dport 5436 counter drop; }; }")
    fleet.flood("web1", "10.0.2.22", 5436, count=50, rate=5000)
    fleet.flood("web1", "2001:db8:2::22", 5436, count=10, sources="2001:db8:ff::/64")
    rules = json.loads(fleet.run("db2", ["nft", "--json", "list", "chain", "inet", "t", "c"]).stdout)["nftables"]
    assert [rule["rule"]["expr"][1]["counter"]["packets"] for rule in rules if "rule" in rule] == [60]


@pytest.mark.clock("how long a tool and its connection take without a relay")
def test_a_relay_delays_and_goes_away(fleet: Fleet) -> None:
    def took() -> float:
        with fleet.listen("db1", "10.0.2.21", 5437):
            fleet.connect("web1", "10.0.2.21", 5437)
            began = time.monotonic()
            assert fleet.connect("web1", "10.0.2.21", 5437) == "connected"
            return time.monotonic() - began

    with fleet.relay("db1", "eth0", inbound={"delay": 0.2}, outbound={"delay": 0.2}):
        assert took() >= 0.4
    assert min(took() for _attempt in range(5)) < 0.4  # a busy machine may be slow once, not always


def test_a_relay_loses_and_alters(fleet: Fleet) -> None:
    with fleet.listen("db1", "10.0.2.21", 5438):
        lose_syn_ack = "def alter(frame): return [] if frame[12:14] == b'\\x08\\x00' and frame[47] == 0x12 else [frame]"
        with fleet.relay("db1", "eth0", outbound={"alter": lose_syn_ack}):
            assert fleet.connect("web1", "10.0.2.21", 5438, timeout=0.5) == "timeout"
        with fleet.relay("db1", "eth0", inbound={"loss": 1.0}):
            assert fleet.connect("web1", "10.0.2.21", 5438, timeout=0.5) == "timeout"
        assert fleet.connect("web1", "10.0.2.21", 5438) == "connected"


def test_hosts_see_only_themselves(fleet: Fleet) -> None:
    with fleet.listen("db1", "10.0.2.21", 5439) as listener:
        assert fleet.run("db1", ["cat", f"/proc/{listener.answer}/comm"]).stdout.startswith("python")
        assert fleet.run("db2", ["ls", "/proc"]).stdout.split().count(str(listener.answer)) == 0
    fleet.write("web1", "/etc/resolv.conf", "nameserver 192.0.2.53\n")
    assert fleet.run("web2", ["cat", "/etc/resolv.conf"]).stdout == ""
    assert fleet.run("web1", ["getent", "ahostsv4", "db1"]).stdout.startswith("10.0.2.21 ")


def test_a_program_that_fails_is_an_error_with_its_words(fleet: Fleet) -> None:
    with pytest.raises(FleetError, match=r"web1: ip route add nonsense ended with 1: .*nonsense"):
        fleet.run("web1", ["ip", "route", "add", "nonsense"])


def test_playbooks_reach_every_host(fleet: Fleet) -> None:
    playbook = fleet.directory / "ping.yml"
    playbook.write_text("- hosts: all\n  gather_facts: false\n  become: true\n  tasks: [{ansible.builtin.ping: }]\n")
    assert fleet.playbook(str(playbook)).stdout.count("ok=1") == len(fleet.hosts) == 6


def test_home_is_the_hosts_own(fleet: Fleet) -> None:
    playbook = fleet.directory / "home.yml"
    tasks = "[{ansible.builtin.copy: {content: here, dest: ~/here}}, {ansible.builtin.command: cp here there, args: {chdir: ~root}}]"
    playbook.write_text(f"- hosts: web1\n  gather_facts: false\n  vars: {{ansible_pipelining: false}}\n  tasks: {tasks}\n")
    fleet.playbook(str(playbook))
    assert fleet.run("web1", ["cat", "/run/root/here", "/run/root/there"]).stdout == "herehere"
    assert fleet.run("web2", ["ls", "/run/root"]).stdout == ""


@pytest.mark.parametrize("topology", [topologies.two_routers(), topologies.asymmetric()], ids=["two routers", "asymmetric"])
def test_other_topologies(topology: topologies.Topology) -> None:
    with Fleet(topology) as other, other.listen("db1", "::", 80):
        assert [other.connect("web1", address, 80) for address in ("10.0.2.21", "2001:db8:2::21")] == ["connected"] * 2


def test_two_fleets_do_not_meet(fleet: Fleet) -> None:
    with Fleet(topologies.one_segment("a", "b")) as other:
        assert other.connect("a", "10.0.1.12", 80) == "ECONNREFUSED"
        assert other.connect("a", "10.0.2.21", 80) == "ENETUNREACH"
    assert fleet.connect("web1", "10.0.1.12", 80) == "ECONNREFUSED"


@pytest.mark.clock("the time in which a lab comes up")
def test_a_hundred_hosts_are_up_within_ten_seconds() -> None:
    began = time.monotonic()
    with Fleet(topologies.star(50, 50)) as star:
        assert time.monotonic() - began < 10
        assert star.connect("client50", "2001:db8:2::60", 5432) == "connected"


def test_what_does_not_come_up_says_why() -> None:
    topology = topologies.with_hosts(topologies.two_routers(), web1={"routes": ["default via 10.9.9.9"]})
    with pytest.raises(FleetError, match=r"ip refused the configuration of host 'web1': .*Nexthop has invalid gateway"), Fleet(topology):
        pytest.fail("came up")


def test_nothing_outlives_the_process_that_wanted_the_fleet(tmp_path: Path) -> None:
    script = (
        "import time\nfrom ansible_collections.threeway.handshake.tests.lab.fleet import Fleet\n"
        "with Fleet() as fleet:\n    fleet.listen('db1', '::', 80)\n"
        "    print(*fleet._pids.values(), flush=True)\n    time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        pids = process.stdout.readline().split()
        process.send_signal(signal.SIGKILL)
    assert len(pids) == 7
    assert gone(*pids)


class TestCommands:
    """lab.py as the role runs it."""

    def test_up_is_idempotent_and_down_is_complete(self, tmp_path: Path) -> None:
        try:
            first = lab("up", tmp_path / "lab")
            assert first["changed"] and (tmp_path / "lab/inventory.yml").exists()
            again = lab("up", tmp_path / "lab")
            assert not again["changed"] and again["hosts"] == first["hosts"]
            other = lab("up", tmp_path / "other")
            assert other["hosts"]["db1"] != first["hosts"]["db1"]
        finally:
            ended = [lab("down", tmp_path / name) for name in ("lab", "other")]
        assert [answer["changed"] for answer in ended] == [True, True]
        assert gone(*(process["pid"] for process in first["hosts"].values()))
        assert list(tmp_path.iterdir()) == []
        assert lab("down", tmp_path / "lab") == {"changed": False, "message": f"There is no lab in {tmp_path / 'lab'}."}

    def test_another_topology_is_refused(self, tmp_path: Path) -> None:
        try:
            lab("up", tmp_path / "lab")
            refused = run_lab("up", tmp_path / "lab", topologies.two_routers())
        finally:
            lab("down", tmp_path / "lab")
        assert (refused.returncode, refused.stderr) == (
            1,
            f"A lab with another topology runs in {tmp_path / 'lab'}: take it down first.\n",
        )

    def test_a_dead_lab_is_noticed(self, tmp_path: Path) -> None:
        try:
            first = lab("up", tmp_path / "lab")
            os.kill(first["holder"]["pid"], signal.SIGKILL)
            assert gone(first["holder"]["pid"], *(process["pid"] for process in first["hosts"].values()))
            assert lab("up", tmp_path / "lab")["holder"] != first["holder"]
        finally:
            lab("down", tmp_path / "lab")

    def test_a_signal_ends_a_host_or_the_lab(self, tmp_path: Path) -> None:
        try:
            up = lab("up", tmp_path / "lab")
            hosts = {name: process["pid"] for name, process in up["hosts"].items()}
            db2 = hosts.pop("db2")
            os.kill(db2, signal.SIGTERM)
            assert gone(db2) and all(Path(f"/proc/{pid}/cmdline").read_text() for pid in hosts.values())
            os.kill(up["holder"]["pid"], signal.SIGTERM)
            assert gone(up["holder"]["pid"], *hosts.values())
        finally:
            lab("down", tmp_path / "lab")

    def test_a_tied_lab_ends_with_the_process(self, tmp_path: Path) -> None:
        with subprocess.Popen(["sleep", "60"]) as process:
            try:
                up = lab("up", tmp_path / "lab", f"--tie={process.pid}")
                tied_again = run_lab("up", tmp_path / "lab", topologies.default(), f"--tie={process.pid}")
            finally:
                process.kill()
        assert tied_again.returncode == 1 and "take it down first" in tied_again.stderr
        assert gone(up["holder"]["pid"], *(process["pid"] for process in up["hosts"].values()))
        assert soon(lambda: list(tmp_path.iterdir()) == [])

    def test_a_tied_lab_that_is_taken_down_and_recreated_is_left_alone(self, tmp_path: Path) -> None:
        with subprocess.Popen(["sleep", "60"]) as process:
            try:
                lab("up", tmp_path / "lab", f"--tie={process.pid}")
                lab("down", tmp_path / "lab")
                up = lab("up", tmp_path / "lab")
            finally:
                process.kill()
        time.sleep(1)
        assert lab("up", tmp_path / "lab")["holder"] == up["holder"]
        assert lab("down", tmp_path / "lab")["changed"]

    def test_a_directory_that_another_removes_meanwhile_is_not_recreated(self, tmp_path: Path) -> None:
        directory = tmp_path / "lab"
        directory.mkdir()
        descriptor = os.open(directory, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        watcher = "import json, lab, pathlib, sys; print(json.dumps(lab.down(pathlib.Path(sys.argv[1]), {'pid': 1, 'started': 1})))"
        argv = [sys.executable, "-B", "-c", watcher, str(directory)]
        with subprocess.Popen(argv, cwd=LAB.parent, stdout=subprocess.PIPE, text=True) as down:
            assert soon(lambda: f":{directory.stat().st_ino} " in waiting_for_locks())
            directory.rmdir()
            os.close(descriptor)
            shown, _none = down.communicate(timeout=30)
        assert json.loads(shown) == {"changed": False, "message": f"There is no lab in {directory}."}
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.skipif(os.geteuid() != 0, reason="everybody else is an ordinary user already")
    def test_an_ordinary_user_can(self, tmp_path: Path) -> None:
        # Neither the checkout nor the directories of pytest need be open to others.
        place = Path("/tmp") / f"handshake-{os.getpid()}"
        shutil.copytree(LAB.parent, place / "files")
        (place / "own").mkdir()
        os.chown(place / "own", NOBODY, NOBODY)
        become = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        argv = [*become, "/usr/bin/python3", "-B", str(place / "files/lab.py")]
        try:
            up = subprocess.run(
                [*argv, "up", f"--directory={place}/own/lab"],
                input=json.dumps(topologies.default()),
                capture_output=True,
                text=True,
                check=False,
            )
            assert up.returncode == 0, up.stderr
            enter = ["nsenter", "--preserve-credentials", f"--target={json.loads(up.stdout)['hosts']['web1']['pid']}", "--user", "--net"]
            dial = ["/usr/bin/python3", "-c", "import socket; socket.create_connection(('2001:db8:2::21', 5432), 2)"]
            dialled = subprocess.run([*become, *enter, *dial], capture_output=True, text=True, check=False)
            assert "ConnectionRefusedError" in dialled.stderr  # db1 is reached, and nothing listens there
        finally:
            down = subprocess.run([*argv, "down", f"--directory={place}/own/lab"], capture_output=True, text=True, check=False)
            shutil.rmtree(place)
        assert json.loads(down.stdout)["changed"]


def lab(action: str, directory: Path, *options: str) -> dict[str, Any]:
    done = run_lab(action, directory, topologies.default(), *options)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def run_lab(action: str, directory: Path, topology: topologies.Topology, *options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-B", str(LAB), action, f"--directory={directory}", *options]
    return subprocess.run(argv, input=json.dumps(topology), capture_output=True, text=True, check=False, timeout=30)


def gone(*pids: object) -> bool:
    """Whether all those processes end within some seconds."""
    return soon(lambda: not any(map(runs, pids)))


def runs(pid: object) -> bool:
    """Whether a process is there and no zombie, of which only the name is left. It may go at any moment."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def soon(come_true: Callable[[], bool]) -> bool:
    """Whether that comes true within some seconds."""
    give_up = time.monotonic() + 5
    while not come_true():
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def waiting_for_locks() -> str:
    """The lines of /proc/locks that are of somebody who waits."""
    return "\n".join(line for line in Path("/proc/locks").read_text().splitlines() if "->" in line)

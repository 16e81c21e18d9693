# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is armed restores, on hosts that run systemd: by whatever interpreter, by either of its two ways, wherever one of them is killed."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._guard.restorer import archive
from ansible_collections.threeway.handshake.tests.lab import topologies
from ansible_collections.threeway.handshake.tests.lab.systemd_fleet import SystemdFleet

pytestmark = [
    pytest.mark.root,
    pytest.mark.systemd,
    pytest.mark.skipif(SystemdFleet.missing() is not None, reason=str(SystemdFleet.missing())),
]
KILL = "until pkill -KILL -x handshake-guard; do sleep 0.1; done"  # on a loaded machine it has its name later
HOST, HERE = "db1", "/opt/guard-host"
BASE = "/var/lib/threeway-handshake"
ODD = {
    "a blank": "/opt/my python/bin/python3",
    "a specifier": "/opt/100%n%%/bin/python3",
    "a variable": "/opt/$HOME${PATH}/bin/python3",
    "quotes": '/opt/it\'s "so"/bin/python3',
    "backslashes": "/opt/a\\x41\\\\n\\/bin/python3",
    "an end of line": "/opt/a\nb/bin/python3",
    "a letter": "/opt/café/bin/python3",
    "no text": "/opt/caf\udce9\x01/bin/python3",
    "for the shell": "/opt/-c;$(reboot)`reboot`#&|<>*?/bin/python3",
}
SAVES = {"files": ["/etc/app"], "sysctls": ["net.ipv4.tcp_syncookies"]}
STATE = "cat /etc/app/settings /proc/sys/net/ipv4/tcp_syncookies; ls /etc/app"
CHANGE = "echo two > /etc/app/settings; touch /etc/app/new; echo 0 > /proc/sys/net/ipv4/tcp_syncookies"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdFleet]:
    directory = tmp_path_factory.mktemp("guard")
    (directory / "restore.pyz").write_bytes(archive())
    shutil.copy(Path(__file__).with_name("guard_host.py"), directory)
    (directory / "dying").write_text(f'#!/bin/sh\nexec /usr/bin/python3 {HERE}/guard_host.py "$@"\n')
    (directory / "no-unit").write_text('#!/bin/sh\n[ -z "$INVOCATION_ID" ] || exit 3\nexec /usr/bin/python3 "$@"\n')
    for name in ("dying", "no-unit"):
        (directory / name).chmod(0o755)
    with SystemdFleet(topologies.three_hosts(), binds={str(directory): HERE}) as running:
        running.run(HOST, ["sh", "-ec", "mkdir /etc/app; echo one > /etc/app/settings"])
        yield running


def step(fleet: SystemdFleet, *arguments: Any, python: str = "/usr/bin/python3", executable: str = "") -> Any:
    words = [json.dumps(word) for word in arguments[1:]]
    output = fleet.run(HOST, [python, "-B", f"{HERE}/guard_host.py", "step", executable, arguments[0], *words]).stdout
    return json.loads(output)


def state(fleet: SystemdFleet) -> str:
    return fleet.run(HOST, ["sh", "-c", STATE]).stdout


def steps(fleet: SystemdFleet, name: str) -> list[str]:
    text = fleet.run(HOST, ["cat", f"{BASE}/{name}/journal"], check=False).stdout
    return [json.loads(line)["step"] for line in text.splitlines()]


def left(fleet: SystemdFleet) -> list[str]:
    """Units, processes and files of transactions, but journals."""
    find = "ls -d /run/systemd/system/threeway* /etc/systemd/system/threeway* /etc/systemd/system/*/threeway* 2> /dev/null"
    find += f"; find {BASE} -type f ! -name journal 2> /dev/null; pgrep -x handshake-guard"
    find += "; systemctl --failed --plain --no-legend | grep threeway"
    return fleet.run(HOST, ["sh", "-c", find], check=False).stdout.split()


def await_silence(fleet: SystemdFleet, patience: float = 40.0) -> None:
    give_up = time.monotonic() + patience
    while found := left(fleet):
        assert time.monotonic() < give_up, found
        time.sleep(0.1)


def silence(fleet: SystemdFleet, name: str, way: str) -> None:
    """Take one of the two ways away."""
    if way == "the units alone":
        fleet.run(HOST, ["sh", "-c", KILL])
    elif way == "the process alone":
        fleet.run(HOST, ["systemctl", "stop", f"threeway-handshake-{name}.timer"])


def await_restored(fleet: SystemdFleet, name: str, before: str) -> None:
    await_silence(fleet)
    assert state(fleet) == before
    assert steps(fleet, name).count("restored") == 1


QUICK = ("a blank",)


@pytest.mark.parametrize("what", [pytest.param(each, marks=[pytest.mark.slow] * (each not in QUICK)) for each in ODD])
def test_whatever_the_path_of_the_interpreter(fleet: SystemdFleet, what: str) -> None:
    """The units alone; the process needs no quoting."""
    python, before = ODD[what], state(fleet)
    make = f"mkdir -p -- {shlex.quote(python[:-8])}; ln -sf /usr/bin/python3 {shlex.quote(python)}"
    fleet.run(HOST, ["sh", "-ec", make])
    if what == "a blank":  # an environment of its own, too
        fleet.write(HOST, "/opt/my python/pyvenv.cfg", "home = /usr/bin\n")
    name = "odd-" + "".join(letter for letter in what if letter.isalpha())
    armed = step(fleet, "arm", name, 5, SAVES, python=python)
    assert armed.get("state") == "armed" and armed["about"]["guard"] == "systemd", armed
    silence(fleet, name, "the units alone")
    fleet.run(HOST, ["sh", "-c", CHANGE])
    assert state(fleet) != before
    await_restored(fleet, name, before)


@pytest.mark.parametrize("way", ["the units alone", "the process alone", "both"])
def test_either_way_restores_alone_and_both_restore_once(fleet: SystemdFleet, way: str) -> None:
    before, name = state(fleet), f"way-{way.replace(' ', '-')}"
    armed = step(fleet, "arm", name, 5, SAVES)
    assert armed.get("state") == "armed", armed
    silence(fleet, name, way)
    (about,) = step(fleet, "open")
    assert about["guarded"] is True
    fleet.run(HOST, ["sh", "-c", CHANGE])
    await_restored(fleet, name, before)


def test_what_was_confirmed_stays_with_both(fleet: SystemdFleet) -> None:
    before = state(fleet)
    step(fleet, "arm", "kept", 4, SAVES)
    fleet.run(HOST, ["sh", "-c", CHANGE])
    changed = state(fleet)
    assert step(fleet, "confirm", "kept")["state"] == "confirmed"
    await_silence(fleet)
    time.sleep(5)
    assert state(fleet) == changed != before
    fleet.run(HOST, ["sh", "-c", "echo one > /etc/app/settings; rm /etc/app/new; echo 1 > /proc/sys/net/ipv4/tcp_syncookies"])
    assert state(fleet) == before


def test_units_of_a_transaction_that_is_gone_are_removed(fleet: SystemdFleet) -> None:
    step(fleet, "arm", "gone", 60, {"routes": True})
    fleet.run(HOST, ["sh", "-c", f"{KILL}; rm -r {BASE}/gone"])
    assert left(fleet) != []
    assert step(fleet, "arm", "next", 60, {"routes": True})["state"] == "armed"
    assert step(fleet, "confirm", "next")["state"] == "confirmed"
    await_silence(fleet)


@pytest.mark.parametrize("why", ["no interpreter", "one that units cannot run"])
def test_what_would_not_restore_is_not_armed(fleet: SystemdFleet, why: str) -> None:
    executable = {"no interpreter": "/opt/missing/python3", "one that units cannot run": f"{HERE}/no-unit"}[why]
    refused = step(fleet, "arm", "refused", 60, SAVES, executable=executable)["error"]
    assert refused.startswith("transaction refused cannot be armed, nothing has been changed: threeway-handshake-refused")
    assert f"does not run the restorer with '{executable}' (" in refused
    await_silence(fleet)
    assert fleet.run(HOST, ["ls", BASE]).stdout.split().count("refused") == 0


@pytest.mark.parametrize("victim", ["now", "beside"])
@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slow), 99], ids=["once", "always"])
@pytest.mark.parametrize("kill_at", [67, *(pytest.param(at, marks=pytest.mark.slow) for at in range(1, 200) if at != 67)])
def test_one_of_the_two_is_killed(fleet: SystemdFleet, victim: str, times: int, kill_at: int) -> None:
    before, name = state(fleet), f"killed-{victim}-{times}-{kill_at}"
    armed = step(fleet, "arm", name, 4, SAVES, executable=f"{HERE}/dying")
    assert armed.get("state") == "armed", armed
    fleet.write(HOST, f"/run/kill.{victim}", f"{kill_at} {times}")
    try:
        fleet.run(HOST, ["sh", "-c", CHANGE])
        await_restored(fleet, name, before)
    finally:
        fleet.run(HOST, ["rm", "-f", f"/run/kill.{victim}"])


@pytest.mark.parametrize("victim", ["now", "boot", "beside"])
@pytest.mark.parametrize("times", [pytest.param(1, marks=pytest.mark.slow), 99], ids=["once", "always"])
def test_one_is_killed_while_it_is_tried(fleet: SystemdFleet, victim: str, times: int) -> None:
    """Units try again; whatever never answers is not armed."""
    before, name = state(fleet), f"tried-{victim}-{times}"
    fleet.write(HOST, f"/run/kill.{victim}", f"10 {times}")
    try:
        armed = step(fleet, "arm", name, 3, SAVES, executable=f"{HERE}/dying")
    finally:
        fleet.run(HOST, ["rm", "-f", f"/run/kill.{victim}"])
    if "error" in armed:
        assert "nothing has been changed" in armed["error"] and (times == 99 or victim == "beside"), armed
        await_silence(fleet)
        assert name not in fleet.run(HOST, ["ls", BASE]).stdout.split()
    else:
        assert times == 1 and victim != "beside"
        fleet.run(HOST, ["sh", "-c", CHANGE])
        await_restored(fleet, name, before)

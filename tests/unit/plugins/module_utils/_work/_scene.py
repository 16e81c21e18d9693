# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with a real ufw or firewalld between a client and a guest: a fix is rehearsed there, typed, and tried with real connections."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

COLLECTIONS = Path(__file__).absolute().parents[5] / "build" / "collections"
CLIENT, OTHER, SERVER, BESIDE, GUEST, NEXT_GUEST = "10.9.0.2", "10.9.0.3", "10.9.0.1", "10.9.0.5", "10.8.0.2", "10.8.0.3"
HERE = {"source": CLIENT, "other": OTHER, "destination": SERVER, "beside": BESIDE, "port": 5432}
IPV6 = {"source": "fd09::2", "other": "fd09::3", "destination": "fd09::1", "beside": "fd09::5", "port": 5432}
BEHIND = {"source": CLIENT, "other": OTHER, "destination": GUEST, "beside": NEXT_GUEST, "port": 80}
_SCENE = """
mount --make-rprivate /; mount -t tmpfs none /run; mount -t tmpfs none /var/log
for each in ufw firewalld; do [ ! -d /etc/$each ] || { cp -a /etc/$each /run/$each; mount --bind /run/$each /etc/$each; }; done
cp -a /etc/default /run/defaults; mount --bind /run/defaults /etc/default
ip link set lo up
own=$(readlink /proc/$$/ns/net)
unshare --net sleep 900 & client=$!
unshare --net sleep 900 & guest=$!
for each in $client $guest; do until [ "$(readlink /proc/$each/ns/net)" != "$own" ]; do :; done; done
on() { nsenter --target "$@"; }
ip link add v0 type veth peer name v1 netns $client; ip link add g0 type veth peer name g1 netns $guest
for each in 10.9.0.1 10.9.0.5; do ip address add $each/24 dev v0; done
for each in 10.9.0.2 10.9.0.3; do on $client --net ip address add $each/24 dev v1; done
ip address add 10.8.0.1/24 dev g0; for each in 10.8.0.2 10.8.0.3; do on $guest --net ip address add $each/24 dev g1; done
ip address add fd09::1/64 dev v0 nodad; ip address add fd09::5/64 dev v0 nodad
for each in 2 3; do on $client --net ip address add fd09::$each/64 dev v1 nodad; done
ip link set v0 up; ip link set g0 up; on $client --net ip link set v1 up; on $guest --net ip link set g1 up
on $client --net ip route add default via 10.9.0.1; on $guest --net ip route add default via 10.8.0.1
sysctl -qw net.ipv4.ip_forward=1
sh -ec "$1"
exec "$0" "$2" $client $guest "$3"
"""
FIREWALLD = """
cat > /run/bus.conf <<'END'
<busconfig><type>system</type><listen>unix:path=/run/bus</listen><auth>EXTERNAL</auth><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/></policy></busconfig>
END
dbus-daemon --config-file=/run/bus.conf --nofork --nopidfile > /dev/null 2>&1 &
until [ -S /run/bus ]; do sleep 0.05; done
firewalld --nofork --nopid > /run/said 2>&1 &
for _try in $(seq 200); do ! firewall-cmd --quiet --state 2> /dev/null || break; sleep 0.1; done
firewall-cmd --quiet --state
"""
"""firewalld on a bus of its own; the commands that follow set it up."""


def observed(rules: str, ends: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What `_main` saw where these commands set up the firewall. `ends`: the flow, and the `other` source and `beside` destination.

    `late`: arguments of a first step that are other ones; what its rehearsal said is told as well.
    """
    run = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    environment = {"PYTHONPATH": str(COLLECTIONS), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    environment["DBUS_SYSTEM_BUS_ADDRESS"] = "unix:path=/run/bus"
    words = [*run, "sh", "-ec", _SCENE, sys.executable, rules, __file__, json.dumps({**ends, **more})]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=400, check=False)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _main(client: str, guest: str, about: dict[str, Any]) -> None:
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.verdicts import observe
    from ansible_collections.threeway.handshake.plugins.module_utils._host.apart import files_of
    from ansible_collections.threeway.handshake.plugins.module_utils._work.rehearsal import rehearse
    from ansible_collections.threeway.handshake.plugins.module_utils._work.rehearsed import read
    from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.firewall import packets as passing
    from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.firewalld import in_zone
    from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.ufw import with_ufw
    from ansible_collections.threeway.handshake.plugins.plugin_utils._model.firewall_records import Verdict
    from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host
    from ansible_collections.threeway.handshake.plugins.plugin_utils._model.records import build

    def state() -> object:
        files = {f"{program}/{name}": each for program in ("ufw", "firewalld") for name, each in files_of(f"/etc/{program}").items()}
        return _run(["nft", "-s", "list", "ruleset"])[1], files

    def connects() -> dict[str, bool]:
        """The flow, and its neighbours: another port, another source, another destination."""
        source, destination, port = about["source"], about["destination"], about["port"]
        asked = {"flow": (source, destination, port), "port": (source, destination, port + 1)}
        asked.update(source=(about["other"], destination, port), destination=(source, about["beside"], port))
        return {name: _connects(client, *flow) for name, flow in asked.items()}

    def verdict_of(source: str) -> dict[str, Any]:
        ends = {"source": source, "destination": about["destination"], "port": about["port"], "interface": "v0"}
        (said,) = observe([{"packet": "syn", "direction": None, **ends}], _run)["verdicts"]
        assert said["change"], said
        found: dict[str, Any] = said
        return found

    listening = [_serve(None, port) for port in (5432, 5433)] + [_serve(guest, port) for port in (80, 81)]
    said = verdict_of(about["source"])
    verdict = build(Verdict, said, "verdict")
    make = {"ufw": with_ufw, "firewalld": in_zone}.get(said["rule"]["manager"])
    fix = make(Host("host"), verdict, verdict.change.before or verdict.rule, verdict.change.summary) if make else None
    told: dict[str, Any] = {"before": connects(), "advised": said["change"]}
    typed, was = [command for each in (said, *_behind(said)) for command in each["change"]["commands"]], state()
    told["then"] = [each["rule"]["text"] for each in _behind(said)]
    if fix:
        step, packets = fix.steps[0], list(passing([verdict]))
        fixes = [([read(step.module, {**step.arguments, **each})], packets) for each in (about.get("late", {}), {})]
        told["late"], told["rehearsed"] = rehearse(_run, fixes if "late" in about else [fixes[1]] * 2)
        told.update(command=step.command, legs=[packet["packet"] for packet in packets])
        typed = [step.command]
    second = None if fix else verdict_of(about["other"])
    told["untouched"] = state() == was
    saved = [_run(["iptables-save"])[1]]
    _type(typed)
    told["saved"] = [*saved, _run(["iptables-save"])[1]]
    told["after"] = connects()
    if second:
        _type([command for each in (second, *_behind(second)) for command in each["change"]["commands"]])
        told["second"] = connects()
        if said["rule"]["manager"] == "ufw":
            _type(["ufw reload"])
            told["kept"] = connects()
    if said["rule"]["manager"] == "firewalld":
        told["ports"] = _run(["firewall-cmd", "--zone=public", "--list-ports"])[1].split()
        _type(["firewall-cmd --reload"])
        told["reloaded"] = connects()
    _type(fix.undo if fix else ())
    told["undone"] = connects()
    print(json.dumps(told))
    for each in listening:
        each.kill()
        each.wait()


def _behind(said: dict[str, Any]) -> list[dict[str, Any]]:
    """The verdicts of what stops the packet next."""
    then = said["then"]
    return [then, *_behind(then)] if then and then["verdict"] in ("drop", "reject") else []


def _run(command: list[str], data: str | None = None) -> tuple[int, str, str]:
    try:
        done = subprocess.run(command, input=data, capture_output=True, text=True, check=False)
    except OSError as error:
        return 127, "", str(error)
    return done.returncode, done.stdout, done.stderr


def _type(commands: Any) -> None:
    for command in commands:
        code, output, error = _run(["sh", "-ec", command])
        assert code == 0, (command, output, error)


_SERVE = """
import socket, sys
listening = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
print("listening", flush=True)
while True:
    listening.accept()
"""


def _serve(where: str | None, port: int) -> Any:
    inside = ["nsenter", "--target", where, "--net"] if where else []
    serving = subprocess.Popen([*inside, sys.executable, "-Sc", _SERVE, str(port)], stdout=subprocess.PIPE)
    assert serving.stdout
    serving.stdout.readline()
    return serving


def _connects(other: str, source: str, destination: str, port: int) -> bool:
    code = f"import socket; socket.create_connection(({destination!r}, {port}), 0.4, ({source!r}, 0)).close()"
    command = ["nsenter", "--target", other, "--net", sys.executable, "-Sc", code]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    _main(*sys.argv[1:3], json.loads(sys.argv[3]))

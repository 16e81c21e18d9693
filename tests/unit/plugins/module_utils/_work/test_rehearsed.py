# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of ufw are rehearsed by ufw itself in a copy; what is called good is then typed, and real connections try it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.ufw_words import allowing
from ansible_collections.threeway.handshake.plugins.module_utils._work.rehearsed import NotRehearsedError, Ufw, read

COLLECTIONS = Path(__file__).absolute().parents[5] / "build" / "collections"
CLIENT, OTHER, SERVER, BESIDE, GUEST = "10.9.0.2", "10.9.0.3", "10.9.0.1", "10.9.0.5", "10.8.0.2"
# A client, a host with ufw and the services at its own address, and a guest behind it, to which the host may translate.
SCENE = """
mount --make-rprivate /
mount -t tmpfs none /run; cp -a /etc/ufw /run/ufw; mount --bind /run/ufw /etc/ufw
cp /etc/default/ufw /run/defaults; mount --bind /run/defaults /etc/default/ufw
ip link set lo up
own=$(readlink /proc/$$/ns/net)
unshare --net sleep 60 & client=$!
unshare --net sleep 60 & guest=$!
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
exec "$0" "$2" $client $guest "$3" "$4"
"""
TRANSLATED = """nft 'table ip nat { chain pre { type nat hook prerouting priority -100;
ip daddr 10.9.0.1 tcp dport 5432 dnat to 10.8.0.2:80; ip daddr 10.9.0.1 tcp dport 5433 dnat to 10.8.0.2:81;
ip daddr 10.9.0.5 tcp dport 5432 dnat to 10.8.0.3:80; }; }'; """
ENABLE = "ufw --force enable > /dev/null; "
SCENES = {
    "default": ENABLE,
    "default, other rules": f"{ENABLE} ufw allow 80/tcp; ufw allow from {OTHER} to any port 5433 proto tcp",
    "deny": f"{ENABLE} ufw allow 5433/tcp; ufw deny 5432/tcp; ufw allow 22/tcp",
    "reject a client": f"{ENABLE} ufw reject from {CLIENT}; ufw allow 5433/tcp",
    "reject, default allow": f"ufw default allow; {ENABLE} ufw reject from {CLIENT}",
    "ipv6": f"{ENABLE} ufw deny 5432/tcp",
    "translated": f"{TRANSLATED} {ENABLE}",
    "translated, denied": f"{TRANSLATED} {ENABLE} ufw route allow to {GUEST} port 81 proto tcp; "
    f"ufw route deny to {GUEST} port 80 proto tcp",
}


@pytest.mark.parametrize("scene", SCENES)
def test_the_printed_command_opens_in_the_copy_and_on_the_host_exactly_its_flow(scene: str) -> None:
    told = observed(scene)
    assert told["rehearsed"]["result"] == "opens", told
    assert set(told["legs"]) >= {"syn", "syn_ack"}
    assert told["untouched"], "the rehearsal changes neither the rules nor the files of ufw"
    assert told["before"]["flow"] is False and told["after"] == {**told["before"], "flow": True}, told
    if scene.startswith("translated"):
        assert told["command"].startswith("ufw route ") and f" to {GUEST} port 80 " in told["command"]
    assert told["command"] == told["printed"], "what is printed for people is what the step does"
    assert told["undone"]["flow"] is False, "its undo takes it back"


def test_a_rule_that_comes_too_late_fails_and_leaves_the_copy_as_it_was() -> None:
    told = observed("deny", number=3)
    late, good = told["late"], told["rehearsed"]
    assert late["result"] == "fails" and "would still be dropped" in late["why"]
    assert good["result"] == "opens"


def test_what_ufw_refuses_fails_in_its_own_words() -> None:
    told = observed("default", number=77)
    assert told["late"]["result"] == "fails" and "Invalid position" in told["late"]["why"]


def test_without_root_ufw_is_not_rehearsed() -> None:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.seteuid(65534)
            Ufw({"rule": "allow"}).take(lambda *_words: (0, "", ""))
        except NotRehearsedError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    "wrong",
    [{"to_port": "80; reboot"}, {"from_ip": "any"}, {"rule": "deny"}, {"direction": "sideways"}, {"log": True}, {"insert": "x"}],
)
def test_only_what_we_make_of_ufw_becomes_a_command(wrong: dict[str, Any]) -> None:
    good = allowing(CLIENT, SERVER, 5432, "in", 3)
    assert read("community.general.ufw", good).take
    with pytest.raises((ValueError, KeyError)):
        read("community.general.ufw", {**good, **wrong})
    with pytest.raises(ValueError, match="give one of"):
        read("ansible.builtin.command", good)


def observed(scene: str, number: int = 0) -> dict[str, Any]:
    run = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    environment = {"PYTHONPATH": str(COLLECTIONS), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    words = [*run, "sh", "-ec", SCENE, sys.executable, SCENES[scene], __file__, scene, str(number)]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def _main(client: str, guest: str, scene: str, number: str) -> None:
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.verdicts import observe
    from ansible_collections.threeway.handshake.plugins.module_utils._host.apart import files_of
    from ansible_collections.threeway.handshake.plugins.module_utils._work.rehearsal import rehearse
    from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.firewall import packets as passing
    from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.ufw import with_ufw
    from ansible_collections.threeway.handshake.plugins.plugin_utils._model.firewall_records import Verdict
    from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host
    from ansible_collections.threeway.handshake.plugins.plugin_utils._model.prose import Prose
    from ansible_collections.threeway.handshake.plugins.plugin_utils._model.records import build

    def run(command: list[str], data: str | None = None) -> tuple[int, str, str]:
        try:
            done = subprocess.run(command, input=data, capture_output=True, text=True, check=False)
        except OSError as error:
            return 127, "", str(error)
        return done.returncode, done.stdout, done.stderr

    def state() -> object:
        listed = run(["nft", "-s", "list", "ruleset"])[1]
        return listed, {name: content.decode() for name, (_mode, content) in files_of("/etc/ufw").items()}

    source, other, server, beside = ("fd09::2", "fd09::3", "fd09::1", "fd09::5") if scene == "ipv6" else (CLIENT, OTHER, SERVER, BESIDE)

    def connects() -> dict[str, bool]:
        """The flow, and its neighbours: another port, another source, another destination."""
        asked = {"flow": (source, server, 5432), "port": (source, server, 5433)}
        asked.update(source=(other, server, 5432), destination=(source, beside, 5432))
        return {name: _connects(client, *flow) for name, flow in asked.items()}

    listening = [_serve(None, port) for port in (5432, 5433)] + [_serve(guest, port) for port in (80, 81)]
    ends = {"source": source, "destination": server, "port": 5432}
    (said,) = observe([{"packet": "syn", "direction": "in", **ends, "interface": "v0"}], run)["verdicts"]
    assert said["change"], said
    verdict = build(Verdict, said, "verdict")
    fix = with_ufw(Host("host"), verdict, verdict.change.before or verdict.rule, Prose("allow it"))
    assert fix, said
    step, packets = fix.steps[0], list(passing([verdict]))
    told: dict[str, Any] = {
        "legs": [packet["packet"] for packet in packets],
        "before": connects(),
        "command": step.command,
        "printed": said["change"]["commands"][0],
    }
    was = state()
    fixes = [([read(step.module, step.arguments)], packets)]
    if int(number):
        fixes.insert(0, ([read(step.module, {**step.arguments, "insert": int(number)})], packets))
    told["late"], *_rest, told["rehearsed"] = rehearse(run, [*fixes, *fixes][-2:])
    told["untouched"] = state() == was
    subprocess.run(["sh", "-ec", step.command], check=True, capture_output=True)
    told["after"] = connects()
    for command in fix.undo:
        subprocess.run(["sh", "-ec", command], check=True, capture_output=True)
    told["undone"] = connects()
    print(json.dumps(told))
    for each in listening:
        each.kill()
        each.wait()


SERVE = """
import socket, sys
listening = socket.create_server(("::", int(sys.argv[1])), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
print("listening", flush=True)
while True:
    listening.accept()
"""


def _serve(where: str | None, port: int) -> Any:
    inside = ["nsenter", "--target", where, "--net"] if where else []
    serving = subprocess.Popen([*inside, sys.executable, "-Sc", SERVE, str(port)], stdout=subprocess.PIPE)
    assert serving.stdout
    serving.stdout.readline()
    return serving


def _connects(other: str, source: str, destination: str, port: int) -> bool:
    code = f"import socket; socket.create_connection(({destination!r}, {port}), 0.4, ({source!r}, 0)).close()"
    command = ["nsenter", "--target", other, "--net", sys.executable, "-Sc", code]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    _main(*sys.argv[1:])

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that have no usable Python are observed by SSH alone: what their shell and their sshd tell, and no more, is said of them."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.tests.lab import ssh_host, topologies
from ansible_collections.threeway.handshake.tests.lab.fleet import Fleet

pytestmark = pytest.mark.skipif((Fleet.missing() or ssh_host.missing()) is not None, reason=str(Fleet.missing() or ssh_host.missing()))

OPEN, CLOSED, DROPPED = 5432, 8080, 9090
OPTIONS = {"diagnose_attempts": 2, "diagnose_patience": 0.2, "diagnose_hops": False, "diagnose_timeout": 1.0, "diagnose_depth": "quick"}
DROP = f"table inet t {{ chain input {{ type filter hook input priority 0; tcp dport {DROPPED} counter drop; }}; }}"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(topologies.star(1, 1)) as fleet:
        fleet.nft("server1", DROP)
        fleet.listen("server1", "0.0.0.0", DROPPED)
        yield fleet


def diagnose(fleet: Fleet, ports: list[int], **options: Any) -> dict[str, Any]:
    flows = [{"name": "f", "clients": "client1", "servers": "server1", "port": ports}]
    extra = json.dumps({"handshake_flows": flows, **OPTIONS, "diagnose_report_dir": "report", **options})
    fleet.playbook("threeway.handshake.diagnose", f"--extra-vars={extra}")
    report: dict[str, Any] = json.loads((fleet.directory / "report" / "report.json").read_text())
    return report


def by_port(report: dict[str, Any]) -> dict[int, dict[str, Any]]:
    return {flow["port"]: flow for flow in report["flows"]}


def test_a_client_without_python(fleet: Fleet) -> None:
    ssh_host.without_python(fleet, "client1")
    report = diagnose(fleet, [OPEN, CLOSED, DROPPED])
    flows = by_port(report)
    assert {port: flow["status"] for port, flow in flows.items()} == {OPEN: "ok", CLOSED: "broken", DROPPED: "broken"}, json.dumps(
        report, indent=1
    )[:6000]
    assert flows[CLOSED]["probes"]["errors"] == {"ECONNREFUSED": 2}
    assert flows[DROPPED]["probes"]["errors"] == {"ETIMEDOUT": 2}
    assert flows[OPEN]["probes"]["connect_ms"] is None  # how long the way to sshd takes is not known
    assert [flows[port]["causes"][0]["code"] for port in (CLOSED, DROPPED)] == ["no_listener", "firewall_drop"]
    assert {cause["certainty"] for flow in flows.values() for cause in flow["causes"]}.isdisjoint({"proven"})
    (unobserved,) = report["unobserved"]
    assert (unobserved["host"], unobserved["kind"]) == ("client1", "python")
    assert unobserved["why"].endswith("observed by SSH alone: its shell and its sshd, without Python")
    answer = json.loads((fleet.directory / "report" / "evidence" / "client1.try.json").read_text())
    assert {probe["via"] for probe in answer["evidence"]["probes"]} == {"sshd"}
    assert "tcp_syn_retries" in " ".join(answer["evidence"]["after"]["sysctls"])


LINGERING = """#!/bin/sh
[ ! -t 0 ] || exec ssh "$@"
head -n 1 | ssh "$@"  # which would take all of a module, and then its command's end may come too late
status=$?
exec <&- >&- 2>&-
sleep 0.3
exit $status
"""
OLD = """#!/bin/sh
[ "$1" != -c ] || exec echo handshake-python 2.7
read line && [ -z "$line" ]  # all that it can read is an empty program
"""


@pytest.mark.parametrize("python", [None, pytest.param(OLD, marks=pytest.mark.slow)], ids=["none", "old"])
def test_a_command_that_ends_before_its_input_was_sent(fleet: Fleet, python: str | None) -> None:
    """A shell that finds no Python reads no module: Ansible calls it a host that is not reached unless ssh ends within a millisecond."""
    lingering, interpreter = fleet.directory / "lingering-ssh", fleet.directory / "python"
    lingering.write_text(LINGERING)
    lingering.chmod(0o755)
    variables: dict[str, Any] = {"ansible_ssh_executable": str(lingering), "ansible_pipelining": True}
    if python:
        interpreter.write_text(python)
        interpreter.chmod(0o755)
        variables["ansible_python_interpreter"] = str(interpreter)
    ssh_host.without_python(fleet, "client1", **variables)
    report = diagnose(fleet, [CLOSED])
    assert [(each["host"], each["kind"]) for each in report["unobserved"]] == [("client1", "python")], report["unobserved"]
    assert ("client1 has Python 2.7" in report["unobserved"][0]["why"]) == bool(python)
    assert by_port(report)[CLOSED]["status"] == "broken"


def test_never(fleet: Fleet) -> None:
    ssh_host.without_python(fleet, "client1")
    report = diagnose(fleet, [OPEN], diagnose_without_python="never", diagnose_fail_on="never")
    assert [flow["status"] for flow in report["flows"]] == ["undetermined"]
    assert "observed by SSH alone" not in report["unobserved"][0]["why"]


@pytest.mark.parametrize(
    ("options", "opens", "looks"),
    [
        pytest.param(("AllowTcpForwarding=no",), (), True, id="forbidden"),
        pytest.param(("AllowTcpForwarding=local",), (OPEN, CLOSED), True, id="local", marks=pytest.mark.slow),
        pytest.param((f"PermitOpen=10.0.2.11:{OPEN}",), (OPEN,), True, id="permit_open", marks=pytest.mark.slow),
        pytest.param(("ForceCommand=echo no",), (OPEN, CLOSED), False, id="force_command", marks=pytest.mark.slow),
    ],
)
def test_what_sshd_allows(fleet: Fleet, options: tuple[str, ...], opens: tuple[int, ...], looks: bool) -> None:
    ssh_host.without_python(fleet, "client1", *options)
    flows = by_port(diagnose(fleet, [OPEN, CLOSED], diagnose_fail_on="never"))
    assert {port for port, flow in flows.items() if flow["probes"]["attempts"]} == set(opens), [
        flow["not_observed"] for flow in flows.values()
    ]
    assert {flow["status"] for port, flow in flows.items() if port not in opens} <= {"undetermined"}
    for port, flow in flows.items():
        said = "\n".join(flow["not_observed"])
        assert (f"10.0.2.11 port {port}: sshd does not connect for us (administratively prohibited)" in said) == (port not in opens)
        assert ("no POSIX shell ran the snapshot commands" in said) != looks


@pytest.mark.skipif(ssh_host.missing(ssh_host.DROPBEAR) is not None, reason=str(ssh_host.missing(ssh_host.DROPBEAR)))
def test_dropbear(fleet: Fleet) -> None:
    ssh_host.without_python(fleet, "client1", server=ssh_host.DROPBEAR)
    report = diagnose(fleet, [OPEN, CLOSED, DROPPED])
    flows = by_port(report)
    assert {port: flow["status"] for port, flow in flows.items()} == {OPEN: "ok", CLOSED: "broken", DROPPED: "broken"}, report["unobserved"]
    assert flows[CLOSED]["probes"]["errors"] == {"ECONNREFUSED": 2}
    assert flows[DROPPED]["probes"]["errors"] == {"ETIMEDOUT": 2}
    ssh_host.without_python(fleet, "client1", "-j", server=ssh_host.DROPBEAR)
    (flow,) = diagnose(fleet, [OPEN], diagnose_fail_on="never")["flows"]
    assert (flow["status"], flow["probes"]["attempts"]) == ("undetermined", 0)
    assert any("(administratively prohibited)" in sentence for sentence in flow["not_observed"]), flow["not_observed"]


def test_a_server_without_python(fleet: Fleet) -> None:
    """Its state is read, so that what listens is known; it has no recording, and so nothing is proven of the way."""
    (fleet.inventory.parent / "host_vars" / "client1.json").unlink(missing_ok=True)
    ssh_host.without_python(fleet, "server1", handshake_address="10.0.2.11")
    try:
        flows = by_port(diagnose(fleet, [OPEN, CLOSED]))
    finally:
        (fleet.inventory.parent / "host_vars" / "server1.json").unlink()
    assert {port: flow["status"] for port, flow in flows.items()} == {OPEN: "ok", CLOSED: "broken"}
    assert flows[CLOSED]["causes"][0]["code"] == "no_listener"
    assert any("server1: recording: it needs Python on the host" in each for each in flows[CLOSED]["not_observed"])


@pytest.mark.parametrize(
    ("variables", "why"),
    [
        ({"ansible_connection": "local"}, "its connection is local, and only an SSH server can connect for us"),
        ({"ansible_shell_type": "powershell"}, "its shell is powershell, not a POSIX shell"),
        ({"ansible_connection": "winrm", "ansible_shell_type": "powershell"}, "its connection is winrm, and only an SSH server"),
        ({"ansible_connection": "ansible.netcommon.network_cli"}, "the connection plugin 'ansible.netcommon.network_cli' was not found"),
        ({"ansible_connection": "community.docker.docker"}, "the connection plugin 'community.docker.docker' was not found"),
    ],
    ids=["local", "powershell", "winrm", "network_cli", "docker"],
)
def test_hosts_that_cannot_do_their_part_are_named(fleet: Fleet, variables: dict[str, str], why: str) -> None:
    ssh_host.without_python(fleet, "client1", handshake_address="10.0.1.11", **variables)
    report = diagnose(fleet, [OPEN], diagnose_fail_on="never")
    (flow,) = report["flows"]
    assert why in "\n".join([*flow["not_observed"], *(each["why"] for each in report["unobserved"])]), flow["not_observed"]
    assert flow["status"] in ("ok", "undetermined")


@pytest.mark.parametrize("server", [ssh_host.SERVER, pytest.param(ssh_host.DROPBEAR, marks=pytest.mark.slow)])
def test_a_client_with_a_password(fleet: Fleet, server: str) -> None:
    pytest.importorskip("paramiko")
    if why := ssh_host.missing(server):
        pytest.skip(why)
    with ssh_host.with_a_password(fleet, "client1", server, handshake_address="10.0.1.11"):
        report = diagnose(fleet, [OPEN, CLOSED, DROPPED])
    flows = by_port(report)
    assert {port: flow["status"] for port, flow in flows.items()} == {OPEN: "ok", CLOSED: "broken", DROPPED: "broken"}, json.dumps(
        report["unobserved"]
    )
    assert (flows[CLOSED]["probes"]["errors"], flows[DROPPED]["probes"]["errors"]) == ({"ECONNREFUSED": 2}, {"ETIMEDOUT": 2})
    assert [flows[port]["causes"][0]["code"] for port in (CLOSED, DROPPED)] == ["no_listener", "firewall_drop"]
    assert ssh_host.PASSWORD not in "".join(path.read_text() for path in (fleet.directory / "report").rglob("*.json"))


def test_a_password_is_another_one_in_each_run() -> None:
    """Its server is reached by everybody on this machine."""
    spec = importlib.util.find_spec(ssh_host.__name__)
    assert spec and spec.loader
    again = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(again)
    assert again.PASSWORD != ssh_host.PASSWORD and len(again.PASSWORD) > 32


@pytest.mark.slow
def test_a_password_goes_to_no_host_whose_key_is_unknown(fleet: Fleet) -> None:
    pytest.importorskip("paramiko")
    strict = "-F none -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o PubkeyAuthentication=no"
    with ssh_host.with_a_password(
        fleet, "client1", handshake_address="10.0.1.11", ansible_host_key_checking=True, ansible_ssh_common_args=strict
    ):
        (flow,) = diagnose(fleet, [OPEN], diagnose_fail_on="never")["flows"]
    assert (flow["status"], flow["probes"]["attempts"]) == ("undetermined", 0)
    assert any("paramiko could not log in: Server '[127.0.0.1]:" in each for each in flow["not_observed"]), flow["not_observed"]


@pytest.mark.slow
def test_paramiko(fleet: Fleet) -> None:
    """Where the controller has it, it tells the same."""
    paramiko = pytest.importorskip("paramiko")
    channels = importlib.import_module("ansible_collections.threeway.handshake.plugins.plugin_utils._act.paramiko_channels")

    ssh_host.without_python(fleet, "client1")
    home = fleet.directory / "ssh-client1"
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        proxy = paramiko.ProxyCommand(str(home / "connect"))
        client.connect(
            "client1", username=ssh_host.USER, key_filename=str(home / "key"), sock=proxy, allow_agent=False, look_for_keys=False
        )
        told = {port: channels.ask(client.get_transport(), "10.0.2.11", port, 1.5)[0] for port in (OPEN, CLOSED, DROPPED)}
    assert {port: (channel.asked, channel.opened, channel.errno) for port, channel in told.items()} == {
        OPEN: (True, True, None),
        CLOSED: (True, False, "ECONNREFUSED"),
        DROPPED: (True, False, None),
    }

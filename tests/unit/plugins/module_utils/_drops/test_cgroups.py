# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Control groups of the test's own with programs that drop everything, as systemd's IPAddressDeny= makes them."""

from __future__ import annotations

import ctypes
import json
import os
import struct
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._drops import bpf_call, cgroups
from ansible_collections.threeway.handshake.plugins.module_utils._drops.absence import Unavailable
from ansible_collections.threeway.handshake.plugins.module_utils._drops.tracer import Tracer
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.wire import FLOW, PORT, SERVER, Wire

pytestmark = pytest.mark.root

BPF_PROG_LOAD, BPF_PROG_ATTACH, CGROUP_SKB, CGROUP_SOCK_ADDR = 5, 8, 8, 18
DROP, ALLOW = (struct.pack("=BBhiBBhi", 0xB7, 0, 0, answer, 0x95, 0, 0, 0) for answer in (0, 1))  # r0 = answer; exit
DIAL = f"import socket; s = socket.socket(); s.settimeout(0.3); s.connect(({SERVER!r}, {PORT}))"


class Group:
    """A service's group within a slice's."""

    def __init__(self) -> None:
        self.slice = os.path.join(cgroups._mounted_at(), f"handshake{os.getpid()}.slice")
        self.service = os.path.join(self.slice, "handshake-test.service")
        os.makedirs(self.service)

    def deny(self, path: str, direction: str) -> None:
        """Attach a program that drops everything; it goes with the group."""
        self._attach(path, CGROUP_SKB, cgroups._HOOKS[direction], f"sd_fw_{direction}", DROP)

    def ask(self, path: str, call: str) -> None:
        """Attach a program that connect() runs, and that leaves the address as it is; it goes with the group."""
        self._attach(path, CGROUP_SOCK_ADDR, cgroups._CONNECT_HOOKS[call], f"lb_{call}", ALLOW)

    @staticmethod
    def _attach(path: str, kind: int, hook: int, name: str, code: bytes) -> None:
        text, licence = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(b"GPL")
        addresses = ctypes.addressof(text), ctypes.addressof(licence)
        order = struct.pack("=IIQQIIQII16sII", kind, 2, *addresses, 0, 0, 0, 0, 0, name.encode(), 0, hook)
        program, group = bpf_call.command(BPF_PROG_LOAD, order), os.open(path, os.O_RDONLY)
        bpf_call.command(BPF_PROG_ATTACH, struct.pack("=IIII", group, program, hook, 0))
        os.close(program)
        os.close(group)

    def within(self) -> list[str]:
        """The beginning of a command that runs in the service's group."""
        return ["sh", "-c", f'echo $$ > {self.service}/cgroup.procs; exec "$@"', "sh"]

    def remove(self) -> None:
        subprocess.run(
            ["sh", "-c", f"for n in 1 2 3 4 5 6 7 8 9; do rmdir {self.service} && break; sleep 0.1; done; rmdir {self.slice}"], check=True
        )


@pytest.fixture
def group() -> t.Iterator[Group]:
    group = Group()
    yield group
    group.remove()


@pytest.fixture
def wire(group: Group) -> t.Iterator[Wire]:
    with Wire() as wire:
        yield wire


def test_the_group_of_a_listener_that_may_not_receive_is_named(wire: Wire, group: Group) -> None:
    group.deny(group.slice, "ingress")
    wire.listen(prefix=group.within())
    with Tracer([FLOW], wire.namespaces["server"]) as tracer:
        wire.knock()
        (event,) = tracer.events()
    assert (event.reason, event.flags, event.cgroup) == ("SOCKET_FILTER", ("SYN",), os.stat(group.service).st_ino)
    assert event.cgroup is not None
    mine = [each for each in cgroups.attached_above(event.cgroup) if each.group != "/"]
    assert [(each.direction, each.name, each.group) for each in mine] == [("ingress", "sd_fw_ingress", f"/{os.path.basename(group.slice)}")]


def test_the_unit_of_a_client_that_may_not_send_is_named(wire: Wire, group: Group) -> None:
    group.deny(group.service, "egress")
    wire.listen()
    with Tracer([FLOW], wire.namespaces["client"]) as tracer:
        subprocess.run([*group.within(), *wire.on("client", sys.executable, "-c", DIAL)], check=False, stderr=subprocess.DEVNULL)
        events = tracer.events()
    assert {(event.reason, event.function, event.cgroup) for event in events} == {
        ("BPF_CGROUP_EGRESS", "ip_finish_output", os.stat(group.service).st_ino)
    }
    assert events[0].cgroup is not None
    (mine,) = [each for each in cgroups.attached_above(events[0].cgroup) if each.group != "/"]
    assert (mine.direction, mine.name, mine.unit) == ("egress", "sd_fw_egress", "handshake-test.service")


def test_what_connect_runs_is_named_for_the_groups_of_who_asks(group: Group) -> None:
    group.ask(group.slice, "connect4")
    group.ask(group.service, "connect6")
    group.deny(group.service, "egress")
    asked = f"import json; from {cgroups.__name__} import connect_hooks; print(json.dumps(connect_hooks()))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run([*group.within(), sys.executable, "-c", asked], env=environment, check=True, capture_output=True, text=True)
    mine = [each for each in json.loads(done.stdout)["programs"] if each["group"] != "/"]
    assert [(each["direction"], each["name"], each["unit"]) for each in mine] == [
        ("connect4", "lb_connect4", None),
        ("connect6", "lb_connect6", "handshake-test.service"),
    ]


@pytest.mark.parametrize(("table", "has"), [("", False), ("TCP  0A000001:1538 rr\n", True), ("FWM  00000001 rr\n", True)])
def test_ipvs_that_is_loaded_need_not_have_services(table: str, has: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "ip_vs"
    file.write_text(
        "IP Virtual Server version 1.2.1 (size=4096)\nProt LocalAddress:Port Scheduler Flags\n  -> RemoteAddress:Port\n" + table
    )
    monkeypatch.setattr(cgroups, "_IPVS", str(file))
    found = cgroups.connect_hooks()
    assert found is not None and found["ipvs"] is has


def test_a_group_that_is_gone_is_unavailable(group: Group) -> None:
    extra = os.path.join(group.service, "inner")
    os.mkdir(extra)
    inode = os.stat(extra).st_ino
    assert [each for each in cgroups.attached_above(inode) if each.group != "/"] == []
    os.rmdir(extra)
    with pytest.raises(Unavailable, match="it may have ended") as caught:
        cgroups.attached_above(inode)
    assert (caught.value.kind, caught.value.value) == ("cgroup", str(inode))

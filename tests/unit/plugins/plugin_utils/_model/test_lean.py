# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lean host answers by itself what distinguishes it from others, and is read again once for all else."""

from __future__ import annotations

from dataclasses import fields

from ansible_collections.threeway.handshake.plugins.plugin_utils._model.evidence import read_host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.lean import Lean, whole
from tests.unit.plugins.plugin_utils.recordings import recorded


class Reader:
    """Reads the server of a recording, and counts how often."""

    def __init__(self) -> None:
        _plan, evidence = recorded("healthy.twin")
        self.answers = {phase: answer["evidence"] for phase, answer in evidence["db1"].items()}
        self.times = 0

    def __call__(self, name: str) -> Host:
        self.times += 1
        return read_host(name, self.answers, {})


def test_what_is_asked_of_every_host_is_kept() -> None:
    read = Reader()
    host = read("db1")
    lean, twin = Lean(host, read), Lean(read("db1"), read)
    host.lacks("routes", "why")
    assert host.snapshot is not None and host.snapshot.own
    assert all(lean.owns(address) for address in host.snapshot.own) and lean.owns("192.0.2.99") is False
    assert lean.is_same_machine(host) and host.is_same_machine(lean) and lean.is_same_machine(twin)
    assert [lean.link(link.name) for link in host.snapshot.links or ()] == list(host.snapshot.links or ())
    assert [absence.what for absence in lean.absent] == ["routes"]
    assert read.times == 2


def test_all_else_is_read_again_once() -> None:
    read = Reader()
    host = read("db1")
    lean = Lean(host, read)
    for each in fields(Host):
        assert type(getattr(lean, each.name)) is type(getattr(host, each.name))
    assert lean.snapshot is not None and host.snapshot is not None and lean.saw_everything
    assert lean.snapshot.counters == host.snapshot.counters
    assert read.times == 2
    lean.observations = None
    assert whole(lean).observations is None and whole(lean) is whole(lean) and whole(host) is host
    assert read.times == 2


def test_of_a_host_that_told_nothing_nothing_is_known() -> None:
    lean = Lean(Host("db1"), Host)
    assert lean.identity is None and lean.owns("192.0.2.1") is None and lean.link("eth0") is None

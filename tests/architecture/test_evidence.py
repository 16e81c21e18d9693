# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hosts tell is documented, and read: what nobody reads is not collected."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._model import (
    drop_records,
    evidence,
    firewall_records,
    hook_records,
    host,
    log_records,
    network_records,
    opening_records,
    probe_records,
    program_records,
    rule_records,
    snapshot,
    socket_records,
    trace_records,
    unit_records,
)
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.many import Many
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.unit.plugins.module_utils.evidence_page import Shape, shapes
from tests.unit.plugins.plugin_utils._decide.test_kernel_drops import EVENT, PROGRAM, dropping
from tests.unit.plugins.plugin_utils._decide.test_led_elsewhere import led
from tests.unit.plugins.plugin_utils._decide.test_logged import logged_by_the_rule, out_of_descriptors
from tests.unit.plugins.plugin_utils._decide.test_traced import DROP, SYN, SYN_ACK, trace, tracing
from tests.unit.plugins.plugin_utils._decide.test_traced import evidence as traced
from tests.unit.plugins.plugin_utils.patched import denied
from tests.unit.plugins.plugin_utils.recordings import NAMES, Phases, recorded
from tests.unit.plugins.plugin_utils.sampled import SAMPLE

MODULES = (
    *(drop_records, evidence, firewall_records, hook_records, host, log_records, network_records, opening_records, probe_records),
    *(program_records, rule_records, snapshot, socket_records, trace_records, unit_records),
)
RECORDS = [
    record
    for module in MODULES
    for record in vars(module).values()
    if dataclasses.is_dataclass(record) and isinstance(record, type) and record.__module__ == module.__name__
]

PEOPLE = "for people who look into evidence"
ON_THE_HOST = "is read there, for what else the host tells"
QUESTION = "belongs to the question, which tells answers apart"
LISTENER_INFO = "is what listener_info tells of a listener"
PROBE = "is what probe tells of an attempt"
KEPT = {
    "Snapshot": {"kernel": PEOPLE, "firewall": "is read apart, as Firewall"},
    "Link": {**dict.fromkeys(("index", "type", "group"), ON_THE_HOST)},
    "Route": dict.fromkeys(("mark", "oif"), QUESTION),
    "PathHop": {"weight": PEOPLE},
    "PolicyRule": {"action": PEOPLE},
    "Hooks": {"ipsec_policies": PEOPLE},
    "BaseChain": {"device": PEOPLE, "priority": PEOPLE},
    "Listener": {"inode": ON_THE_HOST, "cgroup": LISTENER_INFO},
    "Process": {"netns": LISTENER_INFO},
    "Namespace": {"container": PEOPLE},
    "TemporaryListeners": {"count": PEOPLE},
    "Relative": {"sub": PEOPLE},
    "_Recording": {"frames": "are longer than texts of records", "count": "is what recorder tells", "from": "is what recorder tells"},
    "Resolution": {"addresses": PROBE},
    "Probe": {"family": PROBE},
    "TcpInfo": dict.fromkeys(("rtt_us", "options", "mss"), PROBE),
    "LogRecord": dict.fromkeys(("of", "error"), "is what log_info tells of a line"),
    "Drops": dict.fromkeys(("lost", "truncated"), PEOPLE),
    "KernelEvent": dict.fromkeys(("time", "sequence", "namespace", "interface", "cgroup"), PEOPLE),
    "Program": {"identifier": PEOPLE},
    "Missing": dict.fromkeys(("kind", "value"), PEOPLE),
    "Hop": {"rtt_ms": PEOPLE},
}
"""What is told and no record has, by record, and why."""

ROOTS = {
    "A": host.Absence,
    "S": snapshot.Snapshot,
    "F": evidence._Recording,
    "R": probe_records.Resolution,
    "P": probe_records.Probe,
    "H": probe_records.Hop,
    "W": probe_records.SizedConnection,
    "V": probe_records.Pace,
    "TR": trace_records.Tracing,
    "T": trace_records.Trace,
    "D": drop_records.Drops,
    "TL": socket_records.TemporaryListeners,
}


def documented(kind: Any, shape: Shape) -> Iterator[tuple[Any, set[str]]]:
    """The records within ``kind``, each with the fields that the page shows of it."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        if isinstance(shape, dict):
            yield kind, set(shape)
            hints = typing.get_type_hints(kind)
            for name in shape.keys() & hints.keys():
                yield from documented(hints[name], shape[name])
    elif origin in (typing.Union, types.UnionType):
        yield from documented(arguments[0], shape)
    elif origin in (tuple, Many) and shape:
        yield from documented(arguments[0], shape[0])
    elif origin is dict:
        for each in shape.values():
            yield from documented(arguments[1], each)


def test_the_page_shows_what_records_have_and_why_there_is_more() -> None:
    page = shapes()
    assert page.keys() == ROOTS.keys()
    found = [entry for name, kind in ROOTS.items() for entry in documented(kind, page[name])]
    found += documented(firewall_records.Firewall, page["S"]["firewall"])
    for record, shown in found:
        fields, more = {each.name for each in dataclasses.fields(record)}, KEPT.get(record.__name__, {})
        assert shown - fields == more.keys(), record.__name__
        assert fields - shown == set(), record.__name__
    assert KEPT.keys() <= {record.__name__ for record, _shown in found}


class Watched:
    """A field, until somebody reads it."""

    def __init__(self, record: type, name: str, unread: set[str]) -> None:
        self.record, self.name, self.unread = record, name, unread
        self.default = [record.__dict__[name]] if name in record.__dict__ else []
        unread.add(f"{record.__name__}.{name}")
        setattr(record, name, self)

    def __set__(self, instance: object, value: object) -> None:
        instance.__dict__[self.name] = value

    def __get__(self, instance: object, _owner: type) -> object:
        if not (self.copied() or instance is None):
            self.unread.discard(f"{self.record.__name__}.{self.name}")
            self.restore()
        return self.default[0] if instance is None else instance.__dict__[self.name]

    @staticmethod
    def copied() -> bool:
        """Whether a record is compared, copied, or put together, which is no use of its fields."""
        code = sys._getframe(2).f_code
        generated = code.co_filename == "<string>"
        return generated or code.co_name in ("replace", "_replace", "_read_snapshot")

    def restore(self) -> None:
        if self.record.__dict__.get(self.name) is self:
            delattr(self.record, self.name)
            for value in self.default:
                setattr(self.record, self.name, value)


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> tuple[Plan, Phases]:
    """A recording whose snapshots, and what else was told with them, are changed."""
    plan, found = recorded(name)
    for phases in found.values():
        for answer in phases.values():
            for part in ("snapshot", "before", "after"):
                if snapshot := answer["evidence"].get(part):
                    change(snapshot)
    return plan, found


def could_not_connect(snapshot: dict[str, Any]) -> None:
    """The listener is nginx, which logged that it could not connect for the client."""
    pids = [process["pid"] for listener in snapshot.get("listeners") or () for process in listener["processes"]]
    server = {"program": "nginx", "proxy": None, "server": None, "address": "10.0.9.9", "port": 80, "up": False, "status": "111"}
    snapshot["balancers"] = [{**server, "client": "10.0.1.11", "pids": pids, "times": [int(snapshot["time"])]}]


def of_a_session(snapshot: dict[str, Any]) -> None:
    """The listener is an sshd, which has it for a session whose other end does not answer."""
    pids = [process["pid"] for listener in snapshot.get("listeners") or () for process in listener["processes"]]
    session = {"program": "sshd", "address": "10.0.9.9", "port": 50022, "local_port": 22, "unanswered": 3}
    snapshot["tunnels"] = [{**session, "pid": pid} for pid in pids]


def by_instances(snapshot: dict[str, Any]) -> None:
    """systemd listens, and starts an instance of a service for each connection."""
    unit = {"unit": "db.socket", "most": 9, "per_source": 0, "connections": 0, "refused": 0, "log": ["no such table"]}
    listeners = snapshot.get("listeners") or ()
    snapshot["socket_units"] = [{**unit, "port": listener["port"], "address": listener["address"]} for listener in listeners]


def unmanaged(snapshot: dict[str, Any]) -> None:
    """Of a firewall that no fix knows how to change."""
    for verdict in (snapshot.get("firewall") or {}).get("verdicts", ()):
        if verdict["rule"]:
            verdict["rule"]["manager"] = "other"


def unrecorded(name: str, root: bool) -> tuple[Plan, Phases]:
    """Where nothing was recorded, what sockets tell counts."""
    plan, found = changed(name, lambda snapshot: snapshot.update(root=root))
    for phases in found.values():
        for answer in phases.values():
            answer["evidence"].pop("recording", None)
    return plan, found


KERNEL_LINE = {"time": 1.5, "source": "kmsg", "attested": True, "text": "..."}


def cases() -> Iterator[tuple[Plan, Phases]]:
    """Evidence that recordings lack: of systemd, traffic control, traces, machines with a boot; then recordings."""
    unit = {"port": 5432, "unit": "db.service", "how": "declared", "load": "loaded", "active": "failed", "sub": "failed"}
    yield changed("no_listener", lambda snapshot: snapshot.update(units=[{**unit, "result": "exit-code", "log": ["out of space"]}]))
    yield from of_services(unit)
    yield led({"programs": [{**PROGRAM, "direction": "connect4"}], "ipvs": False})
    yield changed("healthy.twin", could_not_connect)
    yield changed("healthy.twin", of_a_session)
    yield changed("application_hangs_up", by_instances)
    yield changed("stale_translation", lambda snapshot: snapshot["hooks"].update(tc=[{"interface": "eth0", "filters": ["bpf"]}]))
    yield denied()
    yield logged_by_the_rule()
    yield out_of_descriptors()
    yield changed(
        "server_link_down", lambda snapshot: snapshot.update(logs=[{**KERNEL_LINE, "kind": "link", "interface": "eth0", "state": "down"}])
    )
    yield changed("address_elsewhere", lambda snapshot: snapshot.update(boot="b", netns=1))
    yield changed("firewall_drop.server-input", unmanaged)
    yield unrecorded("path_icmp_rejected", root=True)
    yield unrecorded("path_drop.syn", root=False)
    drop = {**DROP, "number": 1}
    yield traced(tracing(trace(SYN, hook="output")), tracing(trace(SYN, drop)))
    yield traced(None, tracing(trace(SYN, drop)))
    yield traced(tracing(trace(SYN, hook="output")), tracing(trace(SYN_ACK, drop, hook="output")), "firewall_drop.server-output")
    yield dropping({**EVENT, "programs": [{**PROGRAM, "unit": None}, PROGRAM]})
    yield dropping(EVENT, how="tracepoint")
    yield from map(recorded, sorted(NAMES, key=lambda name: name not in SAMPLE))  # those that have most of what there is are enough


def came_later(snapshot: dict[str, Any], unit: dict[str, Any]) -> None:
    """The unit failed at its start, and the address came after that."""
    snapshot["units"] = [{**unit, "result": "exit-code", "code": "exited", "status": 1, "ran_s": 0.2, "ended_s": 20.0}]
    for each in snapshot["addresses"]:
        each["since_s"] = 25.0


def barred(snapshot: dict[str, Any], unit: dict[str, Any]) -> None:
    """The unit fails at once, and its user may not bind the port."""
    confined = {"user": "nobody", "capable": False, "families": None}
    snapshot["units"] = [{**unit, "active": "failed", "code": "exited", "status": 1, "ran_s": 0.2, "confined": confined}]
    snapshot["sysctls"]["net.ipv4.ip_unprivileged_port_start"] = "6000"


def of_services(unit: dict[str, Any]) -> Iterator[tuple[Plan, Phases]]:
    """Units tied with others, what keeps them from running, and whose port it is."""
    streams = [{"address": "::", "port": 5433}]
    socket = {"unit": "db.socket", "tie": "triggered_by", "active": "active", "sub": "listening", "listens": streams}
    volume = {"unit": "srv.mount", "tie": "requires", "active": "failed", "result": "exit-code", "status": 32, "log": ["no such volume"]}
    holder = {"port": 5432, "state": "ESTABLISHED", "local": "10.0.2.21", "remote": "10.0.2.1", "remote_port": 443}
    holder["process"] = {"pid": 7, "name": "curl", "unit": "batch.service"}
    checked = {**unit, "prepared": {"command": "/bin/false", "status": 1}, "relatives": [volume]}
    for units, holders in (
        ([checked], []),
        ([{**unit, "relatives": [{**volume, "status": None}]}], [holder]),
        ([{**unit, "relatives": [socket]}], []),
        ([{**unit, "active": "active", "listens": streams, "reload": "exit-code"}], []),
        ([{**unit, "active": "active", "unit": "db.socket", "listens": streams}], []),
        ([{**unit, "active": "failed", "unit": "db.socket", "result": "resources", "ended_s": 20.0, "listens": streams}], []),
    ):
        yield changed("no_listener", lambda snapshot, told=units, held=holders: snapshot.update(units=told, port_holders=held))
    by_systemd = {"port": 5432, "address": "127.0.0.1", "unit": "db.socket", "service": "db.service", "files": ["/etc/db.socket"]}
    of_systemd = [{**by_systemd, "device": "eth1", "only_ipv6": True, "free_bind": True, "most": 9, "connections": 9, "refused": 1}]
    yield changed("listener_other_address.loopback", lambda snapshot: snapshot.update(socket_units=of_systemd))
    yield changed("no_listener", lambda snapshot: came_later(snapshot, unit))
    yield changed("no_listener", lambda snapshot: barred(snapshot, unit))
    yield changed(
        "listener_other_address.container",
        lambda snapshot: [each.update(address="::", v6only=True) for each in snapshot.get("other_namespaces") or ()],
    )


def test_every_field_of_a_record_is_read(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Many, "each", lambda self, field: [getattr(record, field) for record in self])  # a field of many is watched, too
    unread: set[str] = set()
    for record in RECORDS:
        for field in dataclasses.fields(record):
            request.addfinalizer(Watched(record, field.name, unread).restore)
    for plan, found in cases():
        decide(plan, found, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z")
        if not unread:
            break
    assert " ".join(sorted(unread)) == ""

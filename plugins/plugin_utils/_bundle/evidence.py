# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A run for others to look at: what the decide layer reads of its evidence, and nothing else, with other names and addresses. Pure.

The records say what a value means. A text is replaced as a name unless it is listed here as one of a vocabulary, or has another meaning.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError

from .._decide.causes.xinetd import network
from .._fix.application import LIMITS, REFUSES
from .._model.drop_records import Drops
from .._model.firewall_records import Firewall
from .._model.host import Absence
from .._model.probe_records import Hop, Probe, Resolution
from .._model.prose import Prose
from .._model.records import IpAddress, Network, RecordError, build
from .._model.snapshot import Snapshot
from .._model.socket_records import TemporaryListeners
from .._model.trace_records import Tracing
from .._plan.captures import PHASE as CAPTURE
from .._plan.plan import Entry, Plan
from .._plan.slices import Run
from . import frames
from .pseudonyms import Pseudonyms

_MALFORMED = "malformed"
_PARTS: Mapping[str, Any] = {
    "snapshot": Snapshot,
    "before": Snapshot,
    "after": Snapshot,
    "resolutions": tuple[Resolution, ...],
    "probes": tuple[Probe, ...],
    "hops": tuple[Hop, ...],
    "temporary_listeners": TemporaryListeners,
    "hops_back": tuple[Hop, ...],
    "absent": tuple[Absence, ...],
    "trace": Tracing,
    "drops": Drops,
}
# The fields of records whose texts are a vocabulary of kernels, systemd or this collection.
_VOCABULARY: Mapping[str, frozenset[str]] = {
    record: frozenset(fields.split())
    for record, fields in {
        "Address": "family flags",
        "BalancedServer": "program status check",
        "BaseChain": "family hook policy type",
        "Chain": "family hook",
        "Confined": "families",
        "Drops": "how",
        "Effect": "kind",
        "Hooks": "iptables_legacy",
        "Hop": "answer",
        "KernelEvent": "kind flags drop_reason function callers",
        "Link": "operstate kind manager port_state",
        "Listener": "family",
        "LogRecord": "kind source flags state module",
        "Missing": "kind",
        "Nameserver": "error tcp",
        "Neighbour": "state",
        "PortHolder": "state",
        "Probe": "stage outcome errno late_errno peer family",
        "Process": "state",
        "Program": "direction",
        "Query": "type",
        "Relative": "tie active result",
        "Relay": "program",
        "Resolution": "error",
        "Rewritten": "direction",
        "Route": "error type",
        "Rule": "family manager",
        "Socket": "state",
        "TcpInfo": "options",
        "Trace": "hook verdict",
        "TraceStep": "family type verdict",
        "TracedPacket": "flags",
        "Tracing": "truncated",
        "TrafficControl": "direction filters",
        "Undecided": "kind otherwise if_so",
        "Unconfigured": "error",
        "Unit": "how load active sub result code reload",
        "Users": "verdict",
        "Verdict": "packet direction verdict state reject_with",
    }.items()
}
_INTERFACES = frozenset(("interface", "iif", "out_interface", "device", "master", "came_by", "leaves_by"))
_USUAL = {
    "table": frozenset(("filter", "nat", "mangle", "raw", "security", "firewalld")),
    "chain": frozenset(("input", "output", "forward", "prerouting", "postrouting", "ingress", "egress")),
    "user": frozenset(("root",)),
    "program": frozenset((*LIMITS, *REFUSES)),
}
_KINDS = {("Users", "names"): "user", ("Process", "name"): "program"}
_INTERFACE = re.compile(r"lo|(?:eth|en[opsx]|wl|ww|bond|team|br|docker|veth|virbr|vlan|tun|tap|wg|dummy|vxlan|v)[0-9a-fnpsv]*(?:\.[0-9]+)?")
_LIMIT = re.compile(r"[a-z ]{1,40}")
_PLAIN = re.compile(r"[*-]|[0-9]+|\([0-9]+\)|(?:hooks\.)?[a-z][a-z0-9_-]*[:,]?")
"""Words of an absence that are no address."""
_AS_USER = "probes as user "
_OF_INTERFACE = re.compile(r"(net\.(?:ipv4|ipv6)\.(?:conf|neigh)\.)(.+)(\.[a-z0-9_]+)")
_EVERY = ("all", "default")


def pseudonyms_for(runs: list[Run], secret: bytes) -> Pseudonyms:
    """Those of all hosts and flows of some runs."""
    hosts = {host for run in runs for host in (*run.plan.parties(), *run.plan.not_in_play)}
    return Pseudonyms(secret, hosts, {entry.flow for run in runs for entry in run.plan.entries})


def pseudonymous(run: Run, pseudonyms: Pseudonyms) -> Run:
    """The run with other names and addresses, which is decided as before."""
    return Run(
        plan=_plan(run.plan, pseudonyms),
        started=run.started,
        controller="",
        source="",
        answers={
            pseudonyms.name("host", host): {phase: _answer(answer, host, pseudonyms) for phase, answer in phases.items()}
            for host, phases in run.answers.items()
        },
    )


def _plan(plan: Plan, pseudonyms: Pseudonyms) -> Plan:
    def host(name: str) -> str:
        return pseudonyms.name("host", name)

    return replace(
        plan,
        entries=tuple(_entry(entry, pseudonyms) for entry in plan.entries),
        not_in_play=tuple(map(host, plan.not_in_play)),
        addresses={host(name): tuple(map(pseudonyms.destination, known)) for name, known in plan.addresses.items()},
        groups={pseudonyms.name("group", group): tuple(map(host, hosts)) for group, hosts in plan.groups.items()},
    )


def _entry(entry: Entry, pseudonyms: Pseudonyms) -> Entry:
    return replace(
        entry,
        flow=pseudonyms.name("flow", entry.flow),
        client=pseudonyms.name("host", entry.client),
        server=None if entry.server is None else pseudonyms.name("host", entry.server),
        via=tuple(pseudonyms.name("host", via) for via in entry.via),
        address=pseudonyms.destination(entry.address),
        source=None if entry.source is None else pseudonyms.destination(entry.source),
        user=None if entry.user is None else _user(entry.user, pseudonyms),
    )


def _user(name: str, pseudonyms: Pseudonyms) -> str:
    return name if name in _USUAL["user"] else pseudonyms.name("user", name)


def _answer(answer: Mapping[str, Any], host: str, pseudonyms: Pseudonyms) -> dict[str, Any]:
    failure = answer.get("failure")
    kept = {name: answer.get(name) for name in ("run", "phase", "seconds", "at")}
    renamed = {"kind": str(failure.get("kind")), "message": pseudonyms.name("text", str(failure.get("message", "")))} if failure else None
    evidence = answer.get("evidence")
    return {
        **kept,
        "host": pseudonyms.name("host", host),
        "failure": renamed,
        "evidence": _evidence(evidence, pseudonyms, answer.get("phase") == CAPTURE) if isinstance(evidence, Mapping) else None,
    }


def _evidence(evidence: Mapping[str, Any], pseudonyms: Pseudonyms, captured: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part, kind in _PARTS.items():
        if evidence.get(part) is not None:
            found[part] = _part(kind, evidence[part], pseudonyms)
            if kind is Snapshot and isinstance(evidence[part], Mapping) and evidence[part].get("firewall") is not None:
                found[part] = {**_mapping(found[part]), "firewall": _part(Firewall, evidence[part]["firewall"], pseudonyms)}
    if evidence.get("recording") is not None:
        found["recording"] = _recording(evidence["recording"], pseudonyms)
    if captured:
        lacks = evidence.get("lacks")
        found.update(point=evidence.get("point") is True, lacks=pseudonyms.name("text", lacks) if isinstance(lacks, str) else None)
    return found


def _mapping(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}


def _part(kind: Any, data: object, pseudonyms: Pseudonyms) -> Any:
    """What is malformed stays so, without what it says."""
    if kind is Snapshot and isinstance(data, Mapping):
        hints = typing.get_type_hints(Snapshot, include_extras=True)
        return {name: _one(hints[name], data[name], "Snapshot", name, pseudonyms) for name in hints.keys() & data.keys()}
    return _one(kind, data, "", "", pseudonyms)


def _one(kind: Any, data: object, record: str, name: str, pseudonyms: Pseudonyms) -> Any:
    try:
        build(kind, data, "")
    except RecordError:
        return _MALFORMED
    return _Writer(pseudonyms).write(kind, data, record, name)


class _Writer:
    """Writes data that fits its records, again as JSON."""

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self.pseudonyms = pseudonyms

    def write(self, kind: Any, data: Any, record: str, name: str) -> Any:
        """``kind``: the annotation of the field ``name`` of a record."""
        if data is None:
            return None
        if dataclasses.is_dataclass(kind):
            return self._record(kind, data)
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is Annotated:
            return self._meant(kind, data)
        if origin in (typing.Union, types.UnionType):
            (wanted,) = (argument for argument in arguments if argument is not types.NoneType)
            return self.write(wanted, data, record, name)
        if origin is tuple:
            return [self.write(arguments[0], each, record, name) for each in data]
        if origin is dict:
            return {self._key(key, name): self.write(arguments[1], each, record, name) for key, each in data.items()}
        if kind is Prose:
            return self.pseudonyms.name("text", data)
        if kind is str:
            return self._text(data, record, name)
        return None if kind is object else data

    def _record(self, kind: Any, data: Mapping[str, Any]) -> dict[str, Any]:
        hints = typing.get_type_hints(kind, include_extras=True)
        names = [field.name for field in dataclasses.fields(kind) if field.init and field.name in data]
        return {name: self.write(hints[name], data[name], kind.__name__, name) for name in names}

    def _meant(self, kind: Any, data: Any) -> Any:
        if kind == IpAddress:
            return self.pseudonyms.address(data)
        return self.pseudonyms.network(data) if kind == Network else data

    def _key(self, key: str, name: str) -> str:
        found = _OF_INTERFACE.fullmatch(key) if name == "sysctls" else None
        return f"{found[1]}{found[2] if found[2] in _EVERY else interface(found[2], self.pseudonyms)}{found[3]}" if found else key

    def _text(self, text: str, record: str, name: str) -> str:
        if (record, name) == ("Absence", "what"):
            return self._absent(text)
        if name in _VOCABULARY.get(record, ()):
            return text
        if name in _INTERFACES or (record, name) == ("Link", "name"):
            return interface(text, self.pseudonyms)
        if name == "mac":
            return self.pseudonyms.mac(text)
        if record == "Snapshot":
            return text if name == "sysctls" and re.fullmatch(r"[-0-9 \t]*", text) else self.pseudonyms.name(name, text)
        if (record, name) in (("Nameserver", "address"), ("Listener", "md5"), ("Resolution", "name"), ("Query", "name")):
            return self.pseudonyms.destination(text)
        if record == "XinetdService" and name in ("only_from", "no_access") and (listed := network(text)):
            return self.pseudonyms.network(str(listed))
        if name == "unit" and "." in text:
            return f"{self.pseudonyms.name('unit', text.rpartition('.')[0])}.{text.rpartition('.')[2]}"
        kind = _KINDS.get((record, name), name)
        return text if text.lower() in _USUAL.get(kind, ()) else self.pseudonyms.name(kind, text)

    def _absent(self, what: str) -> str:
        """What was not observed may name a sysctl of an interface, a user or addresses."""
        if what.startswith("sysctl "):
            return f"sysctl {self._key(what[7:], 'sysctls')}"
        if what.startswith(_AS_USER):
            return f"{_AS_USER}{_user(what.removeprefix(_AS_USER), self.pseudonyms)}"
        return " ".join(word if _PLAIN.fullmatch(word) else self.pseudonyms.destination(word) for word in what.split(" "))


def interface(name: str, pseudonyms: Pseudonyms) -> str:
    """One that is called as kernels and usual programs call them keeps its name."""
    return name if _INTERFACE.fullmatch(name) else pseudonyms.name("if", name)


def _recording(recording: object, pseudonyms: Pseudonyms) -> Any:
    if not isinstance(recording, Mapping) or not isinstance(recording.get("frames"), str):
        return _MALFORMED
    try:
        packed = frames.replaced(recording["frames"], pseudonyms)
    except DecodeError:
        return _MALFORMED
    numbers = {name: recording[name] for name in ("to", "from", "dropped", "count") if isinstance(recording.get(name), int | float)}
    interfaces = recording.get("interfaces")
    named = interfaces.items() if isinstance(interfaces, Mapping) else ()
    limit = recording.get("truncated")
    return {
        **numbers,
        "interfaces": {index: interface(str(name), pseudonyms) for index, name in named if str(index).isdecimal()},
        "frames": packed,
        "truncated": (limit if _LIMIT.fullmatch(str(limit)) else pseudonyms.name("text", str(limit))) if limit else None,
    }

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the texts in records are: a vocabulary, which stays, or names, each with how another one is made. Pure.

What rules and fixes compare with each other, or with names that everybody has, must compare alike in a bundle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from .._decide.causes.units import STARTERS
from .._decide.causes.xinetd import network
from .._fix.programs import PROGRAMS
from .pseudonyms import Pseudonyms

# The fields of records whose texts are a vocabulary of kernels, systemd or this collection.
VOCABULARY: Mapping[str, frozenset[str]] = {
    record: frozenset(fields.split())
    for record, fields in {
        "Address": "flags",
        "AnswerInside": "error",
        "BalancedServer": "program status check call",
        "BaseChain": "family hook policy type",
        "Chain": "family hook",
        "Confined": "families",
        "Drops": "how",
        "Effect": "kind",
        "Hooks": "iptables_legacy",
        "Hop": "answer",
        "InSet": "kind family",
        "IpsecPolicy": "direction",
        "IpsecTemplate": "protocol mode",
        "KernelEvent": "kind flags drop_reason function callers",
        "Limit": "program setting",
        "Link": "operstate kind manager port_state",
        "Listener": "family",
        "LogRecord": "kind source flags state module",
        "Nameserver": "error tcp",
        "Namespace": "kinds",
        "Neighbour": "state",
        "PolicyRule": "family",
        "PortHolder": "state",
        "Probe": "stage errno late_errno peer via",
        "Process": "state",
        "Program": "direction",
        "Query": "type",
        "Redirect": "towards",
        "Relative": "tie active result",
        "Relay": "program",
        "Resolution": "error sources unreadable",
        "Rewritten": "direction",
        "Route": "error type origin encap",
        "Rule": "family manager interfaces",
        "Socket": "state",
        "Trace": "hook verdict",
        "TraceStep": "family type verdict",
        "TracedPacket": "flags",
        "Tracing": "truncated",
        "TurnedAway": "module program",
        "TrafficControl": "direction filters kind",
        "Unconfigured": "error",
        "Undecided": "kind otherwise if_so",
        "Unit": "how load active sub result code reload",
        "Unloaded": "manager",
        "Use": "code leg",
        "Users": "verdict",
        "Verdict": "packet direction verdict state reject_with",
        "WayInside": "error state",
    }.items()
}
NAMES: Mapping[str, Mapping[str, str]] = {
    "Absence": {"what": "absence"},
    "BalancedServer": {"proxy": "proxy", "server": "server"},
    "BaseChain": {"table": "table", "chain": "chain"},
    "Call": {"program": "program"},
    "SshSession": {"program": "program"},
    "Chain": {"table": "table", "chain": "chain"},
    "Confined": {"user": "user"},
    "Denials": {"section": "proxy"},
    "ForeignListener": {"name": "program", "unit": "unit", "container": "container"},
    "HalfOpenOf": {"network": "destination"},
    "InSet": {"set": "set", "table": "table", "file": "file", "commands": "command"},
    "IpsecPolicy": {"source": "destination", "destination": "destination"},
    "Limit": {"section": "proxy", "file": "file"},
    "Link": {"name": "interface"},
    "Lookup": {"program": "program"},
    "Listener": {"md5": "destination", "names": "destination"},
    "LogRecord": {"process": "program", "unit": "unit"},
    "MissedRule": {"full": "set"},
    "Nameserver": {"address": "destination"},
    "Namespace": {"name": "netns"},
    "OwnSetting": {"file": "file"},
    "PolicyRule": {"text": "text"},
    "Preparation": {"command": "command"},
    "Process": {"name": "program", "unit": "unit", "container": "container"},
    "Program": {"name": "bpf", "group": "cgroup", "unit": "unit", "container": "container"},
    "Query": {"name": "destination"},
    "Redirect": {"to": "interface"},
    "Rehearsal": {"digest": "nothing"},  # of names and addresses that are other ones now
    "Relative": {"unit": "unit"},
    "Resolution": {"name": "destination", "user": "user"},
    "Rule": {"table": "table", "chain": "chain"},
    "RuleChange": {"commands": "command", "simple": "command"},
    "Snapshot": {"boot": "boot", "sysctls": "sysctl", "read_only_sysctls": "sysctl_name"},
    "SocketUnit": {"unit": "unit", "service": "unit", "files": "file"},
    "Stream": {"address": "destination"},
    "TraceStep": {"table": "table", "chain": "chain"},
    "Tracer": {"name": "program"},
    "TurnedAway": {"zone": "proxy"},
    "Unconfigured": {"link": "file"},
    "Unit": {"unit": "unit"},
    "UnixSocket": {"path": "file"},
    "Unloaded": {"file": "file"},
    "Use": {"client": "host", "address": "destination"},
    "Users": {"names": "user"},
    "WayInside": {"peer": "interface", "by": "interface"},
    "WrappedProgram": {"program": "program"},
    "WrapperRule": {"file": "file", "daemons": "daemon", "clients": "client"},
    "XinetdService": {"service": "program", "file": "file", "only_from": "listed", "no_access": "listed", "bind": "listed"},
}
"""Record -> field -> kind of name."""
INTERFACES = frozenset(("interface", "iif", "in_interface", "out_interface", "device", "master", "came_by", "leaves_by"))
_ORIGIN = {"bridge": "interface", "file": "file", "command": "command", "because": "text", "item": "text"}
_ORIGIN_WORDS = ("part",)
_USUAL = {
    "table": frozenset(("filter", "nat", "mangle", "raw", "security", "firewalld")),
    "chain": frozenset(("input", "output", "forward", "prerouting", "postrouting", "ingress", "egress")),
    "user": frozenset(("root",)),
    "program": frozenset((*PROGRAMS, *STARTERS)),
    "file": frozenset(("/etc/hosts.allow", "/etc/hosts.deny")),
}
_INTERFACE = re.compile(r"lo|(?:eth|en[opsx]|wl|ww|bond|team|br|docker|veth|virbr|vlan|tun|tap|wg|dummy|vxlan|v)[0-9a-fnpsv]*(?:\.[0-9]+)?")
_PLAIN = re.compile(r"[*-]|[0-9]+|\([0-9]+\)|(?:hooks\.)?[a-z][a-z0-9_-]*[:,]?")
"""Words of an absence that are no address."""
_AS_USER = "probes as user "
_OF_INTERFACE = re.compile(r"(net\.(?:ipv4|ipv6)\.(?:conf|neigh)\.)(.+)(\.[a-z0-9_]+)")
_EVERY = ("all", "default")
_WRAPPERS = ("ALL", "EXCEPT", "LOCAL", "KNOWN", "UNKNOWN", "PARANOID")  # words of hosts_access(5)
_OCTETS = re.compile(r"(?:[0-9]{1,3}\.){1,3}")


def written(text: str, record: str, name: str, pseudonyms: Pseudonyms) -> str:
    """A text in a field of a record, as a bundle has it. TypeError for a field of which nobody has said what it is."""
    if name in VOCABULARY.get(record, ()):
        return text
    if name in INTERFACES:
        return interface(text, pseudonyms)
    if name == "mac":
        return pseudonyms.mac(text)
    if name not in NAMES.get(record, {}):
        raise TypeError(f"the text {record}.{name} has no pseudonymous form")
    return renamed(NAMES[record][name], text, pseudonyms)


def renamed(kind: str, text: str, pseudonyms: Pseudonyms) -> str:
    """Another name of this kind."""
    if kind in _WRITERS:
        return _WRITERS[kind](text, pseudonyms)
    usual = _USUAL.get(kind, ())
    return text if text in usual or text.lower() in usual else pseudonyms.name(kind, text)


def origin(data: object, pseudonyms: Pseudonyms) -> object:
    """Where a rule comes from: fixes ask for the zone, the file and the number there."""
    if not isinstance(data, Mapping):
        return None
    return {str(key): _of_origin(str(key), value, pseudonyms) for key, value in data.items()}


def _of_origin(key: str, value: object, pseudonyms: Pseudonyms) -> object:
    if isinstance(value, str) and key not in _ORIGIN_WORDS:
        return renamed(_ORIGIN.get(key, key), value, pseudonyms)
    return value if isinstance(value, str | bool | int | float) else None


def interface(name: str, pseudonyms: Pseudonyms) -> str:
    """One that is called as kernels and usual programs call them keeps its name."""
    return name if _INTERFACE.fullmatch(name) else pseudonyms.name("if", name)


def sysctl(key: str, pseudonyms: Pseudonyms) -> str:
    """The name of one, which may be of an interface."""
    found = _OF_INTERFACE.fullmatch(key)
    return f"{found[1]}{found[2] if found[2] in _EVERY else interface(found[2], pseudonyms)}{found[3]}" if found else key


def _absence(what: str, pseudonyms: Pseudonyms) -> str:
    """What was not observed may name a sysctl of an interface, a user or addresses."""
    if what.startswith("sysctl "):
        return f"sysctl {sysctl(what[7:], pseudonyms)}"
    if what.startswith(_AS_USER):
        return f"{_AS_USER}{renamed('user', what.removeprefix(_AS_USER), pseudonyms)}"
    return " ".join(word if _PLAIN.fullmatch(word) else pseudonyms.destination(word) for word in what.split(" "))


def _client(pattern: str, pseudonyms: Pseudonyms) -> str:
    """Of TCP wrappers: ``10.0.1.`` is for all addresses that begin so."""
    if pattern in _WRAPPERS:
        return pattern
    if not _OCTETS.fullmatch(pattern):
        return pseudonyms.destination(pattern.replace("[", "").replace("]", ""))
    octets = pattern.split(".")[:-1]
    try:
        other = pseudonyms.network(f"{'.'.join([*octets, *['0'] * (4 - len(octets))])}/{8 * len(octets)}")
    except ValueError:  # which no address begins with
        return pattern
    return ".".join([*other.split(".")[: len(octets)], ""])


def _daemon(pattern: str, pseudonyms: Pseudonyms) -> str:
    name, at, end = pattern.partition("@")
    return f"{name if name in _WRAPPERS else renamed('program', name, pseudonyms)}{at}{_client(end, pseudonyms)}"


def _file(path: str, pseudonyms: Pseudonyms) -> str:
    """What is configuration stays in /etc."""
    name = pseudonyms.name("file", path)
    return path if path in _USUAL["file"] else f"/etc/{name}" if path.startswith("/etc/") else name


def _listed(text: str, pseudonyms: Pseudonyms) -> str:
    """In a list of xinetd's."""
    known = network(text)
    return pseudonyms.network(str(known)) if known else pseudonyms.name("listed", text)


def _sysctl(value: str, pseudonyms: Pseudonyms) -> str:
    return value if re.fullmatch(r"[-0-9 \t]*", value) else pseudonyms.name("sysctl", value)


def _sysctl_name(name: str, pseudonyms: Pseudonyms) -> str:
    return sysctl(name, pseudonyms) if name.startswith(("fs.", "net.")) else pseudonyms.name("sysctl", name)


def _unit(name: str, pseudonyms: Pseudonyms) -> str:
    """Units are called as their programs, and instances as their template."""
    if "." not in name:
        return pseudonyms.name("unit", name)
    head, _dot, suffix = name.rpartition(".")
    stem, at, instance = head.partition("@")
    return f"{renamed('program', stem, pseudonyms)}{at}{pseudonyms.name('instance', instance)}.{suffix}"


_WRITERS: Mapping[str, Callable[[str, Pseudonyms], str]] = {
    "absence": _absence,
    "client": _client,
    "daemon": _daemon,
    "destination": lambda text, pseudonyms: pseudonyms.destination(text),
    "file": _file,
    "interface": interface,
    "listed": _listed,
    "nothing": lambda _text, _pseudonyms: "",
    "sysctl": _sysctl,
    "sysctl_name": _sysctl_name,
    "unit": _unit,
}

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Ask the kernel how it would route a packet (RTM_GETROUTE, linux/rtnetlink.h), and find the policy rule that led there."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import typing as t

from .._errors import ObserveError
from .._wire.netlink import Netlink, NetlinkError, attribute, attributes, unpack
from .links import FAMILIES, address_bytes, address_text
from .policy_rules import Packet, Rule
from .route_tables import (
    NUMBER,
    ORIGINS,
    ROUTE,
    RTA_DST,
    RTA_NH_ID,
    RTA_SRC,
    RTA_TABLE,
    RTM_GETROUTE,
    TYPES,
    Entry,
    dump,
    encap_of,
    gateway_of,
    hop_order,
    most_specific,
    multipath,
    number_of,
    only_from,
)

RTM_F_LOOKUP_TABLE, RTM_F_FIB_MATCH = 0x1000, 0x2000
RTA_IIF, RTA_OIF, RTA_PREFSRC, RTA_METRICS, RTA_MULTIPATH = 3, 4, 7, 8, 9
RTA_MARK, RTA_ENCAP_TYPE, RTA_UID, RTA_IP_PROTO, RTA_SPORT, RTA_DPORT = 16, 21, 25, 27, 28, 29
RTAX_MTU = 2
LOCAL_TABLE = 255
MOST_PORTS = 8  # for which a way is asked for, where rules look at ports
REFUSALS = {"blackhole": "EINVAL", "unreachable": "EHOSTUNREACH", "prohibit": "EACCES"}  # fib_props in net/ipv4/fib_semantics.c
RULE_REFUSALS = {"blackhole": "EINVAL", "unreachable": "ENETUNREACH", "prohibit": "EACCES"}  # fib4_rule_action

_ANY = {socket.AF_INET: bytes(4), socket.AF_INET6: bytes(16)}
_PORT = struct.Struct("!H")
_WAY = ("interface", "gateway", "table", "prefix")

Answer = t.Dict[str, t.Any]


class Question(t.NamedTuple):
    """How would TCP from `local` to `remote` leave, or, with `iif`, TCP from `remote` to `local` that arrives on `iif` go on?

    `local` may be None (the kernel chooses) without `iif`. `uid` None: that of this process. `oif`: the socket is bound to that
    device or VRF. The ports matter to rules that ask for ports only.
    """

    local: str | None
    remote: str
    mark: int = 0
    uid: int | None = None
    iif: str | None = None
    oif: str | None = None
    local_port: int | None = None
    remote_port: int | None = None

    @property
    def ends(self) -> tuple[str | None, str, int | None, int | None]:
        """Source, destination, source port and destination port of the packet that is asked for."""
        if self.iif is None:
            return self.local, self.remote, self.local_port, self.remote_port
        if self.local is None:
            raise ObserveError(f"a packet from {self.remote} that arrives on {self.iif} has no destination: local is missing")
        return self.remote, self.local, self.remote_port, self.local_port


def answer(netlink: Netlink, question: Question, indices: t.Mapping[str, int], rules: t.Sequence[Rule]) -> Answer:
    """The question's fields and the kernel's answer, as docs/evidence.md says. `indices`: the links' indices by name.

    A refusal is an answer (`error`); ObserveError when the question itself cannot be put.
    """
    first = _answer(netlink, question, indices, rules)
    chosen = first["source"] if question.local is None and question.iif is None and not first["error"] else None
    if chosen is None or ":" in chosen or not any(rule.source and ":" not in rule.source for rule in rules):
        return first
    # connect() looks the route up once more for the source that it has chosen (ip_route_connect()); for IPv6, it does not.
    again = _answer(netlink, question._replace(local=chosen), indices, rules)
    return {**again, "local": None, "sourceless": None if _one_way(first, again) else {name: first[name] for name in _WAY}}


def _one_way(one: Answer, other: Answer) -> bool:
    """Whether packets leave alike by both, be it by routes of two tables, of whose next hops the kernel chooses one each time."""
    if one["multipath"] or other["multipath"]:
        return bool(one["multipath"] == other["multipath"])
    return all(one[name] == other[name] for name in ("interface", "gateway"))


def _answer(netlink: Netlink, question: Question, indices: t.Mapping[str, int], rules: t.Sequence[Rule]) -> Answer:
    names = {index: name for name, index in indices.items()}
    result: Answer = dict(question._asdict())
    result.update(error=None, type=None, interface=None, gateway=None, source=None, table=None, prefix=None, mtu=None)
    result.update(encap=None, multipath=[], rule=None, origin=None, nexthop=None, instead_of=None, others=[], sourceless=None, only_from=[])
    try:
        result.update(_parse(_ask(netlink, question, indices, RTM_F_LOOKUP_TABLE), names))
        result["source"] = result["source"] or (question.local if question.iif is None else None)
    except NetlinkError as error:
        result["error"] = error.name
        if question.iif is None:
            result.update(_refusing(question, error.name, rules))
            if error.name == "ENETUNREACH" and ":" in question.remote:
                result["only_from"] = only_from(question.remote)
            return result
        ahead = _ahead_of_local(question, rules)
        if len(ahead) == 1:
            result.update(rule=ahead[0].priority, table=ahead[0].table)
        return result
    try:
        matched = _parse(_ask(netlink, question, indices, RTM_F_LOOKUP_TABLE | RTM_F_FIB_MATCH), names)
        result.update({name: matched[name] for name in ("prefix", "multipath", "origin", "nexthop")})
        if not matched["multipath"] and matched["gateway"] != result["gateway"]:  # an ICMP redirect knows better than the table
            result["instead_of"] = matched["gateway"]
        if result["origin"] == "ra":
            result["others"] = _others(result)
    except NetlinkError:  # some answers stand in no table
        pass
    result["rule"] = _leading_rule(question, result, rules)
    return result


def by_port(questions: t.Sequence[Question], ports: t.Sequence[int], rules: t.Sequence[Rule]) -> list[Question]:
    """The same questions for each port at either end, where a policy rule asks for ports."""
    if not any(rule.source_ports or rule.destination_ports for rule in rules):
        return []
    return [
        each
        for question in questions
        for port in ports[:MOST_PORTS]
        for each in (question._replace(local_port=port), question._replace(remote_port=port))
    ]


def inward(answer: Answer, rules: t.Sequence[Rule]) -> list[Question]:
    """How a packet that comes back by that way, and an ARP request of its gateway, would be taken in, where a policy rule stands ahead of
    the local table; else nothing can keep them from being."""
    if answer["type"] != "unicast" or answer["iif"] is not None or answer["source"] is None or answer["interface"] is None:
        return []
    ends = {name: answer[name] for name in ("remote", "local_port", "remote_port")}
    questions = [Question(local=answer["source"], iif=answer["interface"], **ends)]
    if answer["gateway"] and (":" in answer["gateway"]) == (":" in answer["source"]):
        questions.append(Question(local=answer["source"], iif=answer["interface"], remote=answer["gateway"]))
    return [question for question in questions if _ahead_of_local(question, rules)]


def _ahead_of_local(question: Question, rules: t.Sequence[Rule]) -> list[Rule]:
    """The rules that the kernel consults before the one that leads to the local table."""
    applying = list(_applying(rules, _packet(question)))
    return list(itertools.takewhile(lambda rule: (rule.action, rule.table) != ("lookup", LOCAL_TABLE), applying))


def _ask(netlink: Netlink, question: Question, indices: t.Mapping[str, int], flags: int) -> bytes:
    source, destination, source_port, destination_port = question.ends
    family, target = address_bytes(destination)
    wanted = attribute(RTA_DST, target) + attribute(RTA_IP_PROTO, bytes([socket.IPPROTO_TCP]))
    source_length = 0
    if source is not None:
        source_family, origin = address_bytes(source)
        if source_family != family:
            raise ObserveError(f"{source} and {destination} are of different address families: no packet goes from one to the other")
        source_length = 8 * len(origin)
        wanted += attribute(RTA_SRC, origin)
    for kind, number in ((RTA_MARK, question.mark or None), (RTA_UID, question.uid)):
        wanted += attribute(kind, NUMBER.pack(number)) if number is not None else b""
    for kind, device in ((RTA_IIF, question.iif), (RTA_OIF, question.oif)):
        if device is not None:
            if device not in indices:
                raise ObserveError(f"there is no interface {device}")
            wanted += attribute(kind, NUMBER.pack(indices[device]))
    for kind, port in ((RTA_SPORT, source_port), (RTA_DPORT, destination_port)):
        wanted += attribute(kind, _PORT.pack(port)) if port is not None else b""
    bodies = netlink.request(RTM_GETROUTE, 0, ROUTE.pack(family, 8 * len(target), source_length, 0, 0, 0, 0, 0, flags) + wanted)
    if not bodies:
        raise ObserveError(f"the kernel gave no answer about the route to {destination}")
    return bodies[0]


def _parse(body: bytes, names: t.Mapping[int, str]) -> Answer:
    family, length, _source_length, _tos, table, protocol, _scope, kind, _flags = unpack(ROUTE, body, "a route")
    about = attributes(body[ROUTE.size :])
    name = TYPES[kind] if kind < len(TYPES) else str(kind)
    mtu = attributes(about.get(RTA_METRICS, b"")).get(RTAX_MTU)
    # IPv6 begins with the hop that it chose this time: a stated order, so that the same route always reads the same.
    hops = sorted(multipath(family, about.get(RTA_MULTIPATH, b""), names), key=hop_order)
    return {
        "type": name,
        "interface": names.get(number_of(about.get(RTA_OIF))),
        "gateway": gateway_of(family, about),
        "source": address_text(family, about[RTA_PREFSRC]) if RTA_PREFSRC in about else None,
        "table": number_of(about.get(RTA_TABLE)) or table,
        "prefix": f"{address_text(family, about.get(RTA_DST, _ANY[family]))}/{length}",
        "mtu": number_of(mtu) or None,
        "encap": encap_of(about.get(RTA_ENCAP_TYPE)),
        "multipath": hops if len(hops) > 1 else [],
        "origin": ORIGINS.get(protocol),
        "nexthop": number_of(about.get(RTA_NH_ID)) or None,
    }


def _packet(question: Question) -> Packet:
    source, destination, source_port, destination_port = question.ends
    uid = os.getuid() if question.uid is None else question.uid
    return Packet(
        source=source,
        destination=destination,
        mark=question.mark,
        uid=uid,
        iif=question.iif or "lo",
        oif=question.oif or "",
        source_port=source_port or 0,
        destination_port=destination_port or 0,
    )


def _leading_rule(question: Question, result: Answer, rules: t.Sequence[Rule]) -> int | None:
    """The priority of the first rule that applies and names the answer's table; None when that is not known."""
    packet = _packet(question)
    length = int(result["prefix"].rpartition("/")[2]) if result["prefix"] else None
    named = {rule.table for rule in rules if rule.action == "lookup" and not rule.l3mdev}
    for rule in _applying(rules, packet):
        leads = result["table"] not in named if rule.l3mdev else rule.table == result["table"]
        if rule.goto is not None:
            return None
        if rule.action != "lookup" or not leads:
            continue
        if rule.group or (rule.suppress is not None and length is None):
            return None
        if rule.suppress is None or length is None or length > rule.suppress:
            return rule.priority
    return None


def _refusing(question: Question, error: str, rules: t.Sequence[Rule]) -> Answer:
    """Which rule or route refuses with this error, as far as that is known: IPv4's kernel answers with the error alone.

    A route of type throw has the next rules tried: it matters where these lead nowhere.
    """
    if error not in (*REFUSALS.values(), *RULE_REFUSALS.values()):
        return {}
    packet = _packet(question)
    routes: dict[int, Entry] | None = None
    thrown: Answer = {}
    for rule in _applying(rules, packet):
        if RULE_REFUSALS.get(rule.action) == error:
            return {"type": rule.action, "rule": rule.priority}
        if rule.action == "nop":
            continue
        if rule.action != "lookup" or rule.l3mdev or rule.group:
            return {}
        if routes is None:
            routes = most_specific(packet.destination)
        found = routes.get(rule.table)
        if found and found.type in (*REFUSALS, "throw") and (rule.suppress is None or found.length > rule.suppress):
            about = {name: getattr(found, name) for name in ("type", "prefix", "origin", "nexthop")}
            if REFUSALS.get(found.type) == error:
                return {**about, "table": rule.table, "rule": rule.priority}
            if error == "ENETUNREACH" and not thrown and found.type == "throw":
                thrown = {**about, "table": rule.table, "rule": rule.priority}
    return thrown


def _others(result: Answer) -> list[str]:
    """The gateways that other routes to the same prefix in the same table have; those of tables that are too large are not reported."""
    family, prefix = (socket.AF_INET6 if ":" in result["prefix"] else socket.AF_INET), result["prefix"]
    found: list[str] = []
    for body in dump(family) or ():
        each = _parse(body, {})
        hops = each["multipath"] or [each]
        if each["table"] == result["table"] and each["prefix"] == prefix and each["type"] == "unicast":
            found += [hop["gateway"] for hop in hops if hop["gateway"] not in (None, result["gateway"], *found)]
    return found


def _applying(rules: t.Sequence[Rule], packet: Packet) -> t.Iterator[Rule]:
    family = FAMILIES[socket.AF_INET6 if ":" in packet.destination else socket.AF_INET]
    return (rule for rule in rules if rule.family == family and rule.applies(packet))

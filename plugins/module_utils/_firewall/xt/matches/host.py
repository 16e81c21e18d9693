# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Matches on this host: addresses, routes, sockets (net/netfilter/xt_addrtype.c, xt_owner.c, xt_policy.c, ipt_rpfilter.c)."""

from __future__ import annotations

import grp
import ipaddress
import os
import pwd
import typing as t

from ...._errors import DecodeError
from ...evaluation import Evaluation
from ...packet import Link, Packet
from ...receivers import listening
from .. import condition
from ..condition import Answer, Builder, Condition, Place, Seen, Test, Unknown
from ..syntax import Clause, Option

_ARPHRD_LOOPBACK = 772
_TYPES = {
    "UNSPEC", "UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT", "THROW", "NAT", "XRESOLVE",
}  # fmt: skip


def _addrtype(clause: Clause, place: Place) -> list[Condition]:
    conditions = []
    for option in clause.options:
        if option.name in ("limit-iface-in", "limit-iface-out"):
            continue
        if option.name not in ("src-type", "dst-type"):
            raise DecodeError(f"-m addrtype --{option.name}: we do not model it")
        wanted = set(option.value.upper().split(","))
        if not wanted <= _TYPES:
            raise DecodeError(f"{option.value[:60]!r} is no type of addresses")
        limit = "in" if clause.get("limit-iface-in") else "out" if clause.get("limit-iface-out") else None
        text = f"-m addrtype {option.text}" + (f" --limit-iface-{limit}" if limit else "")
        conditions.append(Condition(text, _address_type(option.name == "src-type", wanted, limit, text), option.negated))
    return conditions


def _address_type(is_source: bool, wanted: set[str], limit: str | None, text: str) -> Test:
    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        value = condition.source(packet) if is_source else condition.destination(packet)
        if not isinstance(value, bytes):
            return condition.unknown_field(packet, text)
        link = packet.iif if limit == "in" else packet.oif if limit == "out" else None
        if limit and link is None:
            return condition.unknown_field(packet, text)
        if packet.family == 4:
            return _type4(evaluation.facts, value, link) in wanted
        return _type6(evaluation.facts, value, link, wanted)

    return test


def _type4(facts: t.Any, address: bytes, link: Link | None) -> str:
    """inet_addr_type_dev_table: what the local table says of it, of one interface where that is asked for."""
    if address in (bytes(4), b"\xff" * 4):
        return "BROADCAST"
    if address[0] & 0xF0 == 0xE0:
        return "MULTICAST"
    number = ipaddress.IPv4Address(address)
    for own, length in facts.addresses(link.name if link else None):
        if len(own) != 4:
            continue
        network = ipaddress.IPv4Network((own, length), strict=False)
        if address == own or (own[0] == 127 and number in network):
            return "LOCAL"
        if length < 31 and number == network.broadcast_address:
            return "BROADCAST"
    if link is None:
        found = facts.route(address)["type"]
        return found.upper() if found in ("local", "broadcast", "anycast") else "UNICAST"
    return "UNICAST"


def _type6(facts: t.Any, address: bytes, link: Link | None, wanted: set[str]) -> bool:
    """match_type6: every type that is asked for must hold of multicast, unicast and unspecified; one of the routing table's is enough."""
    number = ipaddress.IPv6Address(address)
    if "MULTICAST" in wanted and not number.is_multicast:
        return False
    if "UNICAST" in wanted and (number.is_multicast or number.is_unspecified):
        return False
    if "UNSPEC" in wanted and not number.is_unspecified:
        return False
    if not wanted & {"LOCAL", "ANYCAST", "UNREACHABLE"}:
        return True
    if link is not None and "LOCAL" in wanted and any(address == own for own, _length in facts.addresses(link.name)):
        return True
    answer = facts.route(address, oif=link.name if link else None)
    if answer["error"]:
        return "UNREACHABLE" in wanted
    local = link is None and (answer["type"] == "local" or any(address == own for own, _length in facts.addresses()))
    return ("LOCAL" in wanted and local) or ("ANYCAST" in wanted and answer["type"] == "anycast")


# -- owner


def _owner(clause: Clause, place: Place) -> list[Condition]:
    conditions = []
    for option in clause.options:
        text = "-m owner " + option.text
        if option.name == "suppl-groups":
            continue
        if option.name == "socket-exists":
            conditions.append(Condition(text, _has_socket, option.negated, _seen_socket))
        elif option.name in ("uid-owner", "gid-owner"):
            conditions.append(Condition(text, _owned(option, clause), option.negated, _seen_owner(option)))
        else:
            raise DecodeError(f"-m owner --{option.name}: we do not model it")
    return conditions


def _has_socket(packet: Packet, evaluation: Evaluation) -> Answer:
    return condition.unknown_field(packet, "-m owner --socket-exists") if packet.has_socket is None else packet.has_socket


def _seen_socket(packet: Packet) -> str | None:
    return "no socket of this host" if packet.has_socket is False else None


def _owned(option: Option, clause: Clause) -> Test:
    user = option.name == "uid-owner"
    low, high = _identities(option.value, user)
    supplementary = not user and clause.get("suppl-groups") is not None
    reason = "-m owner " + Option(option.name, option.values).text

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if packet.has_socket is False:
            return False
        owner = packet.uid if user else packet.gid
        if owner is None or packet.has_socket is None:
            return condition.unknown_field(packet, reason)
        return low <= owner <= high or (condition.unknown_field(packet, reason) if supplementary else False)

    return test


def _seen_owner(option: Option) -> Seen:
    def seen(packet: Packet) -> str | None:
        if packet.has_socket is False:
            return "no socket of this host"
        owner = packet.uid if option.name == "uid-owner" else packet.gid
        return None if owner is None else f"{option.name[:3]} {owner}"

    return seen


def _identities(value: str, user: bool) -> tuple[int, int]:
    """A number, a range of numbers, or a name."""
    if value.replace("-", "", 1).isdigit():
        return condition.number_range(value, separator="-", greatest=0xFFFFFFFF)
    try:
        identity = pwd.getpwnam(value).pw_uid if user else grp.getgrnam(value).gr_gid
    except (KeyError, ValueError):
        raise DecodeError(f"this host knows no {'user' if user else 'group'} {value[:40]!r}") from None
    return identity, identity


# -- the way back


def _rpfilter(clause: Clause, place: Place) -> list[Condition]:
    names = {option.name for option in clause.options}
    if not names <= {"loose", "validmark", "accept-local", "invert"}:
        raise DecodeError("-m rpfilter with an option that we do not model")

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        link = packet.iif
        if link is None:
            return condition.unknown_field(packet, condition.whole(clause))
        if link.type == _ARPHRD_LOOPBACK:
            return True
        local = any(packet.destination == own for own, _length in evaluation.facts.addresses())
        mark = (packet.mark or 0) if "validmark" in names else 0
        answer = evaluation.facts.route(packet.source, packet.destination if local else None, mark)
        if answer["error"] or not (answer["type"] == "unicast" or (answer["type"] == "local" and "accept-local" in names)):
            return False
        return "loose" in names or answer["interface"] in (link.name, link.master)

    return [Condition(condition.whole(clause), test, "invert" in names)]


def _cgroup(clause: Clause, place: Place) -> list[Condition]:
    unknown = Unknown(condition.whole(clause))
    return [Condition(condition.whole(clause), lambda packet, evaluation: False if packet.has_socket is False else unknown)]


def _socket(clause: Clause, place: Place) -> list[Condition]:
    """Of a SYN, the socket that listens where it goes; one that listens on all addresses counts with --nowildcard only (xt_socket.c)."""
    text = condition.whole(clause)
    unknown = Unknown(f"whether a socket of this host takes it ({text})", (place.rule, text))
    wildcard, transparent = clause.get("nowildcard") is not None, clause.get("transparent") is not None

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        found = listening(packet, evaluation.facts, packet.destination, packet.destination_port) if packet.kind == "syn" else None
        if found is None:
            return unknown
        fitting = [each for each in found if wildcard or each.address is not None]
        answers = {each.transparent if transparent else True for each in fitting} or {False}
        answer = answers.pop() if len(answers) == 1 and (len(fitting) == len(found) or not fitting) else None
        return unknown if answer is None else answer

    return [Condition(text, test, False, lambda packet: None)]


def _policy(clause: Clause, place: Place) -> list[Condition]:
    """Where nothing comes or goes through IPsec, every packet matches --pol none and no other one."""
    option, way = clause.get("pol"), clause.get("dir")
    if option is None or option.value not in ("none", "ipsec"):
        raise DecodeError("-m policy without --pol")
    text = condition.whole(clause)

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        ipsec = evaluation.facts.ipsec()
        used = ipsec.outward if way is not None and way.value == "out" else ipsec.inward
        return option.value == "none" if used is False else condition.unknown_field(packet, text)

    return [Condition(text, test, False, lambda packet: "no IPsec" if option.value == "ipsec" else None)]


def _cpu(option: Option, place: Place) -> tuple[Test, Seen | None]:
    """Which CPU takes the packet is only known where there is no such CPU, or no other."""
    wanted, count = condition.number(option.value), os.sysconf("SC_NPROCESSORS_CONF")

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if wanted >= count > 0:
            return False
        return count == 1 or Unknown(f"which CPU takes the packet (-m cpu --cpu {wanted})")

    return test, None


BUILDERS: dict[str, Builder] = {
    "addrtype": _addrtype,
    "owner": _owner,
    "rpfilter": _rpfilter,
    "cgroup": _cgroup,
    "socket": _socket,
    "policy": _policy,
    "cpu": condition.per_option("-m cpu ", {"cpu": _cpu}),
}

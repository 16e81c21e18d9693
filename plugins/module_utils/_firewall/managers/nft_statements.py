# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Evaluate rules of nft as they are written, for one SYN, without loading them: the few words that most rules are made of. See nft(8).

What is not understood is unknown. `nft` itself is not asked: it has the kernel load modules, even where it only checks a file.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import typing as t

Words = t.List[str]
Packet = t.Mapping[str, t.Any]  # source, source_port, destination, port, interface, out_interface
Test = t.Callable[[str, Packet], t.Optional[bool]]  # of one value
ACCEPT = "accept"
_ENDS = ("accept", "drop", "reject", "return", "queue", "jump", "goto")
_MAY_END = {*_ENDS[1:], "vmap", "map", "synproxy", "fwd", "dnat", "snat", "masquerade", "redirect", "tproxy", "notrack"}
_OTHER_PROTOCOLS = ("udp", "udplite", "icmp", "icmpv6", "ipv6-icmp", "igmp", "sctp", "dccp", "gre", "esp", "ah", "comp", "vrrp", "ospf")
_OTHER_HEADERS = ("udp", "udplite", "icmp", "icmpv6", "igmp", "sctp", "dccp")
_STATES = ("new", "established", "related", "invalid", "untracked")
_LOG_OPTIONS = ("prefix", "level", "group", "snaplen", "queue-threshold", "flags")


class Read(t.NamedTuple):
    """`matches` None: unknown. `end`: accept, drop, jump ...; None: on with the next rule; "?": it may be anything."""

    matches: bool | None
    end: str | None
    target: str = ""


def read(rule: t.Sequence[str], packet: Packet) -> Read:
    """What a rule does to a SYN that opens a connection."""
    words, at = [word for word in rule if word != "meta"], 0
    version = _version_of(packet)
    while at < len(words):
        begins = at
        if words[at] in _ENDS:
            return _end(words[at:])
        if words[at] in _OTHER_HEADERS or _VERSIONS.get(words[at], version) != version:
            return Read(False, None)  # nft itself asks for the header first, whatever its fields are compared with
        if words[at] in ("counter", "log", "comment"):
            at = _behind(words, at)
            continue
        test, at = _condition(words, at)
        if test is None:
            return _unknown(words[begins:])
        if words[at : at + 2] == ["vmap", "{"]:
            return _mapped(words[at + 1 :], test, packet)
        holds, at = _holds(words, at, test, packet)
        if holds is None:
            return _unknown(words[begins:])
        if not holds:
            return Read(False, None)
    return Read(True, None)


def _end(words: Words) -> Read:
    if words[0] not in ("jump", "goto"):
        return Read(True, words[0])
    target = words[1] if len(words) > 1 else "{"
    return Read(True, "?") if target == "{" else Read(True, words[0], target.strip('"'))


def _unknown(words: Words) -> Read:
    """A rule from its first unknown word on: one that can only accept, or end nothing, stops nobody."""
    return Read(None, "?" if _MAY_END.intersection(words) else ACCEPT if ACCEPT in words else None)


def _behind(words: Words, at: int) -> int:
    """The place after a statement that changes nothing."""
    word, at = words[at], at + 1
    if word == "comment":
        return at + 1
    options = ("packets", "bytes", "name") if word == "counter" else _LOG_OPTIONS
    while at < len(words) and words[at] in options:
        at += 2
        while at < len(words) and words[at] == ",":
            at += 2
    return at


def _condition(words: Words, at: int) -> tuple[Test | None, int]:
    """What a value after these words is tested for, and where the values begin."""
    two = " ".join(words[at : at + 2])
    return (_BY_TWO[two], at + 2) if two in _BY_TWO else (_BY_ONE.get(words[at]), at + 1)


def _holds(words: Words, at: int, test: Test, packet: Packet) -> tuple[bool | None, int]:
    """Whether one of the values is the packet's, and the place after them."""
    negated = words[at : at + 1] == ["!="]
    at += negated or words[at : at + 1] == ["=="]
    if at >= len(words):
        return None, at
    values, at = _set(words, at) if words[at] == "{" else _list(words, at)
    found = _any([test(value.strip('"'), packet) for value in values])
    return (found is not negated if found is not None else None), at


def _any(answers: t.Sequence[bool | None]) -> bool | None:
    return True if True in answers else None if None in answers or not answers else False


def _list(words: Words, at: int) -> tuple[list[str], int]:
    """Values with commas between them, as states may be."""
    values, at = [words[at]], at + 1
    while at + 1 < len(words) and words[at] == ",":
        values, at = [*values, words[at + 1]], at + 2
    return values, at


def _set(words: Words, at: int) -> tuple[list[str], int]:
    """The values within braces; one of several words, which is no plain value, as one."""
    end = words.index("}", at) if "}" in words[at:] else len(words)
    values = " ".join(words[at + 1 : end]).split(",")
    return [value.strip() for value in values if value.strip()], end + 1


def _mapped(words: Words, test: Test, packet: Packet) -> Read:
    """`vmap { 22 : accept, 80 : drop }`"""
    found = Read(False, None)
    for value in _set(words, 0)[0]:
        key, _colon, end = (part.strip() for part in value.partition(":"))  # an address of IPv6 has more of them: it stays unknown
        holds = test(key.strip('"'), packet)
        if holds is None or end.split()[:1] not in [[each] for each in _ENDS]:
            return Read(None, "?")
        found = _end(end.split()) if holds else found
    return found


def _port(of: str) -> Test:
    def test(value: str, packet: Packet) -> bool | None:
        mine = packet[of]
        first, _dash, last = value.partition("-")
        low, high = _number(first), _number(last or first)
        if low is None or high is None:  # a service, whose name may have dashes
            low = high = _service(value)
        return None if mine is None or low is None or high is None else low <= mine <= high

    return test


def _number(word: str) -> int | None:
    return int(word) if re.fullmatch(r"\d{1,5}", word) else None


def _service(name: str) -> int | None:
    try:
        return socket.getservbyname(name, "tcp") if re.fullmatch(r"[a-z][a-z0-9-]+", name) else None
    except OSError:
        return None


def _address(of: str) -> Test:
    def test(value: str, packet: Packet) -> bool | None:
        mine = ipaddress.ip_address(packet[of])
        first, _dash, last = value.partition("-")
        try:
            if last:
                return int(ipaddress.ip_address(first)) <= int(mine) <= int(ipaddress.ip_address(last))
            return mine in ipaddress.ip_network(first, strict=False)
        except ValueError:
            return None

    return test


def _interface(of: str) -> Test:
    def test(value: str, packet: Packet) -> bool | None:
        mine: str | None = packet[of]
        if mine is None or not re.fullmatch(r"[A-Za-z_][\w.:@-]*\*?", value):
            return None
        return mine.startswith(value[:-1]) if value.endswith("*") else mine == value

    return test


def _protocol(value: str, _packet: Packet) -> bool | None:
    return True if value in ("tcp", "6") else False if value in _OTHER_PROTOCOLS or value.isdigit() else None


def _version(value: str, packet: Packet) -> bool | None:
    return value == f"ipv{_version_of(packet)}" if value in ("ipv4", "ipv6") else None


def _version_of(packet: Packet) -> int:
    return ipaddress.ip_address(packet["source"]).version


def _state(value: str, _packet: Packet) -> bool | None:
    return value == "new" if value in _STATES else None


_VERSIONS = {"ip": 4, "ip6": 6}
_BY_TWO: dict[str, Test] = {
    **{f"{header} {way}": _port(of) for header in ("tcp", "th") for way, of in (("dport", "port"), ("sport", "source_port"))},
    "ip saddr": _address("source"),
    "ip daddr": _address("destination"),
    "ip6 saddr": _address("source"),
    "ip6 daddr": _address("destination"),
    "ct state": _state,
    "ip protocol": _protocol,
    "ip6 nexthdr": _protocol,
}
_BY_ONE: dict[str, Test] = {
    "iifname": _interface("interface"),
    "iif": _interface("interface"),
    "oifname": _interface("out_interface"),
    "oif": _interface("out_interface"),
    "l4proto": _protocol,
    "nfproto": _version,
}

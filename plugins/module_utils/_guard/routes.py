# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Save routes, policy rules and permanent neighbours, as the kernel's own messages (linux/rtnetlink.h)."""

from __future__ import annotations

import re
import socket
import struct
import typing as t

from .._commands import Run
from .._wire.netlink import NETLINK_ROUTE, NLM_F_ACK, NLM_F_DUMP, Netlink, NetlinkError, attribute, attribute_list
from .base import Blobs, GuardError, Json, packed
from .merge import Entry, merge_lists, merge_maps

_NEW, _DELETE, _GET = 0, 1, 2
_CREATE, _EXCLUSIVE, _REPLACE = 0x400, 0x200, 0x100
_ROUTE, _RULE, _NEIGHBOUR = 24, 32, 28  # RTM_NEWROUTE, RTM_NEWRULE, RTM_NEWNEIGH
_ROUTE_HEADER = struct.Struct("=BBBBBBBBI")  # struct rtmsg
_NEIGHBOUR_HEADER = struct.Struct("=BxxxiHBB")  # struct ndmsg
_RULE_HEADER = struct.Struct("=BBBBBxxBI")  # struct fib_rule_hdr
_RTN_LOCAL_KINDS = {2, 3, 5}  # local, broadcast, multicast: they come with addresses
_RTPROT_REDIRECT, _RTPROT_RA = 1, 9
_RTM_F_CLONED, _RTNH_F_ONLINK, _RTNH_F_PERVASIVE = 0x200, 4, 2
_RTA_DST, _RTA_PRIORITY, _RTA_MULTIPATH, _RTA_CACHEINFO, _RTA_TABLE, _RTA_EXPIRES = 1, 6, 9, 12, 15, 23
_NUD_PERMANENT, _NDA_DST, _NDA_LLADDR = 0x80, 1, 2
_FRA_PRIORITY = 6
_RULE_NOTED = 0x1C  # FIB_RULE_UNRESOLVED and what else the kernel notes about a rule in its flags


class Routes:
    """State: the routes of all tables but those that come with addresses, and the policy rules in order."""

    title = "routes and policy rules"
    survives_reboot = False

    def save(self, wanted: bool, blobs: Blobs, run: Run) -> Json:
        """Routes that the network itself announces (router advertisements, redirects) are not ours to keep."""
        with Netlink(NETLINK_ROUTE) as netlink:
            return {
                "routes": sorted(route.hex() for route in _routes(netlink)),
                "rules": [rule.hex() for rule in _rules(netlink)],
                "text": blobs.put(packed(_text(run))),
            }

    def target(self, saved: Json, made: Json, now: Json, blobs: Blobs) -> Json:
        """Route by route. Where others have set a route of their own in place of one that we removed, ours is what comes back."""
        if made is None:
            return saved
        routes = _merged(saved["routes"], made["routes"], now["routes"])
        back = {_key(bytes.fromhex(route)) for route in routes if route not in now["routes"]}
        kept = [
            route for route in routes if route not in now["routes"] or route in saved["routes"] or _key(bytes.fromhex(route)) not in back
        ]
        return {"routes": sorted(kept), "rules": _merged(saved["rules"], made["rules"], now["rules"]), "text": now["text"]}

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """What is new goes first: for one destination and metric the kernel takes one route."""
        with Netlink(NETLINK_ROUTE) as netlink:
            saved, now = [bytes.fromhex(route) for route in record["routes"]], _routes(netlink)
            for route in now:
                if route not in saved:
                    _request(netlink, _ROUTE + _DELETE, 0, route, "a new route cannot be removed")
            _add_routes(netlink, [route for route in saved if route not in now])
            _put_rules_back(netlink, [bytes.fromhex(rule) for rule in record["rules"]])

    def essence(self, record: Json) -> Json:
        """Routes and rules."""
        return [record["routes"], record["rules"]]

    def lines(self, record: Json, blobs: Blobs) -> list[str]:
        """As ip(8) prints them."""
        return blobs.get(record["text"]).decode("utf-8", "replace").splitlines()


class Neighbours:
    """State: neighbours that were set by hand (permanent). What the kernel has learned, it learns again."""

    title = "permanent neighbours"
    survives_reboot = False

    def save(self, wanted: bool, blobs: Blobs, run: Run) -> Json:
        """Family, interface, address and link address of each."""
        with Netlink(NETLINK_ROUTE) as netlink:
            return sorted([family, index, address.hex(), link.hex()] for family, index, address, link in _permanent(netlink))

    def target(self, saved: Json, made: Json, now: Json, blobs: Blobs) -> Json:
        """Address by address."""
        if made is None:
            return saved
        old, new, present = ({tuple(entry[:3]): entry for entry in record} for record in (saved, made, now))
        return sorted(merge_maps(old, new, present).values())

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Set what is missing or differs, and remove what is new."""
        with Netlink(NETLINK_ROUTE) as netlink:
            saved = {(family, index, bytes.fromhex(address), bytes.fromhex(link)) for family, index, address, link in record}
            now = set(_permanent(netlink))
            for entry in now - saved:
                _request(netlink, _NEIGHBOUR + _DELETE, 0, _neighbour(*entry), "a new neighbour cannot be removed")
            for entry in saved - now:
                _request(netlink, _NEIGHBOUR + _NEW, _CREATE | _REPLACE, _neighbour(*entry), "a neighbour cannot be set")

    def essence(self, record: Json) -> Json:
        """All of it."""
        return record

    def lines(self, record: Json, blobs: Blobs) -> list[str]:
        """As ip(8) prints them."""
        names = dict(socket.if_nameindex())
        return [
            f"{socket.inet_ntop(family, bytes.fromhex(address))} dev {names.get(index, index)} lladdr {':'.join(re.findall('..', link))}"
            for family, index, address, link in record
        ]


def _routes(netlink: Netlink) -> list[bytes]:
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for body in netlink.request(_ROUTE + _GET, NLM_F_DUMP, _ROUTE_HEADER.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
            header = list(_ROUTE_HEADER.unpack_from(body))
            protocol, kind, flags = header[5], header[7], header[8]
            if header[0] not in (socket.AF_INET, socket.AF_INET6) or kind in _RTN_LOCAL_KINDS or flags & _RTM_F_CLONED:
                continue
            if protocol in (_RTPROT_REDIRECT, _RTPROT_RA):
                continue
            header[8] = flags & (_RTNH_F_ONLINK | _RTNH_F_PERVASIVE)
            about = [
                (name, value) for name, value in attribute_list(body[_ROUTE_HEADER.size :]) if name not in (_RTA_CACHEINFO, _RTA_EXPIRES)
            ]
            packed = (attribute(name, _hops(value) if name == _RTA_MULTIPATH else value) for name, value in about)
            found.append(_ROUTE_HEADER.pack(*header) + b"".join(packed))
    return found


def _merged(*several: list[str]) -> list[str]:
    saved, made, now = ([Entry(item, item) for item in items] for items in several)
    return [entry.content for entry in merge_lists(saved, made, now)]


def _key(route: bytes) -> tuple[t.Any, ...]:
    """What two routes cannot have in common: family, prefix, type of service, table and metric."""
    header, about = _ROUTE_HEADER.unpack_from(route), dict(attribute_list(route[_ROUTE_HEADER.size :]))
    return (*header[:2], header[3], header[4], *(about.get(name) for name in (_RTA_DST, _RTA_TABLE, _RTA_PRIORITY)))


def _hops(data: bytes) -> bytes:
    """RTA_MULTIPATH without what the kernel notes about each hop (dead, link down, offloaded)."""
    hops, at = bytearray(data), 0
    while at + 8 <= len(hops):
        length = struct.unpack_from("=H", hops, at)[0]
        if length < 8:
            break
        hops[at + 2] &= _RTNH_F_ONLINK | _RTNH_F_PERVASIVE
        at += (length + 3) & ~3
    return bytes(hops)


def _add_routes(netlink: Netlink, missing: list[bytes]) -> None:
    """Round after round, since one may need another, until nothing more can be added."""
    while missing:
        left, refusal = [], None
        for route in missing:
            try:
                netlink.request(_ROUTE + _NEW, NLM_F_ACK | _CREATE | _EXCLUSIVE, route)
            except NetlinkError as error:
                left.append(route)
                refusal = error
        if len(left) == len(missing):
            raise GuardError(f"{len(left)} routes cannot be put back: {refusal}") from refusal
        missing = left


def _rules(netlink: Netlink) -> list[bytes]:
    """In the order in which the kernel tries them, family by family."""
    found = []
    for family in (socket.AF_INET, socket.AF_INET6):
        for body in netlink.request(_RULE + _GET, NLM_F_DUMP, _RULE_HEADER.pack(family, 0, 0, 0, 0, 0, 0)):
            *header, flags = _RULE_HEADER.unpack_from(body)
            found.append(_RULE_HEADER.pack(*header, flags & ~_RULE_NOTED) + body[_RULE_HEADER.size :])
    return found


def _put_rules_back(netlink: Netlink, saved: list[bytes]) -> None:
    """Where those of one priority differ, all of that priority are recreated: the kernel tries them in the order in which they came."""
    now = _rules(netlink)
    for place in sorted({_priority(rule) for rule in [*saved, *now]}):
        are, were = [rule for rule in now if _priority(rule) == place], [rule for rule in saved if _priority(rule) == place]
        if are != were:
            for rule in are:
                _request(netlink, _RULE + _DELETE, 0, rule, "a policy rule cannot be removed")
            for rule in were:
                _request(netlink, _RULE + _NEW, _CREATE | _EXCLUSIVE, rule, "a policy rule cannot be put back")


def _priority(rule: bytes) -> tuple[int, int]:
    return rule[0], struct.unpack("=I", dict(attribute_list(rule[_RULE_HEADER.size :])).get(_FRA_PRIORITY, bytes(4)))[0]


def _permanent(netlink: Netlink) -> t.Iterator[tuple[int, int, bytes, bytes]]:
    for family in (socket.AF_INET, socket.AF_INET6):
        for body in netlink.request(_NEIGHBOUR + _GET, NLM_F_DUMP, _NEIGHBOUR_HEADER.pack(family, 0, 0, 0, 0)):
            _family, index, state, _flags, _kind = _NEIGHBOUR_HEADER.unpack_from(body)
            about = dict(attribute_list(body[_NEIGHBOUR_HEADER.size :]))
            if state & _NUD_PERMANENT and _NDA_LLADDR in about:
                yield family, index, about[_NDA_DST], about[_NDA_LLADDR]


def _neighbour(family: int, index: int, address: bytes, link: bytes) -> bytes:
    return _NEIGHBOUR_HEADER.pack(family, index, _NUD_PERMANENT, 0, 0) + attribute(_NDA_DST, address) + attribute(_NDA_LLADDR, link)


def _request(netlink: Netlink, kind: int, flags: int, body: bytes, failing: str) -> None:
    try:
        netlink.request(kind, flags | NLM_F_ACK, body)
    except NetlinkError as error:
        raise GuardError(f"{failing}: {error}") from error


def _text(run: Run) -> str:
    """For people; a host without ip(8) has none."""
    shown = ""
    for family in ("-4", "-6"):
        for what in (["route", "show", "table", "all"], ["rule", "show"]):
            code, output, _error = run(["ip", family, *what])
            if code == 0:
                lines = (line.rstrip() for line in output.splitlines())
                shown += "".join(f"{line}\n" for line in lines if not line.startswith(("local", "broadcast", "multicast")))
    return shown

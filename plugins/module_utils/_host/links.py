# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Links, addresses and neighbours of this network namespace, from rtnetlink (linux/rtnetlink.h, if_link.h, if_addr.h, neighbour.h)."""

from __future__ import annotations

import errno
import socket
import struct
import typing as t

from .._wire.netlink import NETLINK_ROUTE, NLM_F_DUMP, Netlink, NetlinkError, attribute, attributes, unpack

RTM_GETLINK, RTM_GETADDR, RTM_GETNEIGH = 18, 22, 30
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_STATS64 = 1, 3, 4, 5, 10, 16, 18, 23
IFLA_GROUP, IFLA_EXT_MASK, IFLA_CARRIER, IFLA_XDP = 27, 29, 33, 43
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA, IFLA_XDP_ATTACHED = 1, 2, 4, 5, 2
IFLA_BRPORT_STATE, IFLA_BRPORT_MODE = 1, 4
IFLA_VXLAN_ID, IFLA_VXLAN_PORT = 1, 15
RTEXT_FILTER_SKIP_STATS = 8  # leaves out IPv6's many values per link; the counters of the link itself come all the same
IFF_UP, IFF_NOARP = 0x1, 0x80
IFA_ADDRESS, IFA_LOCAL, IFA_CACHEINFO, IFA_FLAGS = 1, 2, 6, 8
NDA_DST, NDA_LLADDR = 1, 2

_MOST_READ, _MOST_KNOWN = 1024, 32

FAMILIES = {socket.AF_INET: "ipv4", socket.AF_INET6: "ipv6"}
_OPERSTATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
_PORT_STATES = ("disabled", "listening", "learning", "forwarding", "blocking")  # linux/if_bridge.h
_ADDRESS_FLAGS = {0x02: "nodad", 0x04: "optimistic", 0x08: "dadfailed", 0x10: "homeaddress", 0x20: "deprecated", 0x40: "tentative"}
_STATES = {1: "INCOMPLETE", 2: "REACHABLE", 4: "STALE", 8: "DELAY", 16: "PROBE", 32: "FAILED", 64: "NOARP", 128: "PERMANENT"}
_TEMPORARY = 0x01
_IFINFO = struct.Struct("=BxHiII")  # struct ifinfomsg: family, hardware type, index, flags, changed flags
_IFADDR = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_CACHEINFO = struct.Struct("=IIII")  # struct ifa_cacheinfo: preferred, valid, created, updated
_NEIGHBOUR = struct.Struct("=B3xiHBB")  # struct ndmsg: family, index, state, flags, type
_NUMBER = struct.Struct("=I")
_PORT = struct.Struct("!H")
_STATS = struct.Struct("=24Q")  # struct rtnl_link_stats64, as far as rx_nohandler
_LOST = {
    4: "rx_errors",
    5: "tx_errors",
    6: "rx_dropped",
    7: "tx_dropped",
    13: "rx_fifo_errors",
    14: "rx_missed_errors",
    23: "rx_nohandler",
}


def links(netlink: Netlink) -> list[dict[str, t.Any]]:
    """All links in the order of their indices; `drops` has the counters of lost packets that are not 0."""
    question = _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute(IFLA_EXT_MASK, _NUMBER.pack(RTEXT_FILTER_SKIP_STATS))
    found = [_link(body) for body in netlink.request(RTM_GETLINK, NLM_F_DUMP, question)]
    names = {link["index"]: link["name"] for link in found}
    for link in found:
        link["master"] = names.get(link["master"])
    return found


def peers(netlink: Netlink) -> dict[int, int]:
    """The index of the other end of a link, or of the link below it, by the link's own: perhaps one of another namespace."""
    found = {}
    for body in netlink.request(RTM_GETLINK, NLM_F_DUMP, _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
        index = unpack(_IFINFO, body, "a link")[2]
        other = _optional_number(attributes(body[_IFINFO.size :]).get(IFLA_LINK))
        if other is not None:
            found[index] = other
    return found


def addresses(netlink: Netlink, names: t.Mapping[int, str]) -> list[dict[str, t.Any]]:
    """All IPv4 and IPv6 addresses; `names`: the links' names by index."""
    found = []
    for body in netlink.request(RTM_GETADDR, NLM_F_DUMP, _IFADDR.pack(socket.AF_UNSPEC, 0, 0, 0, 0)):
        family, prefix, flags, _scope, index = unpack(_IFADDR, body, "an address")
        about = attributes(body[_IFADDR.size :])
        raw = about.get(IFA_LOCAL) or about.get(IFA_ADDRESS)  # on point-to-point links IFA_ADDRESS is the peer's
        if family in FAMILIES and raw:
            bits = unpack(_NUMBER, about[IFA_FLAGS], "an address's flags")[0] if IFA_FLAGS in about else flags
            found.append(
                {
                    "interface": names.get(index, str(index)),
                    "address": address_text(family, raw),
                    "prefix": prefix,
                    "flags": _flags(family, bits),
                    "since_s": _since(about.get(IFA_CACHEINFO)),
                }
            )
    return found


def _flags(family: int, bits: int) -> list[str]:
    """By name; the bit of temporary addresses (RFC 8981) is that of further addresses in IPv4."""
    temporary = ["temporary"] if family == socket.AF_INET6 and bits & _TEMPORARY else []
    return [*(name for bit, name in _ADDRESS_FLAGS.items() if bits & bit), *temporary]


def _since(cacheinfo: bytes | None) -> float | None:
    """When the host got an address, in seconds of its uptime."""
    return unpack(_CACHEINFO, cacheinfo, "an address's age")[2] / 100 if cacheinfo else None


def neighbours(netlink: Netlink, wanted: t.Iterable[tuple[str, str]], indices: t.Mapping[str, int]) -> list[dict[str, t.Any]]:
    """The kernel's entries for (address, interface) pairs; a pair that it has no entry for is missing.

    `indices`: the links' indices by name.
    """
    found = []
    for address, interface in dict.fromkeys(wanted):
        try:
            bodies = _neighbour(netlink, address, indices[interface])
        except NetlinkError as error:
            if error.errno != errno.ENOENT:
                raise
            continue
        for body in bodies:
            _family, _index, state, _flags, _type = unpack(_NEIGHBOUR, body, "a neighbour")
            mac = attributes(body[_NEIGHBOUR.size :]).get(NDA_LLADDR)
            found.append(
                {
                    "address": address,
                    "interface": interface,
                    "mac": mac_text(mac) if mac else None,
                    "state": _STATES.get(state, "NONE"),
                }
            )
    return found


def known_neighbours(indices: t.Mapping[str, int]) -> list[dict[str, t.Any]]:
    """Other entries that have a link address, which show whose it is: at most `_MOST_KNOWN`, none where the tables are large."""
    names = {index: name for name, index in indices.items()}
    found: list[dict[str, t.Any]] = []
    with Netlink(NETLINK_ROUTE) as own:  # its own socket, so that nobody reads the rest of a dump that is given up
        for position, body in enumerate(own.stream(RTM_GETNEIGH, NLM_F_DUMP, _NEIGHBOUR.pack(socket.AF_UNSPEC, 0, 0, 0, 0))):
            if position >= _MOST_READ or len(found) >= _MOST_KNOWN:
                break
            entry = _entry(body, names)
            if entry is not None:
                found.append(entry)
    return found


def _entry(body: bytes, names: t.Mapping[int, str]) -> dict[str, t.Any] | None:
    family, index, state, _flags, _type = unpack(_NEIGHBOUR, body, "a neighbour")
    about = attributes(body[_NEIGHBOUR.size :])
    if family not in FAMILIES or NDA_DST not in about or not about.get(NDA_LLADDR) or index not in names or _STATES.get(state) == "NOARP":
        return None
    return {
        "address": address_text(family, about[NDA_DST]),
        "interface": names[index],
        "mac": mac_text(about[NDA_LLADDR]),
        "state": _STATES.get(state, "NONE"),
    }


def _neighbour(netlink: Netlink, address: str, index: int) -> list[bytes]:
    family, raw = address_bytes(address)
    try:
        return netlink.request(RTM_GETNEIGH, 0, _NEIGHBOUR.pack(family, index, 0, 0, 0) + attribute(NDA_DST, raw))
    except NetlinkError as error:
        if error.errno != errno.EOPNOTSUPP:  # before Linux 5.0 the whole table must be asked for
            raise
    table = netlink.request(RTM_GETNEIGH, NLM_F_DUMP, _NEIGHBOUR.pack(family, 0, 0, 0, 0))
    return [body for body in table if _is_entry(body, index, raw)]


def _is_entry(body: bytes, index: int, raw: bytes) -> bool:
    return bool(unpack(_NEIGHBOUR, body, "a neighbour")[1] == index) and attributes(body[_NEIGHBOUR.size :]).get(NDA_DST) == raw


def _link(body: bytes) -> dict[str, t.Any]:
    _family, hardware, index, flags, _change = unpack(_IFINFO, body, "a link")
    about = attributes(body[_IFINFO.size :])
    info = attributes(about.get(IFLA_LINKINFO, b""))
    xdp = attributes(about.get(IFLA_XDP, b"")).get(IFLA_XDP_ATTACHED, b"\0")
    kind = _name(info.get(IFLA_INFO_KIND, b""))
    mac = about.get(IFLA_ADDRESS)
    operstate = about.get(IFLA_OPERSTATE, b"\0")[0]
    stats = unpack(_STATS, about[IFLA_STATS64].ljust(_STATS.size, b"\0"), "a link's counters") if IFLA_STATS64 in about else ()
    return {
        "index": index,
        "name": _name(about.get(IFLA_IFNAME, b"")),
        "kind": kind or None,
        "type": hardware,
        "group": _optional_number(about.get(IFLA_GROUP)) or 0,
        "mtu": _optional_number(about.get(IFLA_MTU)),
        "mac": mac_text(mac) if mac else None,
        "up": bool(flags & IFF_UP),
        "arp": not flags & IFF_NOARP,
        **_vxlan(kind, info.get(IFLA_INFO_DATA, b"")),
        "carrier": bool(about.get(IFLA_CARRIER, b"\0")[0]),
        "operstate": _OPERSTATES[operstate] if operstate < len(_OPERSTATES) else str(operstate),
        "master": _optional_number(about.get(IFLA_MASTER)),
        "xdp": xdp != b"\0",
        **_port(info),
        "vrf": "vrf" in (kind, _name(info.get(IFLA_INFO_SLAVE_KIND, b""))),
        "drops": {name: stats[position] for position, name in _LOST.items() if stats and stats[position]},
    }


def _port(info: t.Mapping[int, bytes]) -> dict[str, t.Any]:
    """What a bridge does with its port: the state by its spanning tree, and whether frames may go back by the port that they came by."""
    if _name(info.get(IFLA_INFO_SLAVE_KIND, b"")) != "bridge":
        return {"port_state": None, "hairpin": None}
    about = attributes(info.get(IFLA_INFO_SLAVE_DATA, b""))
    state, hairpin = (about[kind][0] if about.get(kind) else None for kind in (IFLA_BRPORT_STATE, IFLA_BRPORT_MODE))
    known = dict(enumerate(_PORT_STATES))
    return {"port_state": None if state is None else known.get(state), "hairpin": None if hairpin is None else hairpin != 0}


def _vxlan(kind: str, data: bytes) -> dict[str, t.Any]:
    """Where a VXLAN sends the packets in which it carries others, and the number of its network."""
    about = attributes(data) if kind == "vxlan" else {}
    port = about.get(IFLA_VXLAN_PORT)
    return {"udp_port": unpack(_PORT, port, "a tunnel's port")[0] if port else None, "vni": _optional_number(about.get(IFLA_VXLAN_ID))}


def address_text(family: int, raw: bytes) -> str:
    """Canonical text of an address in network order; DecodeError when it has the wrong length."""
    size = 4 if family == socket.AF_INET else 16
    return socket.inet_ntop(family, unpack(struct.Struct(f"{size}s"), raw, "an address")[0])


def address_bytes(address: str) -> tuple[int, bytes]:
    """(family, network order) of an address literal; OSError when it is none."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.inet_pton(family, address)


def mac_text(raw: bytes) -> str:
    """Lower case hexadecimal octets with colons."""
    return ":".join(f"{octet:02x}" for octet in raw)


def _name(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("utf-8", "replace")


def _optional_number(raw: bytes | None) -> int | None:
    return int(unpack(_NUMBER, raw, "a number")[0]) if raw else None

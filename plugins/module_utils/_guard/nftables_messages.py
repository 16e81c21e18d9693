# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Messages of nf_tables (linux/netfilter/nf_tables.h): read all messages of a ruleset, and send batches of them."""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import typing as t

from .._wire.netlink import (
    NETLINK_NETFILTER,
    NLA_F_NESTED,
    NLM_F_ACK,
    NLM_F_DUMP,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    Netlink,
    NetlinkError,
    attribute,
    attribute_list,
    attributes,
    messages,
    raise_refusal,
)
from .base import ChangedMeanwhileError, GuardError
from .nftables_essence import MADE_OF, NEWCHAIN, NEWFLOWTABLE, NEWOBJ, NEWRULE, NEWSET, NEWSETELEM, NEWTABLE, as_taken

_SUBSYSTEM = 10 << 8  # NFNL_SUBSYS_NFTABLES
_GETTABLE, _GETCHAIN, _GETRULE, _GETSET, _GETSETELEM, _GETGEN, _GETOBJ, _GETFLOWTABLE = 1, 4, 7, 10, 13, 16, 19, 23
DELTABLE, DELCHAIN, DELRULE, DELSET, DELSETELEM, DELOBJ, DELFLOWTABLE = 2, 5, 8, 11, 14, 20, 24
_BATCH_BEGIN, _BATCH_END, _BATCH_GENERATION = 0x10, 0x11, 1
_CREATE, _APPEND = 0x400, 0x800
_NLMSGHDR = struct.Struct("=IHHII")
_NFGENMSG = struct.Struct("!BBH")  # family, version, resource
_NESTED = {NEWCHAIN: {4, 8}, NEWSET: {9, 17, 18}, NEWSETELEM: {3}, NEWOBJ: {4}, NEWFLOWTABLE: {3}, NEWRULE: {4}, DELSETELEM: {3}}
_TABLE_OWNER, _SET_ID, _RULE_COMPAT, RULE_POSITION = 7, 10, 5, 6
CHAIN_BINDING = 4
_ATTEMPTS = 5

Message = t.Tuple[int, int, t.List[t.Tuple[int, bytes]]]  # type, family, attributes


class Dump(t.NamedTuple):
    """What makes the ruleset, in an order in which it can be made; the names of tables that programs own; the kernel's generation."""

    messages: list[Message]
    owned: list[str]
    generation: bytes


def dump() -> Dump:
    """The ruleset, all of one generation; tables that a running program owns (NFT_TABLE_F_OWNER) are that program's, not ours."""
    with Netlink(NETLINK_NETFILTER) as netlink:
        return _dump(netlink)


def read_messages(data: bytes) -> list[Message]:
    """What `packed_messages` made."""
    return [(kind & 0xFF, body[0], attribute_list(body[_NFGENMSG.size :])) for kind, _flags, _sequence, body in messages(data)]


def packed_messages(several: t.Sequence[Message]) -> bytes:
    """Requests that make the ruleset; the last one is to be acknowledged."""
    return b"".join(_pack(number, message, number == len(several)) for number, message in enumerate(several, 1))


def _dump(netlink: Netlink) -> Dump:
    for _attempt in range(_ATTEMPTS):
        try:
            before = _generation(netlink)
            ruleset, owned = _ruleset(netlink)
        except NetlinkError as error:
            if error.name in ("EOPNOTSUPP", "EINVAL", "ENOPROTOOPT", "EPROTONOSUPPORT"):  # a kernel without nf_tables
                return Dump([], [], b"")
            raise GuardError(f"the ruleset of nf_tables cannot be read: {error}") from error
        if _generation(netlink) == before:
            return Dump(ruleset, owned, before)
    raise GuardError("the ruleset of nf_tables changed again and again while it was read")


def _generation(netlink: Netlink) -> bytes:
    (body,) = netlink.request(_SUBSYSTEM | _GETGEN, 0, _NFGENMSG.pack(0, 0, 0))
    return attributes(body[_NFGENMSG.size :])[1]


def _ruleset(netlink: Netlink) -> tuple[list[Message], list[str]]:
    tables = _ask(netlink, _GETTABLE, NEWTABLE)
    owned = {(family, dict(about)[1]) for _kind, family, about in tables if _TABLE_OWNER in dict(about)}

    def ask(get: int, new: int) -> list[Message]:
        return [message for message in _ask(netlink, get, new) if (message[1], dict(message[2])[1]) not in owned]

    chains, sets = ask(_GETCHAIN, NEWCHAIN), ask(_GETSET, NEWSET)
    elements = [message for which in sets for message in _ask(netlink, _GETSETELEM, NEWSETELEM, which)]
    flowtables: list[Message] = []
    with contextlib.suppress(NetlinkError):  # a kernel without them
        flowtables = ask(_GETFLOWTABLE, NEWFLOWTABLE)
    objects = ask(_GETOBJ, NEWOBJ)
    rules = [
        (kind, family, [(name, as_taken(value) if name == 4 else value) for name, value in about])
        for kind, family, about in ask(_GETRULE, NEWRULE)
    ]
    tables = [message for message in tables if (message[1], dict(message[2])[1]) not in owned]
    names = sorted(name.rstrip(b"\0").decode("utf-8", "replace") for _family, name in owned)
    return [*tables, *chains, *sets, *objects, *flowtables, *elements, *rules], names


def _ask(netlink: Netlink, get: int, new: int, about: Message | None = None) -> list[Message]:
    family, payload = 0, b""
    if about is not None:  # the elements of one set
        names = dict(about[2])
        family, payload = about[1], attribute(1, names[1]) + attribute(2, names[2])
    bodies = netlink.request(_SUBSYSTEM | get, NLM_F_DUMP, _NFGENMSG.pack(family, 0, 0) + payload)
    found = [(new, body[0], attribute_list(body[_NFGENMSG.size :])) for body in bodies]
    return [message for message in found if new != NEWSETELEM or 3 in dict(message[2])]


def _pack(number: int, message: Message, last: bool) -> bytes:
    kind, family, about = message
    nested = _NESTED.get(kind, set())
    said = [attribute(name | (NLA_F_NESTED if name in nested else 0), value) for name, value in about]
    flags = NLM_F_REQUEST | (NLM_F_ACK if last else 0)
    if kind in MADE_OF:
        flags |= _CREATE
    if kind == NEWSET:
        said.append(attribute(_SET_ID, struct.pack("!I", number)))
    if kind == NEWRULE:
        flags |= 0 if RULE_POSITION in dict(about) else _APPEND  # without it: in front of that rule
        said.append(_compatibility(family, dict(about).get(4, b"")))
    body = _NFGENMSG.pack(family, 0, 0) + b"".join(said)
    return _NLMSGHDR.pack(_NLMSGHDR.size + len(body), _SUBSYSTEM | kind, flags, number, 0) + body


def _compatibility(family: int, expressions: bytes) -> bytes:
    """NFTA_RULE_COMPAT: the protocol for which iptables-nft's rule is; extensions ask for it, and the kernel does not return it."""
    protocol, inverted, loaded, extended = 0, False, False, False
    for _kind, element in attribute_list(expressions):
        about = attributes(element)
        name, data = about[1].rstrip(b"\0"), attributes(about.get(2, b""))
        if name in (b"match", b"target"):
            extended = True
        elif name == b"cmp" and loaded and not protocol:
            value = attributes(data[3])[1]  # NFTA_CMP_DATA, NFTA_DATA_VALUE
            protocol, inverted = int.from_bytes(value, sys.byteorder), data[2] == struct.pack("!I", 1)  # NFT_CMP_NEQ
        loaded = _loads_protocol(family, name, data)
    if not extended or not protocol:
        return b""
    about_it = attribute(1, struct.pack("!I", protocol)) + attribute(2, struct.pack("!I", 2 if inverted else 0))
    return attribute(_RULE_COMPAT | NLA_F_NESTED, about_it)


def _loads_protocol(family: int, name: bytes, data: t.Mapping[int, bytes]) -> bool:
    """Whether an expression loads what the rule's protocol is compared with."""
    if name == b"meta":
        return data.get(2) == struct.pack("!I", 1 if family == socket.AF_BRIDGE else 16)  # NFT_META_PROTOCOL, NFT_META_L4PROTO
    if name == b"payload" and 2 in data:
        where = tuple(struct.unpack("!I", data[kind])[0] for kind in (2, 3, 4))  # base, offset, length
        return where == {2: (1, 9, 1), 7: (0, 12, 2)}.get(family)  # the protocol of IPv4, the type of Ethernet
    return False


def send(batch: bytes, *, replace: bool = False, generation: bytes = b"", commit: bool = True) -> None:
    """Send messages that the kernel takes all or none of. ChangedMeanwhileError when its generation is another one, GuardError.

    `replace`: remove every table first. Without `commit` they are only tried out.
    """
    resource = _NFGENMSG.pack(0, 0, 10)

    def frame(kind: int, flags: int, body: bytes) -> bytes:
        return _NLMSGHDR.pack(_NLMSGHDR.size + len(body), kind, NLM_F_REQUEST | flags, 0, 0) + body

    begin = frame(_BATCH_BEGIN, 0, resource + (attribute(_BATCH_GENERATION, generation) if generation else b""))
    empty = frame(_SUBSYSTEM | DELTABLE, 0 if batch else NLM_F_ACK, _NFGENMSG.pack(0, 0, 0)) if replace else b""
    if not (batch or empty):
        return
    data = begin + empty + batch + (frame(_BATCH_END, 0, resource) if commit else b"")
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as channel:
            channel.settimeout(10)
            _make_room(channel, len(data))
            channel.send(data)
            _await_acknowledgement(channel)
    except NetlinkError as error:
        if error.name == "ERESTART":
            raise ChangedMeanwhileError("the ruleset of nf_tables was changed by somebody else at the same time") from error
        raise GuardError(f"the saved ruleset cannot be loaded: {error}") from error
    except OSError as error:
        raise GuardError(f"the saved ruleset cannot be loaded: {error.strerror or error}") from error


def _make_room(channel: socket.socket, size: int) -> None:
    for option in (32, 33):  # SO_SNDBUFFORCE, SO_RCVBUFFORCE
        with contextlib.suppress(OSError):
            channel.setsockopt(socket.SOL_SOCKET, option, 2 * size + (1 << 20))


def _await_acknowledgement(channel: socket.socket) -> None:
    """The kernel answers with all errors, and with the acknowledgement of the last message after them."""
    while True:
        for kind, flags, _sequence, body in messages(channel.recv(1 << 20)):
            if kind == NLMSG_ERROR:
                raise_refusal("the transaction", kind, flags, body)
                return

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""An nf_tables table that makes the kernel trace the packets of some handshakes. It disappears with the socket that made it.

NFT_TABLE_F_OWNER (Linux 5.12, linux/netfilter/nf_tables.h) lets nobody else change a table, and removes it when its owner's socket is
closed, however its process ends. A kernel that does not know the flag refuses the table, and nothing is traced there.

The expressions are those that nf_tables has built in: no kernel module is loaded. Packets that are no handshake's meet one rule, or two.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
import typing as t

from .._errors import NotPermittedError, ObserveError
from .._wire.netlink import (
    NETLINK_NETFILTER,
    NLA_F_NESTED,
    NLM_F_ACK,
    NLM_F_REQUEST,
    NLMSG_ERROR,
    SOL_NETLINK,
    NetlinkError,
    attribute,
    messages,
    raise_refusal,
)

TABLE_PREFIX = "handshake_trace_"
NOT_PERMITTED = "tracing needs root or CAP_NET_ADMIN: run with become"
MAX_FLOWS = 32  # every SYN of the host is compared with each

_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_TABLE_MESSAGE = 2  # its number in the batch
_NEWTABLE, _NEWCHAIN, _NEWRULE = (_SUBSYSTEM << 8 | kind for kind in (0, 3, 6))
_CREATE, _EXCLUSIVE, _APPEND = 0x400, 0x200, 0x800  # NLM_F_*
_OWNER = 0x2  # NFT_TABLE_F_OWNER
_INET = 1  # NFPROTO_INET
_PREROUTING, _OUTPUT = 0, 3
_PRIORITY = -450  # before defragmentation (-400), raw (-300) and all that people usually write
_GROUP_TRACE = 9  # NFNLGRP_NFTRACE
_ADD_MEMBERSHIP, _EXT_ACK, _CAP_ACK = 1, 11, 10
_RECEIVE_BUFFER = 4 << 20

_REGISTER = 1  # NFT_REG_1: 16 bytes
_VERDICT = 0  # NFT_REG_VERDICT
_ACCEPT, _JUMP = 1, -3
_EQUAL, _NOT_EQUAL = 0, 1
_META_NFTRACE, _META_NFPROTO, _META_L4PROTO = 12, 15, 16
_NETWORK, _TRANSPORT = 1, 2
_SOURCE_PORT, _DESTINATION_PORT, _FLAGS = 0, 2, 13  # offsets in the TCP header
_FIN, _SYN, _RST, _PSH, _ACK = 1, 2, 4, 8, 16

_HEADER = struct.Struct("=IHHII")
_SYN_CHAIN, _ACK_CHAIN = "handshakes", "acknowledgements"


class Flow(t.NamedTuple):
    """The addresses and the port of handshakes as this host sees them."""

    client: str
    server: str
    port: int
    ack: bool = False  # whether bare ACKs are traced too, of which there are many once a connection is established


class TraceSocket:
    """The netlink socket that owns the table, and to which the kernel reports what happens to the packets."""

    def __init__(self, run: str, flows: t.Sequence[Flow]) -> None:
        """Make the table. NotPermittedError without CAP_NET_ADMIN, ObserveError where the kernel cannot do it."""
        self.table = f"{TABLE_PREFIX}{re.sub('[^0-9A-Za-z]', '_', run)[:64]}_{os.urandom(4).hex()}"
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        except OSError as error:
            raise NetlinkError(error.errno or errno.EIO, "opening a netlink socket of netfilter") from error
        try:
            for level, option, value in (
                (SOL_NETLINK, _EXT_ACK, 1),
                (SOL_NETLINK, _CAP_ACK, 1),
                (socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER),
            ):
                self._socket.setsockopt(level, option, value)
            self._socket.settimeout(5.0)
            self._socket.bind((0, 0))
            self._make(flows)
            self._socket.setsockopt(SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP_TRACE)
            self._socket.setblocking(False)
        except ObserveError:
            self._socket.close()
            raise
        except OSError as error:
            self._socket.close()
            raise NetlinkError(error.errno or errno.EIO, "preparing to trace") from error

    def fileno(self) -> int:
        """Readable when the kernel has sent something."""
        return self._socket.fileno()

    def receive(self) -> bytes | None:
        """The next datagram; None when there is none, OSError (ENOBUFS) when some were lost."""
        try:
            return self._socket.recv(1 << 16)
        except BlockingIOError:
            return None

    def release(self) -> None:
        """Remove the table, and report nothing more; the descriptor stays valid until `close`."""
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as idle:
            os.dup2(idle.fileno(), self._socket.fileno())

    def close(self) -> None:
        """Remove the table, unless another process has the socket as well."""
        self._socket.close()

    def _make(self, flows: t.Sequence[Flow]) -> None:
        batch = list(_batch(self.table, flows))
        last = len(batch)
        datagram = b"".join(
            _HEADER.pack(_HEADER.size + len(body), kind, NLM_F_REQUEST | flags | (NLM_F_ACK if number == last - 1 else 0), number, 0) + body
            for number, (kind, flags, body) in enumerate(batch, 1)
        )
        self._socket.send(datagram)
        while True:  # errors come in the order of the messages; the acknowledgement of the last rule comes only when there is none
            for kind, flags, number, body in messages(self._socket.recv(1 << 16)):
                if kind == NLMSG_ERROR:
                    try:
                        raise_refusal(f"message {number} of {last}, which make the table that traces,", kind, flags, body)
                    except NetlinkError as error:
                        raise _explained(error, number) from error
                    if number == last - 1:
                        return


def _explained(error: NetlinkError, number: int) -> ObserveError:
    if error.errno in (errno.EPERM, errno.EACCES):
        return NotPermittedError(NOT_PERMITTED)
    if number == _TABLE_MESSAGE:
        return ObserveError(f"Linux {os.uname().release} makes no table that goes with its owner (5.12 and later do): {error}")
    return error


def _batch(table: str, flows: t.Sequence[Flow]) -> t.Iterator[tuple[int, int, bytes]]:
    """(type, flags, body) of the messages that make the table: all of it, or none."""
    acked = [flow for flow in flows if flow.ack]
    yield _BATCH_BEGIN, 0, _body(0, _SUBSYSTEM)
    yield _NEWTABLE, _CREATE | _EXCLUSIVE, _body(_INET) + _text(1, table) + _number(2, _OWNER)
    for name in (_SYN_CHAIN, _ACK_CHAIN):
        yield _NEWCHAIN, _CREATE, _body(_INET) + _text(1, table) + _text(3, name)
    for chain, chosen in ((_SYN_CHAIN, list(flows)), (_ACK_CHAIN, acked)):
        for flow in chosen:
            for backwards in (False, True):
                yield _rule(table, chain, [*_is_of(flow, backwards), *_trace()])
    for base, hook in (("prerouting", _PREROUTING), ("output", _OUTPUT)):
        place = _nested(4, _number(1, hook) + _number(2, _PRIORITY))
        yield _NEWCHAIN, _CREATE, _body(_INET) + _text(1, table) + _text(3, base) + place + _text(7, "filter")
        if acked:
            bare = [*_is_tcp(), *_has_flags(_FIN | _SYN | _RST | _PSH | _ACK, _EQUAL, _ACK)]
            yield _rule(table, base, [*bare, _jump(_ACK_CHAIN)])
        yield _rule(table, base, [*_is_tcp(), *_has_flags(_SYN, _NOT_EQUAL, 0), _jump(_SYN_CHAIN)])
    yield _BATCH_END, 0, _body(0, _SUBSYSTEM)


def _rule(table: str, chain: str, expressions: t.Sequence[bytes]) -> tuple[int, int, bytes]:
    body = _body(_INET) + _text(1, table) + _text(2, chain) + _nested(4, b"".join(expressions))
    return _NEWRULE, _CREATE | _APPEND, body


def _is_tcp() -> list[bytes]:
    return [_expression("meta", _number(1, _REGISTER) + _number(2, _META_L4PROTO)), _compare(_EQUAL, bytes([socket.IPPROTO_TCP]))]


def _has_flags(mask: int, operation: int, value: int) -> list[bytes]:
    masked = _number(1, _REGISTER) + _number(2, _REGISTER) + _number(3, 1) + _value(4, bytes([mask])) + _value(5, bytes(1))
    return [_payload(_TRANSPORT, _FLAGS, 1), _expression("bitwise", masked), _compare(operation, bytes([value]))]


def _is_of(flow: Flow, backwards: bool) -> t.Iterator[bytes]:
    """Packets from the client to the server, or back."""
    family = socket.AF_INET6 if ":" in flow.server else socket.AF_INET
    at, length = (8, 16) if family == socket.AF_INET6 else (12, 4)  # of the source address, which the destination address follows
    yield _payload(_TRANSPORT, _SOURCE_PORT if backwards else _DESTINATION_PORT, 2)
    yield _compare(_EQUAL, struct.pack("!H", flow.port))
    yield _expression("meta", _number(1, _REGISTER) + _number(2, _META_NFPROTO))
    yield _compare(_EQUAL, bytes([family]))  # NFPROTO_IPV4 and NFPROTO_IPV6 have the numbers of the address families
    source, destination = (flow.server, flow.client) if backwards else (flow.client, flow.server)
    for address, offset in ((source, at), (destination, at + length)):
        yield _payload(_NETWORK, offset, length)
        yield _compare(_EQUAL, socket.inet_pton(family, address))


def _trace() -> list[bytes]:
    one = _expression("immediate", _number(1, _REGISTER) + _value(2, b"\1"))
    accept = _nested(2, _nested(2, _number(1, _ACCEPT)))
    return [
        one,
        _expression("meta", _number(2, _META_NFTRACE) + _number(3, _REGISTER)),
        _expression("immediate", _number(1, _VERDICT) + accept),
    ]


def _jump(chain: str) -> bytes:
    return _expression("immediate", _number(1, _VERDICT) + _nested(2, _nested(2, _number(1, _JUMP) + _text(2, chain))))


def _payload(base: int, offset: int, length: int) -> bytes:
    return _expression("payload", _number(1, _REGISTER) + _number(2, base) + _number(3, offset) + _number(4, length))


def _compare(operation: int, value: bytes) -> bytes:
    return _expression("cmp", _number(1, _REGISTER) + _number(2, operation) + _value(3, value))


def _expression(name: str, data: bytes) -> bytes:
    return _nested(1, _text(1, name) + _nested(2, data))  # NFTA_LIST_ELEM: NFTA_EXPR_NAME, NFTA_EXPR_DATA


def _body(family: int, resource: int = 0) -> bytes:
    return struct.pack("!BBH", family, 0, resource)  # struct nfgenmsg


def _nested(kind: int, data: bytes) -> bytes:
    return attribute(kind | NLA_F_NESTED, data)


def _value(kind: int, data: bytes) -> bytes:
    return _nested(kind, attribute(1, data))  # NFTA_DATA_VALUE


def _number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("!i", value))


def _text(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode("ascii") + b"\0")

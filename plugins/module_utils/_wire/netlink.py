# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Netlink (RFC 3549, linux/netlink.h): one socket that sends requests and returns the bodies of the answers, and attributes."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
import typing as t

from .._errors import DecodeError, ObserveError

NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_NETFILTER = 0, 4, 12

NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP_INTR, NLM_F_DUMP = 0x1, 0x4, 0x10, 0x300
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
NLMSGERR_ATTR_MSG = 1
NLA_F_NESTED, NLA_TYPE_MASK = 0x8000, 0x3FFF
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # struct nlattr: length, type
_ERROR = struct.Struct("=i")
_LARGEST_ANSWER = 1 << 18  # the kernel puts at most 32 KiB of a dump into one datagram; single answers may be longer
_ATTEMPTS = 5


class NetlinkError(ObserveError):
    """The kernel's refusal: `errno` is its number, `name` its name ("ENETUNREACH")."""

    def __init__(self, number: int, doing: str, explanation: str | None = None) -> None:
        self.errno = number
        self.name = errno.errorcode.get(number, str(number))
        text = f"{doing} failed with {self.name} ({os.strerror(number)})"
        super().__init__(f"{text}: {explanation}" if explanation else text)


class InterruptedDumpError(ObserveError):
    """What was being dumped changed meanwhile, so that the answer may lack entries or say them twice."""


class Netlink:
    """A netlink socket of one protocol; a context manager. Every wait for the kernel ends after `timeout` seconds."""

    def __init__(self, protocol: int, timeout: float = 5.0) -> None:
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol)
        except OSError as error:
            raise NetlinkError(error.errno or errno.EIO, f"opening a netlink socket of protocol {protocol}") from error
        self._socket.settimeout(timeout)
        for option in (NETLINK_CAP_ACK, NETLINK_EXT_ACK):
            with contextlib.suppress(OSError):  # before Linux 4.12: errors come without their explanation
                self._socket.setsockopt(SOL_NETLINK, option, 1)
        self._timeout = timeout
        self._sequence = 0
        self._buffer = memoryview(bytearray(_LARGEST_ANSWER))

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def request(self, kind: int, flags: int = 0, payload: bytes = b"") -> list[bytes]:
        """The bodies (what follows nlmsghdr) of all answers; a dump that was interrupted is asked for again.

        `flags` is NLM_F_DUMP or 0. Raises NetlinkError, DecodeError, and InterruptedDumpError after five interrupted dumps.
        """
        for _attempt in range(_ATTEMPTS - 1):
            try:
                return list(self.stream(kind, flags, payload))
            except InterruptedDumpError:
                continue
        return list(self.stream(kind, flags, payload))

    def stream(self, kind: int, flags: int = 0, payload: bytes = b"") -> t.Iterator[bytes]:
        """As `request`, but one body at a time, and an interrupted dump raises InterruptedDumpError at its end."""
        doing = f"netlink request {kind}"
        self._sequence += 1
        try:
            # An acknowledgement is asked for so that every exchange has an end; the end of a dump is NLMSG_DONE.
            ask = NLM_F_REQUEST | flags | (0 if flags & NLM_F_DUMP else NLM_F_ACK)
            self._socket.send(_HEADER.pack(_HEADER.size + len(payload), kind, ask, self._sequence, 0) + payload)
            interrupted = False
            while True:
                length, sender = self._socket.recvfrom_into(self._buffer)
                if sender[0] != 0:  # not from the kernel
                    continue
                for answer, marks, sequence, body in messages(bytes(self._buffer[:length])):
                    if sequence != self._sequence:  # the rest of an exchange that was given up
                        continue
                    interrupted = interrupted or bool(marks & NLM_F_DUMP_INTR)
                    if answer in (NLMSG_ERROR, NLMSG_DONE):
                        raise_refusal(doing, answer, marks, body)
                        if interrupted:
                            raise InterruptedDumpError(f"{doing}: the tables changed again and again while they were read")
                        return
                    yield body
        except socket.timeout as error:
            raise NetlinkError(errno.ETIMEDOUT, doing, f"no answer from the kernel within {self._timeout:g} s") from error
        except OSError as error:
            raise NetlinkError(error.errno or errno.EIO, doing) from error


def messages(datagram: bytes) -> t.Iterator[tuple[int, int, int, bytes]]:
    """(type, flags, sequence, body) of every message in a datagram; DecodeError when a length is wrong."""
    at, end = 0, len(datagram)
    while at < end:
        if end - at < _HEADER.size:
            raise DecodeError(f"a netlink message of {end - at} bytes is shorter than its header")
        length, kind, flags, sequence, _port = _HEADER.unpack_from(datagram, at)
        if not _HEADER.size <= length <= end - at:
            raise DecodeError(f"a netlink message says {length} bytes where {end - at} remain")
        yield kind, flags, sequence, datagram[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def attribute_list(data: bytes) -> list[tuple[int, bytes]]:
    """(type, payload) of every attribute in order, for lists that repeat a type; DecodeError when a length is wrong."""
    found, at, end = [], 0, len(data)
    while at < end:
        if end - at < _ATTRIBUTE.size:
            raise DecodeError(f"{end - at} stray bytes after the last netlink attribute")
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if not _ATTRIBUTE.size <= length <= end - at:
            raise DecodeError(f"netlink attribute {kind & NLA_TYPE_MASK} says {length} bytes where {end - at} remain")
        found.append((kind & NLA_TYPE_MASK, data[at + _ATTRIBUTE.size : at + length]))
        at += (length + 3) & ~3
    return found


def attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by type, the last of equal types; the payload of a nested one is read with another call."""
    return dict(attribute_list(data))


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded; for a nested one pass `kind | NLA_F_NESTED` and the joined inner attributes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(payload), kind) + payload + b"\0" * (-len(payload) % 4)


def unpack(layout: struct.Struct, data: bytes, what: str) -> tuple[t.Any, ...]:
    """The fields at the beginning of `data`; DecodeError, naming `what`, when it is too short."""
    if len(data) < layout.size:
        raise DecodeError(f"{what} of {len(data)} bytes, at least {layout.size} expected")
    return layout.unpack_from(data)


def raise_refusal(doing: str, answer: int, flags: int, body: bytes) -> None:
    """Raise what NLMSG_ERROR or NLMSG_DONE says, with the extended acknowledgement's sentence; an acknowledgement raises nothing."""
    if answer == NLMSG_DONE and not body:
        return
    number = -unpack(_ERROR, body, "a netlink error")[0]
    if number <= 0:
        return
    explanation = None
    if flags & NLM_F_ACK_TLVS:
        quoted = 0  # the request that NLMSG_ERROR quotes, only its header when capped
        if answer == NLMSG_ERROR:
            length = unpack(_HEADER, body[_ERROR.size :], "a quoted netlink request")[0]
            quoted = _HEADER.size if flags & NLM_F_CAPPED else (length + 3) & ~3
        text = attributes(body[_ERROR.size + quoted :]).get(NLMSGERR_ATTR_MSG)
        explanation = text.rstrip(b"\0").decode("utf-8", "replace") if text else None
    raise NetlinkError(number, doing, explanation)

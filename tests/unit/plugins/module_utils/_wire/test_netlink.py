# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError, ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._wire import netlink
from ansible_collections.threeway.handshake.plugins.module_utils._wire.netlink import NETLINK_ROUTE, NLM_F_DUMP, Netlink, NetlinkError

RTM_GETLINK, RTM_GETROUTE = 18, 26
LINK = struct.Struct("=BxHiII")
ROUTE = struct.Struct("=BBBBBBBBI")


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_decoded_or_refused(data: bytes) -> None:
    for decode in (lambda: list(netlink.messages(data)), lambda: netlink.attribute_list(data)):
        with contextlib.suppress(DecodeError):
            decode()


@given(st.lists(st.tuples(st.integers(0, 0x3FFF), st.binary(max_size=40)), max_size=8))
def test_attributes_come_back_as_they_were_packed(pairs: list[tuple[int, bytes]]) -> None:
    packed = b"".join(netlink.attribute(kind, payload) for kind, payload in pairs)
    assert netlink.attribute_list(packed) == pairs
    assert netlink.attributes(packed) == dict(pairs)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), min_size=1, max_size=8), st.data())
def test_a_message_that_was_cut_is_refused(bodies: list[tuple[int, bytes]], data: st.DataObject) -> None:
    whole = b""
    for kind, body in bodies:
        whole += struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body
        whole += bytes(-len(whole) % 4)
    assert [(kind, body) for kind, _flags, _sequence, body in netlink.messages(whole)] == bodies
    last = 16 + len(bodies[-1][1])
    start = len(whole) - (last + 3 & ~3)
    cut = data.draw(st.integers(start + 1, start + last - 1))
    with pytest.raises(DecodeError):
        list(netlink.messages(whole[:cut]))


def test_a_dump_tells_the_links_that_the_kernel_has() -> None:
    with Netlink(NETLINK_ROUTE) as kernel:
        bodies = kernel.request(RTM_GETLINK, NLM_F_DUMP, LINK.pack(0, 0, 0, 0, 0))
    names = {netlink.attributes(body[LINK.size :])[3].rstrip(b"\0").decode() for body in bodies}
    assert names == set(os.listdir("/sys/class/net"))


def test_a_refusal_carries_the_errno_and_the_kernels_own_sentence() -> None:
    with Netlink(NETLINK_ROUTE) as kernel:
        with pytest.raises(NetlinkError, match=r"netlink request 18 failed with ERANGE \(.+\): \w+") as refusal:
            kernel.request(RTM_GETLINK, 0, LINK.pack(0, 0, 1, 0, 0) + netlink.attribute(29, b"x"))
        assert (refusal.value.name, refusal.value.errno) == ("ERANGE", errno.ERANGE)
        assert isinstance(refusal.value, ObserveError)
        asked = ROUTE.pack(socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, 0) + netlink.attribute(1, socket.inet_aton("127.0.0.1"))
        assert len(kernel.request(RTM_GETROUTE, 0, asked)) == 1, "the socket is good for another request"


def test_a_protocol_that_the_kernel_lacks_is_a_refusal() -> None:
    with pytest.raises(NetlinkError, match="opening a netlink socket of protocol 31 failed with EPROTONOSUPPORT"):
        Netlink(31)


def test_what_an_abandoned_dump_left_is_passed_over() -> None:
    with Netlink(NETLINK_ROUTE) as kernel:
        next(kernel.stream(RTM_GETLINK, NLM_F_DUMP, LINK.pack(0, 0, 0, 0, 0)))
        asked = ROUTE.pack(socket.AF_INET, 32, 0, 0, 0, 0, 0, 0, 0) + netlink.attribute(1, socket.inet_aton("127.0.0.1"))
        answers = kernel.request(RTM_GETROUTE, 0, asked)
    assert len(answers) == 1
    assert netlink.attributes(answers[0][ROUTE.size :])[1] == socket.inet_aton("127.0.0.1")


def test_the_kernel_that_stays_silent_is_waited_for_no_longer_than_the_timeout() -> None:
    with Netlink(NETLINK_ROUTE, timeout=0.05) as kernel:
        kernel._socket.close()
        kernel._socket, _far_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # takes requests, never answers
        kernel._socket.settimeout(0.05)
        with pytest.raises(NetlinkError, match="no answer from the kernel within"):
            kernel.request(RTM_GETLINK, NLM_F_DUMP, LINK.pack(0, 0, 0, 0, 0))

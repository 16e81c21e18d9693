# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Whether IPsec is used here at all (linux/xfrm.h): where it is not, no packet came or goes through it."""

from __future__ import annotations

import errno
import struct
import typing as t

from .._errors import ObserveError
from .._wire.netlink import Netlink, NetlinkError, attributes

NETLINK_XFRM, XFRM_MSG_GETSADINFO, XFRM_MSG_GETSPDINFO, XFRMA_SAD_CNT, XFRMA_SPD_INFO = 6, 0x23, 0x25, 1, 1

_FLAGS = struct.Struct("=I")
_POLICIES = struct.Struct("=6I")  # struct xfrmu_spdinfo: in, out, forward; the same of sockets
_ALL = 0xFFFFFFFF


class Used(t.NamedTuple):
    """Whether packets can have come in, and can leave, through IPsec; None where the kernel does not say."""

    inward: bool | None
    outward: bool | None


def used() -> Used:
    """Without a security association nothing comes out of IPsec, and without a policy for what leaves nothing goes into it."""
    try:
        with Netlink(NETLINK_XFRM) as netlink:
            associations = _count(netlink, XFRM_MSG_GETSADINFO, XFRMA_SAD_CNT)
            policies = _count(netlink, XFRM_MSG_GETSPDINFO, XFRMA_SPD_INFO)
    except NetlinkError as error:
        return Used(False, False) if error.errno == errno.EPROTONOSUPPORT else Used(None, None)
    except ObserveError:
        return Used(None, None)
    if len(policies) < _POLICIES.size:
        return Used(any(associations), any(policies))
    counts = _POLICIES.unpack_from(policies)
    return Used(any(associations), any((counts[1], counts[4])))


def _count(netlink: Netlink, message: int, kind: int) -> bytes:
    return b"".join(attributes(body[_FLAGS.size :]).get(kind, b"") for body in netlink.request(message, payload=_FLAGS.pack(_ALL)))

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Whether IPsec is used here at all (linux/xfrm.h): if not, no packet came or goes through it."""

from __future__ import annotations

import errno
import struct

from ..._errors import ObserveError
from ..._wire.netlink import Netlink, NetlinkError, attributes

NETLINK_XFRM, XFRM_MSG_GETSADINFO, XFRM_MSG_GETSPDINFO, XFRMA_SAD_CNT, XFRMA_SPD_INFO = 6, 0x23, 0x25, 1, 1

_FLAGS = struct.Struct("=I")
_ALL = 0xFFFFFFFF


def used() -> bool | None:
    """Whether there are security associations or policies; None when the kernel does not say."""
    try:
        with Netlink(NETLINK_XFRM) as netlink:
            return any(
                any(attributes(body[_FLAGS.size :]).get(kind, b""))
                for message, kind in ((XFRM_MSG_GETSADINFO, XFRMA_SAD_CNT), (XFRM_MSG_GETSPDINFO, XFRMA_SPD_INFO))
                for body in netlink.request(message, payload=_FLAGS.pack(_ALL))
            )
    except NetlinkError as error:
        return False if error.errno == errno.EPROTONOSUPPORT else None
    except ObserveError:
        return None

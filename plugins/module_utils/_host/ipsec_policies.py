# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The IPsec policies for packets that come in or are forwarded (linux/xfrm.h, ip-xfrm(8))."""

from __future__ import annotations

import struct
import typing as t

from .._wire.netlink import NLM_F_DUMP, Netlink, attributes, unpack
from .hooks import NETLINK_XFRM
from .links import address_text

XFRM_MSG_GETPOLICY, XFRMA_TMPL = 0x15, 5
MOST_POLICIES, MOST_TEMPLATES = 100, 6
DIRECTIONS = {0: "in", 2: "forward"}
MODES = {0: "transport", 1: "tunnel", 4: "beet"}
PROTOCOLS = {50: "esp", 51: "ah", 108: "comp"}
XFRM_POLICY_BLOCK = 1

_ID_SIZE = 64  # of struct xfrm_userpolicy_id
_POLICY = struct.Struct("=16s16s8xHBBB107xI4xBB6x")  # struct xfrm_userpolicy_info: the selector, after lifetimes the rest
_TEMPLATE = struct.Struct("=20xB27xBxB13x")  # struct xfrm_user_tmpl


def read() -> list[dict[str, t.Any]]:
    """At most a hundred, those that the kernel asks first at the beginning. Raises NetlinkError, as for lack of CAP_NET_ADMIN."""
    with Netlink(NETLINK_XFRM) as netlink:
        found = map(_policy, netlink.request(XFRM_MSG_GETPOLICY, NLM_F_DUMP, bytes(_ID_SIZE)))
        return sorted((policy for policy in found if policy), key=lambda policy: t.cast("int", policy["priority"]))[:MOST_POLICIES]


def _policy(body: bytes) -> dict[str, t.Any] | None:
    to, of, family, to_length, of_length, protocol, priority, direction, action = unpack(_POLICY, body, "an IPsec policy")
    if direction not in DIRECTIONS:
        return None
    size = 4 if family == 2 else 16
    templates = attributes(body[_POLICY.size :]).get(XFRMA_TMPL, b"")[: MOST_TEMPLATES * _TEMPLATE.size]
    return {
        "direction": DIRECTIONS[direction],
        "source": f"{address_text(family, of[:size])}/{of_length}",
        "destination": f"{address_text(family, to[:size])}/{to_length}",
        "protocol": protocol or None,
        "priority": priority,
        "blocks": action == XFRM_POLICY_BLOCK,
        "templates": [_template(templates[at:]) for at in range(0, len(templates), _TEMPLATE.size)],
    }


def _template(raw: bytes) -> dict[str, t.Any]:
    """How a packet must have been protected."""
    protocol, mode, optional = unpack(_TEMPLATE, raw, "a template of an IPsec policy")
    return {"protocol": PROTOCOLS.get(protocol, str(protocol)), "mode": MODES.get(mode, str(mode)), "optional": bool(optional)}

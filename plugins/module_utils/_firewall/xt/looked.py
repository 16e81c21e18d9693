# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What a rule found when it looked into an ipset, or what it found instead: made when somebody asks."""

from __future__ import annotations

import ipaddress
import itertools
import typing as t

from ..evaluation import Membership, Reference
from ..nearest import Fields, nearest
from ..packet import text

if t.TYPE_CHECKING:
    from .ipset import Set

_MOST = 200_000  # members among which the nearest one is looked for
_PORT = 16  # bits


class Looked:
    """`Looked` of evaluation.py. `own`: what the packet has, as a member; None where it can be none."""

    def __init__(self, members: Set, found: str | None, own: str | None) -> None:
        self._members, self._own = members, own
        self.set: Membership = ("ipset", members.name)
        self.element = found if found in members.members else None

    def holds(self, value: bytes) -> bool:
        if len(value) in (4, 16):
            words = [text(value)]
        else:
            number = int.from_bytes(value, "big")
            words = [str(number), f"tcp:{number}"]
        return any(word in (self._own or "").split(",") for word in words)

    def alone(self) -> bool:
        return self.element is not None and self.element == self._own

    def reference(self) -> Reference:
        """As docs/firewall.md has it."""
        options = self._members.options.get(self.element or "", ())
        said = dict(zip(options, options[1:]))
        seconds = said.get("timeout", "")
        listed = self._members.kind == "list:set"
        return {
            "kind": "ipset",
            "family": None,
            "table": None,
            "set": self._members.name,
            "map": False,
            "key": self._own,
            "element": self.element,
            "nearest": self._nearest() if self.element is None else None,
            "expires": int(seconds) if seconds.isdigit() and int(seconds) else None,
            "comment": said.get("comment"),
            "count": len(self._members.members),
            "filled_by": None,
            "changeable": not listed and (self.element is not None or self._own is not None),
        }

    def _nearest(self) -> str | None:
        """The member that the packet misses by the least."""
        key = _numbers(self._own) if self._own else None
        known = ((_numbers(member), member) for member in itertools.islice(self._members.members, _MOST))
        return nearest(key, ((fields, member) for fields, member in known if fields)) if key else None


def _numbers(member: str) -> Fields | None:
    """Addresses, networks and ports as numbers; None for a member of something else."""
    fields: Fields = []
    for field in member.split(","):
        port = field.rpartition(":")[2] if field.startswith("tcp:") else field
        try:
            if port.isdigit():
                fields.append((int(port), int(port), _PORT))
            else:
                network = ipaddress.ip_network(field)
                fields.append((int(network.network_address), int(network.broadcast_address), network.max_prefixlen))
        except ValueError:
            return None
    return fields

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Of which connections the next packets matter, whatever their flags are."""

from __future__ import annotations

import struct
import typing as t

_PORTS = {order: struct.Struct(order + "8xI").unpack for order in "<>"}
_PORTS_IPV6 = {order: struct.Struct(order + "32xI").unpack for order in "<>"}


def ports_of(pair: bytes, order: str) -> int:
    """Both ports as one number; `order`: the byte order of the file, "<" or ">"."""
    (ports,) = (_PORTS if len(pair) == 12 else _PORTS_IPV6)[order](pair)
    return ports  # type: ignore[no-any-return]


class Awaited:
    """By ports only: addresses would take more time for each packet of a capture."""

    def __init__(self) -> None:
        self.ports: dict[int, int] = {}
        """By both ports as one number as the file has it in place, those of the other direction. A dictionary, and not one of a class of
        ours: whether a number is in it is asked for each packet of a capture."""
        self._more: dict[int, int] = {}
        """How many connections more than one have them: seldom any."""

    def add(self, there: int) -> None:
        """Await a connection's packets of both directions."""
        ports = self.ports
        if there in ports:
            for each in self._both(there):
                self._more[each] = self._more.get(each, 0) + 1
            return
        back = there >> 16 | (there & 0xFFFF) << 16
        ports[there], ports[back] = back, there

    def _both(self, there: int) -> t.Sequence[int]:
        """Of both directions: one where the ports are the same."""
        back = self.ports[there]
        return (there,) if back == there else (there, back)

    def remove(self, there: int) -> None:
        """Take back what `add` did."""
        ports, more = self.ports, self._more
        if more and there in more:
            for each in self._both(there):
                more[each] -= 1
                if not more[each]:
                    del more[each]
            return
        ports.pop(ports.pop(there), None)

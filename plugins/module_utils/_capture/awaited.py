# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Of which connections the next packets matter, whatever their flags are."""

from __future__ import annotations

import struct
from typing import Dict

_PORTS = {order: struct.Struct(order + "HH").unpack for order in "<>"}


class Awaited(Dict[int, int]):
    """By ports only, both as one number as the file has it in place: addresses would take more time for each packet of a capture.

    The value is the number of connections with these ports.
    """

    def add(self, pair: bytes, order: str) -> None:
        """Await a connection's packets of both directions; `order`: the byte order of the file, "<" or ">"."""
        one, other = _PORTS[order](pair[-4:])
        there, back = one << 16 | other, other << 16 | one
        self[there] = self[there] + 1 if there in self else 1
        self[back] = self[back] + 1 if back in self else 1

    def remove(self, pair: bytes, order: str) -> None:
        """Take back what `add` did."""
        one, other = _PORTS[order](pair[-4:])
        for ports in (one << 16 | other, other << 16 | one):
            count = self.pop(ports, 0)
            if count > 1:
                self[ports] = count - 1

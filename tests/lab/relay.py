# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in the fabric: carries frames between two interfaces, late, not at all, twice, or altered.

PACKET_VNET_HDR (linux/virtio_net.h) goes with each frame, so that checksums and segmentation left to the device stay left to it.
"""

from __future__ import annotations

import heapq
import json
import random
import selectors
import socket
import sys
import time
from itertools import count
from typing import Any

SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING, ETH_P_ALL = 263, 15, 23, 3
VNET_HDR = 10
LARGEST = 65536 + 64


def tap(interface: str) -> socket.socket:
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    wire.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    wire.bind((interface, ETH_P_ALL))
    wire.setblocking(False)
    return wire


class Direction:
    """What happens to frames that go one way."""

    def __init__(self, order: dict[str, Any], out: socket.socket, dice: random.Random) -> None:
        self.delay, self.jitter, self.loss, self.duplicate = (order[name] for name in ("delay", "jitter", "loss", "duplicate"))
        scope: dict[str, Any] = {}
        exec(order["alter"] or "def alter(frame): return [frame]", scope)
        self.alter, self.out, self.dice = scope["alter"], out, dice

    def treat(self, frame: bytes) -> list[tuple[float, bytes]]:
        """The frames to send in place of `frame`, each with the time (monotonic, seconds) at which to send it."""
        if self.dice.random() < self.loss:
            return []
        now, header = time.monotonic(), frame[:VNET_HDR]
        frames = self.alter(frame[VNET_HDR:]) * (2 if self.dice.random() < self.duplicate else 1)
        return [(now + self.delay + self.dice.uniform(0, self.jitter), header + altered) for altered in frames]


def main() -> None:
    order = json.loads(sys.argv[1])
    near, far = tap(order["near"]), tap(order["far"])
    dice, serial = random.Random(order["seed"]), count()
    directions = {near: Direction(order["outbound"], far, dice), far: Direction(order["inbound"], near, dice)}
    selector = selectors.DefaultSelector()
    for source in directions:
        selector.register(source, selectors.EVENT_READ, source)
    due: list[tuple[float, int, socket.socket, bytes]] = []
    print(json.dumps("ready"), flush=True)
    while True:
        for key, _event in selector.select(max(0.0, due[0][0] - time.monotonic()) if due else None):
            source = key.data
            direction = directions[source]
            for when, frame in direction.treat(source.recv(LARGEST)):
                heapq.heappush(due, (when, next(serial), direction.out, frame))
        while due and due[0][0] <= time.monotonic():
            _due, _order, out, frame = heapq.heappop(due)
            out.send(frame)


main()

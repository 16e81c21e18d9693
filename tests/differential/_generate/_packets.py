# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that can arrive at, leave, or cross the host of _scene.py."""

from __future__ import annotations

from .._case import CLIENT_PORTS, Sent
from ._dice import IP_INTERFACES, NETWORKS, OWN, Dice

_OPTIONS = (
    "",
    "020405b4",  # MSS 1460
    "02040218",  # MSS 536
    "020405b40402080a000000010000000001030307",  # MSS, SACK permitted, timestamps, window scale
    "020405a00103030a04020101",
    "0101080a0000000100000002",
)


def packet(dice: Dice, uids: tuple[int, ...]) -> Sent:
    version = 4 if dice.chance(0.6) else 6
    kind = dice.choices(("syn", "syn_ack", "ack"), (0.6, 0.2, 0.2))[0]
    direction = dice.choices(("in", "out", "forward"), (0.45, 0.3, 0.25))[0]
    there, port_there = "", dice.any_port()
    arrives = leaves = None
    if direction == "in":
        arrives = dice.choice(IP_INTERFACES)
        # A source from elsewhere now and then: nothing checks it, unless a rule does.
        source = dice.foreign(version, None if dice.chance(0.1) else arrives)
        own = OWN[version][arrives if dice.chance(0.8) else dice.choice(IP_INTERFACES)]
        there = dice.choice(own)
    elif direction == "out":
        leaves = dice.choice(IP_INTERFACES)
        source, there = dice.choice(OWN[version][leaves]), dice.foreign(version, leaves)
        leaves = None
    else:
        arrives = dice.choice(IP_INTERFACES)
        onto = dice.choice([name for name in IP_INTERFACES if name != arrives])
        source, there = dice.foreign(version, arrives), dice.foreign(version, onto)
    if arrives == "br0":
        arrives = dice.pick("port0", "port1")
        if dice.chance(0.25):  # from port to port, below IP
            source, there, direction = *_stations(version, arrives, dice), "forward"
            leaves = "port1" if arrives == "port0" else "port0"
    client, server = dice.choice(CLIENT_PORTS), dice.port() if dice.chance(0.9) else port_there
    ports = (server, client) if kind == "syn_ack" else (client, server)
    state = "new" if kind == "syn" else dice.choices(("established", "invalid"), (0.8, 0.2))[0]
    if kind == "ack" and state == "invalid" and dice.chance(0.5):
        state = "new"
    return Sent(
        packet=kind,
        direction=direction,
        source=source,
        source_port=ports[0],
        destination=there,
        port=ports[1],
        interface=arrives,
        out_interface=leaves,
        state=state,
        mark=dice.mark() if direction == "out" and dice.chance(0.4) else 0,
        uid=dice.choice(uids) if direction == "out" else None,
        ttl=dice.pick(64, 64, 63, 128, 255, 5),
        tos=dice.pick(0, 0, 0, 0x10, 0xB8, 0x28, 0x02),
        identification=dice.randint(1, 65535),
        dont_fragment=dice.chance(0.8),
        sequence=dice.randint(2, 0xFFFFFFF0),
        acknowledgement=0 if kind == "syn" else dice.randint(2, 0xFFFFFFF0),
        window=dice.pick(64240, 65535, 1024, 0),
        options=dice.choice(_OPTIONS[:5]) if kind != "ack" else dice.pick("", _OPTIONS[5]),
    )


def _stations(version: int, port: str, dice: Dice) -> tuple[str, str]:
    """A host behind one port of the bridge, and one behind the other."""
    hosts = NETWORKS[version]["br0"]
    here, other = (hosts[:2], hosts[2:]) if port == "port0" else (hosts[2:], hosts[:2])
    return dice.choice(here), dice.choice(other)

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The sockets that listen where a SYN goes, as rules ask for them (tproxy, socket): net/ipv4/inet_hashtables.c, nf_tproxy_{ipv4,ipv6}.c."""

from __future__ import annotations

from .packet import Packet
from .ruleset import Facts, Receiver


def listening(packet: Packet, facts: Facts, address: bytes, port: int | None) -> list[Receiver] | None:
    """Those among which the kernel chooses: that of the very address before those of all; None where it cannot be known."""
    every = None if port is None else facts.receivers(packet.family, port)
    if every is None:
        return None
    devices = (None, packet.iif.name, packet.iif.master) if packet.iif else (None,)
    here = [each for each in every if each.device in devices]
    return [each for each in here if each.address == address] or [each for each in here if each.address is None]


def transparent(packet: Packet, facts: Facts, address: bytes | None, port: int | None) -> bool | None:
    """Whether tproxy finds a transparent socket for a SYN; None where it cannot be known. No `address`: the interface's first one."""
    if packet.kind != "syn":
        return None  # one of a connection may take it
    if address is None or not any(address):
        size = len(packet.destination)
        own = facts.addresses(packet.iif.name) if packet.iif else []
        address = next((each for each, _prefix in own if len(each) == size), packet.destination)
    found = listening(packet, facts, address, port)
    answers = None if found is None else {each.transparent for each in found} or {False}
    return answers.pop() if answers and len(answers) == 1 else None

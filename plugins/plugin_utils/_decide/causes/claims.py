# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Who says in ARP or neighbour discovery that it has an address, and whether it only says so."""

from __future__ import annotations

from collections.abc import Iterator

from ..._model.host import Host
from ..._model.recording import Observation
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence
from ..last_hop import sender_mac


def named(host: Host, address: str) -> list[Observation]:
    """What came in with an address as its source."""
    return [seen for seen in host.observations or () if seen.direction == "in" and seen.packet.src == address]


def speaks_as(host: Host, address: str, mac: str) -> bool:
    """Whether a link address sent more in an address's name than that it has it, which is all that one says who answers for others."""
    heard = (seen.packet.neighbour for seen in named(host, address) if sender_mac(seen) == mac)
    return any(message is None or message.operation == "request" for message in heard)


def by_proxy(who: str, address: str) -> str:
    return f"whether {who} answers for other addresses as well (proxy ARP) would show if it has {address}"


def claimed(case: Case, at: Host, address: str, owner: Host, own: set[str]) -> Iterator[Evidence]:
    """Each link address that answers gave a host for the address; that of its managed owner by the owner's name."""
    for mac, count in sorted(at.claims(address).items()):
        yield case.saw(at, "capture", f"{plural(count, 'claim')} that {address} is at {mac}" + (f" ({owner.name})" if mac in own else ""))

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What an anomaly is: something that would not be there if the handshakes of a case were well."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

from ..._model.prose import Wording, worded
from ..outcome import Leg

# kind: what it is, for the documentation
KINDS = {
    "icmp_error": "an ICMP or ICMPv6 error that quotes a packet of the flow",
    "request_unanswered": "ARP or neighbour discovery asked for an address of the flow, and no recording has an answer",
    "request_ignored": "a host was asked for its own address by ARP or neighbour discovery, and did not answer",
    "stray_reset": "an RST that the TCP of no host counts, or that the host in whose name it came did not send",
    "other_receiver": "a packet of the flow came to a host by a link address that is not the host's",
    "other_interface": "a packet left by an interface that the host's route does not name",
    "other_way_back": "a packet came in by one interface, and its answer left by another",
    "other_source": "a packet left a host with a source address that is not the host's, or not the one that was dialled",
    "undeclared_source": "SYN-ACKs are lost on their way to an address that the inventory gives no host, or a SYN left with another"
    " address than the one that the inventory gives its interface",
    "shared_address": "an address of the flow is on the interfaces of two hosts that have a part in it",
    "claimed_address": "an address of the flow is on an interface of a host that has no part in it",
    "third_host": "a host without a part in the flow took a packet of it in, and did not pass it on",
    "altered": "a packet has another TTL, window, sequence number or option than when it was sent, or than its like",
    "slow": "a packet was answered, or came, later than a handshake takes",
    "counter": "a counter that counts losses rose by exactly as many as packets of the flow vanished there",
    "uncounted_open": "handshakes completed, and the server's TCP counted fewer of them",
    "closed_unused": "a connection was closed in moments, without a byte",
    "firewall_verdict": "a firewall's rules, evaluated, stop a packet of the flow",
    "other_outcome": "some of the handshakes ended otherwise than those that the causes are about",
}

_SOURCES = {"shared_address": "rtnetlink", "claimed_address": "rtnetlink", "slow": "connect()", "closed_unused": "connect()"}
_SOURCES |= {"counter": "counter", "uncounted_open": "counter", "firewall_verdict": "firewall", "other_outcome": "connect()"}


@dataclass(frozen=True)
class Anomaly:
    """One thing that was seen at ``host`` (``path``: between hosts, or at a machine that is not managed).

    ``name``: which, of a kind that has several, such as a counter. ``leg``: the packet that it is about. ``count``: of packets, requests
    or counts. ``attempts``: (dial, attempt) of the handshakes whose packets show it.
    """

    kind: str
    host: str
    text: Wording
    name: str = ""
    _keywords: KW_ONLY
    leg: Leg | None = None
    interface: str | None = None
    count: int = 1
    attempts: frozenset[tuple[int, int]] = frozenset()
    detail: dict[str, object] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        worded(self, "text")

    @property
    def source(self) -> str:
        """By what means it was seen."""
        source = _SOURCES.get(self.kind, "capture")
        return f"{source} {self.name}" if source == "counter" and self.name else source

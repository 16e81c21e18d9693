# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What an ICMP error that answers a SYN means (RFC 792, RFC 1812 5.2.7.1, RFC 4443 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

from ..._model.prose import Prose
from ..._model.recording import Observation
from ..case import Case
from ..rows import Row
from .catalogue import Accounts

ERRORS_HELD_BACK = ("Icmp.OutRateLimitHost", "Icmp.OutRateLimitGlobal", "Icmp6.OutRateLimitHost")
"""What counts the errors that a host did not send because it had sent so many."""

USED_UP = Accounts("counter", ("Ip.InHdrErrors", "Ip6.InHdrErrors"), anywhere=True, any_leg=True)
"""What a router counts when it finds a TTL used up (ip_forward(), ip6_forward())."""

HELD_BACK = "held_back"
"""An attempt that ended where others were answered with an error, and got none."""

NOT_SENT = Accounts("counter", ERRORS_HELD_BACK, anywhere=True, any_leg=True)
"""Hosts limit how many errors they send (icmp_ratelimit), and count the others."""

NOT_FOR_EACH = Accounts("other_outcome", ("lost_syn", "lost_syn_ack", "silent", HELD_BACK), anywhere=True, any_leg=True)
"""Some attempts get none then."""

ABORTED = Accounts("counter", ("TcpExt.ListenDrops",), anywhere=True, any_leg=True)
"""An error that quotes a SYN-ACK ends the half-open connection, which counts as a drop (tcp_req_err() of net/ipv4/tcp_ipv4.c)."""

# (type, code): (meaning, words)
_V4 = {
    (3, 0): ("no_route", "network unreachable"),
    (3, 1): ("unreachable", "host unreachable"),
    (3, 2): ("rejected", "protocol unreachable"),
    (3, 3): ("rejected", "port unreachable"),
    (3, 5): ("unreachable", "source route failed"),
    (3, 6): ("no_route", "network unknown"),
    (3, 7): ("unreachable", "host unknown"),
    (3, 8): ("unreachable", "source host isolated"),
    (3, 9): ("rejected", "network prohibited"),
    (3, 10): ("rejected", "host prohibited"),
    (3, 11): ("no_route", "network unreachable for this type of service"),
    (3, 12): ("unreachable", "host unreachable for this type of service"),
    (3, 13): ("rejected", "administratively prohibited"),
    (11, 0): ("loop", "time exceeded in transit"),
}
_V6 = {
    (1, 0): ("no_route", "no route to destination"),
    (1, 1): ("rejected", "administratively prohibited"),
    (1, 2): ("unreachable", "beyond the scope of the source address"),
    (1, 3): ("unreachable", "address unreachable"),
    (1, 4): ("rejected", "port unreachable"),
    (1, 5): ("rejected", "source address failed policy"),
    (1, 6): ("rejected", "reject route"),
    (3, 0): ("loop", "hop limit exceeded in transit"),
}


@dataclass(frozen=True, kw_only=True)
class IcmpAnswer:
    """The ICMP error that ended an attempt; ``about``: where the packet went that it quotes, which a translation may have changed."""

    offender: str
    about: str
    port: int
    type: int
    code: int
    meaning: str | None
    text: Prose
    source: str
    count: int


def quoting(case: Case) -> list[tuple[Row, Observation]]:
    """ICMP errors that quote the SYN-ACK, or another packet of the server's, with where they were seen first."""
    found = []
    for row in (row for attempt in case.subject for row in attempt.everything):
        quote = row.packet.icmp.quote if row.packet.icmp else None
        if quote is not None and (quote.src, quote.sport) == (case.server_address, case.server_port):
            found.append((row, row.everywhere[0]))
    return found


def meaning_of(case: Case, row: Row) -> tuple[str | None, Prose]:
    """What an error means, and in words."""
    message = row.packet.icmp
    return _meant(case, message.type, message.code) if message else _meant(case, 0, 0)


def held_back(case: Case, name: str, attempts: int) -> bool:
    """Whether a managed host counts at least as many errors that it did not send as there were attempts without one."""
    host = case.named(name)
    return host is not None and sum(host.delta(*counter.split(".")) or 0 for counter in ERRORS_HELD_BACK) >= attempts


def _meant(case: Case, kind: int, code: int) -> tuple[str | None, Prose]:
    meaning, words = (_V4 if case.family == 4 else _V6).get((kind, code), (None, "an ICMP error"))
    return meaning, Prose(f"{words} (type {kind} code {code})")


def answer_of(case: Case) -> IcmpAnswer | None:
    """The ICMP error of the case, from the recording or from the client's socket error queue."""
    row, offender = case.outcome.row, case.outcome.offender
    if offender is None:
        return None
    message = row.packet.icmp if row else None
    errors = [attempt.probe.icmp for attempt in case.subject if attempt.probe.icmp and attempt.probe.icmp.offender == offender]
    if message is not None:
        kind, code, source = message.type, message.code, "capture"
        count = case.count("icmp", case.client, "in")
    elif errors:
        kind, code, source, count = errors[0].type, errors[0].code, "socket error queue", len(errors)
    else:
        return None
    meaning, words = _meant(case, kind, code)
    quote = message.quote if message else None
    about, port = (quote.dst, quote.dport or case.port) if quote else (case.address, case.port)
    return IcmpAnswer(
        offender=offender, about=about, port=port, type=kind, code=code, meaning=meaning, text=words, source=source, count=count
    )

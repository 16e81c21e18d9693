# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""One handshake as a capture shows it, and what can honestly be said of it.

The states are those of Zeek's conn.log, the completeness that of Wireshark's `tcp.completeness`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from .._wire.tcp_options import decode_options
from .segment import ACK, FIN, RST, SYN, Error, Segment, endpoints

MOST_TIMES = 16  # retransmissions of a packet that are reported
RETRANSMISSION_NS = 10**9  # after so long, an unanswered SYN would have been repeated (RFC 6298)
_SYN, _SYN_ACK, _ACK, _DATA, _FIN, _RST = 1, 2, 4, 8, 16, 32  # Wireshark's bits
COMPLETED, REFUSED, ICMP_ERROR, UNANSWERED = "completed", "refused", "icmp_error", "unanswered"
UNACKNOWLEDGED, ABORTED, CUT_OFF, NO_SYN = "unacknowledged", "aborted", "cut_off", "no_syn"
OUTCOMES = (COMPLETED, REFUSED, ICMP_ERROR, UNANSWERED, UNACKNOWLEDGED, ABORTED, CUT_OFF, NO_SYN)


class Handshake:
    """The packets of one handshake, by the client's 4-tuple and initial sequence number."""

    __slots__ = (
        *("pair", "isn", "server_isn", "syns", "syn_acks", "syn_options", "syn_ack_options", "syn_ttl", "syn_ack_ttl"),
        *("acked", "history", "bits", "reset", "errors", "last", "moved"),
    )

    def __init__(self, pair: bytes, isn: int) -> None:
        self.pair, self.isn = pair, isn
        self.server_isn: int | None = None
        self.syns: list[int] = []  # times in nanoseconds
        self.syn_acks: list[int] = []
        self.syn_options: list[bytes] = []
        self.syn_ack_options = b""
        self.syn_ttl = self.syn_ack_ttl = 0
        self.acked: int | None = None
        self.history = ""
        self.bits = 0
        self.reset: tuple[str, int, int | None] | None = None  # sender, TTL, TTL of its other packets
        self.errors: list[Error] = []
        self.last = 0
        self.moved: tuple[int | None, int | None] = (None, None)  # bytes of the client and of the server, by the numbers of their ends

    @property
    def first(self) -> int:
        return min(self.syns[:1] + self.syn_acks[:1] + [self.last])

    def take(self, time: int, segment: Segment, of_client: bool) -> None:
        """One more packet of it."""
        flags = segment.flags
        self.last = time
        if flags & RST:
            self._take_reset(segment, of_client)
        elif flags & SYN:
            self._take_syn(time, segment, of_client)
        else:
            self._take_later(time, segment, of_client)

    def take_error(self, time: int, error: Error) -> None:
        """An ICMP error about its SYN."""
        self.last = time
        if len(self.errors) < MOST_TIMES:
            self.errors.append(error)

    def _note(self, letter: str, of_client: bool, bit: int) -> None:
        self.bits |= bit
        letter = letter.upper() if of_client else letter.lower()
        if letter not in self.history:
            self.history += letter

    def _take_syn(self, time: int, segment: Segment, of_client: bool) -> None:
        if of_client:
            self._note("s", True, _SYN)
            if len(self.syns) < MOST_TIMES:
                self.syns.append(time)
                self.syn_options.append(segment.options)
            self.syn_ttl = self.syn_ttl or segment.ttl
        else:
            self._note("h", False, _SYN_ACK)
            if len(self.syn_acks) < MOST_TIMES:
                self.syn_acks.append(time)
            if self.server_isn is None:
                self.server_isn, self.syn_ack_options, self.syn_ack_ttl = segment.seq, segment.options, segment.ttl

    def _take_later(self, time: int, segment: Segment, of_client: bool) -> None:
        if segment.flags & ACK:
            self.bits |= _ACK
            if of_client and self.syn_acks and self.acked is None:
                self.acked = time
        if segment.payload > 0:
            self._note("d", of_client, _DATA)
        elif segment.flags & ACK and not segment.flags & FIN:
            self._note("a", of_client, 0)
        if segment.flags & FIN:
            self._note("f", of_client, _FIN)
            self._ends_at(segment, of_client)

    def _take_reset(self, segment: Segment, of_client: bool) -> None:
        self._note("r", of_client, _RST | (_ACK if segment.flags & ACK else 0))  # as Wireshark has it
        if not of_client and not self.syn_acks and segment.ack != (self.isn + 1) % 2**32:
            return  # no answer to this SYN: its sender ignores it (RFC 9293, 3.10.7.3)
        if self.reset is None:
            others = self.syn_ttl if of_client else self.syn_ack_ttl
            self.reset = ("client" if of_client else "server", segment.ttl, others or None)
        self._ends_at(segment, of_client)

    def _ends_at(self, segment: Segment, of_client: bool) -> None:
        """How many bytes the sender had sent, by the number of its FIN or RST: their packets need not be looked at."""
        begin = self.isn if of_client else self.server_isn
        if begin is None or not (segment.seq or segment.flags & FIN):
            return
        count = (segment.seq - begin - 1) % 2**32
        if count < 2**31:
            client, server = self.moved
            self.moved = (count, server) if of_client else (client, count)
            if count:
                self.bits |= _DATA

    def course(self) -> tuple[Any, ...]:
        """All that decides what is counted of it, and what is counted when more packets come: of two with the same, times aside."""
        sender = self.reset and self.reset[0]
        return self.history, self.bits, len(self.syns), len(self.syn_acks), self.acked is None, sender, bool(self.errors)

    def outcome(self, end: int) -> str:
        """How it ended; `end`: the time of the last packet of the capture."""
        if not self.syns:
            return NO_SYN
        if self.acked is not None:
            return COMPLETED
        if self.reset:
            return REFUSED if self.reset[0] == "server" else ABORTED
        if self.errors:
            return ICMP_ERROR
        if end - (self.syn_acks or self.syns)[-1] < RETRANSMISSION_NS and len(self.syn_acks or self.syns) == 1:
            return CUT_OFF
        return UNACKNOWLEDGED if self.syn_acks else UNANSWERED

    def state(self) -> str:
        """conn_state of Zeek's conn.log."""
        seen = self.history
        if not self.syns:
            return "RSTRH" if "r" in seen else "SHR" if "f" in seen else "OTH"
        if not self.syn_acks:
            if self.reset:
                return "REJ" if self.reset[0] == "server" else "RSTOS0"
            return "SH" if "F" in seen else "S0"
        if self.reset:
            return "RSTR" if self.reset[0] == "server" else "RSTO"
        return {(True, True): "SF", (True, False): "S2", (False, True): "S3"}.get(("F" in seen, "f" in seen), "S1")

    def lost(self, outcome: str) -> dict[str, Any] | None:
        """What did not get through, as far as this one place shows: packets that may be it, and on which side of the capture."""
        if outcome == UNANSWERED:
            return {"packets": ["syn", "syn_ack"], "side": "server"}
        if outcome == UNACKNOWLEDGED:
            again = any(time > self.syn_acks[0] for time in self.syns)
            return {"packets": ["syn_ack"] if again else ["syn_ack", "ack"], "side": "client"}
        if outcome == COMPLETED and self.acked is not None and any(time > self.acked for time in self.syn_acks):
            return {"packets": ["ack"], "side": "server"}
        return None

    def record(self, end: int) -> dict[str, Any]:
        """All of it, as RETURN of capture_info documents it."""
        client, client_port, server, server_port = endpoints(self.pair)
        outcome = self.outcome(end)
        return {
            "client": client,
            "client_port": client_port,
            "server": server,
            "server_port": server_port,
            "isn": self.isn,
            "server_isn": self.server_isn,
            "time": self.first / 10**9,
            "outcome": outcome,
            "history": self.history,
            "conn_state": self.state(),
            "completeness": self.bits,
            "lost": self.lost(outcome),
            "syns": len(self.syns),
            "syn_acks": len(self.syn_acks),
            "syn_intervals_ms": _intervals(self.syns),
            "syn_ack_intervals_ms": _intervals(self.syn_acks),
            "syn_to_syn_ack_ms": self._answered(),
            "syn_ack_to_ack_ms": self._acknowledged(),
            "client_ttl": self.syn_ttl or None,
            "server_ttl": self.syn_ack_ttl or None,
            "client_options": options_of(self.syn_options[0]) if self.syn_options else None,
            "server_options": options_of(self.syn_ack_options) if self.syn_acks else None,
            "client_bytes": self.moved[0],
            "server_bytes": self.moved[1],
            "reset": dict(zip(("from", "ttl", "other_ttl"), self.reset)) if self.reset else None,
            "icmp": [{"from": each.sender, "type": each.type, "code": each.code, "mtu": each.mtu} for each in self.errors],
        }

    def _answered(self) -> float | None:
        """The SYN that was answered is known where there is one only, or where the answer echoes its timestamp (Karn's algorithm)."""
        if not self.syns or not self.syn_acks:
            return None
        sent = [time for time in self.syns if time <= self.syn_acks[0]]
        if len(sent) != 1:
            echoed = _timestamps(self.syn_ack_options)
            stamps = [_timestamps(each) for each in self.syn_options]
            found = [time for time, stamp in zip(self.syns, stamps) if stamp and echoed and stamp[0] == echoed[1]]
            sent = found if len(found) == 1 else []
        return _ms(self.syn_acks[0] - sent[0]) if sent else None

    def _acknowledged(self) -> float | None:
        if self.acked is None or len(self.syn_acks) != 1 or self.acked < self.syn_acks[0]:
            return None
        return _ms(self.acked - self.syn_acks[0])


def options_of(data: bytes) -> dict[str, Any]:
    """The options of a SYN or SYN-ACK. Of all that have the same ones it is the same object: few differ, and thousands may be listed."""
    found = decode_options(data, len(data))
    signed = found.md5 is not None or found.ao is not None
    agreed = (found.mss, found.wscale, found.sack_permitted, found.timestamps is not None, found.fast_open is not None)
    return _options(*agreed, bool(found.mptcp), signed, found.kinds)


@lru_cache(maxsize=1024)
def _options(
    mss: int | None, scale: int | None, sack: bool, timestamps: bool, fast_open: bool, mptcp: bool, signed: bool, kinds: tuple[int, ...]
) -> dict[str, Any]:
    return {
        "mss": mss,
        "window_scale": scale,
        "sack": sack,
        "timestamps": timestamps,
        "fast_open": fast_open,
        "mptcp": mptcp,
        "signed": signed,
        "kinds": list(kinds),
    }


def _timestamps(options: bytes) -> tuple[int, int] | None:
    return decode_options(options, len(options)).timestamps


def _ms(nanoseconds: int) -> float:
    return round(nanoseconds / 10**6, 3)


def _intervals(times: list[int]) -> list[float]:
    return [_ms(after - before) for before, after in zip(times, times[1:])]

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Trace the packets of some handshakes through nf_tables, with the kernel's own trace (NFT_MSG_TRACE, linux/netfilter/nf_tables.h).

A packet is traced from the hook prerouting or output on, before all other chains of these hooks that people usually write. What stops it
before (XDP, tc, chains of the families netdev and bridge), and the legacy tables of iptables, do not show.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
import time
import typing as t

from .._errors import DecodeError, ObserveError
from .._wire.netlink import NETLINK_NETFILTER, NLM_F_DUMP, Netlink, attribute, attributes, messages, unpack
from .table import MAX_FLOWS, TABLE_PREFIX, Flow, TraceSocket

MAX_EVENTS = 5000
MAX_HEARD = 100_000  # those of what others trace on the host included
MAX_BYTES = 16 << 20  # of memory, which so many events take at the most

_MSG_GETRULE, _MSG_TRACE = 10 << 8 | 7, 10 << 8 | 17  # NFNL_SUBSYS_NFTABLES, NFT_MSG_*
_RULE_TABLE, _RULE_CHAIN, _RULE_HANDLE = 1, 2, 3  # NFTA_RULE_*
_TABLE, _CHAIN, _HANDLE, _TYPE, _VERDICT, _ID = 1, 2, 3, 4, 5, 6  # NFTA_TRACE_*
_NETWORK, _TRANSPORT, _OIF, _NFPROTO, _POLICY = 8, 9, 12, 15, 16
_VERDICT_CODE = 1  # NFTA_VERDICT_CODE
_RULE = 3
_TYPES = {1: "policy", 2: "return", _RULE: "rule"}
_VERDICTS = {-5: "return", -4: "goto", -3: "jump", -2: "break", -1: "continue", 0: "drop", 1: "accept", 2: "stolen", 3: "queue"}
_FINAL = ("drop", "stolen", "queue")
_FAMILIES = {1: "inet", 2: "ip", 5: "netdev", 7: "bridge", 10: "ip6"}
_FLAGS = ("FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR")
_NUMBER, _SIGNED, _LONG = struct.Struct("!I"), struct.Struct("!i"), struct.Struct("!Q")
_TCP = struct.Struct("!HHIIBB")

Record = t.Dict[str, t.Any]


class Tracer:
    """A trace in this process, or in one of its own (see `detached.Worker`). Poll `fileno()` and call `collect()` when it is readable."""

    def __init__(self, run: str, flows: t.Iterable[Flow], seconds: float) -> None:
        """Trace the handshakes' packets from now on. NotPermittedError without CAP_NET_ADMIN, ObserveError where the kernel cannot."""
        self._socket = TraceSocket(run, list(dict.fromkeys(flows))[:MAX_FLOWS])
        self._deadline = time.monotonic() + seconds
        self._traces: list[Record] = []
        self._passing: dict[int, Record] = {}  # by the kernel's identifier of a packet's buffer, which is used again
        self._events = self._heard = 0
        self._lost = False
        self._truncated: str | None = None

    def fileno(self) -> int:
        """Stays valid until `close()`, also when the trace has come to a bound."""
        return self._socket.fileno()

    def descriptors(self) -> list[int]:
        """See `detached.Worker`."""
        return [self.fileno()]

    def collect(self) -> None:
        """Take what the kernel has sent; does not wait."""
        while self._truncated is None:
            try:
                datagram = self._socket.receive()
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._lost = True
                continue
            if datagram is None:
                break
            self._heard += 1
            if self._heard >= MAX_HEARD:
                self._end("events")
            try:
                for kind, _flags, _sequence, body in messages(datagram):
                    if kind == _MSG_TRACE:
                        self._event(body)
            except DecodeError:  # by a kernel unlike those we know
                self._lost = True
        if self._truncated is None and time.monotonic() > self._deadline:
            self._end("deadline")

    def result(self, interest: Record | None = None) -> Record:
        """`TR` of docs/evidence.md, up to now. There is nothing to choose: only packets of the flows were traced."""
        self.collect()
        _number_rules([trace["steps"][-1] for trace in self._traces if trace["steps"] and trace["verdict"] in _FINAL])
        return {"traces": self._traces, "truncated": self._truncated, "lost": self._lost}

    def finish(self, interest: Record | None = None) -> Record:
        """The same, and the end of the trace."""
        try:
            return self.result(interest)
        finally:
            self.close()

    def close(self) -> None:
        """End the trace: the table goes."""
        self._socket.close()

    def _end(self, why: str) -> None:
        self._truncated = why
        self._socket.release()

    def _event(self, body: bytes) -> None:
        about = attributes(body[4:])
        table = _text(about.get(_TABLE))
        packet = _number(about.get(_ID))
        if table == self._socket.table:
            if _number(about.get(_TYPE)) == _RULE and _NETWORK in about:  # headers come once a hook: here a packet enters
                self._begin(packet, about)
            return
        trace = self._passing.get(packet)
        if trace is None or table.startswith(TABLE_PREFIX):  # traced for others; a table of another run
            return
        if _number(about.get(_TYPE)) == _RULE and _HANDLE not in about:  # the end of a chain, where nothing is done
            return
        self._count()
        step = _step(_FAMILIES.get(body[0], str(body[0])), table, about)
        trace["steps"].append(step)
        trace["verdict"] = step["verdict"] if step["verdict"] in _FINAL else "accept"

    def _begin(self, packet: int, about: dict[int, bytes]) -> None:
        self._count()
        self._passing.pop(packet, None)
        hook = "output" if _OIF in about else "prerouting"
        trace = {"packet": _packet(about), "hook": hook, "steps": [], "verdict": "accept"}
        self._traces.append(trace)
        self._passing[packet] = trace

    def _count(self) -> None:
        self._events += 1
        if self._events >= MAX_EVENTS and self._truncated is None:
            self._end("events")


def _packet(about: dict[int, bytes]) -> Record:
    family, at, length = (socket.AF_INET6, 8, 16) if _number(about.get(_NFPROTO)) == 10 else (socket.AF_INET, 12, 4)
    network = about.get(_NETWORK, b"")
    if len(network) < at + 2 * length:
        raise DecodeError(f"{len(network)} bytes of a traced packet's network header")
    source_port, port, sequence, acknowledged, _offset, flags = unpack(_TCP, about.get(_TRANSPORT, b""), "a traced packet's TCP header")
    return {
        "source": socket.inet_ntop(family, network[at : at + length]),
        "source_port": source_port,
        "destination": socket.inet_ntop(family, network[at + length : at + 2 * length]),
        "port": port,
        "flags": [name for bit, name in enumerate(_FLAGS) if flags >> bit & 1],
        "seq": sequence,
        "ack": acknowledged,
    }


def _step(family: str, table: str, about: dict[int, bytes]) -> Record:
    kind = _TYPES.get(_number(about.get(_TYPE)), "unknown")
    verdict = attributes(about.get(_VERDICT, b""))
    code = unpack(_SIGNED, verdict[_VERDICT_CODE], "a verdict")[0] if _VERDICT_CODE in verdict else None
    if kind == "policy":
        code = _number(about.get(_POLICY))
    return {
        "family": family,
        "table": table,
        "chain": _text(about.get(_CHAIN)),
        "type": kind,
        "handle": unpack(_LONG, about[_HANDLE], "a handle")[0] if _HANDLE in about else None,
        "verdict": None if code is None else _VERDICTS.get(code if code < 0 else code & 0xFF, str(code)),
        "number": None,
    }


def _number_rules(steps: t.Iterable[Record]) -> None:
    """Count at which place of their chains the rules of some steps are: iptables knows no handles. They may be gone, and keep None."""
    known: dict[tuple[str, str, str], dict[int, int]] = {}
    for step in steps:
        place = (step["family"], step["table"], step["chain"])
        if step["handle"] is not None:
            if place not in known:
                known[place] = _numbers(*place)
            step["number"] = known[place].get(step["handle"])


def _numbers(family: str, table: str, chain: str) -> dict[int, int]:
    """handle -> number, counted from 1, of the rules of a chain; empty when it cannot be read any more."""
    number = next((number for number, name in _FAMILIES.items() if name == family), 0)
    names = [(_RULE_TABLE, table.encode() + b"\0"), (_RULE_CHAIN, chain.encode() + b"\0")]
    found: dict[int, int] = {}
    with contextlib.suppress(ObserveError), Netlink(NETLINK_NETFILTER) as netlink:
        asked = bytes((number, 0, 0, 0)) + b"".join(attribute(kind, name) for kind, name in names)
        for body in netlink.request(_MSG_GETRULE, NLM_F_DUMP, asked):
            rule = attributes(body[4:])
            if all(rule.get(kind) == name for kind, name in names):  # a kernel may return more than it was asked for
                found[unpack(_LONG, rule.get(_RULE_HANDLE, b""), "a handle")[0]] = len(found) + 1
    return found


def _number(raw: bytes | None) -> int:
    return int(unpack(_NUMBER, raw, "a number")[0]) if raw else 0


def _text(raw: bytes | None) -> str:
    return (raw or b"").rstrip(b"\0").decode("utf-8", "replace")

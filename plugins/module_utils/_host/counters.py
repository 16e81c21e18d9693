# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The kernel's counters: /proc/net/{netstat,snmp,snmp6,xfrm_stat} (this network namespace), softnet_stat and neighbour tables (the whole
host)."""

from __future__ import annotations

import contextlib
import typing as t

from .._errors import DecodeError, ObserveError
from . import neighbour_tables

Counters = t.Dict[str, t.Dict[str, int]]

# These travel even when they are 0, so that a missing one says: this kernel has no such counter.
# Every counter that a rule of the catalogue reads must stand here; the others travel when they are not 0.
LISTED = {
    "Tcp": "ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab RetransSegs InErrs OutRsts InCsumErrors",
    "TcpExt": "SyncookiesSent SyncookiesRecv SyncookiesFailed EmbryonicRsts ListenOverflows ListenDrops PAWSActive PAWSTimewait"
    " PAWSEstab TSEcrRejected LockDroppedIcmps OutOfWindowIcmps TCPTimeouts TCPSynRetrans TCPRetransFail TCPAbortOnMemory"
    " TCPAbortOnTimeout TCPMD5NotFound TCPMD5Unexpected TCPMD5Failure TCPAORequired TCPAOBad TCPAOKeyNotFound TCPMinTTLDrop"
    " TCPDeferAcceptDrop IPReversePathFilter TCPTimeWaitOverflow TCPReqQFullDoCookies TCPReqQFullDrop TCPChallengeACK"
    " TCPSYNChallenge TCPACKSkippedSynRecv TCPACKSkippedChallenge TCPBacklogDrop PFMemallocDrop TCPMemoryPressures"
    " TCPFastOpenActiveFail TCPFastOpenPassiveFail TCPFastOpenListenOverflow TCPFastOpenBlackhole TCPMigrateReqFailure",
    "Ip": "InHdrErrors InAddrErrors ForwDatagrams InDiscards OutDiscards OutNoRoutes FragFails",
    "IpExt": "InNoRoutes InTruncatedPkts InCsumErrors",
    "Icmp": "InErrors InCsumErrors InDestUnreachs InTimeExcds OutDestUnreachs OutTimeExcds OutRateLimitGlobal OutRateLimitHost",
    "Ip6": "InHdrErrors InNoRoutes InAddrErrors InDiscards OutForwDatagrams OutDiscards OutNoRoutes",
    "Icmp6": "InErrors InCsumErrors InDestUnreachs InPktTooBigs InTimeExcds InNeighborSolicits OutDestUnreachs OutTimeExcds"
    " OutRateLimitHost",
    "Udp": "InCsumErrors",
    "Udp6": "InCsumErrors",
    "Xfrm": "InNoPols InPolBlock OutPolBlock OutNoStates AcquireError",
    "Softnet": "processed dropped time_squeeze flow_limit_count",
    "Arp": "entries limit table_fulls",
    "Ndisc": "entries limit table_fulls",
}
_SOFTNET_COLUMNS = {0: "processed", 1: "dropped", 2: "time_squeeze", 10: "flow_limit_count"}


def read() -> Counters:
    """All counters as docs/evidence.md says; OSError when /proc/net cannot be read."""
    counters = {**parse_pairs(_text("netstat")), **parse_pairs(_text("snmp"))}
    counters.update(parse_names(_optional("snmp6"), "Ip6", "Icmp6", "Udp6"))
    counters.update(parse_names(_optional("xfrm_stat"), "Xfrm"))
    counters["Softnet"] = parse_softnet(_text("softnet_stat"))
    with contextlib.suppress(ObserveError):  # the others are worth having without them
        counters.update(neighbour_tables.read())
    return kept(counters)


def parse_pairs(text: str) -> Counters:
    """netstat and snmp: a line of names and a line of values per group, `Tcp: InSegs OutSegs` above `Tcp: 5 6`."""
    counters: Counters = {}
    lines = text.splitlines()
    for names, values in zip(lines[::2], lines[1::2]):
        group, _colon, columns = names.partition(": ")
        same, _colon, numbers = values.partition(": ")
        if same != group or len(columns.split()) != len(numbers.split()):
            raise DecodeError(f"the counters of group {group[:20]!r} have other names than values")
        counters[group] = dict(zip(columns.split(), map(_number, numbers.split())))
    return counters


def parse_names(text: str, *prefixes: str) -> Counters:
    """snmp6 and xfrm_stat: one `GroupName value` per line; the groups are those that begin with one of `prefixes`."""
    counters: Counters = {}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) != 2:
            raise DecodeError(f"not a name and a number in /proc/net: {line[:40]!r}")
        for prefix in prefixes:
            if fields[0].startswith(prefix):
                counters.setdefault(prefix, {})[fields[0][len(prefix) :]] = _number(fields[1])
    return counters


def parse_softnet(text: str) -> dict[str, int]:
    """softnet_stat: one line of hexadecimal columns per CPU, summed up; columns that an old kernel lacks are missing."""
    sums: dict[str, int] = {}
    for line in text.splitlines():
        columns = line.split()
        for position, name in _SOFTNET_COLUMNS.items():
            if position < len(columns):
                sums[name] = sums.get(name, 0) + _number(columns[position], 16)
    return sums


def parse_table(text: str) -> dict[str, int]:
    """stat/*: names, then one line of hexadecimal values per CPU: their sums, but `entries`, the same in every line, once."""
    header, *rows = text.splitlines() or [""]
    sums: dict[str, int] = {}
    for row in rows:
        for name, value in zip(header.split(), row.split()):
            number = _number(value, 16)
            sums[name] = number if name == "entries" else sums.get(name, 0) + number
    return sums


def kept(counters: Counters) -> Counters:
    """The groups and counters that travel: those listed, and others that are not 0."""
    return {group: _listed_or_moved(group, counters[group]) for group in LISTED if group in counters}


def _listed_or_moved(group: str, counters: dict[str, int]) -> dict[str, int]:
    listed = set(LISTED[group].split())
    return {name: value for name, value in counters.items() if value or name in listed}


def _text(name: str) -> str:
    with open("/proc/net/" + name, encoding="ascii", errors="replace") as file:
        return file.read()


def _optional(name: str) -> str:
    """Empty when the kernel was built or started without that part (IPv6, IPsec)."""
    try:
        return _text(name)
    except FileNotFoundError:
        return ""


def _number(text: str, base: int = 10) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise DecodeError(f"a counter in /proc/net is no number of base {base}: {text[:20]!r}") from None

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What the kernel's own lines say, as data. Each pattern has the sources in which its line is printed."""

from __future__ import annotations

import re
import typing as t

from .question import address as as_address

Fields = t.Dict[str, t.Any]

# net/ipv4/tcp_input.c tcp_syn_flood_action(): with the address since 6.4
_SYN_FLOOD = re.compile(
    r"(?:TCP: )?(?:request_sock_\w+: )?[Pp]ossible SYN flooding on port (?:(\[[0-9a-fA-F:.]+\]|[\d.]+):)?(\d+)\. (Sending|Dropping)"
)
# net/netfilter/nf_conntrack_core.c __nf_conntrack_alloc(): with the namespace since 6.5
_TABLE_FULL = re.compile(r"(?:nf_conntrack: |ip_conntrack: )+table full(?: in netns (\d+))?, dropping packet")
# net/core/neighbour.c neigh_alloc()
_NEIGHBOURS = re.compile(r"(?:neighbour: |ipv[46]: )?(?:(arp_cache|ndisc_cache): )?neighbou?r table overflow", re.IGNORECASE)
# net/ipv4/route.c ip_handle_martian_source(), ip_route_input_slow()
_MARTIAN = re.compile(r"IPv4: martian (source|destination) ([\d.]+) from ([\d.]+), (?:on )?dev (\S+)")
# net/netfilter/nf_log_syslog.c nf_log_dump_packet_common(): whatever the rule's prefix is, the packet follows it
_LOGGED = re.compile(r"IN=(\S{0,32}) OUT=(\S{0,32}) ")
_PART = re.compile(r"(SRC|DST|TTL|HOPLIMIT|PROTO|SPT|DPT)=(\S+)")
_FLAG = re.compile(r" (SYN|ACK|RST|FIN)(?= )")
# mm/oom_kill.c dump_oom_summary(), __oom_kill_process()
_OOM_OF = re.compile(r"oom-kill:.*task_memcg=(\S+),task=(.{1,15}),pid=(\d+),uid=\d+$")
_OOM = re.compile(r"(?:Memory cgroup o|O)ut of memory: Kill(?:ed)? process (\d+) \((.{1,15}?)\)")
# net/ipv4/tcp.c tcp_check_oom()
_MEMORY = re.compile(r"TCP: (?:out of memory -- consider tuning tcp_mem|(too many orphaned sockets))")
# security/selinux/avc.c, security/apparmor/audit.c, through kernel/audit.c
_AVC = re.compile(r"avc:\s+denied\s+\{ ([\w ]{1,80}) \} for\s+(.*)")
_APPARMOR = re.compile(r'apparmor="DENIED" operation="(\w+)"(.*)')
_PAIR = re.compile(r'(\w+)=("[^"]*"|\S+)')
# drivers/net/: each driver has words of its own
_LINKS = (
    re.compile(r"(?:.{0,80}[ :])?(?P<interface>(?!NIC\b|Copper\b)[^\s:]+):? (?:NIC )?(?:Copper )?[Ll]ink is (?P<state>[Dd]own|[Uu]p)\b"),
    re.compile(r"(?:.{0,80} )?(?P<interface>[^\s:]+): [Ll]ink (?P<state>[Dd]own|[Uu]p)\b"),
    re.compile(r"(?:bonding: )?(?P<of>[^\s:]+): \(slave (?P<interface>[^\s:)]+)\): link status definitely (?P<state>down|up)\b"),
    re.compile(r"(?:bonding: )?(?P<of>[^\s:]+): link status definitely (?P<state>down|up) for interface (?P<interface>[^\s:,]+)"),
)
_LINK_READY = re.compile(r"(?:IPv6: )?ADDRCONF\(NETDEV_(?:CHANGE|UP)\): (\S+): link becomes ready")
_BOND_DOWN = re.compile(r"(?:bonding: )?([^\s:]+): now running without any active interface")
_UNIT = re.compile(r"[^/]+\.(?:service|socket|scope)$")


def read(text: str) -> Fields | None:
    """The kind of a line of the kernel's and what it names; None for any other line."""
    return next((found for found in (reader(text) for reader in _READERS) if found), None)


def packet(text: str) -> Fields | None:
    """A packet that a rule logged, as the kernel and ulogd write it. The prefix is the rule's, and says nothing of the packet."""
    heads = list(_LOGGED.finditer(text))
    if not heads:
        return None
    head = heads[-1]
    rest = text[head.end() :].partition(" [")[0]  # what an ICMP error quotes
    parts = dict(reversed(_PART.findall(rest)))  # the first of a name
    sender, receiver = as_address(parts.get("SRC", "")), as_address(parts.get("DST", ""))
    if parts.get("PROTO") != "TCP" or sender is None or receiver is None:
        return None
    return {
        "kind": "firewall_log",
        "interface": head.group(1) or None,
        "out_interface": head.group(2) or None,
        "ttl": _number(parts.get("TTL") or parts.get("HOPLIMIT")),
        "sender": sender,
        "sender_port": port_number(parts.get("SPT")),
        "receiver": receiver,
        "receiver_port": port_number(parts.get("DPT")),
        "flags": _FLAG.findall(f"{rest} "),
        "prefix": text[: head.start()],
    }


def access_denied(text: str) -> Fields | None:
    """What SELinux or AppArmor forbade, in a line of the kernel or of audit.log."""
    avc, apparmor = _AVC.search(text), _APPARMOR.search(text)
    found = avc or apparmor
    if not found:
        return None
    pairs = {name: value.strip('"') for name, value in _PAIR.findall(found.group(2))}
    enforced = pairs.get("permissive") != "1"
    return {
        "kind": "access_denied",
        "module": "selinux" if avc else "apparmor",
        "state": found.group(1) if enforced else f"{found.group(1)} (permissive)",
        "enforced": enforced,
        "pid": _number(pairs.get("pid")) or None,
        "process": _command(pairs.get("comm")),
        "interface": pairs.get("netif"),
        "sender": as_address(pairs.get("saddr", "") or pairs.get("faddr", "")),
        "sender_port": port_number(pairs.get("src") if "daddr" in pairs else pairs.get("fport")),
        "receiver": as_address(pairs.get("daddr", "") or pairs.get("laddr", "")),
        "receiver_port": port_number(pairs.get("dest") or pairs.get("lport") or pairs.get("src")),
    }


def _syn_flood(text: str) -> Fields | None:
    found = _SYN_FLOOD.match(text)
    if not found:
        return None
    address = as_address(found.group(1)) if found.group(1) else None
    state = "cookies" if found.group(3) == "Sending" else "dropping"
    return {"kind": "syn_flood", "receiver": address, "receiver_port": port_number(found.group(2)), "state": state}


def _conntrack_full(text: str) -> Fields | None:
    found = _TABLE_FULL.match(text)
    return {"kind": "conntrack_full", "netns": _number(found.group(1))} if found else None


def _neighbours_full(text: str) -> Fields | None:
    found = _NEIGHBOURS.match(text)
    if not found:
        return None
    return {"kind": "neighbour_table_full", "state": {"arp_cache": "ipv4", "ndisc_cache": "ipv6"}.get(found.group(1) or "")}


def _martian(text: str) -> Fields | None:
    found = _MARTIAN.match(text)
    if not found:
        return None
    ends = {"receiver": as_address(found.group(2)), "sender": as_address(found.group(3))}
    return {"kind": "martian", "state": found.group(1), "interface": found.group(4), **ends}


def _oom(text: str) -> Fields | None:
    found = _OOM.match(text)
    if found:
        return {"kind": "oom_kill", "pid": _number(found.group(1)), "process": found.group(2)}
    found = _OOM_OF.match(text)
    if not found:
        return None
    unit = _UNIT.search(found.group(1))
    return {"kind": "oom_kill", "pid": _number(found.group(3)), "process": found.group(2), "unit": unit.group() if unit else None}


def _memory(text: str) -> Fields | None:
    found = _MEMORY.match(text)
    return {"kind": "tcp_memory", "state": "orphans" if found.group(1) else "tcp_mem"} if found else None


def _link(text: str) -> Fields | None:
    ready, alone = _LINK_READY.match(text), _BOND_DOWN.match(text)
    if ready or alone:
        return {"kind": "link", "interface": (ready or alone).group(1), "state": "up" if ready else "down"}  # type: ignore[union-attr]
    found = next(filter(None, (pattern.match(text) for pattern in _LINKS)), None)
    if not found:
        return None
    named = found.groupdict()
    return {"kind": "link", "interface": named["interface"], "of": named.get("of"), "state": named["state"].lower()}


def port_number(text: str | None) -> int | None:
    """None for what is none: anybody may write lines that look like these."""
    number = _number(text)
    return number if number is not None and number < 65536 else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.match(r"[0-9]{1,18}$", text) else None


def _command(text: str | None) -> str | None:
    """The audit system writes a name with unusual characters as hexadecimal digits, without quotes."""
    if text and len(text) > 15 and re.match(r"(?:[0-9A-F]{2})+$", text):
        return bytes.fromhex(text).decode("utf-8", "replace")
    return text


_READERS = (packet, access_denied, _syn_flood, _conntrack_full, _neighbours_full, _martian, _oom, _memory, _link)

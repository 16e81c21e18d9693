# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What lines of programs say, as data: those of the programs that are known, and errors of accept() of any."""

from __future__ import annotations

import re
import typing as t

from . import kernel
from .line import Line
from .question import address as as_address

Fields = t.Dict[str, t.Any]

# catalog of systemd, sd-messages.h
_UNIT_EVENTS = {
    "d9b373ed55a64feb8242e02dbe79a49c": "failed",
    "be02cf6855d2428ba40df7e9d022f03d": "failed",  # a job, until systemd 250 or so
    "98e322203f7a4ed290d09fe03c09fe15": "exited",
    "fe6faa94e7774663a0da52717891d8ef": "oom-kill",
    "5eb03494b6584870a536b337290809b3": "restarting",
}
_UNIT_FAILED = re.compile(r"(\S{1,200}\.\w+): (?:Failed with result '([\w-]+)'|A process of this unit has been killed by the (OOM) killer)")
_VRRP = re.compile(r"(?:VRRP_Instance)?\((\S{1,100}?)\) (?:Entering|Transition to) (MASTER|BACKUP|FAULT) STATE")
_SSHD = re.compile(
    r"(?:error: )?drop connection #\d+ from \[([0-9A-Fa-f:.]{2,60})\]:(\d{1,5})"
    r" on \[([0-9A-Fa-f:.]{2,60})\]:(\d{1,5}) (past MaxStartups|penalty)"
)
_THROTTLING = re.compile(r"(?:error: )?beginning MaxStartups throttling")
# libwrap (tcp_wrappers), in whichever program
_REFUSED = re.compile(r"refused connect from (?:\S{1,255} \(([0-9A-Fa-f:.]{2,60})\)|([0-9A-Fa-f:.]{2,60}))$")
_CARRIER = re.compile(r"(\S{1,20}): (Lost|Gained) carrier")
_NM_CARRIER = re.compile(r".{0,80}device \((\S{1,20}?)\): carrier: link (dis)?connected")
_NO_DESCRIPTOR = re.compile(r"too many open files( in system)?|\bE([MN])FILE\b", re.IGNORECASE)
_NO_MEMORY = re.compile(r"accept.{0,100}(?:(cannot allocate memory|ENOMEM)|(no buffer space|ENOBUFS))", re.IGNORECASE)


def read(line: Line) -> Fields | None:
    """The kind of a program's line and what it names; None for any other line."""
    of_program = _READERS.get((line.program or "")[:15])
    found = of_program(line) if of_program else None
    if found is None:
        found = _refused(line.text) or _accept_error(line.text)
        if found is None and line.urgent and line.unit:
            found = {"kind": "unit_error"}
        if found is not None:
            found.update(pid=line.pid, process=line.program, unit=line.unit)
    return found


def _systemd(line: Line) -> Fields | None:
    state = _UNIT_EVENTS.get(line.event or "")
    if state and line.subject:
        return {"kind": "unit_failed", "unit": line.subject, "state": state}
    found = _UNIT_FAILED.match(line.text)
    if not found:
        return None
    return {"kind": "unit_failed", "unit": line.subject or found.group(1), "state": "oom-kill" if found.group(3) else found.group(2)}


def _keepalived(line: Line) -> Fields | None:
    found = _VRRP.match(line.text)
    return {"kind": "vrrp", "process": found.group(1), "state": found.group(2).lower()} if found else None


def _sshd(line: Line) -> Fields | None:
    found = _SSHD.match(line.text)
    if not found:
        return {"kind": "turned_away", "state": "max_startups"} if _THROTTLING.match(line.text) else None
    sender, sender_port, receiver, receiver_port, why = found.groups()
    return {
        "kind": "turned_away",
        "state": "penalty" if why == "penalty" else "max_startups",
        "sender": as_address(sender),
        "sender_port": kernel.port_number(sender_port),
        "receiver": as_address(receiver),
        "receiver_port": kernel.port_number(receiver_port),
    }


def _refused(text: str) -> Fields | None:
    found = _REFUSED.match(text)
    sender = as_address(found.group(1) or found.group(2)) if found else None
    return {"kind": "turned_away", "state": "tcp_wrappers", "sender": sender} if sender else None


def _networkd(line: Line) -> Fields | None:
    found = _CARRIER.match(line.text)
    return {"kind": "link", "interface": found.group(1), "state": "down" if found.group(2) == "Lost" else "up"} if found else None


def _network_manager(line: Line) -> Fields | None:
    found = _NM_CARRIER.match(line.text)
    return {"kind": "link", "interface": found.group(1), "state": "down" if found.group(2) else "up"} if found else None


def _accept_error(text: str) -> Fields | None:
    found = _NO_DESCRIPTOR.search(text)
    if found:
        whole_host = bool(found.group(1)) or (found.group(2) or "").upper() == "N"
        return {"kind": "accept_error", "error": "ENFILE" if whole_host else "EMFILE"}
    found = _NO_MEMORY.search(text)
    return {"kind": "accept_error", "error": "ENOMEM" if found.group(1) else "ENOBUFS"} if found else None


_READERS: dict[str, t.Callable[[Line], Fields | None]] = {
    "systemd": _systemd,
    "keepalived": _keepalived,
    "Keepalived_vrrp": _keepalived,
    "sshd": _sshd,
    "sshd-session": _sshd,
    "systemd-network": _networkd,  # names of processes have 15 characters
    "NetworkManager": _network_manager,
    "ulogd": lambda line: kernel.packet(line.text),
    "audit": lambda line: kernel.access_denied(line.text),
}

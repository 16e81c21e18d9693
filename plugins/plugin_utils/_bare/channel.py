# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The outcome of asking an sshd to open a connection (RFC 4254, 7.2: direct-tcpip), as a probe of docs/evidence.md."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

PROHIBITED = "administratively prohibited"
CONNECT_FAILED = "connect failed"

_ERRNOS = {
    "Connection refused": "ECONNREFUSED",
    "Connection timed out": "ETIMEDOUT",
    "Operation timed out": "ETIMEDOUT",
    "No route to host": "EHOSTUNREACH",
    "Host is unreachable": "EHOSTUNREACH",
    "Network is unreachable": "ENETUNREACH",
    "Network unreachable": "ENETUNREACH",
    "Network is down": "ENETDOWN",
    "Connection reset by peer": "ECONNRESET",
    "Permission denied": "EACCES",
    "Operation not permitted": "EPERM",
    "Cannot assign requested address": "EADDRNOTAVAIL",
    "Address not available": "EADDRNOTAVAIL",
    "Protocol not available": "ENOPROTOOPT",
}
"""strerror(3) of glibc and of musl, in the C locale, in which servers run."""
_UNRESOLVED = {
    "Name or service not known": "EAI_NONAME",
    "Name does not resolve": "EAI_NONAME",
    "No address associated with hostname": "EAI_NODATA",
    "Temporary failure in name resolution": "EAI_AGAIN",
    "Try again": "EAI_AGAIN",
    "Non-recoverable failure in name resolution": "EAI_FAIL",
}
"""gai_strerror(3) of glibc and of musl."""

_ASKED = re.compile(r"channel \d+: new (?:stdio-forward|direct-tcpip)\b")
_OPENED = re.compile(r"channel \d+: open confirm\b")
_REFUSED = re.compile(r"^channel \d+: open failed: ([a-z -]+): ?(.*)$")


class NoChannel(Exception):
    """A connection opens no channels; the message says why and what to do."""


@dataclass(kw_only=True)
class Channel:
    """One connection that an sshd was asked for; times in seconds since then."""

    asked: bool = False
    opened: bool = False
    refusal: str | None = None
    """The reason's name of RFC 4254, 5.1."""
    answer: str = ""
    """What sshd said of it."""
    last: str = ""
    """What the client said last."""

    @property
    def answered(self) -> bool:
        return self.opened or self.refusal is not None

    @property
    def errno(self) -> str | None:
        """None: connect() failed and sshd does not say why. OpenSSH does not where it failed at once."""
        return next((errno for text, errno in _ERRNOS.items() if self.answer.endswith(text)), None)

    @property
    def resolver_error(self) -> str | None:
        return next((code for text, code in _UNRESOLVED.items() if self.answer.endswith(text)), None)

    def read(self, line: str) -> None:
        """A line that OpenSSH's client writes with LogLevel=DEBUG2."""
        line = line.rstrip("\r\n")
        said = line.partition(": ")[2] if line.startswith("debug") else line
        if _ASKED.search(said):
            self.asked = True
        elif _OPENED.search(said):
            self.opened = True
        elif self.asked and (match := _REFUSED.match(line)):
            self.refusal, self.answer = match[1], match[2].strip()
        elif not line.startswith("debug"):
            self.last = line or self.last


def probe(dial: dict[str, Any], attempt: int, address: str, channel: Channel, started: float, elapsed: float) -> dict[str, Any]:
    """The channel as an attempt. How long connect() took is not known: the way to sshd and back is in ``elapsed``."""
    late = elapsed > dial["timeout"]
    failed = channel.refusal is not None
    outcome = "timeout" if late or not channel.answered else "error" if failed else "connected"
    return {
        "dial": dial["id"],
        "attempt": attempt,
        "address": address,
        "port": dial["port"],
        "family": "ipv6" if ":" in address else "ipv4",
        "local_address": None,
        "local_port": None,
        "uid": None,
        "started": started,
        "stage": "done" if channel.opened else "wait",
        "outcome": outcome,
        "errno": channel.errno if failed and not late else None,
        "elapsed_ms": None,
        "late_ms": round(1000 * elapsed, 1) if late and (channel.opened or channel.errno) else None,
        "late_errno": channel.errno if failed and late else None,
        "icmp": None,
        "peer": None,
        "tcp_info": None,
        "via": "sshd",
    }

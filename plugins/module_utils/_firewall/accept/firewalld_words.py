# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A rich rule of firewalld for one flow, in the words of firewalld.richlanguage(5). Pure."""

from __future__ import annotations

import ipaddress
import re
import shlex
import typing as t

MODULE = "ansible.posix.firewalld"
FIRST = -32768
"""The priority of rich rules that precede all others."""
PRIORITIES = {"pre": FIRST, "log": -1, "deny": -1}
"""By the part of a zone or policy that stops a packet: the priority of what comes before that part, which is 0 if it is not named here."""
_RICH = re.compile(
    r'rule(?: priority="(?P<priority>-?\d{1,5})")? family="(?P<family>ipv[46])" source address="(?P<source>[0-9a-f.:]+)" '
    r'destination address="(?P<destination>[0-9a-f.:]+)" port port="(?P<port>\d{1,5})" protocol="tcp" accept'
)


class Rich(t.NamedTuple):
    source: str
    destination: str
    port: int
    priority: int = 0

    def text(self) -> str:
        before = f' priority="{self.priority}"' if self.priority else ""
        family = "ipv6" if ":" in self.source else "ipv4"
        ends = f'source address="{self.source}" destination address="{self.destination}"'
        return f'rule{before} family="{family}" {ends} port port="{self.port}" protocol="tcp" accept'

    @property
    def part(self) -> str:
        """Of the zone that firewalld puts it into."""
        return "pre" if self.priority < 0 else "allow"


def commands(holder: str, name: str, rich: str, verb: str = "add") -> list[str]:
    """For a shell, at runtime and permanently. `holder`: zone or policy; `verb`: add, remove or query."""
    rest = f"{shlex.quote(f'--{holder}={name}')} --{verb}-rich-rule={shlex.quote(rich)}"
    return [f"firewall-cmd {rest}", f"firewall-cmd --permanent {rest}"]


def read(text: str) -> Rich:
    """What `Rich.text` wrote. Raises ValueError."""
    match = _RICH.fullmatch(text)
    if match is None:
        raise ValueError("only a rich rule that accepts TCP from one address to one address and port can be rehearsed")
    ends = [str(ipaddress.ip_address(match[end])) for end in ("source", "destination")]
    return Rich(ends[0], ends[1], int(match["port"]), int(match["priority"] or 0))

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Whether what a host returned is fit to become an argument of a step: names by pattern, addresses by parsing."""

from __future__ import annotations

import ipaddress
import re

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.flow import plain_interface

_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@\\-]{0,240}\.(?:service|socket)")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_./:-]{0,63}")  # of tables and chains; those of iptables are shorter
_ZONE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,31}(?:/[A-Za-z0-9_][A-Za-z0-9_-]{0,31})?")
_FILE = re.compile(r"/etc(?:/[A-Za-z0-9_+@][A-Za-z0-9_.+@-]*)+")


def interface(name: str | None) -> bool:
    return plain_interface(name) is not None


def unit(name: str | None) -> bool:
    """A service or socket of the system's own systemd."""
    return bool(name) and _UNIT.fullmatch(str(name)) is not None


def name(text: str) -> bool:
    """A table or a chain of a firewall."""
    return _NAME.fullmatch(text) is not None


def zone(text: object) -> bool:
    """A zone of firewalld."""
    return isinstance(text, str) and _ZONE.fullmatch(text) is not None


def file(path: object) -> bool:
    """A file of the configuration."""
    return isinstance(path, str) and len(path) < 256 and _FILE.fullmatch(path) is not None


def address(text: str | None) -> bool:
    try:
        return bool(text) and str(ipaddress.ip_address(str(text))) == text
    except ValueError:
        return False


def network(text: str | None) -> bool:
    try:
        return bool(text) and str(ipaddress.ip_network(str(text))) == text
    except ValueError:
        return False


def mac(text: str | None) -> bool:
    return bool(text) and re.fullmatch(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", str(text)) is not None


def port(number: int | None) -> bool:
    return number is not None and 0 < number < 65536

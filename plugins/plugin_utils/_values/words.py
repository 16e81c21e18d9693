# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Words that sentences are made of."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """``3 SYNs``, ``1 SYN``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def endpoint(address: str, port: int | None, device: str | None = None) -> str:
    """``10.0.2.21:5432``, ``[2001:db8::21]:5432``, or ``[::]%eth0:5432`` of a socket that is bound to a device."""
    return (f"[{address}]" if ":" in address else address) + (f"%{device}" if device else "") + f":{port}"


def named_end(server: str | None, address: str, port: int) -> str:
    """An address and port, behind the name of the server where it has another one than the address."""
    return f"{server} {endpoint(address, port)}" if server and server != address else endpoint(address, port)


def asking(address: str) -> str:
    """The command that asks a network who has an address."""
    return "ndisc6 -m" if ":" in address else "arping -D"


def quoted(value: object) -> str:
    """A value that somebody has written, for a sentence: in quotes, without control characters, at most 80 characters long."""
    text = ascii(value) if not isinstance(value, str) or not value.isprintable() else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."

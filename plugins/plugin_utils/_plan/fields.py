# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The fields of a flow as people write them, read strictly: every mistake is one sentence that says what to write instead."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from .._values.words import quoted

MAX_TIMEOUT = 300.0  # seconds

ServicePort = Callable[[str], int]  # OSError for a name that it does not know
Complain = Callable[[str], NoReturn]
"""Raises an error of this sentence."""
Wrong = Callable[[str, str], NoReturn]
"""The same about a field, which comes first."""

_NAME = re.compile(r"[\w-]+(\.[\w-]+)*\.?")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,255}\$?")


@dataclass(frozen=True)
class Port:
    """A destination port and how the flow spells it."""

    number: int
    text: str


def address(text: object, complain: Complain) -> str:
    """An address literal in its canonical spelling, or a host name as it is; `complain` gets the sentence when it is neither."""
    if not isinstance(text, str):
        complain(f"{quoted(text)} is not an address or a host name: give a string.")
    literal = text.strip()
    try:
        found = ipaddress.ip_address(literal)
    except ValueError:
        if literal.startswith("["):
            complain(f"{quoted(text)} has brackets: write the bare IPv6 address, and the port in 'port'.")
        if re.fullmatch(r"[^:]+:\d+", literal):
            complain(f"{quoted(text)} contains a port: write the address alone, and the port in 'port'.")
        if re.fullmatch(r"[\d.]+", literal) or not _NAME.fullmatch(literal) or len(literal) > 253 or max(map(len, literal.split("."))) > 63:
            complain(f"{quoted(text)} is neither an IP address nor a host name: correct it.")
        return literal
    if found.is_unspecified or found.is_multicast or found == ipaddress.ip_address("255.255.255.255"):
        complain(f"{found} is no address of one host: give a unicast address.")
    return str(found)


def is_the_dialler(dialled: str) -> bool:
    """Whether whoever dials it reaches itself: loopback, and the name that stands for it (RFC 6761)."""
    name = dialled.lower().rstrip(".")
    literal = canonical_or_none(dialled)
    return ipaddress.ip_address(literal).is_loopback if literal else name == "localhost" or name.endswith(".localhost")


def text_of(value: object, field: str, wrong: Wrong) -> str:
    if isinstance(value, list | tuple) and field in ("clients", "servers"):
        wrong(field, f"{quoted(value)} is a list: give one pattern, such as {quoted(':'.join(map(str, value)))}.")
    if not isinstance(value, str):
        wrong(field, f"{quoted(value)} is not a string: quote it, or correct it.")
    if not value.strip() or not value.isprintable() or len(value) > 200:
        wrong(field, f"{quoted(value)} is empty, longer than 200 characters, or has control characters: correct it.")
    return value.strip()


def timeout(value: object, complain: Complain) -> float:
    """Seconds: a positive number up to MAX_TIMEOUT."""
    number = _number(value)
    if number is None:
        complain(f"{quoted(value)} is not a number of seconds: give one such as 3.")
    if not 0 < number <= MAX_TIMEOUT:
        complain(f"{quoted(value)} seconds will not do: give more than 0 and at most {MAX_TIMEOUT:g}.")
    return number


def ports_of(value: object, wrong: Wrong, service_port: ServicePort) -> tuple[Port, ...]:
    if value is None or value == "" or value == []:
        wrong("port", "it is missing: every flow needs a port, a service name, or a list of them.")
    several = value if isinstance(value, list | tuple) else [value]
    found: dict[int, Port] = {}
    for each in several:
        port = _port(each, wrong, service_port)
        found.setdefault(port.number, port)
    return tuple(found.values())


def _port(value: object, wrong: Wrong, service_port: ServicePort) -> Port:
    if isinstance(value, bool) or not isinstance(value, int | str):
        wrong("port", f"{quoted(value)} is not a port: give a number from 1 to 65535, a service name, or a list of them.")
    text = str(value).strip()
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        number = int(text)
        if not 1 <= number <= 65535:
            wrong("port", f"{number} is not a TCP port: give a number from 1 to 65535.")
        return Port(number, str(number))
    if bounds := re.fullmatch(r"([0-9]{1,5})\s*[-:]\s*([0-9]{1,5})", text):
        listed = f'"{{{{ range({int(bounds[1])}, {int(bounds[2]) + 1}) | list }}}}"'
        wrong("port", f"{quoted(value)} is a range, and a port of a flow is one port: give a list, such as {listed}.")
    if re.fullmatch(r"[0-9]+\s*[-:,][-:,0-9\s]*", text):
        several = ", ".join(re.findall("[0-9]+", text)[:4])
        wrong("port", f"{quoted(value)} is several ports: give a list that has each of them, such as [{several}].")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9+._-]{0,63}", text):
        wrong("port", f"{quoted(value)} is not a port: give a number from 1 to 65535, a service name, or a list of them.")
    try:
        return Port(service_port(text), text)
    except OSError:
        wrong("port", f"{quoted(value)} is not a service that this controller knows (/etc/services): give the port's number.")


def user_of(value: object, wrong: Wrong) -> str | None:
    """A user's name, or number."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        wrong("user", f"{quoted(value)} is not a user: give the name of a user of the clients, or a uid.")
    text = str(value).strip()
    if not _USER.fullmatch(text) or (text.isdigit() and int(text) >= 2**32 - 1):
        wrong("user", f"{quoted(value)} is not a user: give the name of a user of the clients, or a uid.")
    return text


def via_of(value: object, wrong: Wrong) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        wrong("via", f"{quoted(value)} is a string: give a list of inventory hosts, in the order in which the SYN passes them.")
    if not isinstance(value, list | tuple) or not all(isinstance(host, str) and host for host in value):
        wrong("via", f"{quoted(value)} will not do: give a list of inventory hosts, in the order in which the SYN passes them.")
    if len(set(value)) < len(value):
        wrong("via", f"{quoted(value)} names a host twice: name each once.")
    return tuple(value)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None

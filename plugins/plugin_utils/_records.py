# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Typed records from untrusted JSON: what a host returned either fits the dataclass or is refused with a sentence."""

from __future__ import annotations

import dataclasses
import functools
import ipaddress
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._prose import Prose

MAX_TEXT = 4096
MAX_LENGTH = 200_000
MAX_NUMBER = 1 << 64
MAX_DEPTH, MAX_PLAIN = 4, 50  # of JSON whose shape nobody asks for


class RecordError(Exception):
    """Data that does not fit its record; the message says where and what was found."""


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a value of an annotation means beyond its type: ``read`` returns the value, or None for what is none."""

    name: str
    read: Callable[[Any], Any]


def within(name: str, least: float, most: float) -> Meaning:
    """A number in a range, both ends included."""
    return Meaning(name, lambda number: number if least <= number <= most else None)


@functools.lru_cache(4096)
def _address(text: str) -> str | None:
    """As packets carry it: an IPv4 address that is mapped into IPv6 is an IPv4 address."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if "%" in text else str(getattr(found, "ipv4_mapped", None) or found)


@functools.lru_cache(4096)
def _network(text: str) -> str | None:
    try:
        return str(ipaddress.ip_network(text, strict=False)) if "%" not in text else None
    except ValueError:
        return None


# Values of records: whoever reads a field with one of these annotations need not check it again.
IpAddress = Annotated[str, Meaning("an IP address", _address)]
Network = Annotated[str, Meaning("an IP network", _network)]
Port = Annotated[int, within("a port", 0, 65535)]
Prefix = Annotated[int, within("the length of a prefix", 0, 128)]
Count = Annotated[int, within("a count", 0, 1 << 64)]
Time = Annotated[float, within("a time", 0, 1 << 34)]
Milliseconds = Annotated[float, within("a duration in milliseconds", 0, 1e10)]


def build(kind: Any, data: object, where: str) -> Any:
    """Return ``data`` as ``kind`` (a dataclass or any annotation used in one), or raise :class:`RecordError`.

    Unknown keys are ignored, so that a newer host may talk to an older controller; fields with a default may be missing, or null, which
    says as much (docs/evidence.md).
    Texts are cut to ``MAX_TEXT`` characters; longer collections than ``MAX_LENGTH`` are refused, and so are numbers that are not finite.
    """
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, data, where)
    if kind is object:
        return _plain(data, where, MAX_DEPTH)
    origin = typing.get_origin(kind)
    if origin is Annotated:
        return _meant(kind, data, where)
    if origin in (typing.Union, types.UnionType):
        return _optional(kind, data, where)
    if origin is tuple:
        element = typing.get_args(kind)[0]
        return tuple(build(element, item, f"{where}[{position}]") for position, item in enumerate(_collection(list, data, where)))
    if origin is dict:
        element = typing.get_args(kind)[1]
        return {_text(key): build(element, item, f"{where}.{_text(key)}") for key, item in _collection(dict, data, where).items()}
    return _scalar(kind, data, where)


def _dataclass(kind: Any, data: object, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise RecordError(f"{where} is {_found(data)} where a mapping belongs")
    fields = {}
    for field, annotation in _annotations(kind):
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if field.name in data and (data[field.name] is not None or required or types.NoneType in typing.get_args(annotation)):
            fields[field.name] = build(annotation, data[field.name], f"{where}.{field.name}")
        elif required:
            raise RecordError(f"{where} has no {field.name}")
    return kind(**fields)


@functools.cache
def _annotations(kind: Any) -> tuple[tuple[dataclasses.Field[Any], Any], ...]:
    hints = typing.get_type_hints(kind, include_extras=True)
    return tuple((field, hints[field.name]) for field in dataclasses.fields(kind) if field.init)


def _meant(kind: Any, data: object, where: str) -> Any:
    plain, meaning = typing.get_args(kind)
    value = meaning.read(build(plain, data, where))
    if value is None:
        raise RecordError(f"{where} is {_found(data)} where {meaning.name} belongs")
    return value


def _optional(kind: Any, data: object, where: str) -> Any:
    if data is None:
        return None
    (wanted,) = (argument for argument in typing.get_args(kind) if argument is not types.NoneType)
    return build(wanted, data, where)


def _collection(kind: type, data: object, where: str) -> Any:
    if not isinstance(data, kind):
        raise RecordError(f"{where} is {_found(data)} where a {kind.__name__} belongs")
    if len(data) > MAX_LENGTH:  # type: ignore[arg-type]
        raise RecordError(f"{where} has {len(data)} entries, more than {MAX_LENGTH}")  # type: ignore[arg-type]
    return data


def _plain(data: object, where: str, depth: int) -> object:
    """Any small JSON, as annotation `object`: what is only shown to people."""
    if data is None or isinstance(data, bool):
        return data
    if isinstance(data, (str, int, float)):
        return build(str if isinstance(data, str) else float if isinstance(data, float) else int, data, where)
    if depth == 0 or not isinstance(data, (list, dict)) or len(data) > MAX_PLAIN:
        raise RecordError(f"{where} is {_found(data)} where a little JSON belongs")
    if isinstance(data, dict):
        return {_text(key): _plain(each, f"{where}.{_text(key)}", depth - 1) for key, each in data.items()}
    return [_plain(each, f"{where}[{position}]", depth - 1) for position, each in enumerate(data)]


def _scalar(kind: type, data: object, where: str) -> Any:
    if kind in (str, Prose) and isinstance(data, str):
        return kind(_text(data))
    if isinstance(data, int) and abs(data) > MAX_NUMBER:
        raise RecordError(f"{where} is a number beyond all that is counted here")
    if kind is float and isinstance(data, (int, float)) and not isinstance(data, bool):
        if not math.isfinite(data):
            raise RecordError(f"{where} is not a finite number")
        return float(data)
    if kind is int and isinstance(data, int) and not isinstance(data, bool):
        return int(data)
    if kind is bool and isinstance(data, bool):
        return data
    raise RecordError(f"{where} is {_found(data)} where a {kind.__name__} belongs")


def whole(text: str) -> int | None:
    """A text that spells a whole number, as /proc has them."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _text(data: object) -> str:
    """Bounded, and without halves of surrogate pairs, which no encoding has."""
    return str(data)[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")


def _found(data: object) -> str:
    if isinstance(data, str | bytes):
        data = data[:61]
    text = f"a {type(data).__name__} of {len(data)} entries" if isinstance(data, list | dict) and data else repr(data)
    return text if len(text) <= 60 else f"{text[:57]}..."

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
from collections.abc import Callable
from typing import Annotated, Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from .prose import Prose

MAX_TEXT = 4096
MAX_LENGTH = 200_000
MAX_NUMBER = 1 << 64
MAX_DEPTH, MAX_PLAIN = 4, 50  # of JSON whose shape nobody asks for
_MISSING = object()  # of a key that is not there


class RecordError(Exception):
    """Data that does not fit its record; the message says where and what was found."""


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a value of an annotation means beyond its type: ``read`` returns the value, or None for what is none."""

    name: str
    read: Callable[[Any], Any]
    bounds: tuple[float, float] | None = None  # of a number, where that is all


def within(name: str, least: float, most: float) -> Meaning:
    """A number in a range, both ends included."""
    return Meaning(name, lambda number: number if least <= number <= most else None, (least, most))


@functools.lru_cache(4096)
def _address(text: str) -> str | None:
    """As packets carry it: an IPv4 address that is mapped into IPv6 is an IPv4 address."""
    return None if "%" in text else canonical_or_none(text)


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
    try:
        return _reader(kind)(data)
    except _MisfitError as misfit:
        raise RecordError(f"{where}{''.join(reversed(misfit.path))} {misfit}") from None


class _MisfitError(Exception):
    """What does not fit, and where, the innermost place first."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.path: list[str] = []

    def within(self, place: str) -> _MisfitError:
        self.path.append(place)
        return self


Reader = Callable[[Any], Any]


@functools.cache
def _reader(kind: Any) -> Reader:
    """The function that reads data as ``kind`` or raises _MisfitError. Of few kinds there are many thousand values."""
    if dataclasses.is_dataclass(kind):
        return functools.partial(_read_record, kind)
    if kind is object:
        return functools.partial(_read_plain, MAX_DEPTH)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        reader, bounds = functools.partial(_read_meant, _reader(arguments[0]), arguments[1]), arguments[1].bounds
        return _at_once(arguments[0], reader, *bounds) if bounds else reader
    if origin in (typing.Union, types.UnionType):
        (wanted,) = (argument for argument in arguments if argument is not types.NoneType)
        return _optional(_reader(wanted))
    if origin is tuple:
        return functools.partial(_read_list, _reader(arguments[0]))
    if origin is dict:
        return functools.partial(_read_mapping, _reader(arguments[1]))
    return {str: _read_text, Prose: _read_prose, int: _read_int, float: _read_float, bool: _read_bool}[kind]


class _Field(typing.NamedTuple):
    name: str
    reader: Reader
    required: bool
    nullable: bool


class _Shape(typing.NamedTuple):
    fields: tuple[_Field, ...]
    plain: dict[str, Any] | None  # the defaults, where `__init__` does no more than to set fields


@functools.cache
def _shape(kind: Any) -> _Shape:
    hints, known = typing.get_type_hints(kind, include_extras=True), dataclasses.fields(kind)
    simple = not hasattr(kind, "__post_init__") and all(field.init and field.default_factory is dataclasses.MISSING for field in known)
    found = tuple(
        _Field(
            field.name,
            _reader(hints[field.name]),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            types.NoneType in typing.get_args(hints[field.name]),
        )
        for field in known
        if field.init
    )
    return _Shape(found, {field.name: field.default for field in known} if simple else None)


def _read_record(kind: Any, data: object) -> Any:
    if not isinstance(data, dict):
        raise _misfit(data, "mapping")
    fields, plain = _shape(kind)
    values: dict[str, Any] = {}
    get = data.get
    for name, reader, required, nullable in fields:
        value = get(name, _MISSING)
        if value is None:
            if nullable:
                values[name] = None
                continue
            if not required:
                continue
        if value is not _MISSING:
            try:
                values[name] = reader(value)
            except _MisfitError as misfit:
                raise misfit.within(f".{name}") from None
        elif required:
            raise _MisfitError(f"has no {name}")
    if plain is None:
        return kind(**values)
    made = object.__new__(kind)  # a frozen dataclass sets its fields one by one, which takes as long as all of the above
    vars(made).update(plain, **values)
    return made


def _read_meant(reader: Reader, meaning: Meaning, data: object) -> Any:
    value = meaning.read(reader(data))
    if value is None:
        raise _MisfitError(f"is {_found(data)} where {meaning.name} belongs")
    return value


def _optional(reader: Reader) -> Reader:
    return lambda data: None if data is None else reader(data)


def _at_once(kind: Any, reader: Reader, least: float, most: float) -> Reader:
    """For numbers of which there are many thousand: as `reader`, which is asked only for what is no such number."""
    return lambda data: data if data.__class__ is kind and least <= data <= most else reader(data)


def _read_list(reader: Reader, data: object) -> tuple[Any, ...]:
    items, values = _bounded(list, data), list[Any]()
    try:
        for item in items:
            values.append(reader(item))
    except _MisfitError as misfit:
        raise misfit.within(f"[{len(values)}]") from None
    return tuple(values)


def _read_mapping(reader: Reader, data: object) -> dict[str, Any]:
    values = {}
    for key, value in _bounded(dict, data).items():
        name = _bounded_text(key)
        try:
            values[name] = reader(value)
        except _MisfitError as misfit:
            raise misfit.within(f".{name}") from None
    return values


def _bounded(kind: type[list[Any] | dict[Any, Any]], data: object) -> Any:
    if not isinstance(data, kind):
        raise _misfit(data, kind.__name__)
    if len(data) > MAX_LENGTH:
        raise _MisfitError(f"has {len(data)} entries, more than {MAX_LENGTH}")
    return data


def _read_plain(depth: int, data: object) -> object:
    """Any small JSON, as annotation `object`: what is only shown to people."""
    if data is None or isinstance(data, bool):
        return data
    if isinstance(data, (str, int, float)):
        return _reader(str if isinstance(data, str) else float if isinstance(data, float) else int)(data)
    if depth == 0 or not isinstance(data, (list, dict)) or len(data) > MAX_PLAIN:
        raise _misfit(data, "little JSON")
    inner = functools.partial(_read_plain, depth - 1)
    return _read_mapping(inner, data) if isinstance(data, dict) else list(_read_list(inner, data))


def _read_text(data: object) -> str:
    if not isinstance(data, str):
        raise _misfit(data, "str")
    return data if len(data) <= MAX_TEXT and data.isascii() else _bounded_text(data)


def _read_prose(data: object) -> Prose:
    if not isinstance(data, str):
        raise _misfit(data, "Prose")
    return Prose(_bounded_text(data))


def _read_int(data: object) -> int:
    if isinstance(data, bool) or not isinstance(data, int):
        raise _misfit(data, "int")
    return int(_countable(data))


def _read_float(data: object) -> float:
    if isinstance(data, bool) or not isinstance(data, (int, float)):
        raise _misfit(data, "float")
    if isinstance(data, int):
        return float(_countable(data))
    if not math.isfinite(data):
        raise _MisfitError("is not a finite number")
    return float(data)


def _countable(number: int) -> int:
    if abs(number) > MAX_NUMBER:
        raise _MisfitError("is a number beyond all that is counted here")
    return number


def _read_bool(data: object) -> bool:
    if not isinstance(data, bool):
        raise _misfit(data, "bool")
    return data


def whole(text: str) -> int | None:
    """A text that spells a whole number, as /proc has them."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None


def _bounded_text(data: object) -> str:
    """Without halves of surrogate pairs, which no encoding has."""
    text = str(data)[:MAX_TEXT]
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _misfit(data: object, wanted: str) -> _MisfitError:
    return _MisfitError(f"is {_found(data)} where a {wanted} belongs")


def _found(data: object) -> str:
    if isinstance(data, str | bytes):
        data = data[:61]
    text = f"a {type(data).__name__} of {len(data)} entries" if isinstance(data, list | dict) and data else repr(data)
    return text if len(text) <= 60 else f"{text[:57]}..."

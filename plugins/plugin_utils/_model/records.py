# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Typed records from untrusted JSON: what a host returned either fits the dataclass or is refused with a sentence."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import ipaddress
import operator
import re
import types
import typing
from collections.abc import Callable, Sequence
from typing import Annotated, Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from .many import Alike, Many
from .prose import Prose
from .values import MisfitError, bounded, bounded_text, misfit, read_bool, read_float, read_int, read_prose, read_text, shown

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


def one_of(name: str, *known: str) -> Meaning:
    """One of a few words."""
    return Meaning(name, lambda word: word if word in known else None)


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
    except MisfitError as error:
        raise RecordError(f"{where}{''.join(reversed(error.path))} {error}") from None


def build_field(kind: Any, name: str, data: object, where: str) -> Any:
    """The same of one field of a dataclass, which is read by itself."""
    field = next(each for each in _shape(kind).fields if each.name == name)
    try:
        return _read_field(field, data)
    except MisfitError as error:
        raise RecordError(f"{where}{''.join(reversed(error.path))} {error}") from None


Reader = Callable[[Any], Any]


@functools.cache
def _reader(kind: Any) -> Reader:
    """The function that reads data as ``kind`` or raises MisfitError. Of few kinds there are many thousand values."""
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
    if origin is Many:
        return functools.partial(_read_many, arguments[0])
    if origin is dict:
        return functools.partial(_read_mapping, _reader(arguments[1]))
    return {str: read_text, Prose: read_prose, int: read_int, float: read_float, bool: read_bool}[kind]


class _Field(typing.NamedTuple):
    name: str
    reader: Reader
    required: bool
    nullable: bool
    default: Any
    record: Any = None  # the kind of record that it holds, or may hold


class _Shape(typing.NamedTuple):
    fields: tuple[_Field, ...]
    plain: bool  # whether `__init__` does no more than to set fields, which the object keeps in its `__dict__`
    check: Callable[[Any], None] | None


@functools.cache
def _shape(kind: Any) -> _Shape:
    hints, known = typing.get_type_hints(kind, include_extras=True), dataclasses.fields(kind)
    found = tuple(
        _Field(
            field.name,
            _reader(hints[field.name]),
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING,
            types.NoneType in typing.get_args(hints[field.name]),
            field.default,
            _record_in(hints[field.name]),
        )
        for field in known
        if field.init
    )
    plain = not hasattr(kind, "__slots__") and all(field.init and field.default_factory is dataclasses.MISSING for field in known)
    return _Shape(found, plain, getattr(kind, "__post_init__", None))


def _record_in(kind: Any) -> Any:
    """What kind of record a field has, if it has one."""
    of_union = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else ()
    return next((each for each in (kind, *of_union) if dataclasses.is_dataclass(each)), None)


def _read_record(kind: Any, data: object) -> Any:
    if not isinstance(data, dict):
        raise misfit(data, "mapping")
    shape, get = _shape(kind), data.get
    values = {field.name: _read_field(field, get(field.name, _MISSING)) for field in shape.fields}
    if shape.plain:
        return _made(kind, shape, values)
    return kind(**{name: value for name, value in values.items() if value is not dataclasses.MISSING})


def _read_field(field: _Field, value: object) -> Any:
    """The value of a field, or its default."""
    if value is None and field.nullable:
        return None
    if value is _MISSING or (value is None and not field.required):
        if field.required:
            raise MisfitError(f"has no {field.name}")
        return field.default
    try:
        return field.reader(value)
    except MisfitError as error:
        raise error.within(f".{field.name}") from None


def _made(kind: Any, shape: _Shape, values: Any) -> Any:
    """A record of `values`. A frozen dataclass sets its fields one by one, which takes as long as reading them."""
    made = object.__new__(kind)
    vars(made).update(values)
    if shape.check:
        shape.check(made)
    return made


def _read_many(kind: Any, data: object) -> Many[Any]:
    """As many records one by one, which says where what does not fit is."""
    items, shape = bounded(list, data), _shape(kind)
    if items and shape.plain and not shape.check and set(map(type, items)) == {dict}:
        with contextlib.suppress(MisfitError):
            given = _columns(items, [field.name for field in shape.fields])
            columns = {field.name: _read_column(field, given[field.name]) for field in shape.fields}
            return Many(len(items), columns, functools.partial(_made, kind, shape))
    return Many.of(_read_list(functools.partial(_read_record, kind), items))


def _columns(items: list[dict[str, Any]], names: list[str]) -> dict[str, Sequence[Any]]:
    """What many records have for some names."""
    first = items[0]
    known = [name for name in names if name in first]
    found: dict[str, Sequence[Any]] = {}
    if len(known) > 1:
        with contextlib.suppress(KeyError):  # not all have what the first one has
            found = dict(zip(known, zip(*map(operator.itemgetter(*known), items), strict=True), strict=True))
    return {name: found[name] if name in found else _column(items, name) for name in names}


def _column(items: list[dict[str, Any]], name: str) -> Sequence[Any]:
    values = [item.get(name, _MISSING) for item in items] if any(name in item for item in items) else ()
    return values or Alike(_MISSING, len(items))


_NOTHING = {type(None), type(_MISSING)}
_COMPARABLE = {str, int, bool}  # where no two values that are equal differ, as long as all are of one type


def _read_column(field: _Field, values: Sequence[Any]) -> Sequence[Any]:
    """One field of many records: most values repeat, and each is read once."""
    kinds = set(map(type, values))
    if kinds <= _NOTHING and len(kinds) == 1:
        return Alike(_read_field(field, values[0]), len(values))
    if field.record and kinds == {dict}:
        return _read_many(field.record, [*values])
    reader = field.reader if kinds.isdisjoint(_NOTHING) else functools.partial(_read_field, field)
    if len(kinds - _NOTHING) <= 1 and kinds - _NOTHING <= _COMPARABLE:
        distinct = set(values)
        if len(distinct) == 1:
            return Alike(reader(values[0]), len(values))
        if 2 * len(distinct) <= len(values):
            known = {value: reader(value) for value in distinct}
            return list(map(known.__getitem__, values))
    return list(map(reader, values))


def _read_meant(reader: Reader, meaning: Meaning, data: object) -> Any:
    value = meaning.read(reader(data))
    if value is None:
        raise MisfitError(f"is {shown(data)} where {meaning.name} belongs")
    return value


def _optional(reader: Reader) -> Reader:
    return lambda data: None if data is None else reader(data)


def _at_once(kind: Any, reader: Reader, least: float, most: float) -> Reader:
    """For numbers of which there are many thousand: as `reader`, which is asked only for what is no such number."""
    return lambda data: data if data.__class__ is kind and least <= data <= most else reader(data)


def _read_list(reader: Reader, data: object) -> tuple[Any, ...]:
    items, values = bounded(list, data), list[Any]()
    try:
        for item in items:
            values.append(reader(item))
    except MisfitError as error:
        raise error.within(f"[{len(values)}]") from None
    return tuple(values)


def _read_mapping(reader: Reader, data: object) -> dict[str, Any]:
    values = {}
    for key, value in bounded(dict, data).items():
        name = bounded_text(key)
        try:
            values[name] = reader(value)
        except MisfitError as error:
            raise error.within(f".{name}") from None
    return values


def _read_plain(depth: int, data: object) -> object:
    """Any small JSON, as annotation `object`: what is only shown to people."""
    if data is None or isinstance(data, bool):
        return data
    if isinstance(data, (str, int, float)):
        return _reader(str if isinstance(data, str) else float if isinstance(data, float) else int)(data)
    if depth == 0 or not isinstance(data, (list, dict)) or len(data) > MAX_PLAIN:
        raise misfit(data, "little JSON")
    inner = functools.partial(_read_plain, depth - 1)
    return _read_mapping(inner, data) if isinstance(data, dict) else list(_read_list(inner, data))


def whole(text: str) -> int | None:
    """A text that spells a whole number, as /proc has them."""
    return int(text) if re.fullmatch(r"-?[0-9]{1,18}", text) else None

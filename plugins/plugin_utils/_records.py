# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Typed records from untrusted JSON: what a host returned either fits the dataclass or is refused with a sentence."""

from __future__ import annotations

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Mapping
from typing import Any

MAX_TEXT = 4096
MAX_LENGTH = 200_000
MAX_NUMBER = 1 << 64
MAX_DEPTH, MAX_PLAIN = 4, 50  # of JSON whose shape nobody asks for


class RecordError(Exception):
    """Data that does not fit its record; the message says where and what was found."""


def build(kind: Any, data: object, where: str) -> Any:
    """Return ``data`` as ``kind`` (a dataclass or any annotation used in one), or raise :class:`RecordError`.

    Unknown keys are ignored, so that a newer host may talk to an older controller; fields with a default may be missing, or null, which
    says as much (docs/evidence.md).
    Texts are cut to ``MAX_TEXT`` characters; longer collections than ``MAX_LENGTH`` are refused.
    """
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, data, where)
    if kind is object:
        return _plain(data, where, MAX_DEPTH)
    origin = typing.get_origin(kind)
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
    hints = typing.get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in dataclasses.fields(kind) if field.init)


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
    if kind is str and isinstance(data, str):
        return _text(data)
    if isinstance(data, int) and abs(data) > MAX_NUMBER:
        raise RecordError(f"{where} is a number beyond all that is counted here")
    if kind is float and isinstance(data, (int, float)) and not isinstance(data, bool):
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
    return str(data)[:MAX_TEXT]


def _found(data: object) -> str:
    text = repr(data)
    return text if len(text) <= 60 else f"{text[:57]}..."

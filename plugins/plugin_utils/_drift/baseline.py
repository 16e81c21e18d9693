# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A host's baseline as a YAML document: made for reading and for git, byte for byte the same while the host is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from . import DriftError
from .state import State, read_state

SCHEMA = "threeway.handshake/baseline/1"
MOST_BYTES = 8 << 20
"""Of a baseline's file."""
_DEEPEST = 12

_HEAD = """\
# What TCP handshakes depend on at this host. Written by the playbook threeway.handshake.baseline, compared by threeway.handshake.drift.
"""
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Baseline:
    """``flows``: the handshakes that the host took part in; ``not_observed``: what could not be seen; ``expectations``: by name."""

    host: str
    state: State
    flows: tuple[str, ...] = ()
    not_observed: tuple[str, ...] = ()
    expectations: Mapping[str, str] = field(default_factory=dict)


def render(baseline: Baseline) -> str:
    """ASCII YAML."""
    document = {
        "schema": SCHEMA,
        "host": baseline.host,
        "flows": sorted(set(baseline.flows)),
        "not_observed": sorted(set(baseline.not_observed)),
        "expectations": dict(sorted(baseline.expectations.items())),
        "state": baseline.state.to_json(),
    }
    return _HEAD + dump(document)


def dump(document: object) -> str:
    """YAML in which every key has its place, every text is one line, and nothing is a tag, an anchor or an alias."""
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=False, default_flow_style=False, width=1 << 30)
    return text


def parse(content: bytes, where: str) -> Baseline:
    """What ``render`` wrote, or people changed in it. DriftError: a sentence with ``where``."""
    if len(content) > MOST_BYTES:
        raise DriftError(f"The baseline {where} has {len(content)} bytes; the limit is {MOST_BYTES}: write it again.")
    document = _loaded(content, where)
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else None
        raise DriftError(f"The baseline {where} is not of the schema {SCHEMA} (but {_shown(found)}): write it again.")
    try:
        state = read_state(document.get("state"), "state")
        expectations = {str(name): str(expression) for name, expression in _mapping(document, "expectations").items()}
        return Baseline(str(document.get("host")), state, _texts(document, "flows"), _texts(document, "not_observed"), expectations)
    except DriftError as error:
        raise DriftError(f"The baseline {where} is damaged: {error}. Write it again, or take it from git.") from error


def _loaded(content: bytes, where: str) -> Any:
    try:
        depth = 0
        for event in yaml.parse(content, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            tagged = getattr(event, "tag", None) is not None
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) or tagged or depth > _DEEPEST:
                what = "a tag" if tagged else "an anchor or alias" if depth <= _DEEPEST else f"more than {_DEEPEST} levels"
                line = getattr(event.start_mark, "line", 0) + 1
                raise DriftError(f"The baseline {where} has {what} in line {line}: no baseline has that, write it again.")
        return yaml.load(content, Loader=_LOADER)  # a safe loader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        problem = " ".join(str(getattr(error, "problem", None) or error).split())[:200]
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise DriftError(f"The baseline {where} is not YAML{line} ({_shown(problem)}): write it again, or take it from git.") from error


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = document.get(name) or []
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(each, str) for each in value):
        raise DriftError(f"{name} is {_shown(value)} where a list of texts belongs")
    return tuple(value)


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name) or {}
    if not isinstance(value, Mapping):
        raise DriftError(f"{name} is {_shown(value)} where a mapping belongs")
    return value


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 80 else text[:77] + "..."


class _Dumper(yaml.SafeDumper):
    """Lists are indented below their key, as people write them; equal parts are written twice instead of referred to."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: Any) -> bool:
        return True

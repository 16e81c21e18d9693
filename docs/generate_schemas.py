# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/schema/*.json from shapes.py: ``python docs/generate_schemas.py``, with the collections root on PYTHONPATH.

New names may be added to a document at any time (docs/contract.md), so that the schemas forbid none.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from pathlib import Path
from typing import Any

import shapes

from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.state import State
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.prose import Prose

Schema = dict[str, Any]
DIRECTORY = Path(__file__).parent / "schema"
TITLES = {
    "report": "report.json of threeway.handshake",
    "plan": "evidence/plan.json of threeway.handshake",
    "baseline": "A host's baseline of threeway.handshake",
    "changes": "What threeway.handshake posts to a webhook",
}
_PLAIN = {str: "string", Prose: "string", int: "integer", float: "number", bool: "boolean"}


def render(name: str) -> str:
    """The schema of a document."""
    definitions: dict[str, Schema] = {}
    top = _record(shapes.DOCUMENTS[name], definitions)
    heading = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": TITLES[name]}
    return json.dumps({**heading, **top, "$defs": dict(sorted(definitions.items()))}, indent=2) + "\n"


def _record(kind: Any, definitions: dict[str, Schema]) -> Schema:
    """A TypedDict, or a dataclass. Of a host's state, what is None is left out; of other dataclasses everything is written."""
    hints = typing.get_type_hints(kind, include_extras=True)
    required = sorted(kind.__required_keys__) if typing.is_typeddict(kind) else list(hints)
    if kind.__module__ == State.__module__:
        required = [each.name for each in dataclasses.fields(kind) if each.default is dataclasses.MISSING]
        hints = {name: _without_none(hint) for name, hint in hints.items()}
    properties = {name: _schema(hint, definitions) for name, hint in hints.items()}
    return {"type": "object", "properties": properties, "required": [name for name in hints if name in required]}


def _schema(hint: Any, definitions: dict[str, Schema]) -> Schema:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return {**_schema(arguments[0], definitions), **{each.name: each.value for each in arguments if isinstance(each, shapes.Keyword)}}
    if origin in (typing.Union, types.UnionType):
        return _any_of([_schema(each, definitions) for each in arguments])
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple and arguments[-1] is not Ellipsis:
        items = [_schema(each, definitions) for each in arguments]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin in (list, tuple):
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    if origin is dict:
        values = {} if arguments[1] in (Any, object) else {"additionalProperties": _schema(arguments[1], definitions)}
        return {"type": "object", **values}
    if hint is type(None):
        return {"type": "null"}
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    if hint.__name__ not in definitions:
        definitions[hint.__name__] = {}
        definitions[hint.__name__] = _record(hint, definitions)
    return {"$ref": f"#/$defs/{hint.__name__}"}


def _any_of(choices: list[Schema]) -> Schema:
    distinct = [choice for number, choice in enumerate(choices) if choice not in choices[:number]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _without_none(hint: Any) -> Any:
    return typing.Union[tuple(each for each in typing.get_args(hint) if each is not type(None))] if _optional(hint) else hint  # noqa: UP007


def _optional(hint: Any) -> bool:
    return typing.get_origin(hint) in (typing.Union, types.UnionType) and type(None) in typing.get_args(hint)


if __name__ == "__main__":
    DIRECTORY.mkdir(exist_ok=True)
    for document in shapes.DOCUMENTS:
        (DIRECTORY / f"{document}.json").write_text(render(document), encoding="utf-8")

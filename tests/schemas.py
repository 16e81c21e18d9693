# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of the tests against the schemas in docs/schema.

The schemas forbid no names, as the contract allows new ones. Here they do: a name that is written and not in the schema is a mistake.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

DIRECTORY = Path(__file__).parents[1] / "docs/schema"


class Invalid(AssertionError):
    """A document that is not as its schema says."""


def check(name: str, document: Any) -> None:
    """Invalid, which says where and why."""
    errors = [f"{error.json_path}: {error.message[:300]}" for error in validator(name).iter_errors(document)]
    if errors:
        raise Invalid(f"{name}: " + "; ".join(errors[:5]))


def check_directory(directory: Path) -> int:
    """The reports, plans and baselines below a directory; how many there were. Invalid."""
    found = 0
    for name, document in _documents(directory):
        check(name, document)
        found += 1
    return found


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(closed(json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))))


def closed(schema: Any) -> Any:
    """The same, with no names but those that it lists."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(each) for name, each in schema.items()}
    return (
        {**inner, "additionalProperties": False} if isinstance(inner.get("properties"), dict) and inner.get("type") == "object" else inner
    )


def _documents(directory: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(directory.rglob("report.json")):
        yield "report", json.loads(path.read_bytes())
    for path in sorted(directory.rglob("evidence/plan.json")):
        yield "plan", json.loads(path.read_bytes())
    for path in sorted(directory.rglob("*.yml")):
        if path.is_file() and b"\nschema: threeway.handshake/baseline/1\n" in (content := path.read_bytes()):
            yield "baseline", yaml.safe_load(content)

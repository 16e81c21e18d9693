# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of a diagnosis in one file, so that the decide room can be tested without hosts."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import PHASES, TRACE_PHASES
from tests.faults import catalogue  # noqa: F401  # pylint: disable=unused-import  # fills CATALOGUE
from tests.faults._fault import CATALOGUE, Fault, evidence
from tests.lab import topologies
from tests.lab._machines import Machines


def record(fleet: Machines, fault: Fault, directory: Path) -> None:
    """Keep what the last diagnosis saw as ``NAME.json.gz``."""
    found = evidence(fleet)
    kept = {
        "plan": json.loads((found / "plan.json").read_text()),
        "evidence": [json.loads(path.read_text()) for phase in (*PHASES, *TRACE_PHASES) for path in sorted(found.glob(f"*.{phase}.json"))],
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{stem(fault)}.json.gz"
    path.write_bytes(gzip.compress(json.dumps(kept, sort_keys=True).encode(), mtime=0))


def stem(fault: Fault) -> str:
    """The name of a fault's recording, without its suffix."""
    return fault.name.replace("/", ".")


def load(path: Path) -> dict[str, Any]:
    """The reverse of :func:`record`, with what the report must say of it by its fault."""
    kept: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    kept["expected"] = expected(path.name.removesuffix(".json.gz"))
    kept["plan"].setdefault("addresses", _of_the_lab())  # recorded before plans had them
    return kept


def differences(flow: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """What an entry of the report says otherwise than its fault expects."""
    causes = flow["causes"]
    first = causes[0] if causes else {}
    said = {**{name: flow[name] for name in ("status", "leg", "segment")}, **{name: first.get(name) for name in ("code", "host")}}
    compared = said if expected["code"] else ("status",)
    wrong = [f"{name} is {said[name]}, not {expected[name]}" for name in compared if said[name] != expected[name]]
    if expected["code"] and first.get("certainty") not in expected["certainties"]:
        wrong.append(f"certainty is {first.get('certainty')}, not {' or '.join(expected['certainties'])}")
    return wrong


def expected(name: str) -> dict[str, Any]:
    """What the report must say of a recording by its fault, without reading the recording."""
    return _faults()[name]


@cache
def _faults() -> dict[str, dict[str, Any]]:
    """What the report must say, by the stem of each fault in the catalogue."""
    names = ("status", "leg", "segment", "code", "host", "certainties")
    return {stem(fault): {name: getattr(fault, name) for name in names} for fault in CATALOGUE}


@cache
def _of_the_lab() -> dict[str, list[str]]:
    """What the lab's inventory has for the hosts of all its topologies."""
    made = (topologies.default(), topologies.two_routers(), topologies.asymmetric(), topologies.one_segment("web1", "db1", "db2"))
    found: dict[str, list[str]] = {}
    for topology in made:
        for name, host in topology["hosts"].items():
            addresses = [address for interface in host["interfaces"].values() for address in interface["addresses"]]
            found.setdefault(name, []).extend(address.partition("/")[0] for address in addresses)
    return found

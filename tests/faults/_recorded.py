# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of a diagnosis in one file, so that the decide room can be tested without hosts."""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._plan import PHASES
from tests.faults._fault import Fault, evidence
from tests.lab import topologies
from tests.lab._machines import Machines


def record(fleet: Machines, fault: Fault, directory: Path) -> None:
    """Keep what the last diagnosis saw as ``NAME.json.gz``, with what the report must say of it."""
    found = evidence(fleet)
    kept = {
        "plan": json.loads((found / "plan.json").read_text()),
        "evidence": [json.loads(path.read_text()) for phase in PHASES for path in sorted(found.glob(f"*.{phase}.json"))],
        "expected": {
            "status": fault.status,
            "leg": fault.leg,
            "segment": fault.segment,
            "code": fault.code,
            "host": fault.host,
            "certainties": list(fault.certainties),
        },
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{fault.name.replace('/', '.')}.json.gz"
    path.write_bytes(gzip.compress(json.dumps(kept, sort_keys=True).encode(), mtime=0))


def load(path: Path) -> dict[str, Any]:
    """The reverse of :func:`record`."""
    kept: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    kept["plan"].setdefault("addresses", _of_the_lab())  # recorded before plans had them
    return kept


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

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which recordings a property is tried on: on all of them in `make test-all`, in `make test` on some that have something of everything.

What every recording must say, and that it is as the schema says, is tested on all of them each time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from functools import partial
from typing import Any

import pytest

from tests.faults import catalogue  # noqa: F401  # pylint: disable=unused-import  # fills CATALOGUE
from tests.faults._fault import CATALOGUE, Fault
from tests.faults._recorded import stem
from tests.unit.plugins.plugin_utils.recordings import NAMES


def traits(fault: Fault) -> Iterator[Hashable]:
    """What some recording of the sample has in common with each fault that was recorded."""
    family = "IPv6" if ":" in fault.flow.address else "IPv4"
    for code in (fault.code, *fault.also):
        yield "cause", code
    yield "first cause", fault.code, fault.certainties
    yield "place", fault.leg, fault.segment
    yield "role", fault.host, fault.segment
    yield "family", family, fault.status
    yield "file", file_of(fault), fault.status == "ok"
    yield "hosts", fault.topology.__name__
    yield "demand", fault.flow.expect, fault.status
    yield from (("option", name) for name in fault.options)


def file_of(fault: Fault) -> str:
    """The file of the catalogue of faults that has it."""
    made = fault.make
    while isinstance(made, partial):
        made = made.func
    return made.__module__.rpartition(".")[2]


def _chosen() -> Iterator[str]:
    """A recording with the most traits that those before lack, until they have all; of equals, the first."""
    left = {name: set(traits(fault)) for name, fault in RECORDED.items()}
    while left := {name: lacking for name, lacking in left.items() if lacking}:
        name = max(left, key=lambda each: len(left[each]))
        yield name
        for lacking in left.values():
            lacking -= set(traits(RECORDED[name]))


def parameters(names: Iterable[str] = NAMES) -> list[Any]:
    """These recordings, of which those that are not in the sample are left to `make test-all`."""
    return [name if name in SAMPLE else pytest.param(name, marks=pytest.mark.slow) for name in names]


RECORDED = {name: fault for name, fault in sorted((stem(fault), fault) for fault in CATALOGUE) if name in NAMES}
SAMPLE = frozenset(_chosen())

all_recordings = pytest.mark.parametrize("recording", NAMES)
sampled = pytest.mark.parametrize("recording", parameters())

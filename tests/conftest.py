# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for all tests."""

from __future__ import annotations

import gc
import resource

import pytest
from hypothesis import HealthCheck, settings

# Nothing that a loaded machine fails. By default the same examples everywhere and each time, so that no change fails for another's
# reason; `make random` draws new ones.
_patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None, print_blob=True)
settings.register_profile("same", _patient, derandomize=True)
settings.register_profile("new", _patient, derandomize=False)
settings.load_profile("same")

# Some tests need more descriptors than the 1024 that a login shell usually grants.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
_WANTED = 16384
if 0 <= _soft < _WANTED:  # infinity is negative
    resource.setrlimit(resource.RLIMIT_NOFILE, (_WANTED if _hard < 0 else min(_WANTED, _hard), _hard))


def pytest_collection_finish() -> None:
    """Thousands of tests stay until the end: to look through them for garbage again and again costs a fifth of what many tests take."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # What is decided of a recording is decided once where its tests follow each other, and a worker gets tests that do.
    items.sort(key=lambda item: (item.get_closest_marker("first") is None, _recording(item)))
    for item in items:
        clock = item.get_closest_marker("clock")
        if clock is not None:
            if not clock.args:
                raise pytest.UsageError(f"{item.nodeid}: the marker `clock` says which clock the test depends on.")
            item.add_marker(pytest.mark.flaky(reruns=1))


def _recording(item: pytest.Item) -> str:
    parameters: dict[str, object] = item.callspec.params if hasattr(item, "callspec") else {}
    return str(parameters.get("recording", ""))

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that are traced when somebody looks: those that a debugger has stopped, and those that a tracer only watches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host import owners

STATUS = "TracerPid:\t7\nvoluntary_ctxt_switches:\t{}\nnonvoluntary_ctxt_switches:\t1\n"


@pytest.mark.parametrize(("later", "state", "tracer"), [(5, "t", {"pid": 7, "name": "strace"}), (6, "R", None)])
def test_who_has_run_a_moment_later_is_not_stopped(monkeypatch: pytest.MonkeyPatch, later: int, state: str, tracer: object) -> None:
    switches: Iterator[int] = iter([5, later, later])
    texts = {"/proc/9/stat": "9 (orders) t 1 9", "/proc/7/stat": "7 (strace) S 1 7"}
    monkeypatch.setattr(owners, "text_of", lambda path: STATUS.format(next(switches)) if path == "/proc/9/status" else texts.get(path, ""))
    found = owners.describe(9)
    assert found and (found["state"], found["tracer"]) == (state, tracer)

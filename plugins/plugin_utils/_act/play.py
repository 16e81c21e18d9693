# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a play must be like for a diagnosis: its servers record before its clients try, so all its hosts do each task together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.plugins.loader import strategy_loader


def unfit(task: Any, task_vars: Mapping[str, Any]) -> str | None:
    """Why this play is none for a diagnosis, as a sentence; None if it is."""
    hosts, batch = len(task_vars.get("ansible_play_hosts") or ()), len(task_vars.get("ansible_play_batch") or ())
    play = _play(task)
    if batch < hosts and getattr(play, "serial", None):  # without serial, the others were added since the play began
        return (
            f"This play takes {batch} of its {hosts} hosts at a time (serial), and a diagnosis needs all of them at once, since servers "
            "record while clients try: remove serial from the play."
        )
    strategy = str(play.strategy) if play is not None else ""
    if strategy and not _keeps_hosts_together(strategy):
        return (
            f"This play has the strategy {strategy}, with which hosts do not wait for each other, and a diagnosis needs that, since "
            "servers record before clients try: set strategy: linear."
        )
    return None


def _play(task: Any) -> Any:
    """The task's play."""
    node = task
    while node is not None:
        play = getattr(node, "_play", None)
        if play is not None:
            return play
        node = getattr(node, "_parent", None)
    return None


def _keeps_hosts_together(strategy: str) -> bool:
    """Whether it is linear, or made of that, as debug is."""
    plugin = strategy_loader.get(strategy, class_only=True)  # type: ignore[no-untyped-call, unused-ignore]
    return plugin is None or any(each.__module__.endswith("strategy.linear") for each in plugin.__mro__)

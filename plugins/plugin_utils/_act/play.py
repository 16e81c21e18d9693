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


def apart(task: Any, host: str) -> str | None:
    """Why a task of the play observes another host than its own, or one host only, as half a sentence; None if it does neither."""
    if task.delegate_to and task.delegate_to != host:
        return f"the play runs this task on {task.delegate_to} in its place, which observes that one: remove delegate_to around the role"
    if task.run_once:
        return "the play runs this task once for all its hosts, and each has to be observed: remove run_once around the role"
    return None


def at_a_time(task: Any, task_vars: Mapping[str, Any]) -> int:
    """How many of the hosts Ansible serves at a time: its forks, and the throttle of the play around the task."""
    forks = int(task_vars.get("ansible_forks", 5))
    return min(forks, int(task.throttle)) if int(task.throttle or 0) > 0 else forks


def left_out(host: str, task_vars: Mapping[str, Any]) -> str:
    """Why a host of the play was not asked at all, as half a sentence."""
    if host not in map(str, task_vars.get("ansible_play_hosts") or ()):
        return (
            "a task before the role failed on it, so that Ansible left it out of the rest of the play: mend that, or let the task "
            "not fail (gather_facts: false, ignore_errors, ignore_unreachable)"
        )
    return "the play did not run this role's tasks for it: apply the role to all hosts of the flows, without when, run_once or tags"


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

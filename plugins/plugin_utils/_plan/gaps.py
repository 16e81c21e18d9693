# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Why a host returned nothing, as a kind, and what would change that: no sentence is read again to find it out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._model.prose import NOTHING, Prose
from .plan import PHASES

NOT_IN_PLAY = "not_in_play"
SILENT = "silent"

_WORDS = {
    "unreachable": ("cannot be reached", "make it reachable for Ansible"),
    "files": ("takes no temporary files from Ansible", "make room there, or set its ansible_remote_tmp to a directory that takes files"),
    "python": ("has no usable Python", "install Python there, set its ansible_python_interpreter, or log in as one who may run commands"),
    "become": ("does not let Ansible become root", "correct its become method, user and password"),
    "timeout": ("did not answer in time", "find out why it is slow, or raise diagnose_host_timeout"),
    "interrupted": ("had not answered when the run was interrupted", "diagnose again"),
    "module": ("could not do its part", "fix what its error says"),
    "malformed": (
        "returned an answer that cannot be read",
        "find out what else writes to its standard output, and whether its ansible_python_interpreter is a Python",
    ),
    "controller": ("was not asked, because the controller failed", "report the fault"),
    "play": ("was left out by the play", "correct the play"),
    NOT_IN_PLAY: ("is not among the hosts of this play", "run the play on it as well: widen --limit, or the slice"),
    "apart": ("was observed at another time", "run the slices at the same time, or raise diagnose_overlap"),
    SILENT: ("returned nothing", "diagnose again"),
}


@dataclass(frozen=True)
class Gap:
    """What is missing of a host."""

    kind: str
    """A kind of failure of docs/evidence.md, NOT_IN_PLAY or SILENT."""
    why: Prose
    """What Ansible or the host said about it; may be empty."""
    phase: str | None = None

    @property
    def phrase(self) -> Prose:
        """Half a sentence about the host."""
        return Prose(_WORDS.get(self.kind, _WORDS["module"])[0])

    @property
    def remedy(self) -> Prose:
        """What to do about it."""
        return Prose(_WORDS.get(self.kind, _WORDS["module"])[1])


def gap(answers: Mapping[str, Mapping[str, Any]], not_in_play: bool) -> Gap | None:
    """The first failure of a host that has answered to these phases so; None when it lacks nothing."""
    if not_in_play:
        return Gap(NOT_IN_PLAY, NOTHING)
    for phase in PHASES:
        failure = (answers.get(phase) or {}).get("failure")
        if failure:
            return Gap(str(failure.get("kind")), Prose(str(failure.get("message") or "")), phase)
    return None if answers else Gap(SILENT, NOTHING)

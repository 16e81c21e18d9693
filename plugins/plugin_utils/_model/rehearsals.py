# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The outcome of changes of a firewall in a copy of their host's rules, as module firewall_rehearsal says it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from .prose import NOTHING, Prose, Wording, worded
from .records import Port, one_of

STEPS = ("threeway.handshake.firewall_rule", "community.general.ufw", "ansible.posix.firewalld")
"""The modules whose steps can be rehearsed."""
OPENS, FURTHER, NOT_REHEARSED = "opens", "further", "not_rehearsed"
FAILS, UNKNOWN = "fails", "unknown"
RESULTS = (OPENS, FURTHER, FAILS, UNKNOWN, NOT_REHEARSED)
Result = Annotated[str, one_of("a result of a rehearsal", *RESULTS)]
REFUSED = (FAILS, UNKNOWN)
_REFUSED = {FAILS: "it does not do what it is for", UNKNOWN: "it is not known whether it does what it is for"}


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """Of one fix; ``why`` is empty where it opens its flow, and nothing else, and nothing is left to say."""

    result: str
    why: Wording = NOTHING

    def __post_init__(self) -> None:
        worded(self, "why")


@dataclass(frozen=True, kw_only=True)
class Use:
    """A cause of a flow for which a fix was rehearsed; ``leg`` None: evidence of an older version, which does not have it."""

    client: str
    address: str
    port: Port
    code: str
    leg: str | None = None


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """Of one fix of a diagnosis, for all causes that it is for.

    ``digest``: of its steps and packets; empty in a bundle, which has other names and addresses.
    """

    digest: str
    uses: tuple[Use, ...]
    result: Result
    why: Prose


def possible(modules: Iterable[str], packets: object) -> bool:
    """Whether a fix with steps of these modules can be rehearsed."""
    found = list(modules)
    return bool(packets and found) and all(module in STEPS for module in found)


def objection(host: str, result: object, why: object) -> str | None:
    """Why a fix is not made, half a sentence; None if it may be."""
    said = _REFUSED.get(str(result))
    return f"rehearsed in a copy of the firewall of {host}, {said}: {why}" if said else None


def remark(result: str, why: object) -> str:
    """Its outcome, as it is shown after "rehearsal:"."""
    if result == NOT_REHEARSED:
        return f"none, it was only evaluated: {why}"
    if result in _REFUSED:
        return f"in a copy of the firewall, {_REFUSED[result]}: {why}"
    if result == FURTHER:
        return f"in a copy of the firewall, {why}"
    if result != OPENS:
        return f"its outcome is not known: {result}"
    if why:
        return f"in a copy of the firewall, it lets through what is stopped now, and nothing else; {why}"
    return "in a copy of the firewall, it opens the flow, and nothing else"

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Describe the results of an evaluation in words for people. The words are rendered last, from data, and nothing reads them."""

from __future__ import annotations

import typing as t

from .evaluation import TOO_MANY, UNROUTABLE, UNSUPPORTED, Action, Change, Undecided

_TRANSLATIONS = ("snat", "dnat", "masquerade", "redirect", "netmap", "tproxy")
_WITH_TARGET = {
    **dict.fromkeys(_TRANSLATIONS, "{0} to {1}"),
    "add": "add to {1}",
    "fwd": "fwd to {1}",
    "reject": "reject with {1}",
    "no_transparent_socket": "find no transparent socket on {1}",
    "unread_queue": "pass {1}, which nobody reads",
    **dict.fromkeys(("ttl", "write"), "{1}"),
    "zone": "set ct zone {1}",
    **dict.fromkeys(("spent", "used_up"), "find the {1} used up"),
    "full": "find set {1} full",
}
_WITHOUT = {
    "masquerade": "masquerade on an interface without a suitable address",
    "redirect": "redirect to an interface without a suitable address",
    "reject": "reject",
}
_VALUES = ("mark", "ct mark", "packet type")  # what is set to an unknown value, where no value follows


def action(done: Action) -> str:
    """``dnat to 10.0.2.22:5999``, ``jump web``, ``set mark 0x1``, ``accept``."""
    kind, target = done
    if target is None:
        return _WITHOUT.get(kind, kind)
    if kind == "set" and target in _VALUES:
        return f"set {target} to an unknown value"
    return _WITH_TARGET.get(kind, "{0} {1}").format(kind, target)


def effect(effects: t.Sequence[Action], of_a_policy: bool) -> str | None:
    """``set mark 0x1, accept``, or ``policy drop``; None: on with the next rule."""
    said = ", ".join(action(each) for each in effects)
    return f"policy {said}" if said and of_a_policy else said or None


def change(made: Change) -> str:
    return action(made.action) if made.sure else f"perhaps {action(made.action)}"


def because(undecided: Undecided | None) -> str | None:
    """``it depends on limit rate 5/second: drop if not, accept if so``; None: it is decided."""
    if undecided is None:
        return None
    if undecided.kind in (UNROUTABLE, UNSUPPORTED):
        return undecided.what
    if undecided.kind == TOO_MANY:
        return f"it depends on too many unknowns, such as {undecided.what}"
    if undecided.otherwise is None or undecided.if_so is None:
        return f"where it goes depends on {undecided.what}"
    return f"it depends on {undecided.what}: {undecided.otherwise} if not, {undecided.if_so} if so"

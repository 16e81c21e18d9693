# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""SYNs that pass one by one, and get lost on the way where many come at once."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

from ..._model.host import Host
from ..._model.probe_records import Pace
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from .catalogue import Accounts, Cause
from .needs import SERVER, needs
from .stretch import swallower

_CHANCE, _SURE = 0.05, 0.005  # how often losses that do not depend on the rate look so: to say it at all, to prove it


@needs(SERVER)
def _path_rate_limited(case: Case, server: Host) -> Finding | None:
    if not (case.client.saw_everything and server.saw_everything) or swallower(case) is not None:
        return None
    tried = [each for each in case.client.paces if (each.address, each.port) == (case.address, case.port)]
    fast, slow = [each for each in tried if not each.interval], [each for each in tried if each.interval]
    if min(len(fast), len(slow)) < 2 or any(each.lost for each in slow) or not all(each.lost for each in fast):
        return None
    chance, lost = _chance(fast, slow), sum(each.lost for each in fast)
    if chance > _CHANCE:
        return None
    many, few, rate = sum(each.attempts for each in fast), sum(each.attempts for each in slow), 1 / max(each.interval for each in slow)
    return Finding(
        "proven" if chance <= _SURE else "likely",
        "path",
        "path.forward",
        f"SYNs from {case.client.name} to {case.target} pass {case.outcome.stretch} at {rate:.1f} a second, and are lost if many come at "
        f"once: {lost} of {many} in {plural(len(fast), 'burst')}, and none of {few} sent one by one: something limits their rate",
        (
            *case.passage(),
            case.saw(
                case.client,
                "connect()",
                f"in turn: {', '.join(f'{each.answered} of {each.attempts} answered' for each in tried)} (at once, then every "
                f"{1 / rate:.1f} s, {len(slow)} times)",
            ),
        ),
        leg="syn",
        detail={"lost_at_once": lost, "at_once": many, "in_turn": few, "per_s": round(rate, 2)},
        undecided=() if chance <= _SURE else ("more bursts would distinguish it from chance",),
    )


def _chance(fast: Sequence[Pace], slow: Sequence[Pace]) -> float:
    """How often all that are lost are among the fast ones, if the rate has nothing to do with it."""
    lost, many = sum(each.lost for each in fast), sum(each.attempts for each in fast)
    return comb(many, lost) / comb(many + sum(each.attempts for each in slow), lost)


CAUSES = (
    Cause(
        "path_rate_limited",
        "SYNs above some rate are dropped on the way",
        ("path.forward",),
        ("lost_syn",),
        "Both recordings are complete and have SYNs that were lost on the way. With diagnose_depth=full: of SYNs that are sent at once "
        "some are not answered, and all that are sent one by one are, each time of two or more, as one time in 200 by chance. As one time "
        "in 20: likely.",
        "One that is sent alone is not answered, or all of those that are sent at once are.",
        rule=_path_rate_limited,
        precedes=("path_loss", "connect_timeout_too_short", "first_syn_dropped", "port_range_dropped", "ecmp_member_bad"),
        accounts_for=(Accounts("slow", anywhere=True, any_leg=True), Accounts("other_outcome", anywhere=True, any_leg=True)),
        passing=True,
    ),
)

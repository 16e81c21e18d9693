# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would decide: the sentence says no more than the packets show."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.explain import Explanation
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.outcome import OUTCOMES, Outcome
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.undecided import undecided
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.prose import Prose
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.recording import Recording
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.snapshot import Snapshot
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.gaps import Gap
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.untried import untried

WHERE = {"unsent": "web1", "ignored_syn_ack": "web1", "unanswered": "db1", "ignored_ack": "db1"}


def sentences(answers: list[Any], status: str, client: Host) -> list[str]:
    return [str(each) for each in undecided(answers, status, client)]


@pytest.mark.parametrize("kind", OUTCOMES)
def test_a_packet_vanishes_only_where_one_went_in(kind: str) -> None:
    """An RST that reached the client, say, did not vanish there."""
    web1, db1 = Host("web1", observations=Recording("web1")), Host("db1", observations=Recording("db1"))
    case = untried(web1, db1, outcome=Outcome(kind))
    told = sentences([(case, Explanation())], "undetermined", web1)
    if kind == "completed":
        assert told == []
    elif kind in WHERE:
        assert f"vanishes inside {WHERE[kind]}" in told[0]
    else:
        assert "vanishes" not in told[0] and OUTCOMES[kind] in told[0]


GAPS = {
    "unreachable": "db1 cannot be reached: make it reachable for Ansible",
    "python": "db1 has no usable Python",
    "become": "db1 does not let Ansible become root",
    "timeout": "db1 did not answer in time",
    "not_in_play": "db1 is not among the hosts of this play: run the play on it as well",
    "silent": "db1 returned nothing",
}


@pytest.mark.parametrize("kind", GAPS)
def test_what_would_decide_follows_from_what_was_recorded(kind: str) -> None:
    """Whatever the sentence says that came with it."""
    web1, db1 = Host("web1", observations=Recording("web1")), Host("db1", gap=Gap(kind, Prose("sudo: run with become --limit unreachable")))
    case = untried(web1, db1, outcome=Outcome("silent"))
    (told,) = sentences([(case, Explanation())], "undetermined", web1)
    assert GAPS[kind] in told and "run with become" not in told
    (told,) = sentences([], "undetermined", db1)
    assert told.startswith(f"no handshake was tried, because {GAPS[kind]}")


def test_a_host_without_root_or_with_part_of_a_recording() -> None:
    web1 = Host("web1", after=Snapshot(time=0.0, root=False, routes=()))
    db1 = Host("db1", observations=Recording("db1"), incomplete=Prose("the kernel dropped 3 packets"))
    case = untried(web1, db1, outcome=Outcome("silent"))
    (told,) = sentences([(case, Explanation())], "undetermined", web1)
    assert told.endswith("run with become as root on web1; that of db1 is not whole (the kernel dropped 3 packets)")

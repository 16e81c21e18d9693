# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services and sockets: evidence that lacks one of the conditions of a proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.plugins.plugin_utils._decide.changes import CLIENT, RST_ACK, SERVER, Change, answer, nothing, unrecorded, without
from tests.unit.plugins.plugin_utils._decide.test_kernel_drops import EVENT, NO_SOCKET
from tests.unit.plugins.plugin_utils._decide.test_not_proven import causes
from tests.unit.plugins.plugin_utils._decide.test_traced import PORT
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded


@pytest.mark.parametrize(
    ("change", "certainty"),
    [(nothing, "proven"), (without(SERVER, RST_ACK), "likely"), (unrecorded(SERVER), "likely")],
)
def test_a_host_without_a_socket_whose_refusal_nobody_saw_leave(change: Change, certainty: str) -> None:
    """The flow has it as a host on the way, and its kernel says that it finds no socket."""
    plan, found = recorded("no_listener")
    change(found)
    probe = {**answer(found, CLIENT)["probes"][0], "local_port": PORT}
    found[CLIENT]["trace_try"] = {"failure": None, "evidence": {"probes": [probe], "trace": None, "absent": []}}
    drops = {"how": "bpf", "events": [{**EVENT, "destination": probe["address"], **NO_SOCKET}]}
    found[SERVER]["trace_close"] = {"failure": None, "evidence": {"drops": drops}}
    plan = replace(plan, entries=tuple(replace(entry, server=None, via=(SERVER,)) for entry in plan.entries))
    assert causes(plan, found)[0] == ("no_listener", SERVER, certainty)


def one_too_late(found: Phases) -> None:
    """One of the connections was made when the client had given up."""
    answer(found, CLIENT)["probes"][2].update(outcome="timeout", peer=None, ended=False, late_ms=3500.0, late_errno=None)


@pytest.mark.parametrize(("change", "certainty"), [(nothing, "proven"), (one_too_late, "likely")])
def test_a_service_that_turns_away_all_of_the_connections(change: Change, certainty: str) -> None:
    plan, found = recorded("service_refuses.denied")
    change(found)
    assert causes(plan, found)[0] == ("service_refuses", "db2", certainty)

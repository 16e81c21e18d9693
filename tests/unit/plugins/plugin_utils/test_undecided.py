# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would decide: the sentence says no more than the packets show."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._case import FATES, Case, Fate
from ansible_collections.threeway.handshake.plugins.plugin_utils._evidence import Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._undecided import undecided

WHERE = {"unsent": "web1", "ignored_syn_ack": "web1", "unanswered": "db1", "ignored_ack": "db1"}


@pytest.mark.parametrize("kind", FATES)
def test_a_packet_vanishes_only_where_one_went_in(kind: str) -> None:
    """An RST that reached the client, say, did not vanish there."""
    web1, db1 = Host("web1", sightings=[]), Host("db1", sightings=[])
    case = Case("flow", web1, db1, [], "192.0.2.21", "192.0.2.21", 5432, 3.0, None, [], fate=Fate(kind))
    told = undecided([(case, [])], "undetermined", web1)
    if kind == "completed":
        assert told == []
    elif kind in WHERE:
        assert f"vanishes inside {WHERE[kind]}" in told[0]
    else:
        assert "vanishes" not in told[0] and FATES[kind] in told[0]

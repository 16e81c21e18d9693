# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has a SYN translated that rules take ahead of its translation."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.hidden import taken_ahead
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.translation import let_through
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.firewall_records import Verdict
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.opening_records import HiddenTranslation
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.rule_records import Rule


def test_the_port_is_the_one_with_which_the_syn_comes() -> None:
    """A host ahead may have translated it already, from the port that was dialled."""
    by, to = (Rule(family="ip", table="nat", chain="web", number=number, handle=number + 6, manager="nftables") for number in (1, 2))
    hidden = HiddenTranslation((by,), to, "10.0.2.22", 5432)
    verdict = Verdict(packet="syn", direction="in", source="10.0.1.11", destination="10.0.2.21", port=8080, verdict="accept", hidden=hidden)
    taken = taken_ahead(verdict)
    assert taken is not None
    fix = let_through("db1", taken)
    assert "tcp dport 8080 dnat to 10.0.2.22:5432" in fix.commands[0]

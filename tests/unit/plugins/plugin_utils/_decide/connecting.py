# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attempts that complete beside those that fail."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._wire.decode import decode
from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, unpack
from tests.unit.plugins.plugin_utils._decide.changes import CLIENT, Change, answer
from tests.unit.plugins.plugin_utils._decide.test_not_proven import frames, moved
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded


def one_connects(recording: str) -> Change:
    """One of the attempts completes, as the first one of another recording does."""

    def change(found: Phases) -> None:
        _plan, other = recorded(recording)
        attempts, connected = answer(found, CLIENT)["probes"], answer(other, CLIENT)["probes"][0]
        later = attempts[0]["started"] + 0.1 - connected["started"]
        attempts.insert(1, {**connected, "started": connected["started"] + later})

        def is_its(frame: Frame) -> bool:
            tcp = decode(frame.data, frame.ethertype).tcp
            return tcp is not None and connected["local_port"] in (tcp.sport, tcp.dport)

        for host in found.keys() & other.keys():
            theirs, ours = answer(other, host)["recording"], answer(found, host)["recording"]
            ours["interfaces"] |= theirs["interfaces"]
            added = [moved(frame, later) for frame in unpack(theirs["frames"]) if is_its(frame)]
            frames(ours, lambda all_, added=added: [*all_, *added])  # type: ignore[misc]

    return change

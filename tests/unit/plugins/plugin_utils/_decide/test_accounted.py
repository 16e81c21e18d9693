# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there because of a cause, or because of other flows at the same hosts, keeps it from being proven no longer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame
from tests.unit.plugins.plugin_utils._decide.changes import CLIENT, RST_ACK, SERVER, Change, Scene, all_of, answer, overheard, rose
from tests.unit.plugins.plugin_utils._decide.test_not_proven import flags, frames
from tests.unit.plugins.plugin_utils.recordings import Phases

ICMP = 1
REJECTED = "firewall_reject.iptables.icmp-host-prohibited"


def without_an_error(found: Phases) -> None:
    """The first attempt got no answer."""
    first = answer(found, CLIENT)["probes"][0]
    port = first["local_port"].to_bytes(2, "big")
    first.update(outcome="timeout", errno=None, icmp=None, elapsed_ms=3000.0)
    for host in (CLIENT, SERVER):
        frames(
            answer(found, host)["recording"],
            lambda all_: (each for each in all_ if not (each.data[9] == ICMP and each.data[48:50] == port)),
        )


def resets_of_others(found: Phases) -> None:
    """A firewall made as many RSTs again, for another port: TCP did not count these."""

    def change(all_: list[Frame]) -> Iterator[Frame]:
        for frame in all_:
            yield frame
            if flags(frame) == RST_ACK:
                yield frame._replace(data=frame.data[:20] + bytes((9, 9)) + frame.data[22:])

    frames(answer(found, SERVER)["recording"], change)


HELD_BACK = rose(SERVER, "Icmp", "OutRateLimitHost", 2)
SCENES: list[tuple[str, str, str | None, Change]] = [
    (REJECTED, "firewall_reject", "likely", without_an_error),
    (REJECTED, "firewall_reject", "proven", all_of(without_an_error, HELD_BACK)),
    ("nat_wrong_target.dead-port", "nat_wrong_target", "proven", resets_of_others),
    ("stale_translation", "stale_translation", "proven", overheard),
    ("nat_wrong_target.router-elsewhere", "nat_wrong_target", "proven", overheard),
]


@pytest.mark.parametrize(
    "scene", [pytest.param(Scene(*scene), id=f"{scene[1]}-{scene[2]}-{number}") for number, scene in enumerate(SCENES)]
)
def test_what_has_another_reason_is_not_held_against_it(scene: Scene) -> None:
    assert scene.certainty_found() == scene.certainty

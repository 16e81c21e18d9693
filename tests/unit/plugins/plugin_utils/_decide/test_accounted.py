# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is there because of a cause does not keep it from being proven, and the like of it does."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import unpack
from tests.unit.plugins.plugin_utils._decide.changes import CLIENT, ROUTER, SERVER, Change, Scene, all_of, answer, overheard, rose
from tests.unit.plugins.plugin_utils._decide.test_not_proven import SYN, flags, frames, moved
from tests.unit.plugins.plugin_utils.recordings import Phases

ICMP = 1
REJECTED = "firewall_reject.iptables.icmp-host-prohibited"


def first_port(found: Phases) -> bytes:
    port: int = answer(found, CLIENT)["probes"][0]["local_port"]
    return port.to_bytes(2, "big")


def without_an_error(found: Phases) -> None:
    """The first attempt got no answer."""
    port = first_port(found)
    answer(found, CLIENT)["probes"][0].update(outcome="timeout", errno=None, icmp=None, elapsed_ms=3000.0)
    for host in {CLIENT, SERVER, ROUTER}.intersection(found):
        frames(
            answer(found, host)["recording"],
            lambda all_: (each for each in all_ if not (each.data[9] == ICMP and each.data[48:50] == port)),
        )


def lost_ahead(found: Phases) -> None:
    """And its SYN did not come to the server."""
    without_an_error(found)
    port = first_port(found)
    frames(
        answer(found, SERVER)["recording"], lambda all_: (each for each in all_ if not (flags(each) == SYN and each.data[20:22] == port))
    )


def passed_on(found: Phases) -> None:
    """And its SYN came to the server, past whoever answers the others."""
    without_an_error(found)
    port = first_port(found)
    sent = [each for each in unpack(answer(found, CLIENT)["recording"]["frames"]) if flags(each) == SYN and each.data[20:22] == port]
    frames(answer(found, SERVER)["recording"], lambda all_: [*all_, *(moved(each, 0.0001, pkttype=0) for each in sent)])


HELD_BACK = rose(SERVER, "Icmp", "OutRateLimitHost", 2)
SCENES: list[tuple[str, str, str | None, Change]] = [
    (REJECTED, "firewall_reject", "likely", without_an_error),
    (REJECTED, "firewall_reject", "proven", all_of(without_an_error, HELD_BACK)),
    (REJECTED, "firewall_reject", "likely", all_of(lost_ahead, HELD_BACK)),
    ("path_icmp_rejected", "path_icmp_rejected", "likely", all_of(passed_on, HELD_BACK)),
    ("stale_translation", "stale_translation", "proven", overheard),
    ("nat_wrong_target.router-elsewhere", "nat_wrong_target", "proven", overheard),
]


@pytest.mark.parametrize(
    "scene", [pytest.param(Scene(*scene), id=f"{scene[1]}-{scene[2]}-{number}") for number, scene in enumerate(SCENES)]
)
def test_what_has_another_reason_is_not_held_against_it(scene: Scene) -> None:
    assert scene.certainty_found() == scene.certainty

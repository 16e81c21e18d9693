# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._work import listening


def listener(address: str = "0.0.0.0", **more: t.Any) -> dict[str, t.Any]:
    family = "ipv6" if ":" in address else "ipv4"
    return {"address": address, "family": family, "v6only": False, "device": None, "recv_q": 0, "send_q": 128, **more}


@pytest.mark.parametrize(
    ("one", "reach", "families"),
    [
        (listener(), "any", ["ipv4"]),
        (listener("::"), "any", ["ipv4", "ipv6"]),
        (listener("::", v6only=True), "any", ["ipv6"]),
        (listener("127.0.0.53"), "loopback", ["ipv4"]),
        (listener("::1"), "loopback", ["ipv6"]),
        (listener(device="lo"), "loopback", ["ipv4"]),
        (listener(device="eth0"), "device", ["ipv4"]),
        (listener("192.0.2.1", device="vrf-red"), "device", ["ipv4"]),
        (listener("192.0.2.1"), "address", ["ipv4"]),
        (listener("2001:db8::1"), "address", ["ipv6"]),
    ],
)
def test_reach_and_families(one: dict[str, t.Any], reach: str, families: list[str]) -> None:
    assert (listening.reach(one), listening.families(one)) == (reach, families)


def test_a_queue_is_full_when_it_holds_one_more_than_its_limit() -> None:
    assert [listening.fill(listener(recv_q=waiting, send_q=1)) for waiting in (0, 1, 2)] == [0.0, 0.5, 1.0]
    assert listening.fill(listener(recv_q=1, send_q=0)) == 1.0


def test_what_limits_a_queue() -> None:
    assert listening.limited_by(listener(send_q=128), 4096) == "backlog"
    assert listening.limited_by(listener(send_q=4096), 4096) == "somaxconn"
    assert listening.limited_by(listener(send_q=4096), 128) is None
    assert listening.limited_by(listener(send_q=128), None) is None


def test_ports_are_numbers_or_names_of_services() -> None:
    assert listening.port_numbers(["5432", "ssh", "22"]) == [22, 5432]
    for wrong in ("0", "65536", "-1", "no such service", "", "٢٢", "22\0"):
        with pytest.raises(ObserveError, match="number from 1 to 65535"):
            listening.port_numbers([wrong])

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._host import sysctls
from ansible_collections.threeway.handshake.plugins.module_utils._work.tuning import observe


def test_every_sysctl_has_its_meaning() -> None:
    answer = observe(["lo"], None)
    assert answer["absent"] == []
    assert answer["sysctls"]["net.ipv4.conf.lo.rp_filter"]["unit"] == "mode"
    assert answer["syn"]["within_timeout"] is None


def test_a_kernel_that_hides_its_retries_has_no_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysctls, "read", lambda _interfaces: ({"net.ipv4.tcp_synack_retries": "5"}, []))
    answer = observe([], 2.0)
    assert answer["syn"] is None
    assert answer["syn_ack"]["within_timeout"] == 2
    assert [one["what"] for one in answer["absent"]] == ["syn"]


@pytest.mark.parametrize("interface", ["eth9", "../core", "..", "."])
def test_an_interface_that_is_not_there_is_named(interface: str) -> None:
    with pytest.raises(ObserveError, match="there is no interface"):
        observe([interface], None)


@pytest.mark.parametrize("timeout", [0, -1, float("inf"), float("nan")])
def test_a_timeout_must_be_a_time(timeout: float) -> None:
    with pytest.raises(ObserveError, match="timeout"):
        observe([], timeout)

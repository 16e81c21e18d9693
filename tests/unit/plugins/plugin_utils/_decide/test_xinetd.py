# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of xinetd: whom one does not let in, and which address it may have missed."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.xinetd import _refused
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.unit_records import XinetdService
from tests.unit.plugins.plugin_utils.recordings import recorded


@pytest.mark.parametrize(
    ("only_from", "no_access", "refused"),
    [
        (("10.0.9.0",), None, True),
        (("10.0.1.0",), None, False),
        (("0.0.0.0",), None, False),
        ((), None, True),
        (("10.0.1.11",), None, False),
        (("10.0.9.0", "clients.example"), None, False),  # who knows what that name means
        (None, ("10.0.0.0",), True),
        (None, ("10.0.9.0", ".example"), False),
        (("10.0.1.0",), ("10.0.1.11",), False),  # the closer match decides, which is not for us to say
        (None, None, False),
    ],
)
def test_who_is_surely_refused(only_from: tuple[str, ...] | None, no_access: tuple[str, ...] | None, refused: bool) -> None:
    service = XinetdService(
        port=5432, service="orders", file="/etc/xinetd.d/orders", disabled=False, only_from=only_from, no_access=no_access
    )
    assert _refused(service, "10.0.1.11")[0] is refused


@pytest.mark.parametrize(
    ("bind", "said"),
    [
        ("10.0.2.21", "which it binds only when it starts"),
        ("10.0.2.99", "which is no address of db1"),
        ("0.0.0.0", None),
        ("::", None),
        ("db1.example.org", None),
    ],
)
def test_only_a_single_address_may_have_been_missing(bind: str, said: str | None) -> None:
    """Of a name nobody knows here which address it stands for."""
    plan, found = recorded("no_listener.xinetd")
    for phase, part in (("open", "snapshot"), ("close", "after")):
        for service in found["db1"][phase]["evidence"][part].get("xinetd") or ():
            service.update(disabled=False, bind=bind)
    flow, *_others = decide(plan, found, "2026-11-28T04:00:00Z", "2026-11-28T04:00:09Z").report["flows"]
    summary = flow["causes"][0]["summary"]
    assert flow["causes"][0]["code"] == "no_listener"
    assert (f"bind = {bind}" in summary) is (said is not None)
    assert said is None or said in summary

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a service of xinetd does not let in."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.xinetd import _refused
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.unit_records import XinetdService


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

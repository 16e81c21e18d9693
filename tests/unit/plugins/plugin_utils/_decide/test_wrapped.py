# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which clients the patterns of TCP wrappers cover."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.wrapped import _covers


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [
        ("10.0.1.", True),
        ("10.0.1.0/255.255.255.0", True),
        ("10.0.1.0/24", True),
        ("10.0.9.0/255.255.255.0", False),
        ("10.0.1.0/0.0.0.255", None),  # a mask of the host is none of the network
        ("10.0.1.1/255.255.255.0", None),
        ("0.0.0.0/0.0.0.0", True),
        ("web1", None),
    ],
)
def test_whom_a_pattern_covers(pattern: str, covered: bool | None) -> None:
    assert _covers([pattern], "10.0.1.11") is covered

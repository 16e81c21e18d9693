# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""One spelling for each address."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical, canonical_or_none


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("10.0.2.21", "10.0.2.21"),
        ("::ffff:10.0.2.21", "10.0.2.21"),
        ("::FFFF:0a00:0215", "10.0.2.21"),
        ("2001:0DB8:0::0021", "2001:db8::21"),
        ("fe80::1%eth0", "fe80::1"),
        ("::", "::"),
    ],
)
def test_an_address_has_one_spelling(text: str, spelled: str) -> None:
    assert canonical(text) == canonical_or_none(text) == spelled


@pytest.mark.parametrize("text", ["", "%eth0", "db1", "10.0.2", "10.0.2.021", "[::1]", "10.0.2.21:80", "²"])
def test_what_is_no_address_has_none(text: str) -> None:
    assert canonical_or_none(text) is None
    with pytest.raises(ValueError, match="IPv4"):
        canonical(text)

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What log_info refuses to ask."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._work.logs import observe

OPTIONS: dict[str, Any] = {"since": None, "until": None, "seconds": 60.0, "units": [], "addresses": [], "ports": [], "limit": 10}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"since": 20.0, "until": 10.0}, "since is 20.0, and until is 10.0"),
        ({"since": float("nan")}, "since is nan"),
        ({"until": float("inf")}, "until is inf"),
        ({"limit": 0}, "limit is 0"),
        ({"ports": [70000]}, "ports has 70000"),
        ({"addresses": ["db1"]}, "addresses has 'db1'"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ObserveError, match=says):
        observe({**OPTIONS, **options})

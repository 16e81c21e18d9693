# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The dials of a work order, each with the user as whom it is tried."""

from __future__ import annotations

import typing as t

from .._connect.identity import identity
from .._connect.resolve import Dial
from .._errors import ObserveError


def dials_of(order: t.Mapping[str, t.Any], absent: list[dict[str, str]]) -> list[Dial]:
    """All dials; those of a user as whom this process cannot act are left out, and listed in `absent`."""
    found, refused = [], set()
    for dial in order["dials"]:
        named = {name: value for name, value in dial.items() if name != "user"}
        user = dial.get("user")
        try:
            found.append(Dial(**named, identity=identity(user) if user else None))
        except ObserveError as error:
            if user not in refused:
                refused.add(user)
                absent.append({"what": f"probes as user {user}", "why": str(error)})
    return found

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find the connections that have a local port on which nobody listens: they may prevent a service from binding it."""

from __future__ import annotations

import typing as t

from . import owners, sockets


def read(ports: t.Collection[int]) -> list[dict[str, t.Any]]:
    """The sockets that sockets.holders() returns, each with its process; None where that may not be seen."""
    found = sockets.holders(ports)
    pids = owners.find({each["inode"] for each in found}, {each["uid"] for each in found})[0] if found else {}
    for each in found:
        pid = next(iter(pids.get(each.pop("inode"), ())), None)
        del each["uid"]
        each["process"] = owners.describe(pid) if pid else None
    return found

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find the systemd unit that gives an interface its addresses and routes, from what network managers keep in /run."""

from __future__ import annotations

import os
import typing as t

RUN = "/run"


def manager(name: str, index: int) -> str | None:
    """The unit that manages an interface; None where no manager that we know says that it does."""
    if "managed=true" in _lines(f"NetworkManager/devices/{index}"):
        return "NetworkManager.service"
    if "ADMIN_STATE=configured" in _lines(f"systemd/netif/links/{index}"):
        return "systemd-networkd.service"
    if any(line.partition("=")[0] == name for line in _lines("network/ifstate")):
        return "networking.service"  # ifupdown
    return None


def _lines(path: str) -> t.Collection[str]:
    """The lines of a small file below /run; none where it is not there or may not be read."""
    try:
        with open(os.path.join(RUN, path), encoding="utf-8", errors="replace") as file:
            return file.read(65536).splitlines()
    except OSError:
        return ()

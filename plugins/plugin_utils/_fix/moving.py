# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Addresses that are meant to move to a server that serves."""

from __future__ import annotations

from .._model.address_subjects import KeptAddress


def moving(kept: KeptAddress) -> str:
    others = " or ".join(kept.served_by)
    if not kept.vrrp:
        return f"or have {kept.address} move to {others} where the service fails: see what is to move it"
    return (
        f"and see why {kept.address} does not move to {others} by VRRP: in keepalived, a track_script or track_process must take more from "
        f"the priority of {kept.holder} than it is ahead by (or have no weight), and nopreempt keeps the other one from taking over"
    )

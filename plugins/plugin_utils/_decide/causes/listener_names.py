# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Listeners and their processes in words."""

from __future__ import annotations

from ..._model.socket_records import Listener
from ..._values.words import endpoint


def describe(listener: Listener) -> str:
    return endpoint(listener.address, listener.port, listener.device) + (" (IPv6 only)" if listener.v6only else "")


def process_of(listener: Listener) -> str:
    process = (listener.processes or (None,))[0]
    return f"{process.name} (pid {process.pid})" if process else "a process"

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A case without attempts, for tests of what follows from its hosts alone."""

from __future__ import annotations

from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.case import Case
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host


def untried(client: Host, server: Host | None, **more: Any) -> Case:
    return Case(
        flow="flow",
        client=client,
        server=server,
        vias=[],
        address="192.0.2.21",
        dialled="192.0.2.21",
        port=5432,
        timeout=3.0,
        source=None,
        attempts=[],
        **more,
    )

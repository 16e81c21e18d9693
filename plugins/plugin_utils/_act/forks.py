# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Ansible forks a process for each task of each host. What all of them would do alike is done once, before."""

from __future__ import annotations

import gc
from typing import Any

from ansible.plugins.loader import filter_loader, test_loader


def prepare() -> None:
    """To be called in the main process, when what a play needs is loaded, and before it forks.

    Jinja's filters and tests are loaded when a template uses the first of them (30 ms). And a garbage collection goes through all objects,
    which copies the memory that forked processes share (200 ms); what is there by now lives as long as the run.
    """
    loaders: tuple[tuple[Any, str], ...] = ((filter_loader, "bool"), (test_loader, "failed"))  # of Ansible's own, in all its versions
    for loader, name in loaders:
        loader.get(name)
    gc.freeze()

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses an ansible-core that is too old, before a module is imported that its Python could not read."""

from __future__ import annotations

from ansible.errors import AnsibleError
from ansible.release import __version__

from ansible_collections.threeway.handshake.plugins.plugin_utils._supported import refusal

if _unsupported := refusal(__version__):
    raise AnsibleError(_unsupported)

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.unit_changes; see the documentation in plugins/modules/unit_changes.py."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.host_module import HostModuleAction


class ActionModule(HostModuleAction):
    """As any module."""

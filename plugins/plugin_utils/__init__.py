# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuses an ansible-core that is too old, before a module is imported that its Python could not read."""

from __future__ import annotations

import sys

from ._supported import refusal

_core = sys.modules.get("ansible.release")  # the event source runs where there need be no ansible-core
if _core is not None and (_unsupported := refusal(_core.__version__)):
    from ansible.errors import AnsibleError

    raise AnsibleError(_unsupported)

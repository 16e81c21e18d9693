# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The attributes of modules. A module adds what is its own: its support, and details."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in C(check_mode)), when in diff mode.
"""

    # Of modules that read from a host.
    INFO_MODULE = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the same.
    support: full
  diff_mode:
    description: Does not change anything on the host.
    support: N/A
"""

    # Added to the first of those that change nothing and have no difference to show.
    UNCHANGING = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Runs the same in check mode, because it changes nothing.
  diff_mode:
    support: none
"""

    # The same of those that leave something in the report directory.
    PLANNING = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Runs the same in check mode, because it changes nothing but the report directory.
  diff_mode:
    support: none
"""

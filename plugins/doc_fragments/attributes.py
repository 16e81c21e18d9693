# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doc fragments with the attributes of modules. A module adds its own support and details."""

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

    # For modules that only read from a host.
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

    # In addition to the first one, for modules that change nothing and have no diff.
    UNCHANGING = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Check mode runs the same, because nothing changes.
  diff_mode:
    support: none
"""

    # The same, for modules that write to the report directory.
    PLANNING = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - Check mode runs the same, because only the report directory changes.
  diff_mode:
    support: none
"""

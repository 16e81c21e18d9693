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

    # For modules that only the roles and playbooks of the collection call.
    INNER = r"""
options: {}
notes:
  - This is an inner module, which the roles and playbooks of the collection call. Its options and what it returns may change without
    notice.
"""

    # For modules of an action group.
    ACTION_GROUP_PORTS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/threeway.handshake.ports) in C(module_defaults) to set the option O(ports) of several modules.
    support: full
    membership:
      - threeway.handshake.ports
"""

    ACTION_GROUP_REPORTS = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/threeway.handshake.reports) in C(module_defaults) to set the option O(path) of several modules.
    support: full
    membership:
      - threeway.handshake.reports
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

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doc fragments with the options of tasks that share a report directory and belong to a run."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  report_dir:
    description:
      - The report directory.
    type: path
    required: true
"""

    # For tasks of a diagnosis.
    RUN = r"""
options:
  run:
    description:
      - The identity of the run that this task belongs to, which M(threeway.handshake.plan) returned.
      - A report directory of another run, or of another C(ansible-playbook), is refused.
    type: str
    required: true
"""

    # For tasks of a remediation.
    REMEDIATION = r"""
options:
  run:
    description:
      - The identity of the run, as M(threeway.handshake.plan_fixes) returned it.
    type: str
    required: true
"""

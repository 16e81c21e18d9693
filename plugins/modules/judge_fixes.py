# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: judge_fixes
short_description: Judge whether changes fixed what they were made for (inner module)
version_added: 0.1.0
description:
  - Compares the report from before a batch of changes with the evidence after it. A host's changes are kept if the handshakes that they
    were made for work, or get further than before, and if no handshake that worked is broken now.
    The role P(threeway.handshake.remediate#role) calls it.
  - Runs on the controller, once for a play.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.inner
  - threeway.handshake.attributes
  - threeway.handshake.report
  - threeway.handshake.report.remediation
attributes:
  check_mode:
    support: full
    details:
      - Check mode runs the same, but has nothing to judge.
  diff_mode:
    support: none
options:
  phase:
    description:
      - V(verdict) judges the changes, V(outcome) records their outcomes.
    type: str
    choices: [verdict, outcome]
    required: true
seealso:
  - module: threeway.handshake.plan_fixes
  - module: threeway.handshake.mend
"""

EXAMPLES = r"""
- name: Check whether the fixes helped
  threeway.handshake.judge_fixes:
    phase: verdict
    report_dir: ./handshake-report
    run: "{{ plan.run }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
msg:
  description: What is kept and what is undone, and why.
  returned: always
  type: str
  sample: "db1: keep, web-to-db (web1 -> db1:5432) connects"
again:
  description: Whether some change did not stay, so that another diagnosis must find the current state.
  returned: O(phase=outcome)
  type: bool
  sample: false
again_dir:
  description: Where to keep that diagnosis.
  returned: O(phase=outcome)
  type: str
  sample: handshake-report/remediate/turn-1-undone
"""

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: judge_fixes
short_description: Judge whether changes mended what they were made for
version_added: 0.1.0
description:
  - Compares the report of how handshakes were before a batch of changes with the evidence behind it. A host's changes are kept if the
    handshakes that they were made for work, or come further than before, and if no handshake that worked is broken now.
    The role P(threeway.handshake.remediate#role) calls it.
  - Runs on the controller, and once for a play.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes
  - threeway.handshake.report
  - threeway.handshake.report.remediation
attributes:
  check_mode:
    support: full
    details:
      - Judges in check mode as well, where there is nothing to judge.
  diff_mode:
    support: none
options:
  phase:
    description:
      - V(verdict) judges the changes, V(outcome) takes down what became of them.
    type: str
    choices: [verdict, outcome]
    required: true
seealso:
  - module: threeway.handshake.plan_fixes
  - module: threeway.handshake.mend
"""

EXAMPLES = r"""
- name: See whether it helped
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
  description: Whether something did not stay, so that another diagnosis has to tell how things are now.
  returned: O(phase=outcome)
  type: bool
  sample: false
again_dir:
  description: Where that diagnosis is to be kept.
  returned: O(phase=outcome)
  type: str
  sample: handshake-report/remediate/turn-1-undone
"""

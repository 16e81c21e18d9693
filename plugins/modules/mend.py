# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mend
short_description: Make the changes of one host as a transaction (inner module)
version_added: 0.1.0
description:
  - Makes the changes on one host that M(threeway.handshake.plan_fixes) chose. The role P(threeway.handshake.remediate#role) calls it.
  - O(phase=preview) runs the steps in check mode to show what they would change.
  - O(phase=apply) first lets M(threeway.handshake.guard) save what is about to change and arm its restore. It then runs the steps, each of
    which is a module, and closes the connection.
  - O(phase=settle) confirms or restores, as M(threeway.handshake.judge_fixes) decided. If the host cannot be reached over a new
    connection, it waits for the host to restore itself.
  - If something goes wrong on the host, this becomes the outcome of its changes, and the task succeeds.
author:
  - The threeway.handshake authors (@threeway)
requirements:
  - Linux, and root on the host, for example with C(become=true)
extends_documentation_fragment:
  - threeway.handshake.attributes.inner
  - threeway.handshake.attributes
  - threeway.handshake.report
  - threeway.handshake.report.remediation
attributes:
  check_mode:
    support: full
    details:
      - In check mode, M(threeway.handshake.plan_fixes) chooses nothing, so O(phase=apply) does nothing.
  diff_mode:
    support: none
    details:
      - The diff of O(phase=preview) is shown with the plan.
options:
  phase:
    description:
      - The part of the transaction.
    type: str
    choices: [preview, apply, settle]
    required: true
  report_dir:
    description:
      - The report directory on the controller.
seealso:
  - module: threeway.handshake.plan_fixes
  - module: threeway.handshake.judge_fixes
  - module: threeway.handshake.guard
"""

EXAMPLES = r"""
- name: Show what the fixes would change
  threeway.handshake.mend:
    phase: preview
    report_dir: ./handshake-report
    run: "{{ plan.run }}"
  when: inventory_hostname in plan.hosts
  become: true
"""

RETURN = r"""
msg:
  description: What was done, or why not.
  returned: always
  type: str
  sample: "kept: web-to-db (web1 -> db1:5432) connects"
"""

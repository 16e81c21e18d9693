# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_fixes
short_description: Work out which broken handshakes are mended, and in which order
version_added: 0.1.0
description:
  - Reads the report of a diagnosis, takes the fixes of the decisive causes that the policy allows, each once for all flows that want it,
    and chooses on which hosts they are made next, which is one host first. If C(drift.json) of the same run lies beside the report, the
    fixes are those of what has drifted and endangers a handshake instead.
    The role P(threeway.handshake.remediate#role) calls it.
  - What may be changed on a host is decided by that host's own variables, which are those of the role without exception.
  - O(phase=begin) begins a run. O(phase=next) chooses the next batch, and shows the plan the first time.
  - Runs on the controller, and once for a play.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes
  - threeway.handshake.report
attributes:
  check_mode:
    support: full
    details:
      - Plans the same in check mode, and chooses no batch.
  diff_mode:
    support: none
options:
  phase:
    description:
      - V(begin) reads C(report.json) and plans. V(next) chooses what M(threeway.handshake.mend) makes next.
    type: str
    choices: [begin, next]
    required: true
  run:
    description:
      - With O(phase=begin), the identity of the run that the report belongs to, which M(threeway.handshake.plan) returned.
      - With O(phase=next), that of the remediation, as O(phase=begin) returned it.
    type: str
    required: true
  earlier:
    description:
      - Whether the report may be that of an earlier run, with O(phase=begin). The run is continued then, and the report directory belongs
        to this C(ansible-playbook) from there on; one that is in use by another C(ansible-playbook) is refused.
    type: bool
    default: false
  history:
    description:
      - The history of the runs, as O(threeway.handshake.conclude#module:history) has it. A fix for a cause that did not hold twice
        is not made again.
    type: str
    default: ""
seealso:
  - module: threeway.handshake.mend
  - module: threeway.handshake.judge_fixes
  - module: threeway.handshake.guard
"""

EXAMPLES = r"""
- name: Work out what could be mended
  threeway.handshake.plan_fixes:
    phase: begin
    report_dir: ./handshake-report
    run: "{{ hostvars.localhost.ansible_facts.handshake_run }}"
  delegate_to: localhost
  run_once: true
  register: plan
"""

RETURN = r"""
msg:
  description: The plan in a few words, or what is wrong.
  returned: always
  type: str
  sample: 2 fixes on 1 hosts
run:
  description: The identity of the run, which begins with that of the report.
  returned: success
  type: str
  sample: 20261121T040000-3f2a91-5c07e2
ansible_facts:
  description: Variables for the tasks that follow.
  returned: O(phase=begin)
  type: dict
  contains:
    handshake_run:
      description: The identity of the run that the report belongs to.
      returned: success
      type: str
      sample: 20261121T040000-3f2a91
drift:
  description: Whether it is drift that is mended.
  returned: O(phase=begin)
  type: bool
  sample: false
hosts:
  description: With O(phase=begin) all hosts that the plan would change, with O(phase=next) those of the next batch.
  returned: success
  type: list
  elements: str
  sample: [db1]
timeouts:
  description: For each of the hosts, the seconds that it is waited for, other than while it is changed.
  returned: success
  type: dict
  sample: {"db1": 60}
patience:
  description: The seconds that a host of the batch is waited for while it is changed, so that the others can be confirmed in time.
  returned: O(phase=next)
  type: int
  sample: 60
turn_dir:
  description: Where the diagnosis behind this batch is to be kept.
  returned: O(phase=next)
  type: str
  sample: handshake-report/remediate/turn-1
current_dir:
  description: The report directory of the diagnosis that tells how things are now.
  returned: O(phase=next)
  type: str
  sample: handshake-report
changes:
  description: The report's C(changes), when nothing is left to be done.
  returned: O(phase=next)
  type: list
  elements: dict
  sample: []
settle:
  description: The seconds to wait after the changes, the longest of the batch's hosts.
  returned: O(phase=next)
  type: float
  sample: 1
within:
  description: The seconds that the diagnosis after the changes may take, so that all hosts of the batch can be confirmed in time.
  returned: O(phase=next)
  type: float
  sample: 44.25
attempted:
  description: Whether the run has tried to change any host.
  returned: O(phase=next)
  type: bool
  sample: false
"""

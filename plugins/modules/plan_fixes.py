# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_fixes
short_description: Plan which broken handshakes are fixed, and in which order (inner module)
version_added: 0.1.0
description:
  - Reads the report of a diagnosis and takes the fixes of the decisive causes that the policy allows. A fix that several flows need is
    planned once. Chooses the hosts to change next, beginning with one host. If C(drift.json) of the same run is in the same directory as
    the report, the fixes are those for the drift that endangers a handshake instead.
    The role P(threeway.handshake.remediate#role) calls it.
  - The variables of a host decide what may be changed on it. They are always those of the role.
  - O(phase=begin) begins a run. O(phase=next) chooses the next batch, and shows the plan the first time.
  - Runs on the controller, once for a play.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.inner
  - threeway.handshake.attributes
  - threeway.handshake.report
attributes:
  check_mode:
    support: full
    details:
      - Check mode makes the same plan, but chooses no batch.
  diff_mode:
    support: none
options:
  phase:
    description:
      - V(begin) reads C(report.json) and plans. V(next) chooses the changes that M(threeway.handshake.mend) makes next.
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
      - With O(phase=begin), whether the report may be that of an earlier run. That run is then continued, and the report directory belongs
        to this C(ansible-playbook) from then on. A directory in use by another C(ansible-playbook) is refused.
    type: bool
    default: false
  history:
    description:
      - The history of the runs, as in O(threeway.handshake.conclude#module:history). A fix for a cause that did not hold twice
        is not made again.
    type: str
    default: ""
seealso:
  - module: threeway.handshake.mend
  - module: threeway.handshake.judge_fixes
  - module: threeway.handshake.guard
"""

EXAMPLES = r"""
- name: Plan what could be fixed
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
  description: A summary of the plan, or the error.
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
  description: Whether the run fixes drift.
  returned: O(phase=begin)
  type: bool
  sample: false
hosts:
  description: With O(phase=begin), all hosts that the plan would change; with O(phase=next), those of the next batch.
  returned: success
  type: list
  elements: str
  sample: [db1]
timeouts:
  description: For each of the hosts, how many seconds to wait for it, except while it is changed.
  returned: success
  type: dict
  sample: {"db1": 60}
patience:
  description: How many seconds to wait for a host of the batch while it is changed, so that the others can be confirmed in time.
  returned: O(phase=next)
  type: int
  sample: 60
turn_dir:
  description: Where to keep the diagnosis after this batch.
  returned: O(phase=next)
  type: str
  sample: handshake-report/remediate/turn-1
current_dir:
  description: The report directory of the diagnosis with the current state.
  returned: O(phase=next)
  type: str
  sample: handshake-report
changes:
  description: The report's C(changes), if nothing is left to do.
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
sparing:
  description:
    - Whether the attempts after the changes may use up a limit on a server, such as that of the starts of a unit, so that each client
      makes one to each address.
  returned: O(phase=next)
  type: bool
  sample: false
attempted:
  description: Whether the run has tried to change any host.
  returned: O(phase=next)
  type: bool
  sample: false
attention:
  description: Whether there is a fix or advice.
  returned: O(phase=next), the first time
  type: bool
  sample: false
answer:
  description: What people are shown, in lines.
  returned: O(phase=next), the first time, if the stdout callback is for programs, such as P(ansible.posix.json#callback)
  type: list
  elements: str
  sample: [nothing to fix]
"""

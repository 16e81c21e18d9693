# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: drift
short_description: Save what handshakes depend on as baselines, and compare hosts with them (inner module)
version_added: 0.1.0
description:
  - The role P(threeway.handshake.drift#role) calls this on the controller, before and after every host has returned its state (the
    phase V(state) of M(threeway.handshake.vantage)).
  - A baseline is a YAML file for each host, meant for reading and for git. While nobody changes a host, it stays the same byte for byte.
  - Runs once for a play, and changes no host.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.inner
  - threeway.handshake.attributes
  - threeway.handshake.report
  - threeway.handshake.report.run
attributes:
  check_mode:
    support: full
    details:
      - Check mode writes no baseline, but a drift report.
  diff_mode:
    support: full
    details:
      - With V(compare), the difference between each host and its baseline is shown as a unified diff.
options:
  phase:
    description:
      - V(prepare) checks the options before any host is touched, and makes hosts report the services that their baselines have.
      - V(write) writes the baselines of all hosts that could be observed. It fails if some could not, and keeps their baselines unchanged.
      - V(compare) writes the drift report.
    type: str
    choices: [prepare, write, compare]
    required: true
  report_dir:
    description:
      - The directory on the controller with the work orders of M(threeway.handshake.plan) and the answers of the hosts. It receives the
        drift report.
  baseline_dir:
    description:
      - The directory on the controller with a baseline for each host.
    type: path
    required: true
  expect:
    description:
      - What must hold, as a list of mappings. C(expect) is a JMESPath expression over a host's state, which holds if its result is
        neither false nor null nor empty. Optional are C(name), and C(hosts), a pattern of hosts.
      - By default, the variable C(drift_expect) of each host applies to that host.
      - It needs the Python library jmespath on the controller.
    type: raw
  compare:
    description:
      - With O(phase=prepare), whether baselines will be needed.
    type: bool
    default: true
  fail_on:
    description:
      - With O(phase=compare), when to fail. V(uncompared) means that no host at all could be compared. V(endangering) means that a
        difference endangers a handshake, an expectation does not hold, or a host could not be compared. V(any) adds all other
        differences.
    type: str
    choices: [never, uncompared, endangering, any]
    default: uncompared
  mends:
    description:
      - With O(phase=compare), whether the drift will be fixed on the hosts whose variable C(drift_remediate) is true.
        If there are such hosts, O(fail_on) does not apply yet.
    type: bool
    default: false
  evidence_dir:
    description:
      - With O(phase=compare), the report directory whose evidence is compared, if it is not O(report_dir).
    type: path
  changes:
    description:
      - With O(phase=compare), what was changed to go back to the baselines. It becomes C(changes) of the report.
    type: list
    elements: dict
    default: []
  show:
    description:
      - With O(phase=compare), whether to show the result.
    type: bool
    default: true
seealso:
  - module: threeway.handshake.plan
  - module: threeway.handshake.vantage
"""

EXAMPLES = r"""
- name: Compare the fleet with its baselines
  threeway.handshake.drift:
    phase: compare
    report_dir: ./handshake-drift
    run: "{{ hostvars.localhost.ansible_facts.handshake_run }}"
    baseline_dir: ./handshake-baseline
    fail_on: endangering
    expect:
      - name: SYN cookies stay on
        expect: sysctls."net.ipv4.tcp_syncookies" == '1'
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
msg:
  description: A summary of the result, or the error.
  returned: always
  type: str
  sample: "3 hosts, 3 compared: no drift. The report is ./handshake-drift/drift.json."
summary:
  description: How many hosts, differences, and endangered handshakes there are.
  returned: O(phase=compare)
  type: dict
  sample: {"hosts": 3, "compared": 3, "drifts": 0, "endangering": 0}
report:
  description: The drift report.
  returned: O(phase=compare)
  type: str
  sample: handshake-drift/drift.json
fixes:
  description: How many fixes there are for drift that endangers a handshake, not counting advice.
  returned: O(phase=compare)
  type: int
  sample: 0
mends:
  description: With O(mends), whether C(drift_remediate) is true on some host.
  returned: success
  type: bool
  sample: false
files:
  description: All files that were written.
  returned: O(phase=compare)
  type: list
  elements: str
  sample: [handshake-drift/drift.json, handshake-drift/drift.md]
baselines:
  description: The files of all hosts that could be observed.
  returned: O(phase=write)
  type: list
  elements: str
  sample: [handshake-baseline/db1.yml, handshake-baseline/web1.yml]
written:
  description: The hosts whose baselines changed.
  returned: O(phase=write)
  type: list
  elements: str
  sample: [db1]
lacking:
  description: The hosts that could not be observed.
  returned: O(phase=write)
  type: list
  elements: str
  sample: []
page:
  description: The path of C(drift.md) on the controller.
  returned: O(phase=compare) and O(show=true)
  type: str
  sample: /home/user/handshake-drift/drift.md
attention:
  description: Whether something differs, could not be compared, or was written.
  returned: success
  type: bool
  sample: false
answer:
  description: What people are shown, in lines.
  returned: success, if the stdout callback is for programs, such as P(ansible.posix.json#callback)
  type: list
  elements: str
  sample: ["3 hosts, 3 compared: no drift"]
"""

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan_trace
short_description: Plan which broken handshakes the hosts' kernels trace (inner module)
version_added: 0.1.0
description:
  - Reads the plan and the evidence that M(threeway.handshake.plan) and M(threeway.handshake.vantage) wrote to the report directory. Finds
    the handshakes that did not complete, and those whose ways are to be measured. For each of their hosts, writes a work order for the
    tracing phases into the report directory. The role P(threeway.handshake.diagnose#role) calls it.
  - What a host is asked for is as its variable C(diagnose_depth) says, see
    O(threeway.handshake.diagnose#role:main:diagnose_depth).
  - Where nothing is to be traced, or O(traced), writes the orders for the rehearsal of the changes of firewalls that the report will offer,
    at most 20 on a host.
  - At most 32 pairs of addresses are traced on a host.
  - Runs on the controller, once for a play.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.inner
  - threeway.handshake.attributes
  - threeway.handshake.attributes.planning
  - threeway.handshake.report
  - threeway.handshake.report.run
options:
  keep:
    description:
      - Whose packets the report will have, as in M(threeway.handshake.conclude). Where hosts are asked nothing more, the verdicts are kept
        for it.
    type: str
    choices: [failing, all]
    default: failing
    version_added: 0.2.0
  traced:
    description:
      - Whether the tracing phases are over.
    type: bool
    default: false
    version_added: 0.2.0
seealso:
  - module: threeway.handshake.vantage
  - module: threeway.handshake.conclude
"""

EXAMPLES = r"""
- name: Find out which handshakes broke
  threeway.handshake.plan_trace:
    report_dir: ./handshake-report
    run: "{{ hostvars.localhost.ansible_facts.handshake_run }}"
  delegate_to: localhost
  run_once: true
  register: broken
"""

RETURN = r"""
msg:
  description: A summary of the plan, or the error.
  returned: always
  type: str
  sample: 2 broken handshakes to trace
dials:
  description: How many handshakes will be tried once more.
  returned: success
  type: int
  sample: 2
ways:
  description: Of how many ways the sizes of packets that pass, or the rates of SYNs, will be measured.
  returned: success
  type: int
  sample: 0
  version_added: 0.2.0
rehearsals:
  description: How many changes of firewalls will be rehearsed.
  returned: success
  type: int
  sample: 1
phases:
  description: The phases in which each host takes part. Empty if there is nothing to examine further.
  returned: success
  type: dict
  sample: {"web1": ["trace_try"], "db1": ["trace_open", "trace_close"]}
"""

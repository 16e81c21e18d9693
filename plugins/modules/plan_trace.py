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
    the handshakes that did not complete. For each of their hosts, writes a work order for the tracing phases into the report directory.
    The role P(threeway.handshake.diagnose#role) calls it when its option
    O(threeway.handshake.diagnose#role:main:diagnose_trace) asks for it.
  - Hosts whose variable C(diagnose_trace) is false are not asked to trace anything.
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
phases:
  description: The phases in which each host takes part. Empty if there is nothing to trace.
  returned: success
  type: dict
  sample: {"web1": ["trace_try"], "db1": ["trace_open", "trace_close"]}
"""

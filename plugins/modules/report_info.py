# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report_info
short_description: Read the report of a diagnosis
version_added: 0.2.0
description:
  - Reads a C(report.json), of this run or an earlier one, and returns what plays need of it. That is how many flows have which status,
    the groups of flows with a common cause, and each flow with its decisive cause.
  - The role P(threeway.handshake.diagnose#role) sets the same as the fact C(handshake_report).
  - Runs on the controller.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes
  - threeway.handshake.attributes.unchanging
  - threeway.handshake.attributes.action_group_reports
options:
  path:
    description:
      - The file on the controller, or the directory that has it as C(report.json).
    type: path
    required: true
  status:
    description:
      - The status of the flows to return. All flows if empty.
    type: list
    elements: str
    choices: [broken, undetermined, degraded, ok]
    default: []
  flow:
    description:
      - A shell-style pattern that the name of a flow must match.
    type: str
    default: ""
  full:
    description:
      - Whether to also return the whole document, with the packets of all flows.
    type: bool
    default: false
seealso:
  - module: threeway.handshake.conclude
  - module: threeway.handshake.history_info
"""

EXAMPLES = r"""
- name: Read the last report
  threeway.handshake.report_info:
    path: ./handshake-report
    status: [broken, undetermined]
  register: found

- name: Say which hosts block a flow
  ansible.builtin.debug:
    msg: "{{ found.digest.flows | selectattr('code', 'equalto', 'firewall_drop') | map(attribute='host') | unique }}"
"""

RETURN = r"""
digest:
  description: The report without its packets.
  returned: success
  type: dict
  contains:
    path:
      description: The path of C(report.json).
      type: str
      returned: success
      sample: handshake-report/report.json
    run:
      description: The identity of the run.
      type: str
      returned: success
      sample: 20261121T040000-a1b2c3
    started:
      description: When the run began, in UTC.
      type: str
      returned: success
      sample: "2026-11-21T04:00:00Z"
    finished:
      description: When the run ended, in UTC.
      type: str
      returned: success
      sample: "2026-11-21T04:00:09Z"
    summary:
      description: How many flows there are of each status. All flows are counted, whatever O(status) and O(flow) say.
      type: dict
      returned: success
      sample: {"flows": 4, "ok": 2, "degraded": 1, "broken": 1, "undetermined": 0}
    flows:
      description: The flows that O(status) and O(flow) ask for.
      type: list
      elements: dict
      returned: success
      contains:
        name:
          description: The name of the flow.
          type: str
          returned: success
        id:
          description: The identity of this entry, unique in the report.
          type: str
          returned: success
        client:
          description: The inventory name of the client.
          type: str
          returned: success
        server:
          description: The inventory name of the server, or null if it is not managed.
          type: str
          returned: success
        address:
          description: What the client connected to.
          type: str
          returned: success
        port:
          description: The port.
          type: int
          returned: success
        expect:
          description: V(open), or V(blocked) if the handshake must not be possible.
          type: str
          returned: success
        status:
          description: V(ok), V(degraded), V(broken) or V(undetermined).
          type: str
          returned: success
        leg:
          description: The first packet of the handshake that did not get through, or null.
          type: str
          returned: success
        segment:
          description: The part of the path where it was lost, or null.
          type: str
          returned: success
        code:
          description: The code of the decisive cause, or null.
          type: str
          returned: success
        host:
          description: The host at fault, V(path) if the fault lies between managed hosts, or null.
          type: str
          returned: success
        certainty:
          description: V(proven), V(likely), V(possible), or null.
          type: str
          returned: success
        summary:
          description: The cause in one sentence, or null.
          type: str
          returned: success
        fix:
          description: What would remove the cause, in one sentence, or null.
          type: str
          returned: success
        unexplained:
          description: How many things were seen that no cause accounts for.
          type: int
          returned: success
        undecided:
          description: What would decide, if the evidence did not.
          type: list
          elements: str
          returned: success
    groups:
      description: The groups of flows that share a cause on a host, as in C(report.json).
      type: list
      elements: dict
      returned: success
report:
  description: The whole document.
  returned: O(full=true)
  type: dict
"""

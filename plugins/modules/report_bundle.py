# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: report_bundle
short_description: Pack a report into one file that can be shared
version_added: 0.2.0
description:
  - Packs the evidence of a report directory, with other names and addresses, into one file, for example to attach it to an issue. The file
    also has the report that is decided from this evidence.
  - Names of hosts, groups, flows, units, processes, users, tables and chains, link addresses and IP addresses are replaced, always by the
    same one. Addresses that have a common prefix keep one of this length. Private, loopback, link-local and multicast addresses stay
    what they are. Texts for people, such as rules, comments and logs, are left out. Ports, times, kernels' counters and names of
    interfaces that follow a usual scheme stay.
  - The bundle is decided as the original is, with the same causes and certainties. The module compares them, and warns if they differ.
    The playbook C(threeway.handshake.merge) reads bundles.
  - Runs on the controller.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes
  - threeway.handshake.attributes.action_group_reports
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  report_dir:
    description:
      - The report directory of a diagnosis, or of several that were merged.
    type: path
    required: true
  path:
    description:
      - The file to write. Its name ends in C(.tar.gz), and its directory must exist.
    type: path
    required: true
seealso:
  - module: threeway.handshake.conclude
  - module: threeway.handshake.report_info
"""

EXAMPLES = r"""
- name: Pack the last report
  threeway.handshake.report_bundle:
    report_dir: ./handshake-report
    path: ./handshake-bundle.tar.gz
"""

RETURN = r"""
path:
  description: The file that was written.
  returned: success
  type: str
  sample: ./handshake-bundle.tar.gz
summary:
  description: How many flows of each status the bundle's report has.
  returned: success
  type: dict
  sample: {"flows": 4, "ok": 2, "degraded": 1, "broken": 1, "undetermined": 0}
differing:
  description: The identities of the flows in the original report that are decided otherwise from the bundle.
  returned: success
  type: list
  elements: str
  sample: []
"""

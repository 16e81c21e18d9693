# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: conclude
short_description: Judge the evidence of a diagnosis and write its report
version_added: 0.1.0
description:
  - Reads what M(threeway.handshake.plan) and M(threeway.handshake.vantage) left in the report directory, finds where each handshake
    breaks and why, writes the report, and shows its summary.
    The role P(threeway.handshake.diagnose#role) calls it last.
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
      - Judges and writes the report in check mode as well, but records nothing in a history and calls no webhook.
  diff_mode:
    support: none
options:
  run:
    description:
      - The identity of the run that this task belongs to, which M(threeway.handshake.plan) returned.
      - A report directory of another run, or of another C(ansible-playbook), is refused.
      - Required unless O(interrupted=true).
    type: str
    default: ""
  interrupted:
    description:
      - Whether to conclude what a run has left in the report directory that was interrupted, whichever it was. Hosts that had not answered
        are named, and changes that were on their way are told with the state of their guard.
    type: bool
    default: false
  evidence_dir:
    description:
      - The report directory of the diagnosis whose evidence is judged, where that is another one than O(report_dir).
    type: path
  changes:
    description:
      - What was changed on hosts, which becomes C(changes) of the report. M(threeway.handshake.plan_fixes) returns it.
    type: list
    elements: dict
    default: []
  show:
    description:
      - Whether to show the summary.
    type: bool
    default: true
  fail_on:
    description:
      - When to fail, after the report has been written.
      - V(untried) fails when no handshake at all could be tried, for example because no client could be reached.
      - V(broken) fails when some handshake breaks or could not be judged.
      - V(degraded) fails also when one completes but something is wrong with it.
    type: str
    choices: [never, untried, broken, degraded]
    default: untried
  history:
    description:
      - Where to record the report, which is the path of a file of SQLite, or the URL of a database of PostgreSQL such as
        C(postgresql://user@db.example.org/handshakes). Empty for nowhere.
      - It needs SQLAlchemy on the controller, and psycopg for PostgreSQL.
      - If the report cannot be recorded, there is a warning, and nothing fails.
    type: str
    default: ""
  history_days:
    description:
      - The days after which runs are deleted from O(history), V(0) for never.
    type: int
    default: 400
  webhook:
    description:
      - The URL that a JSON document is posted to when the status of a flow is not the one that was told last. It needs O(history).
      - If it does not answer with success in three tries, there is a warning, nothing fails, and the next run tells it what is still new.
    type: str
    default: ""
  webhook_timeout:
    description:
      - The seconds to wait for an answer, for each try.
    type: float
    default: 5.0
  webhook_causes:
    description:
      - Whether to tell also that the decisive cause of a flow has changed where its status has not.
    type: bool
    default: false
seealso:
  - module: threeway.handshake.plan
  - module: threeway.handshake.vantage
  - module: threeway.handshake.history_info
"""

EXAMPLES = r"""
- name: Say what was found, and fail if a handshake breaks
  threeway.handshake.conclude:
    report_dir: ./handshake-report
    run: "{{ hostvars.localhost.ansible_facts.handshake_run }}"
    fail_on: broken
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
msg:
  description: Where the report is, or how many handshakes made it fail.
  returned: always
  type: str
  sample: The report is handshake-report/report.json.
summary:
  description: How many handshakes there are of each status.
  returned: when the report could be written
  type: dict
  sample: {"flows": 4, "ok": 2, "degraded": 1, "broken": 1, "undetermined": 0}
report:
  description: The path of C(report.json) on the controller.
  returned: when the report could be written
  type: str
  sample: handshake-report/report.json
files:
  description: The paths of all files of the report on the controller.
  returned: when the report could be written
  type: list
  elements: str
  sample: [handshake-report/report.json, handshake-report/captures/web-to-db.pcapng]
unshown:
  description: Sentences about what a fault of the collection keeps out of some form of the report.
  returned: when the report could be written
  type: list
  elements: str
  sample: []
changes_told:
  description: How many changes the webhook was told.
  returned: when the report was recorded
  type: int
  sample: 1
history_failure:
  description: Why the report could not be recorded, or the webhook not be told.
  returned: when that failed
  type: str
  sample: "The webhook at https://hooks.example.org answered 404: see whether its URL is right."
"""

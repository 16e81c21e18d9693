# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: conclude
short_description: Judge the evidence of a diagnosis and write its report (inner module)
version_added: 0.1.0
description:
  - Reads the plan and the evidence that M(threeway.handshake.plan) and M(threeway.handshake.vantage) wrote to the report directory. Finds
    where each handshake breaks and why, writes the report, and shows its summary.
    The role P(threeway.handshake.diagnose#role) calls it last.
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
      - Check mode also judges and writes the report, but records nothing in a history and calls no webhook.
  diff_mode:
    support: none
options:
  run:
    description:
      - The identity of the run that this task belongs to, which M(threeway.handshake.plan) returned.
      - A report directory of another run, or of another C(ansible-playbook), is refused.
      - Required unless O(interrupted=true) or O(reports) is set.
    type: str
    default: ""
  interrupted:
    description:
      - Whether to write the report of an interrupted run, from whatever it left in the report directory. The report names the hosts that
        had not answered. For changes that were in progress, it gives the state of their guard.
    type: bool
    default: false
  evidence_dir:
    description:
      - The report directory of the diagnosis whose evidence is judged, if it is not O(report_dir).
    type: path
  captures:
    description:
      - Captures that people made, as a list of mappings with C(path), a file on the controller, C(host), where it was captured, and
        C(offset), the seconds to add to its times. They become evidence.
    type: raw
    default: []
  captures_only:
    description:
      - Whether no host was asked, so that the handshakes in O(captures) are the attempts.
    type: bool
    default: false
  reports:
    description:
      - The report directories of other runs, or bundles that M(threeway.handshake.report_bundle) wrote. Their evidence is judged together,
        and copied to O(report_dir), which becomes the directory of a run of its own.
      - Each handshake is judged by the run in which its client tried. Evidence of its other hosts is taken from that run, or else from
        another one if they were observed all the time that the client tried, by the controllers' clocks.
      - What these files say is trusted as little as what hosts return.
    type: list
    elements: path
  changes:
    description:
      - What was changed on hosts. It becomes C(changes) of the report. M(threeway.handshake.plan_fixes) returns it.
    type: list
    elements: dict
    default: []
  isolate_dir:
    description:
      - The report directory of the handshakes that the run tried only to find out what failures have in common, see
        M(threeway.handshake.plan). They are no flows of the report, which only says in C(isolated) and C(probed) what they showed.
    type: path
    default: ""
    version_added: 0.2.0
  keep:
    description:
      - Whose packets the report has. V(failing) leaves out those of flows that are C(ok). V(all) also has theirs.
    type: str
    choices: [failing, all]
    default: failing
  show:
    description:
      - Whether to show the summary.
    type: bool
    default: true
  fail_on:
    description:
      - When to fail, after the report has been written.
      - V(untried) fails if no handshake at all could be tried, for example because no client could be reached.
      - V(broken) also fails if a handshake breaks or could not be judged.
      - V(degraded) also fails if something is wrong with a handshake that completes.
    type: str
    choices: [never, untried, broken, degraded]
    default: untried
  history:
    description:
      - Where to record the report. Give the path of an SQLite file, or the URL of a PostgreSQL database such as
        C(postgresql://user@db.example.org/handshakes). Empty for nowhere.
      - PostgreSQL needs SQLAlchemy and psycopg on the controller, SQLite needs neither.
      - If the report cannot be recorded, there is a warning, but the task does not fail.
    type: str
    default: ""
  history_days:
    description:
      - The days after which runs are deleted from O(history), V(0) for never.
    type: int
    default: 400
  webhook:
    description:
      - The URL that receives a JSON document if the status of a flow differs from the one last delivered. It needs O(history).
      - If three tries fail, there is a warning, but the task does not fail. The next run delivers what is still news then.
    type: str
    default: ""
  webhook_format:
    description:
      - The format of the document, V(own), a message for V(slack) or V(teams), or alerts for V(alertmanager).
    type: str
    choices: [own, slack, teams, alertmanager]
    default: own
  webhook_timeout:
    description:
      - The seconds to wait for an answer, for each try.
    type: float
    default: 5.0
  webhook_causes:
    description:
      - Whether to also deliver a change of a flow's decisive cause if its status has not changed.
    type: bool
    default: false
  metrics_file:
    description:
      - A file that also receives C(metrics.prom), readable by everybody, for the textfile collector of node_exporter. Empty for none.
      - If it cannot be written, there is a warning, but the task does not fail.
    type: str
    default: ""
seealso:
  - module: threeway.handshake.plan
  - module: threeway.handshake.vantage
  - module: threeway.handshake.history_info
"""

EXAMPLES = r"""
- name: Show the result, and fail if a handshake breaks
  threeway.handshake.conclude:
    report_dir: ./handshake-report
    run: "{{ hostvars.localhost.ansible_facts.handshake_run }}"
    fail_on: broken
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
msg:
  description: Where the report is, or how many handshakes made the task fail.
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
  returned: success
  type: list
  elements: str
  sample: [handshake-report/report.json, handshake-report/captures/web-to-db.pcapng]
unshown:
  description: Sentences about what is missing in some format of the report because of an error in the collection.
  returned: success
  type: list
  elements: str
  sample: []
page:
  description: The path of C(report.html) on the controller.
  returned: O(show=true)
  type: str
  sample: /home/user/handshake-report/report.html
attention:
  description: Whether something is not as it should be, could not be seen, or was changed.
  returned: O(show=true)
  type: bool
  sample: true
answer:
  description: The report for people, in lines.
  returned: O(show=true), if the stdout callback is for programs, such as P(ansible.posix.json#callback)
  type: list
  elements: str
  sample: ["1 flow: 1 ok; 2026-11-21T04:00:00Z, took 7.4 s"]
changes_told:
  description: How many changes were delivered to the webhook.
  returned: when the report was recorded
  type: int
  sample: 1
metrics_failure:
  description: Why the metrics file could not be written.
  returned: when that failed
  type: str
  sample: "The metrics file /var/lib/node_exporter/handshake.prom cannot be used: No such file or directory."
history_failure:
  description: Why the report could not be recorded, or not be delivered to the webhook.
  returned: when that failed
  type: str
  sample: "The webhook at https://hooks.example.org answered 404: see whether its URL is right."
"""

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: history_info
short_description: The status of handshakes from run to run
version_added: 0.1.0
description:
  - Reads the history in which diagnoses were recorded. Returns for each flow its state and since when it has it, when it went down
    and worked again, how often this happened, and the share of time in which it worked.
  - A flow works while it is V(ok) or V(degraded), because its handshakes complete then. It is down while it is V(broken).
    Runs that found it V(undetermined) show neither. They start no outage and end none.
  - The result of a run holds until the next run finds something else. The more frequent the runs, the more precise all times are.
  - Runs on the controller.
author:
  - The threeway.handshake authors (@threeway)
requirements:
  - For PostgreSQL, SQLAlchemy >= 2.0 on the controller
  - psycopg >= 3.1 on the controller, for PostgreSQL
extends_documentation_fragment:
  - threeway.handshake.attributes
  - threeway.handshake.attributes.unchanging
options:
  history:
    description:
      - The path of an SQLite file, or the URL of a PostgreSQL database, such as C(postgresql://user@db.example.org/handshakes).
      - A password in it is not shown. You can also keep it in C(~/.pgpass).
    type: str
    required: true
  flow:
    description:
      - A shell-style pattern that the name of a flow must match.
    type: str
    default: ""
  client:
    description:
      - A shell-style pattern that the client of a flow must match.
    type: str
    default: ""
  server:
    description:
      - A shell-style pattern that the server of a flow, or the address to which its client connects, must match.
    type: str
    default: ""
  since:
    description:
      - The start of the period for outages, flaps, time to mend, availability and changes.
      - Either how long ago that is, such as V(90m), V(24h), V(7d), V(4w), or a time in ISO 8601, in UTC unless it says otherwise.
      - The state of a flow, and since when it has it, do not depend on this option.
    type: str
    default: 30d
  flap_window:
    description:
      - The time before now in which a flow must have gone down or come back up O(flap_changes) times to count as flapping.
        It has the format of O(since).
    type: str
    default: 24h
  flap_changes:
    description:
      - How often a flow must have gone down or come back up within O(flap_window) to count as flapping.
    type: int
    default: 4
  show:
    description:
      - Whether to show a table of the flows, those with problems first.
    type: bool
    default: false
seealso:
  - module: threeway.handshake.conclude
"""

EXAMPLES = r"""
- name: See how the flows to the databases did this week
  threeway.handshake.history_info:
    history: /var/lib/handshake/history.db
    server: db*
    since: 7d
    show: true
  delegate_to: localhost
  run_once: true
  register: history

- name: Fail if one of them is flapping
  ansible.builtin.assert:
    that: history.flows | selectattr('flapping') is none
"""

RETURN = r"""
since:
  description: The start of the period, in ISO 8601.
  returned: success
  type: str
  sample: "2026-10-22T04:00:00Z"
flows:
  description: The flows that match, by name. Times are UTC in ISO 8601.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the flow.
      type: str
      sample: web-to-db
    client:
      description: The inventory name of the client.
      type: str
      sample: web1
    server:
      description: The inventory name of the server, null if it is not managed.
      type: str
      sample: db1
    address:
      description: The address or name to which the client connects.
      type: str
      sample: 192.0.2.21
    port:
      description: The port.
      type: int
      sample: 5432
    status:
      description: What the last run found.
      type: str
      sample: broken
    since:
      description: The first of the consecutive runs that found this status.
      type: str
      sample: "2026-11-21T02:00:00Z"
    last_run:
      description: The last run.
      type: str
      sample: "2026-11-21T04:00:00Z"
    runs:
      description: How many runs are recorded.
      type: int
      sample: 2880
    last_good:
      description: The last run before the latest outage that found the flow working. The flow went down after this run.
      type: str
      sample: "2026-11-21T01:45:00Z"
    first_bad:
      description: The first run that found the flow down in the latest outage, null without an outage.
      type: str
      sample: "2026-11-21T02:00:00Z"
    mended:
      description: The first run that found it working after that, null while it is down.
      type: str
    time_to_mend_seconds:
      description: The time from C(first_bad) to C(mended) for the latest outage that has ended.
      type: int
      sample: 2700
    mean_time_to_mend_seconds:
      description: The mean of these times over all outages that have ended.
      type: int
      sample: 1800
    outages:
      description: All outages since O(since), oldest first, with C(last_good), C(first_bad), C(mended), C(seconds) and C(cause).
      type: list
      elements: dict
    flaps:
      description: How often the flow went down or came back up.
      type: int
      sample: 3
    flapping:
      description: Whether that was O(flap_changes) times or more within O(flap_window).
      type: bool
      sample: false
    availability:
      description: The share of the time between runs in which the flow worked, null if fewer than two runs show it.
      type: float
      sample: 0.999306
    last_cause:
      description: The last decisive cause that was found, with C(code), C(host), C(certainty) and C(summary), null without one.
      type: dict
      sample: {"code": "no_listener", "host": "db1", "certainty": "proven", "summary": "nothing listens on 192.0.2.21:5432"}
changes:
  description: What was changed on hosts since O(since) for these flows, oldest first, with C(run), C(finished), C(code), C(host),
    C(kind), C(outcome), C(summary) and C(flows).
  returned: success
  type: list
  elements: dict
fixes_not_held:
  description: How many C(times) a fix was kept, but the flow was later broken again by the same cause on the same host, or was fixed
    again.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "web-to-db", "client": "web1", "server": "db1", "address": "192.0.2.21", "port": 5432, "code": "no_listener",
    "host": "db1", "times": 2}]
attention:
  description: Whether a flow is not V(ok).
  returned: O(show=true)
  type: bool
  sample: false
answer:
  description: What people are shown, in lines.
  returned: O(show=true), if the stdout callback is for programs, such as P(ansible.posix.json#callback)
  type: list
  elements: str
  sample: [No flow of the history matches.]
"""

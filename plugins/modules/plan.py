# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Plan what each host does in a diagnosis (inner module)
version_added: 0.1.0
description:
  - Reads the flows, resolves them against the inventory, and writes a work order for each host into the report directory.
    The role P(threeway.handshake.diagnose#role) calls it first.
  - Any mistake in the flows ends the task before any host is touched, with one sentence that names the flow and the field.
  - Runs on the controller, once for a play.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.inner
  - threeway.handshake.attributes
  - threeway.handshake.attributes.planning
  - threeway.handshake.report
options:
  flows:
    description:
      - The handshakes that must work, as a list of mappings or the same as JSON.
      - A flow has C(clients) (a pattern of inventory hosts), C(servers) (a pattern), and C(port) (a number, a service name, or a list).
      - Optional are C(name), C(address) (what clients connect to; the only way to name a server outside the inventory), C(via) (a list of
        inventory hosts on the path, in order), C(timeout) (seconds), C(source) (the address to connect from), C(user) (the user, on
        the clients, who connects), C(service) (the systemd unit that should listen), C(greeting) (whether the server speaks first), and
        C(expect) (V(open), or V(blocked) if the handshake must not be possible).
    type: raw
  client:
    description:
      - Inventory pattern of the clients, for one flow without a file. It replaces O(flows).
      - With it, the extra variable C(handshake_address) is the address to connect to.
    type: raw
  server:
    description:
      - Inventory pattern of the servers, for one flow without a file.
    type: raw
  port:
    description:
      - The port, for one flow without a file.
    type: raw
  roles:
    description:
      - The roles whose variables say what to diagnose and how. The other options are then ignored, except O(report_dir).
      - All options of these roles are checked for all hosts of the play, before any host is touched. Whose variables decide an option is
        described in U(https://github.com/threeway/handshake/blob/main/docs/contract.md). The flows are those of C(diagnose_flows).
    type: list
    elements: str
    choices: [diagnose, remediate, drift]
    default: []
  report_dir:
    description:
      - The directory on the controller for the results. Files of earlier runs in its C(evidence) directory are removed.
      - It belongs to this run while its C(ansible-playbook) lives; other runs are refused the directory until then. It must not be a
        symbolic link, must belong to this user, and must not be writable by others. If it does not exist, it is created with mode 0700.
  part_of:
    description:
      - The identity of the run that this diagnosis is a part of, if it is one of several in a remediation. Empty for a separate run.
    type: str
    default: ""
  isolate_from:
    description:
      - The report directory of the run O(part_of). What is planned are then handshakes that no flow asks for, and that show most about what
        the failures of that run have in common. Empty for the flows themselves.
    type: path
    default: ""
    version_added: 0.2.0
  isolate_probes:
    description:
      - How many of them at most.
    type: int
    default: 20
    version_added: 0.2.0
  attempts:
    description:
      - How many connections to try for each address.
    type: int
    default: 3
  interval:
    description:
      - The seconds between the starts of two attempts.
    type: float
    default: 0.2
  timeout:
    description:
      - The seconds after which an application gives up, for flows without a timeout.
    type: float
    default: 3.0
  patience:
    description:
      - How many seconds to wait after that for a late answer.
    type: float
    default: 2.0
  settle:
    description:
      - How many seconds to watch what the server does with an accepted connection.
    type: float
    default: 0.25
  hops:
    description:
      - Whether to find out how far unanswered SYNs get.
    type: bool
    default: true
  record:
    description:
      - Whether to record packets, which needs root.
    type: bool
    default: true
  temporary_listener:
    description:
      - Whether servers listen on addresses and ports of flows on which nothing listens while the handshakes are tried. Such a listener only
        completes handshakes. This distinguishes a blocked path from a service that does not run.
    type: bool
    default: false
    version_added: 0.2.0
  without_python:
    description:
      - What to do with hosts that have no usable Python. V(auto) observes them through their shell and their SSH server, V(never) leaves
        them out.
    type: str
    choices: [auto, never]
    default: auto
  connects:
    description:
      - The maximum number of connections that a run makes to one listener, all clients and flows together. Beyond that, each client
        makes fewer attempts, but at least one.
    type: int
    default: 100
  normal:
    description:
      - Changes to a handshake's packets on the path that are not faults. They only cause a remark.
    type: list
    elements: str
    choices: [mss_lowered, mss_changed, window_scale_changed, sack_changed, timestamps_changed, fast_open_changed, sequence_rewritten]
    default: [mss_lowered]
  host_timeout:
    description:
      - The maximum time to wait for a host in each of the three phases, in seconds, in addition to the time for its attempts. V(0) means
        as long as recordings can last.
      - Recordings last as long as all phases may take, at most 15 minutes. If many hosts do not answer, or there are few forks, the wait
        for the last hosts is shorter.
    type: float
    default: 60.0
  captures:
    description:
      - Captures that the diagnosis uses, see the role. They are checked here and read by M(threeway.handshake.conclude).
    type: raw
    default: []
  captures_only:
    description:
      - Whether the diagnosis goes by O(captures) alone, so that hosts have nothing to do.
    type: bool
    default: false
  overlap:
    description:
      - For a run that is one of several slices of an inventory, the seconds within which all of them begin. V(0) means that it is no slice.
      - Hosts record for longer, and it does not matter if none of the clients is in the play.
    type: float
    default: 0.0
  within:
    description:
      - The seconds within which all phases must end, because something waits for them. V(0) for no limit. The phases that trace broken
        handshakes get half of it.
    type: float
    default: 0.0
  sparing:
    description:
      - Whether each client makes one connection to each address and no more, whatever it is asked for, because connections may use up a
        limit on the server, such as that of starts.
    type: bool
    default: false
seealso:
  - module: threeway.handshake.vantage
  - module: threeway.handshake.conclude
"""

EXAMPLES = r"""
- name: Plan what each host does
  threeway.handshake.plan:
    flows:
      - name: web-to-db
        clients: web
        servers: db
        port: 5432
    report_dir: ./handshake-report
  delegate_to: localhost
  delegate_facts: true
  run_once: true
  register: plan
"""

RETURN = r"""
msg:
  description: A summary of the plan, or the error.
  returned: always
  type: str
  sample: 4 handshakes to try, 2 clients
entries:
  description: How many combinations of client, server, address, and port there are.
  returned: success
  type: int
  sample: 4
phases:
  description: The phases in which each host takes part.
  returned: success
  type: dict
  sample: {"web1": ["try"], "db1": ["open", "close"]}
lacking:
  description: For each Python library that the controller lacks, what needs it, and the command that installs it.
  returned: success
  type: list
  elements: str
  sample: ["diagnose_history needs the Python library SQLAlchemy on the controller: /usr/bin/python3 -m pip install 'SQLAlchemy>=2.0'"]
waits:
  description: For each phase, how many seconds it takes beside the work of its tasks, and how many at most.
  returned: success
  type: dict
  sample: {"open": {"usually": 0, "at_most": 60}, "try": {"usually": 5.4, "at_most": 65.4}, "close": {"usually": 0, "at_most": 60}}
run:
  description: The identity of the run.
  returned: success
  type: str
  sample: 20261121T040000-3f2a91
ansible_facts:
  description: Variables for the tasks and plays that follow.
  returned: success
  type: dict
  contains:
    handshake_hosts:
      description: The hosts that take part.
      type: list
      elements: str
      sample: [db1, web1]
    handshake_run:
      description: The identity of the run, which the modules that continue it receive.
      type: str
      sample: 20261121T040000-3f2a91
    handshake_controller:
      description: The process of the C(ansible-playbook) that made this plan. With cached facts, later processes see them, too.
      type: dict
      sample: {boot: "", host: control, machine: "", namespace: "", pid: 4711, started: ""}
    handshake_trace:
      description: Whether the kernel of some host may trace broken handshakes.
      type: bool
      sample: false
    handshake_isolate:
      description: Whether other handshakes may be tried, to find out what failures have in common.
      type: bool
      sample: false
not_in_play:
  description: Hosts that take part in a flow but are not in this play.
  returned: success
  type: list
  elements: str
  sample: [db2]
"""

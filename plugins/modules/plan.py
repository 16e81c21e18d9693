# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Work out what every host has to do in a diagnosis
version_added: 0.1.0
description:
  - Reads the flows, resolves them against the inventory, and writes a work order for each host into the report directory.
    The role P(threeway.handshake.diagnose#role) calls it first.
  - Whatever is wrong with the flows ends it with one sentence that names the flow and the field, before any host is touched.
  - Runs on the controller, and once for a play.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes
  - threeway.handshake.attributes.planning
  - threeway.handshake.report
options:
  flows:
    description:
      - Who must be able to shake hands with whom, as a list of mappings or the same as JSON.
      - A flow has C(clients) (a pattern of inventory hosts), C(servers) (a pattern), and C(port) (a number, a service name, or a list).
      - Optional are C(name), C(address) (what clients dial, and the only way to name a server outside the inventory), C(via) (a list of
        inventory hosts on the way, in order), C(timeout) (seconds), C(source) (the address to connect from), C(service) (the systemd
        unit that should listen), and C(greeting) (whether the server speaks first).
    type: raw
  client:
    description:
      - A pattern of clients, for a flow without a file. It replaces O(flows).
      - With it, the extra variable C(handshake_address) is the address to dial.
    type: raw
  server:
    description:
      - A pattern of servers, for a flow without a file.
    type: raw
  port:
    description:
      - The port, for a flow without a file.
    type: raw
  roles:
    description:
      - The roles whose variables say what is to be diagnosed and how. The other options but O(report_dir) do not count then.
      - All options of these roles are checked for all hosts of the play, before any host is touched. Whose variables decide an option is
        told by U(https://github.com/threeway/handshake/blob/main/docs/contract.md). The flows are those of C(diagnose_flows).
    type: list
    elements: str
    choices: [diagnose, remediate, drift]
    default: []
  report_dir:
    description:
      - The directory on the controller for the results. What an earlier run left in its C(evidence) directory is removed.
      - It belongs to this run for as long as the C(ansible-playbook) lives; until then another one is refused it. It must not be a link, be
        this user's, and others must not be able to write to it. One that does not exist is made with mode 0700.
  part_of:
    description:
      - The identity of the run that this diagnosis is a part of, where it is one of several of a remediation. Empty for a run of its own.
    type: str
    default: ""
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
      - The seconds after which an application gives up, for flows that do not say it.
    type: float
    default: 3.0
  patience:
    description:
      - For how many seconds after that to wait for a late answer.
    type: float
    default: 2.0
  settle:
    description:
      - For how many seconds to watch what the server does with an accepted connection.
    type: float
    default: 0.25
  hops:
    description:
      - Whether to ask how far SYNs get that nobody answers.
    type: bool
    default: true
  record:
    description:
      - Whether to record packets, for which root is needed.
    type: bool
    default: true
  connects:
    description:
      - How many connections a run makes to one listener at most, all clients and flows together. Where there would be more, each client
        tries fewer, but one in any case.
    type: int
    default: 100
  normal:
    description:
      - What may be altered on the way of a handshake without being wrong. It is only remarked then.
    type: list
    elements: str
    choices: [mss_lowered, mss_changed, window_scale_changed, sack_changed, timestamps_changed, fast_open_changed, sequence_rewritten]
    default: [mss_lowered]
  host_timeout:
    description:
      - The most seconds that a host is waited for in each of the three phases, beside what its attempts take. V(0) for as long as
        recordings can last.
      - Recordings last as long as all phases may take, at most 15 minutes. Where many hosts do not answer, or forks are few, the last ones
        are waited for less.
    type: float
    default: 60.0
  within:
    description:
      - The seconds within which all phases must be over, because somebody waits for them. V(0) for none. The phases that trace what broke
        get half of it.
    type: float
    default: 0.0
seealso:
  - module: threeway.handshake.vantage
  - module: threeway.handshake.conclude
"""

EXAMPLES = r"""
- name: Work out who does what
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
  description: The plan in a few words, or what is wrong.
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
      description: The identity of the run, which the modules that go on with it are given.
      type: str
      sample: 20261121T040000-3f2a91
    handshake_controller:
      description: The process of the C(ansible-playbook) whose plan this is. Later ones see these variables, too, where facts are cached.
      type: dict
      sample: {boot: "", host: control, machine: "", namespace: "", pid: 4711, started: ""}
    handshake_trace:
      description: Whether the kernel of some host may be asked to trace what broke.
      type: bool
      sample: false
not_in_play:
  description: Hosts with a part in some flow that this play does not reach.
  returned: success
  type: list
  elements: str
  sample: [db2]
"""

#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vantage
short_description: Run one phase of a diagnosis on a host (inner module)
version_added: 0.1.0
description:
  - The role P(threeway.handshake.diagnose#role) calls this on every host that takes part, once for each of its phases, with the
    work order that it made from the flows. It is of little use alone; see M(threeway.handshake.probe) for single handshakes.
  - The task runs on the controller first. The controller reads the host's work order from the report directory and stores the answer
    there, in a file that only its owner can read. If there is no answer, because the host is unreachable, has no Python, or refuses to
    become another user, the reason is stored as the answer and the task succeeds. So one host never ends the diagnosis of the others.
  - It changes nothing on the host. The recorder that it starts in the phase V(open) keeps packet headers in memory, never payload,
    and removes itself at a deadline even if nobody fetches the recording.
  - With C(diagnose_temporary_listener), the phase V(open) also listens on the addresses and ports of flows on which nothing listens, until
    the phase V(close), or until the recorder's deadline. These listeners only complete handshakes.
  - The tracing phases are another exception. They take place only if M(threeway.handshake.plan_trace) asks for them. They add a separate
    nf_tables table to the host, C(handshake_trace_*), which drops nothing and makes the kernel report what its firewall does to
    the packets of the broken handshakes. The kernel removes the table when the process that made it ends, for any reason, and
    at a deadline at the latest. Kernels before Linux 5.12 cannot do this, and do not trace.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.inner
  - threeway.handshake.attributes
attributes:
  check_mode:
    support: full
    details:
      - Check mode runs the same, because it changes nothing, except the tracing phases and temporary listeners, which are reported as
        skipped.
  diff_mode:
    support: none
options:
  phase:
    description:
      - V(open) starts a recorder and takes a snapshot, on servers and via hosts.
      - V(try) tries the handshakes and records them, on clients.
      - V(close) fetches the recording and takes another snapshot, on servers and via hosts.
      - V(trace_open) starts tracing, on servers and via hosts, and listeners for full segments, on servers.
      - V(trace_try) tries each broken handshake once more and traces it, and measures which sizes of packets and which rates of SYNs
        pass, on clients. On clients and balancers, it dials servers behind balancers directly.
      - V(trace_close) fetches the trace and stops tracing and listening, on servers and via hosts.
      - V(rehearse) tries the changes of firewalls that the report will offer in a copy of the host's rules, on the hosts that they are for.
        The controller has M(threeway.handshake.firewall_rehearsal) do it.
      - V(state) reads what the handshakes depend on and what a reboot would change, on all hosts, and tries no handshake.
    type: str
    choices: [open, try, close, trace_open, trace_try, trace_close, rehearse, state]
    required: true
  report_dir:
    description:
      - The directory on the controller with the work orders of M(threeway.handshake.plan). It receives the answers.
      - Required in a task. The controller does not pass it on.
    type: path
  run:
    description:
      - The identity of the run that this task belongs to, which M(threeway.handshake.plan) returned.
      - Required in a task. The controller does not pass it on.
    type: str
  host_timeout:
    description:
      - The maximum seconds to wait for the host. V(0) for no limit besides the plan's. The controller does not pass it on.
    type: float
    default: 0.0
  order:
    description:
      - The work order. The controller fills it in.
    type: dict
  handle:
    description:
      - The recorder or tracer to read, as the phase V(open) or V(trace_open) returned it. The controller fills it in.
    type: str
  listeners:
    description:
      - The listeners to end, as the phase V(open) or V(trace_open) returned them. The controller fills it in.
    type: str
    version_added: 0.2.0
seealso:
  - module: threeway.handshake.plan
  - module: threeway.handshake.plan_trace
  - module: threeway.handshake.conclude
  - module: threeway.handshake.probe
"""

EXAMPLES = r"""
- name: Try the handshakes of the flows from this host
  threeway.handshake.vantage:
    phase: try
    report_dir: ./handshake-report
    run: "{{ hostvars.localhost.ansible_facts.handshake_run }}"
"""

RETURN = r"""
msg:
  description: The result of this host's part.
  returned: always
  type: str
  sample: 3 attempts, 0 connected
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._commands import Run, runner
from ansible_collections.threeway.handshake.plugins.module_utils._work import vantage


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "phase": {
                "type": "str",
                "choices": ["open", "try", "close", "trace_open", "trace_try", "trace_close", "rehearse", "state"],
                "required": True,
            },
            "report_dir": {"type": "path"},
            "run": {"type": "str"},
            "host_timeout": {"type": "float", "default": 0.0},
            "order": {"type": "dict"},
            "handle": {"type": "str"},
            "listeners": {"type": "str"},
        },
        supports_check_mode=True,
    )
    order = module.params["order"]
    if order is None:
        module.fail_json(msg="there is no work order: run the role threeway.handshake.diagnose, which makes one")

    run = runner(module)
    phase = module.params["phase"]
    if phase == "open":
        answer = _open(order, run, module.check_mode)
    elif phase == "try":
        answer = vantage.try_(order, run)
    elif phase == "close":
        answer = vantage.close(order, run, module.params["handle"], module.params["listeners"])
    elif phase == "state":
        from ansible_collections.threeway.handshake.plugins.module_utils._state.observe import observe

        answer = observe(order, run)
    else:
        answer = _trace(phase, order, module.params["handle"], module.params["listeners"], module.check_mode)
    module.exit_json(changed=False, **answer)


def _open(order: dict[str, Any], run: Run, check_mode: bool) -> dict[str, Any]:
    if not (check_mode and order.get("temporary_listeners")):
        return vantage.open_(order, run)
    answer = vantage.open_({**order, "temporary_listeners": []}, run)
    answer["absent"].append({"what": vantage.LISTENERS, "why": "they open ports of the host, which check mode forbids"})
    return answer


def _trace(phase: str, order: dict[str, Any], handle: str | None, listeners: str | None, check_mode: bool) -> dict[str, Any]:
    if check_mode:
        absent = [{"what": "trace", "why": "tracing adds a table to the host, which check mode forbids"}]
        nothing: dict[str, Any] = {"tracer": None, "path_listeners": None, "probes": [], "bypass": [], "path_sizes": [], "paces": []}
        return {**nothing, "trace": None, "drops": None, "absent": absent}
    from ansible_collections.threeway.handshake.plugins.module_utils._work import vantage_trace

    if phase == "trace_open":
        return vantage_trace.trace_open(order)
    return vantage_trace.trace_try(order) if phase == "trace_try" else vantage_trace.trace_close(handle, listeners)


if __name__ == "__main__":
    main()

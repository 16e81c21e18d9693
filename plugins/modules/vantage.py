#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: vantage
short_description: Do one host's part in one phase of a diagnosis
version_added: 0.1.0
description:
  - The role P(threeway.handshake.diagnose#role) calls this on every host that takes part, once for each of its phases, with the
    work order that it made from the flows. It is of little use alone, see M(threeway.handshake.probe) for single handshakes.
  - As a task it runs on the controller first, which reads the host's work order from the report directory and keeps the answer there,
    as a file that only its owner can read. What it cannot get, because the host is unreachable, has no Python, or refuses to become
    another user, is kept as that host's answer, and the task succeeds, so that one host never ends the diagnosis of the others.
  - On the host it changes nothing. The recorder that it starts in the phase V(open) keeps headers of packets in memory, never payload,
    and removes itself at a deadline even if nobody asks for the recording.
  - The phases that trace are the exception, and only take place where M(threeway.handshake.plan_trace) asks for them. They add an
    nf_tables table of their own to the host, C(handshake_trace_*), that drops nothing and has the kernel tell what its firewall does to
    the packets of the handshakes that broke. The kernel removes it together with the process that made it, however that ends, and
    at a deadline at the latest. Kernels before Linux 5.12 cannot do that, and are not made to trace.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes
attributes:
  check_mode:
    support: full
    details:
      - Runs the same in check mode, because it changes nothing, but for the phases that trace, which say that they were left out.
  diff_mode:
    support: none
options:
  phase:
    description:
      - V(open) starts a recorder and takes a snapshot, on servers and the hosts on the way.
      - V(try) tries the handshakes and records them, on clients.
      - V(close) fetches the recording and takes another snapshot, on servers and the hosts on the way.
      - V(trace_open) begins to trace, on servers and the hosts on the way.
      - V(trace_try) tries each broken handshake once more and traces it, on clients.
      - V(trace_close) fetches what was traced, and ends it, on servers and the hosts on the way.
      - V(state) reads what the handshakes depend on and what a reboot would change, on all hosts, and tries nothing.
    type: str
    choices: [open, try, close, trace_open, trace_try, trace_close, state]
    required: true
  report_dir:
    description:
      - The directory on the controller where M(threeway.handshake.plan) left the work orders and where the answers go.
      - Required in a task. The controller does not pass it on.
    type: path
  run:
    description:
      - The identity of the run that this task belongs to, which M(threeway.handshake.plan) returned.
      - Required in a task. The controller does not pass it on.
    type: str
  host_timeout:
    description:
      - The most seconds to wait for the host. V(0) for no more limit than the plan's. The controller does not pass it on.
    type: float
    default: 0.0
  order:
    description:
      - The work order. The controller fills it in.
    type: dict
  handle:
    description:
      - The recorder or tracer to ask for what it has, as the phase V(open) or V(trace_open) returned it. The controller fills it in.
    type: str
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
  description: What became of this host's part.
  returned: always
  type: str
  sample: 3 attempts, 0 connected
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._work import vantage


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "phase": {
                "type": "str",
                "choices": ["open", "try", "close", "trace_open", "trace_try", "trace_close", "state"],
                "required": True,
            },
            "report_dir": {"type": "path"},
            "run": {"type": "str"},
            "host_timeout": {"type": "float", "default": 0.0},
            "order": {"type": "dict"},
            "handle": {"type": "str"},
        },
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANGUAGE": "C", "LC_ALL": "C"}
    order = module.params["order"]
    if order is None:
        module.fail_json(msg="there is no work order: run the role threeway.handshake.diagnose, which makes one")

    def run(command: list[str], data: str | None = None) -> tuple[int, str, str]:
        try:
            code, output, error = module.run_command(command, data=data, handle_exceptions=False)
        except OSError as missing:
            return 127, "", f"{command[0]}: {missing.strerror}"
        return code, output, error

    phase = module.params["phase"]
    if phase == "open":
        answer = vantage.open_(order, run)
    elif phase == "try":
        answer = vantage.try_(order, run)
    elif phase == "close":
        answer = vantage.close(order, run, module.params["handle"])
    elif phase == "state":
        from ansible_collections.threeway.handshake.plugins.module_utils._state.observe import observe

        answer = observe(order, run)
    else:
        answer = _trace(phase, order, module.params["handle"], module.check_mode)
    module.exit_json(changed=False, **answer)


def _trace(phase: str, order: dict[str, Any], handle: str | None, check_mode: bool) -> dict[str, Any]:
    if check_mode:
        absent = [{"what": "trace", "why": "tracing adds a table to the host, which check mode forbids"}]
        return {"tracer": None, "probes": [], "trace": None, "drops": None, "absent": absent}
    from ansible_collections.threeway.handshake.plugins.module_utils._work import vantage_trace

    if phase == "trace_open":
        return vantage_trace.trace_open(order)
    return vantage_trace.trace_try(order) if phase == "trace_try" else vantage_trace.trace_close(handle)


if __name__ == "__main__":
    main()

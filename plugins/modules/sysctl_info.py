#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl_info
short_description: The sysctls that affect TCP handshakes, their meaning, and the time that they allow
version_added: 0.1.0
description:
  - Returns the values of the sysctls that affect TCP handshakes, each with its unit, its meaning, and the side of the
    connection where it matters.
  - Calculates when this host's kernel retransmits a SYN and a SYN-ACK, and when it gives up.
  - Reads C(/proc/sys) and needs no tool and no privileges on the host.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.info_module
options:
  interfaces:
    description:
      - Also return the sysctls of these interfaces.
      - Those for V(all) interfaces are always returned.
    type: list
    elements: str
    default: []
  timeout:
    description:
      - How many seconds an application waits for a connection.
      - With it, RV(syn.within_timeout) and RV(syn_ack.within_timeout) say how many packets are sent in that time.
    type: float
seealso:
  - module: ansible.posix.sysctl
    description: Changes sysctls.
"""

EXAMPLES = r"""
- name: See what affects handshakes
  threeway.handshake.sysctl_info:
    interfaces: [eth0]
  register: tuning

- name: Require that an application that waits for 3 seconds sends its SYN at least twice
  threeway.handshake.sysctl_info:
    timeout: 3
  register: tuning
  failed_when: tuning.syn.within_timeout < 2

- name: Show the backlog's limit
  ansible.builtin.debug:
    msg: "{{ tuning.sysctls['net.core.somaxconn'].value }}"
"""

RETURN = r"""
sysctls:
  description:
    - The sysctls by name. One that this kernel does not have is missing.
    - An interface appears in a name exactly as the kernel calls it, dots included.
    - C(value) is the content of C(/proc/sys), with a blank between several numbers.
    - C(unit) is the unit. V(switch) is V(0) or V(1), V(mode) and V(bits) are explained in the meaning.
    - C(side) says whose sysctl matters for a handshake, V(client), V(server), V(both) or V(router).
    - C(since) is the version of Linux that introduced it, V(null) if it is older than 3.0.
    - C(meaning) is a sentence about its effect on a handshake.
  returned: success
  type: dict
  sample:
    net.core.somaxconn:
      meaning: Upper limit of listen()'s backlog, applied when listen() is called; the default is 4096, 128 before Linux 5.4.
      side: server
      since: null
      unit: connections
      value: "4096"
syn:
  description:
    - When a SYN without an answer is sent.
    - V(null) if it cannot be determined, see RV(absent).
  returned: success
  type: dict
  contains:
    sent:
      description: The seconds after the first SYN at which each is sent, the first at V(0).
      type: list
      elements: float
      sample: [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67]
    gives_up:
      description: The seconds after which C(connect) fails with C(ETIMEDOUT).
      type: float
      sample: 131
    within_timeout:
      description: How many SYNs are sent before O(timeout) is over; V(null) without O(timeout).
      type: int
      sample: 3
syn_ack:
  description:
    - When a SYN-ACK without an answer is sent, as long as the queue of half-open connections is at most half full.
    - Every further SYN of the client is also answered.
    - V(null) if it cannot be determined, see RV(absent).
  returned: success
  type: dict
  contains:
    sent:
      description: The seconds after the first SYN-ACK at which each is sent, the first at V(0).
      type: list
      elements: float
      sample: [0, 1, 3, 7, 15, 31]
    gives_up:
      description: The seconds after which the half-open connection is dropped.
      type: float
      sample: 63
    within_timeout:
      description: How many SYN-ACKs are sent before O(timeout) is over; V(null) without O(timeout).
      type: int
      sample: 2
absent:
  description: What could not be observed, and why.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._work.tuning import observe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interfaces": {"type": "list", "elements": "str", "default": []},
            "timeout": {"type": "float"},
        },
        supports_check_mode=True,
    )
    try:
        answer = observe(module.params["interfaces"], module.params["timeout"])
    except ObserveError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()

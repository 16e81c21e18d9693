#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_rehearsal
short_description: Try changes of a firewall in a copy of the host's rules (inner module)
version_added: 0.2.0
description:
  - Copies the rules of nf_tables, legacy iptables and ipset into a network namespace that ends with this module, takes the steps of fixes
    there, and evaluates what then happens to given packets. Nothing on the host changes, and no packet is sent.
  - Also evaluates the neighbours of each packet, which differ from it by one in the service's port, the source address or the destination
    address. A change after which a neighbour fares otherwise than before opens more than it says.
  - Rules of ufw are made by ufw itself, which writes into a copy of its files. Rich rules of firewalld are added where firewalld would add
    them.
author:
  - The threeway.handshake authors (@threeway)
requirements:
  - Linux, root on the host, and the tools of the variants
extends_documentation_fragment:
  - threeway.handshake.attributes.inner
  - threeway.handshake.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  fixes:
    description:
      - Fixes in the order in which they would be made. Each is rehearsed with those before it that succeeded, unless O(alone).
    type: list
    elements: dict
    required: true
    suboptions:
      steps:
        description:
          - What the fix does, in this order. Each has C(module), which is C(threeway.handshake.firewall_rule), C(community.general.ufw) or
            C(ansible.posix.firewalld), and its C(arguments). C(state) and C(file) of M(threeway.handshake.firewall_rule) are not used.
          - For ufw and firewalld, only rules that allow TCP from one address to one address and port can be rehearsed.
        type: list
        elements: dict
        required: true
      packets:
        description:
          - The packets that the fix is to let through, like O(threeway.handshake.firewall_info#module:packets), the one that it is made
            for first.
        type: list
        elements: dict
        required: true
  alone:
    description:
      - Whether each fix is rehearsed as if none of the others were made.
    type: bool
    default: false
  seconds:
    description:
      - The seconds after which no further fix is rehearsed. What has not ended after twice as many is given up. V(0) for any time.
    type: float
    default: 0.0
seealso:
  - module: threeway.handshake.firewall_rule
  - module: threeway.handshake.firewall_info
"""

EXAMPLES = r"""
- name: Would this rule open the flow, and nothing else?
  threeway.handshake.firewall_rehearsal:
    fixes:
      - steps:
          - module: threeway.handshake.firewall_rule
            arguments:
              chain: input
              source: 192.0.2.11
              destination: 192.0.2.21
              port: 5432
        packets:
          - packet: syn
            direction: in
            source: 192.0.2.11
            destination: 192.0.2.21
            port: 5432
  register: rehearsal

- name: Stop if it would not
  ansible.builtin.assert:
    that: rehearsal.fixes[0].result == "opens"
    fail_msg: "{{ rehearsal.fixes[0].why }}"
"""

RETURN = r"""
fixes:
  description: What each fix would do, in the order of O(fixes).
  returned: success
  type: list
  elements: dict
  contains:
    result:
      description:
        - V(opens) if its packets pass and their neighbours fare as before. V(further) if its first packet passes the rule that stops it
          now, and another rule stops it, or any rule another of its packets. V(fails) if the fix does not help, cannot be made, or changes
          something else. V(unknown) if the evaluation depends on something that is not known. V(not_rehearsed) if what the steps
          would do cannot be determined.
      type: str
      returned: always
    why:
      description:
        - The reason, unless the result is V(opens). With V(opens), it is empty, or says of which packet it is not known what happens to it,
          with the change as without it.
      type: str
      returned: always
    packets:
      description: The packets, each with its verdicts C(before) and C(after), and the C(rule) that decides after the fix.
      type: list
      elements: dict
      returned: always
  sample:
    - result: further
      why: a SYN from 192.0.2.11 port any to 192.0.2.21 port 5432 would then be dropped by policy drop (table ip filter, chain INPUT)
      packets: []
"""

import ipaddress
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._commands import runner
from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.questions import DIRECTIONS, KINDS, STATES
from ansible_collections.threeway.handshake.plugins.module_utils._work.rehearsal import Fix, rehearse
from ansible_collections.threeway.handshake.plugins.module_utils._work.rehearsed import read


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "fixes": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "steps": {"type": "list", "elements": "dict", "required": True},
                    "packets": {"type": "list", "elements": "dict", "required": True},
                },
            },
            "alone": {"type": "bool", "default": False},
            "seconds": {"type": "float", "default": 0.0},
        },
        supports_check_mode=True,
    )
    run = runner(module)
    try:
        fixes = [_fix(number, fix) for number, fix in enumerate(module.params["fixes"])]
        results = rehearse(run, fixes, alone=module.params["alone"], seconds=module.params["seconds"])
    except ObserveError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, fixes=results)


def _fix(number: int, fix: t.Mapping[str, t.Any]) -> Fix:
    try:
        steps = [read(str(step["module"]), step["arguments"]) for step in fix["steps"]]
        packets = [_packet(packet) for packet in fix["packets"]]
    except (KeyError, TypeError, ValueError, ObserveError) as error:
        said = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise ObserveError(f"fixes[{number}] cannot be rehearsed: {said}") from error
    return steps, packets


def _packet(packet: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    question = dict(packet)
    for end in ("source", "destination"):
        question[end] = str(ipaddress.ip_address(packet[end]))
    question["packet"] = packet.get("packet") or "syn"
    for name, known in (("packet", KINDS), ("direction", DIRECTIONS), ("state", STATES)):
        if question.get(name) is not None and question[name] not in known:
            raise ValueError(f"{name} is {question[name]!r}: give one of {', '.join(known)}")
    return question


if __name__ == "__main__":
    main()

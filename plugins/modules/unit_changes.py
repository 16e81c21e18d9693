#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: unit_changes
short_description: What a start, restart or reload of a systemd unit would also change (inner module)
version_added: 0.2.0
description:
  - Tells what is not the same on the disk as in what runs, and so changes with a restart or reload, whatever it is made for - configuration
    that was changed since the unit was started, programs and libraries that were replaced, files of the unit that systemd has not read yet.
  - Also returns which connections end and which other units are stopped or restarted.
  - Of configuration, files of the unit itself count, those that its command names, and those in C(/etc) that are named like the unit or its
    program. What else a program reads is not known.
author:
  - The threeway.handshake authors (@threeway)
requirements:
  - systemd on the host, and root there for the connections and programs
extends_documentation_fragment:
  - threeway.handshake.attributes.inner
  - threeway.handshake.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
options:
  units:
    description:
      - Units, each with what is to be done with it.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The unit's name with its type, such as V(nginx.service).
        type: str
        required: true
      action:
        description: What is to be done, like C(state) of M(ansible.builtin.systemd_service).
        type: str
        choices: [started, restarted, reloaded]
        default: restarted
seealso:
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: See what a restart would also change
  threeway.handshake.unit_changes:
    units:
      - name: nginx.service
  register: restart

- name: Restart it if that is nothing
  ansible.builtin.systemd_service:
    name: nginx.service
    state: restarted
  when: restart.units[0].also | length == 0
"""

RETURN = r"""
units:
  description: What would also change, in the order of O(units).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The unit.
      type: str
      returned: always
    action:
      description: What is to be done with it. The same unit may be there with another action, which changes other things.
      type: str
      returned: always
    also:
      description:
        - Each C(kind) of what would change, the C(count), and the first C(names).
        - V(unread) are files of the unit that systemd has not read, V(file) is configuration that was changed since the start.
        - V(program) are programs and libraries that were replaced since, V(connections) far ends of those that end, V(unit) other units.
      type: list
      elements: dict
      returned: always
  sample:
    - name: nginx.service
      action: restarted
      also:
        - kind: file
          count: 1
          names: [/etc/nginx/sites-enabled/shop]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._commands import runner
from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._host.restarts import ACTIONS, also


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "action": {"type": "str", "choices": list(ACTIONS), "default": "restarted"},
                },
            },
        },
        supports_check_mode=True,
    )
    run = runner(module)
    try:
        units = [{**unit, "also": also(unit["name"], unit["action"], run)} for unit in module.params["units"]]
    except ObserveError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, units=units)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: network_entry
short_description: Add or remove one entry of the kernel's tables of routes, neighbours, tracked connections or sockets
version_added: 0.1.0
description:
  - Changes only what is loaded in the kernel. No file is written, so a reboot, or the program that manages the network, may bring
    back the previous state.
  - Neighbour entries, tracked connections and sockets can only be removed. The kernel creates them again when it needs them.
author:
  - The threeway.handshake authors (@threeway)
requirements:
  - Linux, root on the host, and C(ip), or C(conntrack) for O(kind=conntrack), or C(ss) for O(kind=socket)
extends_documentation_fragment:
  - threeway.handshake.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  kind:
    description:
      - V(route) for a route, V(neighbour) for an entry of the ARP or neighbour discovery table, V(conntrack) for a tracked connection, and
        V(socket) for a TCP connection, which is aborted with an RST to the peer.
    type: str
    choices: [route, neighbour, conntrack, socket]
    required: true
  state:
    description: Whether the entry should exist. V(present) is for O(kind=route) only.
    type: str
    choices: [present, absent]
    default: absent
  prefix:
    description: The destination of a route, as network and prefix length.
    type: str
  type:
    description: The type of a route.
    type: str
    choices: [unicast, unreachable, blackhole, prohibit, throw]
    default: unicast
  gateway:
    description: The next hop of a route.
    type: str
  interface:
    description: The interface of a route or a neighbour.
    type: str
  route_table:
    description: The number of the routing table.
    type: int
    default: 254
  address:
    description: The address of a neighbour.
    type: str
  mac:
    description: The link address of a neighbour. An entry with another link address is kept.
    type: str
  source:
    description:
      - One end of a connection. For V(conntrack), the end that opened it; for V(socket), the end on this host.
    type: str
  source_port:
    description: The port of O(source).
    type: int
  destination:
    description: The other end of a connection.
    type: str
  destination_port:
    description: The port of O(destination).
    type: int
  reply_source:
    description: The address that answers a tracked connection, if O(destination) is translated. An entry with another address is kept.
    type: str
  reply_source_port:
    description: The port of O(reply_source). An entry with another port is kept.
    type: int
seealso:
  - module: threeway.handshake.path_info
  - module: threeway.handshake.guard
"""

EXAMPLES = r"""
- name: Reach the database through the router, until the next boot
  threeway.handshake.network_entry:
    kind: route
    state: present
    prefix: 198.51.100.21/32
    gateway: 192.0.2.1
    interface: eth0

- name: Make the kernel ask again for the router's link address, unless it has done so already
  threeway.handshake.network_entry:
    kind: neighbour
    address: 192.0.2.1
    interface: eth0
    mac: 00:00:5e:00:53:01

- name: Delete the translation of a connection
  threeway.handshake.network_entry:
    kind: conntrack
    source: 192.0.2.11
    source_port: 40001
    destination: 198.51.100.21
    destination_port: 5432
"""

RETURN = r"""
found:
  description: The entries that existed, in the syntax of the tool.
  returned: success
  type: list
  elements: str
  sample: ["blackhole 192.0.2.0/24"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._commands import runner
from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._work.network_entry import Entry, entry_of

ENDS = ["source", "source_port", "destination", "destination_port"]
REQUIRED = [
    ("kind", "route", ["prefix"]),
    ("kind", "neighbour", ["address", "interface"]),
    ("kind", "conntrack", ENDS),
    ("kind", "socket", ENDS),
    ("state", "present", ["gateway", "interface"]),
]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "kind": {"type": "str", "choices": ["route", "neighbour", "conntrack", "socket"], "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "absent"},
            "prefix": {"type": "str"},
            "type": {"type": "str", "choices": ["unicast", "unreachable", "blackhole", "prohibit", "throw"], "default": "unicast"},
            "gateway": {"type": "str"},
            "interface": {"type": "str"},
            "route_table": {"type": "int", "default": 254},
            "address": {"type": "str"},
            "mac": {"type": "str"},
            "source": {"type": "str"},
            "source_port": {"type": "int"},
            "destination": {"type": "str"},
            "destination_port": {"type": "int"},
            "reply_source": {"type": "str"},
            "reply_source_port": {"type": "int"},
        },
        required_if=REQUIRED,
        supports_check_mode=True,
    )
    run = runner(module)
    try:
        answer = work(module, entry_of(module.params, run))
    except ObserveError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**answer)


def work(module: AnsibleModule, entry: Entry) -> dict[str, object]:
    """Raises ObserveError."""
    present = module.params["state"] == "present"
    found = entry.found()
    changed = not entry.is_there(found) if present else bool(found)
    if changed and not module.check_mode:
        entry.add() if present else entry.remove()
    after = [entry.wanted] if present else []
    answer: dict[str, object] = {"changed": changed, "found": found}
    if module._diff and changed:
        answer["diff"] = {"before": "".join(f"{line}\n" for line in found), "after": "".join(f"{line}\n" for line in after)}
    return answer


if __name__ == "__main__":
    main()

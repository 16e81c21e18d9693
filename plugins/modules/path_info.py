#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: path_info
short_description: The path that TCP packets to a destination take out of a host
version_added: 0.1.0
description:
  - Asks the kernel how it would route TCP packets to some destinations. Returns the route with its rule and table,
    the next hop's entry in the neighbour table, and the error that an application would get.
  - Can also ask how the kernel would treat packets that arrive on an interface, see O(destinations[].arrives_on).
  - Sends no packet, and needs no tool and no privileges on the host.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.info_module
options:
  destinations:
    description:
      - The destinations, each an IP address, or a dictionary with the address and whatever else decides the route.
      - Names are not resolved.
    type: list
    elements: raw
    required: true
    suboptions:
      address:
        description: The IPv4 or IPv6 address of the other host.
        type: str
        required: true
      source:
        description:
          - The source address of the packets, on this host.
          - Without it, the kernel chooses one, see RV(paths[].source).
        type: str
      mark:
        description: The mark that the socket (C(SO_MARK)) or the firewall gives the packets.
        type: int
        default: 0
      uid:
        description: The user that owns the socket. By default, the user that the module runs as.
        type: int
      port:
        description: The other host's port, for policy routing rules that match ports.
        type: int
      device:
        description: The interface or VRF that the socket is bound to (C(SO_BINDTODEVICE)).
        type: str
      arrives_on:
        description:
          - Ask about the opposite direction instead, that is, what happens to packets from O(destinations[].address) to
            O(destinations[].source) that arrive on this interface.
          - Needs O(destinations[].source).
          - If RV(paths[].error) is set, the kernel drops them, with V(EXDEV) or V(EINVAL) because of C(rp_filter) or an
            impossible source address.
        type: str
seealso:
  - module: threeway.handshake.sysctl_info
"""

EXAMPLES = r"""
- name: See the path to the database
  threeway.handshake.path_info:
    destinations:
      - 192.0.2.21
      - 2001:db8::21
  register: way

- name: Require that the backup traffic uses its own table
  threeway.handshake.path_info:
    destinations:
      - address: 192.0.2.21
        source: 198.51.100.11
        mark: 0x10
  register: way
  failed_when: way.paths[0].table != 100

- name: Find out whether rp_filter would drop what the client sends
  threeway.handshake.path_info:
    destinations:
      - address: 203.0.113.7
        source: 192.0.2.21
        arrives_on: eth1
  register: back
  failed_when: back.paths[0].error is not none
"""

RETURN = r"""
paths:
  description: One entry per destination, in their order.
  returned: success
  type: list
  elements: dict
  contains:
    address:
      description: The other host's address.
      type: str
      sample: 192.0.2.21
    asked:
      description: The other options of the destination, V(null) if one was not given.
      type: dict
      sample: {arrives_on: null, device: null, mark: 0, port: null, source: null, uid: null}
    error:
      description:
        - The error that the kernel returns, with which C(connect) would fail at once, or V(null).
        - With an error, all fields below are V(null), unless the refusing route or rule is known.
      type: str
      sample: EHOSTUNREACH
    type:
      description:
        - The type of the route, such as V(unicast), V(local), V(broadcast), V(blackhole), V(prohibit) or V(unreachable).
        - For a rule that refuses, its action.
      type: str
      sample: unicast
    prefix:
      description: The destination of the route that matched.
      type: str
      sample: 0.0.0.0/0
    table:
      description: The number of the routing table. 254 is C(main), 255 is C(local).
      type: int
      sample: 254
    rule:
      description: The policy routing rule that led to the table, if it can be determined.
      type: dict
      contains:
        priority:
          description: The priority of the rule.
          type: int
          sample: 32766
        text:
          description: The rule in the syntax of C(ip rule), with tables by number except C(local), C(main) and C(default).
          type: str
          sample: from all lookup main
    gateway:
      description: The next router, or V(null) for a destination on the link.
      type: str
      sample: 192.0.2.1
    source:
      description: The source address of the packets, on this host.
      type: str
      sample: 192.0.2.11
    interface:
      description: The interface on which they leave.
      type: str
      sample: eth0
    mtu:
      description: The MTU of the route, or else of the interface.
      type: int
      sample: 1500
    origin:
      description: Who made the route, such as V(static), V(dhcp) or V(ra), null where the kernel does not say.
      type: str
      sample: dhcp
    instead_of:
      description: The gateway that the routing table has, where an ICMP redirect led to another one, else null.
      type: str
      sample: null
    sourceless:
      description:
        - The C(interface), C(gateway), C(table) and C(prefix) of the route that would be taken if no policy rule asked for the source, if
          that leads to another next hop, else null.
        - As with C(connect()), the route is looked up once more when the kernel has chosen the source address (IPv4).
      type: dict
      sample: null
    others:
      description: The gateways of other routes to the same prefix, of a route that a router advertisement brought.
      type: list
      elements: str
      sample: []
    nexthop:
      description: The number of the route's next hop object, as ip-nexthop(8) has it, if it has one.
      type: int
      sample: null
    only_from:
      description: The networks for whose addresses as a source there is a route, where there is none otherwise (IPv6).
      type: list
      elements: str
      sample: []
    multipath:
      description:
        - All next hops if the route has several, ordered by gateway and interface.
        - RV(paths[].gateway) is the one that the kernel chose this time.
      type: list
      elements: dict
      sample: [{gateway: 192.0.2.1, interface: eth0, weight: 1}, {gateway: 198.51.100.1, interface: eth1, weight: 1}]
    neighbour:
      description:
        - The entry of the gateway, or of a destination on the link, in the neighbour table.
        - V(null) if the kernel has no entry, because it has sent nothing there lately, or if it needs none.
      type: dict
      contains:
        address:
          description: The neighbour's address.
          type: str
          sample: 192.0.2.1
        interface:
          description: The interface through which it is reached.
          type: str
          sample: eth0
        mac:
          description: Its link-layer address, or V(null) if that is unknown.
          type: str
          sample: 00:00:5e:00:53:01
        state:
          description: What the kernel knows about it, such as V(REACHABLE), V(STALE), V(INCOMPLETE) or V(FAILED).
          type: str
          sample: REACHABLE
absent:
  description: What could not be observed, and why.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._work.paths import observe

DESTINATION = {
    "address": {"type": "str", "required": True},
    "source": {"type": "str"},
    "mark": {"type": "int", "default": 0},
    "uid": {"type": "int"},
    "port": {"type": "int"},
    "device": {"type": "str"},
    "arrives_on": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"destinations": {"type": "list", "elements": "raw", "required": True}},
        supports_check_mode=True,
    )
    try:
        answer = observe([validated(destination) for destination in module.params["destinations"]])
    except ObserveError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **answer)


def validated(destination: object) -> dict[str, object]:
    """The options of one destination, which may be an address alone; ObserveError when something is wrong with them."""
    options = {"address": destination} if isinstance(destination, str) else destination
    if not isinstance(options, dict):
        raise ObserveError(f"destinations has {destination!r}: give an address, or a dictionary with an address")
    result = ArgumentSpecValidator(DESTINATION, required_by={"arrives_on": ["source"]}).validate(options)
    if result.error_messages:
        raise ObserveError(f"destinations has {destination!r}: {result.error_messages[0]}")
    return dict(result.validated_parameters)


if __name__ == "__main__":
    main()

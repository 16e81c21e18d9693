#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: listener_info
short_description: What listens for TCP connections, for whom, and how full its queue is
version_added: 0.1.0
description:
  - Lists the listening TCP sockets of a host with the processes that hold them, and with what decides whether a handshake
    with them can succeed, such as the address, the device, the accept queue and its limit.
  - Asks the kernel directly (inet_diag) and needs no tool on the host. Searches open files only until the owner of every
    listener is found, so it stays fast on hosts with very many sockets.
  - RV(absent) lists what could not be observed.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.info_module
  - threeway.handshake.attributes.action_group_ports
options:
  ports:
    description:
      - List only these ports, given as numbers or as names of TCP services.
      - Without this option, all listeners are listed.
    type: list
    elements: str
  owners:
    description:
      - Whether to find the processes that hold each listener.
      - Other users' processes can only be seen by root.
    type: bool
    default: true
  socket_options:
    description:
      - Whether to read options of the listeners that can drop a SYN silently, see RV(listeners[].filtered),
        RV(listeners[].min_ttl) and RV(listeners[].defer_accept).
      - They are read from a duplicate of the socket, which is taken from its process and closed at once. This needs root, Linux 5.6,
        and O(owners=true). At most 32 listeners are read.
    type: bool
    default: false
  other_namespaces:
    description:
      - Whether to also look for listeners on O(ports) in the other network namespaces of the host, such as those of containers.
      - Needs root and O(ports).
    type: bool
    default: false
seealso:
  - module: community.general.listen_ports_facts
    description: Finds ports and processes by running netstat or ss, and supports UDP as well.
"""

EXAMPLES = r"""
- name: List all listeners
  threeway.handshake.listener_info:
  become: true
  register: listening

- name: Require that the database can be reached from other hosts and has room in its queue
  threeway.handshake.listener_info:
    ports: [5432]
  register: database
  failed_when: >-
    database.listeners | selectattr('reach', 'ne', 'loopback') | selectattr('fill', 'lt', 0.8) | length == 0

- name: Find out whether a container listens on the port instead
  threeway.handshake.listener_info:
    ports: [https]
    other_namespaces: true
  become: true
"""

RETURN = r"""
listeners:
  description: The listening sockets in the network namespace of the host, in the order of their ports.
  returned: success
  type: list
  elements: dict
  contains:
    family:
      description: V(ipv4) or V(ipv6). A socket on an IPv4 address that is mapped into IPv6 is V(ipv4).
      type: str
      sample: ipv4
    address:
      description: The local address; V(0.0.0.0) and V(::) stand for all addresses.
      type: str
      sample: 192.0.2.10
    port:
      description: The local port.
      type: int
      sample: 5432
    v6only:
      description: Whether an IPv6 socket refuses IPv4 clients.
      type: bool
    device:
      description: The interface or VRF that the socket is bound to, or V(null).
      type: str
      sample: eth0
    reach:
      description:
        - From where the listener can be reached.
        - V(loopback) only from the host itself, V(device) over one interface or VRF, V(address) at one address, V(any) at all addresses.
      type: str
      sample: any
    families:
      description: The address families of the clients that the listener accepts.
      type: list
      elements: str
      sample: [ipv4, ipv6]
    recv_q:
      description: How many connections wait in the accept queue.
      type: int
      sample: 0
    send_q:
      description: The limit of the accept queue. The kernel lets one more connection wait. V(null) if the kernel has no C(inet_diag).
      type: int
      sample: 128
    fill:
      description: The share of the accept queue that is in use, or V(null). At V(1.0) the next handshake cannot complete.
      type: float
      sample: 0.0
    limited_by:
      description:
        - What sets the limit of the accept queue.
        - V(backlog) is what the program passed to C(listen); V(somaxconn) is the limit of the host, which caps it.
        - V(null) if the limit is greater than RV(somaxconn), because RV(somaxconn) was lowered since, or not known.
      type: str
      sample: backlog
    uid:
      description: The user that created the socket.
      type: int
      sample: 26
    inode:
      description: The socket's inode, as in C(/proc/PID/fd).
      type: int
      sample: 4711
    cgroup:
      description: The identifier of the control group (version 2) in which the socket was created, or V(null).
      type: int
      sample: 2318
    mark:
      description: The mark of the socket's packets for routing and filters; V(null) without C(CAP_NET_ADMIN).
      type: int
      sample: 0
    md5:
      description: The peers that must sign their packets with TCP MD5; V(null) without C(CAP_NET_ADMIN).
      type: list
      elements: str
      sample: [192.0.2.0/24]
    filtered:
      description: Whether a socket filter is attached; V(null) if it was not read.
      type: bool
    min_ttl:
      description: The minimum TTL or hop limit of packets that the socket accepts; V(0) accepts all.
      returned: O(socket_options=true)
      type: int
      sample: 0
    defer_accept:
      description: How many seconds a connection without data is withheld from the program; V(0) means not at all.
      returned: O(socket_options=true)
      type: int
      sample: 0
    processes:
      description:
        - The processes that hold the socket.
        - V(null) if they were not requested or may not be seen. An empty list if no process holds it, as with sockets of the kernel itself.
      type: list
      elements: dict
      contains:
        pid:
          description: The process.
          type: int
          sample: 812
        parent:
          description: The process that started it, such as the first one of a server of many.
          type: int
          sample: 1
        name:
          description: The name of the process.
          type: str
          sample: postgres
        state:
          description: The state letter of its main thread, such as V(S) for sleeping and V(T) for stopped.
          type: str
          sample: S
        unit:
          description: The systemd unit, or V(null). For a unit of a user's manager, the manager's unit and a slash precede it.
          type: str
          sample: postgresql@15-main.service
        container:
          description: The identifier of the container, or V(null).
          type: str
          sample: null
        fds:
          description: How many files it has open.
          type: int
          sample: 31
        fd_limit:
          description: How many files it may have open, V(null) if not limited.
          type: int
          sample: 1024
        netns:
          description: The inode of its network namespace.
          type: int
          sample: 4026531840
somaxconn:
  description: The limit of the host for accept queues (C(net.core.somaxconn)), V(null) if it cannot be read.
  returned: success
  type: int
  sample: 4096
other_namespaces:
  description: Listeners on O(ports) in other network namespaces.
  returned: O(other_namespaces=true)
  type: list
  elements: dict
  sample:
    - address: 0.0.0.0
      container: null
      device: null
      name: postgres
      netns: 4026532300
      pid: 99
      port: 5432
      recv_q: 0
      send_q: 128
      v6only: false
absent:
  description: What could not be observed, and why.
  returned: success
  type: list
  elements: dict
  sample:
    - what: processes of 3 of 14 listeners
      why: "the open files of some processes, such as 812, may not be read: run with become"
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._work.listening import observe, port_numbers


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "ports": {"type": "list", "elements": "str"},
            "owners": {"type": "bool", "default": True},
            "socket_options": {"type": "bool", "default": False},
            "other_namespaces": {"type": "bool", "default": False},
        },
        required_if=[("other_namespaces", True, ["ports"])],
        supports_check_mode=True,
    )
    asked = module.params
    try:
        ports = None if asked["ports"] is None else port_numbers(asked["ports"])
        answer = observe(ports, asked["owners"], asked["socket_options"], asked["other_namespaces"])
    except ObserveError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()

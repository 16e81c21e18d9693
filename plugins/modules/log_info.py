#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: log_info
short_description: What a host logged about TCP handshakes
version_added: 0.2.0
description:
  - Reads the lines of the kernel's log and of the journal that have to do with TCP handshakes, and returns them as data. Examples are
    packets that a firewall rule logged, SYN flooding, a full connection tracking or neighbour table, access that SELinux or AppArmor
    denied, processes that were killed for lack of memory, failed units, links that went down, VRRP transitions, connections that
    C(sshd) turned away, and processes that have no file descriptor left.
  - Where there is no journal, the ends of the files that syslog daemons and auditd write are read instead.
  - Lines of other kinds are not returned. What looks like a secret is cut out of the texts.
  - Needs no privileges, but what a user may not read is missing, see RV(absent). As root, everything is read.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.info_module
  - threeway.handshake.attributes.action_group_ports
options:
  since:
    description:
      - The beginning of the time whose lines are wanted, in seconds since 1970 by the host's clock.
      - By default, O(seconds) before O(until).
    type: float
  until:
    description: The end of that time. By default, now.
    type: float
  seconds:
    description: The length of that time, if O(since) is not given.
    type: float
    default: 600
  units:
    description:
      - The systemd units whose failures and errors are wanted. Without a type, a service is meant.
      - Errors of units are returned only if their unit is given, or neither addresses, ports nor units are.
    type: list
    elements: str
    default: []
  addresses:
    description: IPv4 and IPv6 addresses. Lines that name other addresses only are left out. By default, all addresses.
    type: list
    elements: str
    default: []
  ports:
    description:
      - TCP ports. Lines that name other ports only are left out. By default, all ports.
      - Of a packet that a firewall rule logged, both ports must be among them.
    type: list
    elements: int
    default: []
  limit:
    description: How many lines are returned at most, the last ones.
    type: int
    default: 100
notes:
  - Network namespaces, and so containers, may share the log of one kernel. A line that names no address, port, process or network
    namespace may be about another of them.
seealso:
  - module: threeway.handshake.firewall_info
  - module: threeway.handshake.listener_info
"""

EXAMPLES = r"""
- name: See what was logged about the database in the last hour
  threeway.handshake.log_info:
    seconds: 3600
    units: [postgresql]
    ports: [5432]
  become: true
  register: logged

- name: Require that no connection tracking table was full
  threeway.handshake.log_info:
  become: true
  register: logged
  failed_when: "'conntrack_full' in logged.records | map(attribute='kind')"
"""

RETURN = r"""
records:
  description: The lines, in the order of their times. Fields that a line does not have are missing.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description:
        - What the line says. V(syn_flood), V(conntrack_full), V(neighbour_table_full), V(martian), V(firewall_log), V(access_denied),
          V(oom_kill), V(tcp_memory), V(link), V(vrrp), V(turned_away), V(accept_error), V(unit_failed) or V(unit_error).
      type: str
      sample: firewall_log
    time:
      description: When it was logged, in seconds since 1970. That of kernel lines is exact to about a second.
      type: float
      sample: 1763697600.123
    source:
      description: Where it was read, V(kmsg), V(journal) or the path of a file.
      type: str
      sample: kmsg
    attested:
      description:
        - Whether the kernel or the journal says who wrote it.
        - In a text file, any program may have written any name.
      type: bool
      sample: true
    text:
      description: The line, cut to 300 characters.
      type: str
      sample: "denied: IN=eth0 OUT= SRC=192.0.2.11 DST=192.0.2.21 LEN=60 PROTO=TCP SPT=40001 DPT=5432 SYN URGP=0"
    interface:
      description: The interface that it is about, or through which the packet came in.
      type: str
      sample: eth0
    out_interface:
      description: The interface through which the packet leaves.
      type: str
      sample: eth1
    ttl:
      description: The packet's time to live, or hop limit, as the rule that logged it saw it.
      type: int
      sample: 63
    of:
      description: The bond that the interface belongs to.
      type: str
      sample: bond0
    sender:
      description: The address from which the packet or connection came.
      type: str
      sample: 192.0.2.11
    sender_port:
      description: Its port.
      type: int
      sample: 40001
    receiver:
      description: The address to which it went, or on which a socket listens.
      type: str
      sample: 192.0.2.21
    receiver_port:
      description: Its port.
      type: int
      sample: 5432
    flags:
      description: Of a logged packet, those of V(SYN), V(ACK), V(RST) and V(FIN) that are set.
      type: list
      elements: str
      sample: [SYN]
    prefix:
      description: What the rule that logged the packet writes ahead of it.
      type: str
      sample: "denied: "
    pid:
      description: The process that it is about.
      type: int
      sample: 812
    process:
      description: The name of that process, or of a VRRP instance.
      type: str
      sample: postgres
    unit:
      description: The systemd unit that it is about.
      type: str
      sample: postgresql.service
    netns:
      description: The network namespace that it is about.
      type: int
      sample: 4026531840
    state:
      description: Its outcome, such as V(down), V(master), V(dropping), V(max_startups), V(name_bind) or V(oom-kill).
      type: str
      sample: dropping
    error:
      description: The error that an application had, such as V(EMFILE).
      type: str
      sample: EMFILE
    module:
      description: Who denied the access, V(selinux) or V(apparmor).
      type: str
      sample: selinux
    enforced:
      description: Whether the access was really denied. With V(false), it was only logged.
      type: bool
      sample: true
since:
  description: The beginning of the time whose lines were read.
  returned: success
  type: float
  sample: 1763697000.0
until:
  description: The end of that time.
  returned: success
  type: float
  sample: 1763697600.0
absent:
  description: What could not be observed, and why.
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._work.logs import observe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "since": {"type": "float"},
            "until": {"type": "float"},
            "seconds": {"type": "float", "default": 600.0},
            "units": {"type": "list", "elements": "str", "default": []},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "ports": {"type": "list", "elements": "int", "default": []},
            "limit": {"type": "int", "default": 100},
        },
        supports_check_mode=True,
    )
    try:
        answer = observe(module.params)
    except ObserveError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()

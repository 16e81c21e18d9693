#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: recorder
short_description: Record the packets of TCP handshakes for a limited time
version_added: 0.1.0
description:
  - Starts a recorder that runs while the play does other things, and later reads what it recorded.
  - It records TCP packets from or to O(ports), ICMP errors about such packets, ARP and IPv6 neighbour discovery.
    It records only headers, never the payload of a connection.
  - The recorder keeps packets in memory and writes none of them to a file unless O(dest) is given. It ends by itself after O(seconds)
    and leaves nothing behind, even if the controller has died in the meantime.
  - Incoming packets are seen before the firewall of the host, outgoing packets after it.
  - A packet that passes several interfaces of the host, such as a bridge and its port, is seen at each of them. On the loopback
    interface each packet is seen once. A packet with two VLAN tags is seen at the VLAN interfaces of the host, not below them.
author:
  - The threeway.handshake authors (@threeway)
requirements:
  - Linux, and C(CAP_NET_RAW) on the host, for example with C(become=true)
extends_documentation_fragment:
  - threeway.handshake.attributes
  - threeway.handshake.attributes.action_group_ports
attributes:
  check_mode:
    support: partial
    details:
      - In check mode, O(state=started) starts nothing and returns an empty RV(handle). With an empty O(handle), there is nothing to read.
      - In check mode, O(state=stopped) reads the recording and leaves the recorder running. O(dest) is not written.
  diff_mode:
    support: none
    description: There is no state to compare.
options:
  state:
    description:
      - V(started) starts one more recorder and returns its RV(handle). When the task ends, recording has already begun.
      - V(read) returns what the recorder O(handle) has recorded and lets it continue.
      - V(stopped) returns the same and ends the recorder.
    type: str
    choices: [started, read, stopped]
    default: started
  ports:
    description:
      - The TCP ports to record, required with O(state=started).
    type: list
    elements: int
  addresses:
    description:
      - Addresses of the hosts that take part, in full.
      - SYN and RST packets are recorded whatever their addresses are, because address translation changes addresses. Other packets are
        recorded if they come from or go to one of the addresses. Without this option, only the port decides.
      - ARP and neighbour discovery are recorded if this host takes part in them, otherwise only if they are about one of the addresses.
    type: list
    elements: str
    default: []
  seconds:
    description:
      - How long to record. The recorder ends after this time, and whatever has not been read by then is lost.
    type: float
    default: 60.0
  max_packets:
    description:
      - How many packets to record. Beyond this number, the recorder first discards packets of connections whose beginning it has not
        recorded. Then the recording ends, and RV(truncated) says so.
    type: int
    default: 20000
  handle:
    description:
      - The recorder to read or stop, from RV(handle) of O(state=started).
    type: str
  dest:
    description:
      - Also write the recording to this file on the host, in pcapng format for Wireshark and others, readable by its owner only.
      - An existing file is replaced. The directory must exist.
    type: path
"""

EXAMPLES = r"""
- name: Record the handshakes with the database
  threeway.handshake.recorder:
    ports: [5432]
    addresses: [192.0.2.11, 192.0.2.21]
    seconds: 30
  become: true
  register: recorder

- name: Try the handshake
  ansible.builtin.wait_for:
    host: 192.0.2.21
    port: 5432
    timeout: 5
  ignore_errors: true

- name: See what passed, and keep it for Wireshark
  threeway.handshake.recorder:
    state: stopped
    handle: "{{ recorder.handle }}"
    dest: /root/handshake.pcapng
  become: true
  register: recorded

- name: Show the packets
  ansible.builtin.debug:
    var: recorded.packets | map(attribute='summary')
"""

RETURN = r"""
handle:
  description: Identifies the recorder for later tasks. Empty in check mode.
  returned: O(state=started)
  type: str
  sample: 5f0c7c1d2b9a4e38
packets:
  description:
    - The recorded packets in the order in which they were seen.
    - Fields that a packet cannot have are missing.
  returned: O(state=read) or O(state=stopped), except for an empty handle in check mode
  type: list
  elements: dict
  contains:
    time:
      description: When the kernel saw the packet, in seconds since the epoch.
      type: float
      sample: 1763697600.123
    interface:
      description: The interface at which it was seen.
      type: str
      sample: eth0
    direction:
      description: V(in) for packets to this host, V(out) for packets that it sends or forwards, V(passing) for packets to other hosts.
      type: str
      sample: in
    vlan:
      description: The identifier of the VLAN tag, or V(null).
      type: int
      sample: null
    link_address:
      description: The link-layer address of the sender, or V(null).
      type: str
      sample: 02:00:5e:10:00:01
    summary:
      description: The packet in one line.
      type: str
      sample: "192.0.2.11:40001 > 192.0.2.21:5432 SYN seq 1000"
    protocol:
      description: V(tcp), V(icmp), V(neighbour), V(ip) for anything else over IP, V(unknown) if it cannot be decoded.
      type: str
      sample: tcp
    source:
      description: The address of the sender.
      type: str
      sample: 192.0.2.11
    destination:
      description: The address of the receiver, or the one that an ARP message is about.
      type: str
      sample: 192.0.2.21
    ttl:
      description: Time to live, or hop limit.
      type: int
      sample: 64
    ip_id:
      description: The IP identification, or V(null) for IPv6 packets that are not fragments.
      type: int
      sample: 4660
    source_port:
      description: The source port of a TCP packet.
      type: int
      sample: 40001
    destination_port:
      description: The destination port of a TCP packet.
      type: int
      sample: 5432
    flags:
      description: The flags of a TCP packet.
      type: list
      elements: str
      sample: [SYN]
    seq:
      description: The sequence number.
      type: int
      sample: 1000
    ack:
      description: The acknowledgement number; only meaningful with the flag V(ACK).
      type: int
      sample: 0
    window:
      description: The window as in the header, not scaled.
      type: int
      sample: 64240
    payload_length:
      description: How many bytes the packet carried, or V(null) if its header does not say.
      type: int
      sample: 0
    mss:
      description: The maximum segment size option, or V(null).
      type: int
      sample: 1460
    wscale:
      description: The window scale option, or V(null).
      type: int
      sample: 7
    sack_permitted:
      description: Whether selective acknowledgements are permitted.
      type: bool
      sample: true
    timestamps:
      description: The two values of the timestamps option, or V(null).
      type: list
      elements: int
      sample: [1, 0]
    options:
      description: The kinds of all TCP options in order.
      type: list
      elements: int
      sample: [2, 4, 8, 1, 3]
    type:
      description: The type of an ICMP error.
      type: int
      sample: 3
    code:
      description: The code of an ICMP error.
      type: int
      sample: 13
    mtu:
      description: The MTU that an ICMP error reports, or V(null).
      type: int
      sample: null
    quoted:
      description: The packet that an ICMP error is about, as far as the error quotes it, or V(null).
      type: dict
      sample: {source: 192.0.2.11, source_port: 40001, destination: 192.0.2.21, destination_port: 5432, seq: 1000}
    operation:
      description: V(request) or V(reply), for ARP and neighbour discovery.
      type: str
      sample: request
count:
  description: How many packets were recorded.
  returned: with RV(packets)
  type: int
  sample: 3
dropped:
  description: How many packets the kernel could not deliver for lack of buffer space. They are missing from RV(packets).
  returned: with RV(packets)
  type: int
  sample: 0
truncated:
  description: The limit that ended the recording early, V(packets) or V(bytes), or V(null).
  returned: with RV(packets)
  type: str
  sample: null
started:
  description: When the recording began, in seconds since the epoch.
  returned: with RV(packets)
  type: float
  sample: 1763697600.1
ended:
  description: When the recording ends, in seconds since the epoch.
  returned: with RV(packets)
  type: float
  sample: 1763697604.2
dest:
  description: The file that was written.
  returned: O(dest) is given, with RV(packets), not in check mode
  type: str
  sample: /root/handshake.pcapng
"""

import math
import os

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._record.detached import read_detached, start_detached, stop_detached
from ansible_collections.threeway.handshake.plugins.module_utils._wire.describe import capture_file, describe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["started", "read", "stopped"], "default": "started"},
            "ports": {"type": "list", "elements": "int"},
            "addresses": {"type": "list", "elements": "str", "default": []},
            "seconds": {"type": "float", "default": 60.0},
            "max_packets": {"type": "int", "default": 20000},
            "handle": {"type": "str"},
            "dest": {"type": "path"},
        },
        required_if=[("state", "started", ["ports"]), ("state", "read", ["handle"]), ("state", "stopped", ["handle"])],
        supports_check_mode=True,
    )
    try:
        answer = start(module) if module.params["state"] == "started" else fetch(module)
    except ObserveError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**answer)


def start(module: AnsibleModule) -> dict[str, object]:
    """Begin a recording, or check that it could be begun."""
    asked = module.params
    for name, least, most in (("seconds", 0.1, 86400), ("max_packets", 1, 1000000)):
        if not (math.isfinite(asked[name]) and least <= asked[name] <= most):
            raise ObserveError(f"{name} is {asked[name]}: give a value from {least} to {most}")
    if module.check_mode:
        return {"changed": True, "handle": ""}
    return {"changed": True, "handle": start_detached(asked["ports"], asked["addresses"], asked["seconds"], asked["max_packets"])}


def fetch(module: AnsibleModule) -> dict[str, object]:
    """Read a recording."""
    handle, dest = module.params["handle"], module.params["dest"]
    if module.check_mode and not handle:
        return {"changed": False, "msg": "nothing has been recorded, because a recorder is not started in check mode"}
    if dest and (os.path.isdir(dest) or not os.access(os.path.dirname(dest) or ".", os.W_OK)):
        raise ObserveError(f"the recording cannot be written to {dest}: give a file in a directory that exists and can be written")
    stops = module.params["state"] == "stopped"
    recording = stop_detached(handle) if stops and not module.check_mode else read_detached(handle)
    answer: dict[str, object] = {name: recording[name] for name in ("count", "dropped", "truncated")}
    answer.update(packets=describe(recording), started=recording["from"], ended=recording["to"], changed=stops or bool(dest))
    if dest and not module.check_mode:
        write_privately(dest, capture_file(recording, os.uname().nodename))
        answer["dest"] = dest
    return answer


def write_privately(path: str, content: bytes) -> None:
    """Replace a file by one that only its owner may read. Nobody sees half of it."""
    draft = f"{path}.{os.urandom(4).hex()}"
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(content)
            os.replace(draft, path)
        except OSError:
            os.unlink(draft)
            raise
    except OSError as error:
        raise ObserveError(f"the recording cannot be written to {path}: {error.strerror}") from error


if __name__ == "__main__":
    main()

#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: capture_info
short_description: The TCP handshakes in a capture file
version_added: 0.2.0
description:
  - Reads a pcap or pcapng file that is on the host, for example one that C(tcpdump) or Wireshark wrote, and returns its TCP handshakes.
    Says for each how it ended, in the terms of Zeek and Wireshark, and what did not get through.
  - Reads files of any size in constant memory, also those compressed with gzip. Supports microseconds and nanoseconds, both byte orders,
    several interfaces and sections, and packets cut by a snap length.
  - Supports the link types Ethernet, with VLAN tags, Linux cooked v1 and v2, raw IP, and loopback. Others, such as 802.11, are refused.
  - Returns no payload. If a file is cut off or damaged, returns what is before that, see RV(notes).
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.info_module
options:
  path:
    description: The file on the host.
    type: path
    required: true
  client:
    description: Only handshakes of clients with this address, or in this network.
    type: str
  server:
    description: Only handshakes with servers that have this address, or are in this network.
    type: str
  port:
    description: Only handshakes with this port of the server.
    type: int
  since:
    description:
      - Only handshakes that begin at this time or later, by the clock of the capture. Seconds since the epoch, or a time in ISO 8601, in
        UTC if it has no offset.
    type: str
  until:
    description: Only handshakes that begin at this time or earlier, see O(since).
    type: str
  failed:
    description: List only handshakes that did not complete. RV(counts) still has all of them.
    type: bool
    default: false
  limit:
    description:
      - The maximum number of handshakes to list. If there are more, those that begin first in the file are listed. RV(counts) has all.
      - At most 10000.
    type: int
    default: 100
seealso:
  - module: threeway.handshake.recorder
  - name: Zeek's conn.log
    description: The meaning of C(history) and C(conn_state).
    link: https://docs.zeek.org/en/current/scripts/base/protocols/conn/main.zeek.html
  - name: Wireshark's TCP analysis
    description: The meaning of C(tcp.completeness).
    link: https://www.wireshark.org/docs/wsug_html_chunked/ChAdvTCPAnalysis.html
"""

EXAMPLES = r"""
- name: See the outcomes of the handshakes in a capture
  threeway.handshake.capture_info:
    path: /var/tmp/incident.pcap
  register: capture

- name: List those with the database that did not complete
  threeway.handshake.capture_info:
    path: /var/tmp/incident.pcapng.gz
    server: 192.0.2.21
    port: 5432
    since: 2026-11-28T18:00:00Z
    failed: true
  delegate_to: localhost
  register: capture
  failed_when: capture.handshakes | length > 0
"""

RETURN = r"""
format:
  description: The format of the file, V(pcap) or V(pcapng).
  returned: success
  type: str
  sample: pcapng
packets:
  description: The number of packets in the file.
  returned: success
  type: int
  sample: 1000000
sections:
  description: The number of sections of a pcapng file, 1 for pcap.
  returned: success
  type: int
  sample: 1
begins:
  description: The time of the first packet, in seconds since the epoch, or V(null) if there is no packet.
  returned: success
  type: float
  sample: 1763697600.123456
ends:
  description: The time of the last packet.
  returned: success
  type: float
  sample: 1763697660.5
interfaces:
  description: Where packets were captured.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the interface, or V(null) if the file does not say it.
      type: str
      sample: eth0
    link_type:
      description: The number of the link type, such as 1 for Ethernet.
      type: int
      sample: 1
    filtered:
      description: Whether the file says that a capture filter was set. A file without this information may also have been filtered.
      type: bool
      sample: false
    dropped:
      description: How many packets the capture lost, as far as the file says it.
      type: int
      sample: 0
counts:
  description:
    - How many handshakes ended in which way.
    - V(completed) - the client's ACK was captured. V(refused) - the server answered with an RST. V(icmp_error) - an ICMP error about
      the SYN was captured, and nothing else. V(unanswered) - nothing answered the SYN. V(unacknowledged) - the SYN-ACK was captured, and
      no ACK. V(aborted) - the client sent an RST before its ACK. V(cut_off) - the capture ends before that is known. V(no_syn) - the
      SYN is not in the capture, the SYN-ACK is.
  returned: success
  type: dict
  sample: {completed: 90, refused: 7, icmp_error: 0, unanswered: 3, unacknowledged: 0, aborted: 0, cut_off: 0, no_syn: 0}
conn_states:
  description: How many handshakes have which RV(handshakes[].conn_state).
  returned: success
  type: dict
  sample: {S0: 3, SF: 90, REJ: 7}
completeness:
  description: How many handshakes have which RV(handshakes[].completeness).
  returned: success
  type: dict
  sample: {"1": 3, "31": 90, "37": 7}
retransmissions:
  description: How many SYNs and SYN-ACKs are retransmissions.
  returned: success
  type: dict
  sample: {syn: 9, syn_ack: 0}
stray_resets:
  description: How many RSTs belong to connections whose handshake is not in the capture.
  returned: success
  type: int
  sample: 0
handshakes:
  description: The first handshakes of the file, ordered by time. Each one has its own initial sequence number, even if ports are reused.
  returned: success
  type: list
  elements: dict
  contains:
    client:
      description: The address of the client.
      type: str
      sample: 192.0.2.11
    client_port:
      description: The port of the client.
      type: int
      sample: 40001
    server:
      description: The address of the server.
      type: str
      sample: 192.0.2.21
    server_port:
      description: The port of the server.
      type: int
      sample: 5432
    isn:
      description: The initial sequence number of the client.
      type: int
      sample: 3117513184
    server_isn:
      description: The initial sequence number of the server, or V(null) without a SYN-ACK.
      type: int
      sample: 124729223
    time:
      description: When it began, in seconds since the epoch by the clock of the capture.
      type: float
      sample: 1763697600.123456
    outcome:
      description: How it ended, see RV(counts).
      type: str
      sample: completed
    history:
      description:
        - The letters of Zeek's C(history), for the client in upper case, for the server in lower case. C(S) SYN, C(h) SYN-ACK, C(A) ACK,
          C(D) data, C(F) FIN, C(R) RST.
        - After the handshake, only the first ACK and data packets, and all FINs and RSTs are looked at. Letters of other packets may be
          missing.
      type: str
      sample: ShAD
    conn_state:
      description: Zeek's C(conn_state), as far as it follows from RV(handshakes[].history).
      type: str
      sample: S1
    completeness:
      description:
        - The bits of Wireshark's C(tcp.completeness). 1 SYN, 2 SYN-ACK, 4 ACK (also of an RST), 8 data, 16 FIN,
          32 RST.
        - Bit 8 is also set if the sequence number of a FIN or RST shows that data was sent.
      type: int
      sample: 15
    lost:
      description:
        - What did not get through, as far as one capture can tell, or V(null).
        - C(packets) has the packets of which one did not get through, V(syn), V(syn_ack) or V(ack). C(side) is the side of the capture
          on which that happened, V(server) or V(client).
        - An unanswered SYN may have been lost behind the capture, been ignored by the server, or its SYN-ACK been lost in front of the
          capture. Only a second capture can tell.
      type: dict
      sample: {packets: [syn, syn_ack], side: server}
    syns:
      description: How many SYNs there are, at most 16.
      type: int
      sample: 3
    syn_acks:
      description: How many SYN-ACKs there are, at most 16.
      type: int
      sample: 0
    syn_intervals_ms:
      description: The times between SYNs, in milliseconds.
      type: list
      elements: float
      sample: [1023.9, 2047.8]
    syn_ack_intervals_ms:
      description: The times between SYN-ACKs, in milliseconds.
      type: list
      elements: float
      sample: []
    syn_to_syn_ack_ms:
      description:
        - The time from the SYN to its SYN-ACK, in milliseconds. This is the round trip between the capture and the server.
        - V(null) if it is unknown which SYN was answered.
      type: float
      sample: 0.35
    syn_ack_to_ack_ms:
      description:
        - The time from the SYN-ACK to the ACK, in milliseconds. This is the round trip between the capture and the client.
        - V(null) if it is unknown which SYN-ACK was acknowledged.
      type: float
      sample: 0.02
    client_ttl:
      description: TTL or hop limit of the SYN, or V(null).
      type: int
      sample: 64
    server_ttl:
      description: TTL or hop limit of the SYN-ACK, or V(null).
      type: int
      sample: 63
    client_options:
      description:
        - The TCP options of the SYN, or V(null). C(kinds) has the numbers of all of them in their order, and C(signed) means TCP-MD5 or
          TCP-AO.
      type: dict
      sample:
        {mss: 1460, window_scale: 7, sack: true, timestamps: true, fast_open: false, mptcp: false, signed: false, kinds: [2, 4, 8, 1, 3]}
    server_options:
      description: The TCP options of the SYN-ACK, or V(null).
      type: dict
      sample:
        {mss: 1460, window_scale: 7, sack: true, timestamps: true, fast_open: false, mptcp: false, signed: false, kinds: [2, 4, 8, 1, 3]}
    client_bytes:
      description: How many bytes of data the client sent, if the sequence number of its FIN or RST shows it.
      type: int
      sample: 517
    server_bytes:
      description: How many bytes of data the server sent, if the sequence number of its FIN or RST shows it.
      type: int
      sample: 1420
    reset:
      description:
        - The first RST, or V(null).
        - C(from) is the side that it came from, V(client) or V(server), by its addresses. C(ttl) is its TTL, C(other_ttl) the TTL of the
          SYN or SYN-ACK of the same side, if there is one. If they differ, something on the path may have sent the RST.
      type: dict
      sample: {from: server, ttl: 63, other_ttl: null}
    icmp:
      description: The ICMP errors that quote the SYN, with C(from), C(type), C(code) and C(mtu).
      type: list
      elements: dict
      sample: [{from: 192.0.2.1, type: 3, code: 13, mtu: null}]
unlisted:
  description: How many handshakes are counted and not listed.
  returned: success
  type: int
  sample: 0
notes:
  description: Sentences about what could not be read.
  returned: success
  type: list
  elements: str
  sample: ["the last packet of the file is cut off: 234 bytes are missing"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._work.captures import observe


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "client": {"type": "str"},
            "server": {"type": "str"},
            "port": {"type": "int"},
            "since": {"type": "str"},
            "until": {"type": "str"},
            "failed": {"type": "bool", "default": False},
            "limit": {"type": "int", "default": 100},
        },
        supports_check_mode=True,
    )
    try:
        answer = observe(module.params)
    except ObserveError as error:
        module.fail_json(msg=f"{error}.")
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()

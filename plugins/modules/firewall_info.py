#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_info
short_description: What the firewall of a host does to the packets of a TCP handshake, and which rule does it
version_added: 0.1.0
description:
  - Evaluates the loaded rules of nftables, iptables and ip6tables (the latter two in their legacy and nft-backed variants) for packets that
    you describe. Returns for each packet the verdict, the rule that decides, the program that made that rule, and every rule that the
    packet meets, with the condition that did not match.
  - Nothing is guessed. If the verdict depends on something that cannot be known, such as a rate limit, a random number, or a field of
    the packet that was not given, it is V(undecided), and RV(verdicts[].undecided_because) says what it depends on. An unknown that makes
    no difference to the verdict is ignored.
  - Sends no packet and changes nothing. Reading the rules needs root or C(CAP_NET_ADMIN).
  - BPF programs, traffic control, and what other hosts do are not evaluated.
author:
  - The threeway.handshake authors (@threeway)
extends_documentation_fragment:
  - threeway.handshake.attributes.info_module
options:
  packets:
    description: The packets to evaluate.
    type: list
    elements: dict
    required: true
    suboptions:
      packet:
        description: Which packet of the handshake it is.
        type: str
        choices: [syn, syn_ack, ack]
        default: syn
      direction:
        description:
          - Whether it comes in, goes out or is forwarded.
          - By default, it goes out if O(packets[].source) is an address of the host, comes in if O(packets[].destination) is one, and is
            forwarded otherwise.
          - A saved O(ruleset) may be that of another host. If neither address belongs to this host and this host forwards nothing, the
            packet comes in.
        type: str
        choices: [in, out, forward]
      source:
        description: The source address of this packet, IPv4 or IPv6.
        type: str
        required: true
      source_port:
        description: The source port of this packet. Without it, rules that match the source port may leave the packet undecided.
        type: int
      destination:
        description: The destination address of this packet.
        type: str
        required: true
      port:
        description: The destination port of this packet.
        type: int
        required: true
      interface:
        description:
          - The interface on which it arrives, or leaves if it goes out.
          - By default, the interface of the route to O(packets[].source), or to O(packets[].destination) if it goes out.
        type: str
      out_interface:
        description: The interface on which it leaves. By default, the interface of the route to O(packets[].destination).
        type: str
      state:
        description:
          - The connection tracking state.
          - By default V(new) for a SYN and V(established) for the others.
        type: str
        choices: [new, established, invalid, untracked]
      mark:
        description: The mark that it has when it comes in, or that its socket gave it.
        type: int
        default: 0
      uid:
        description: The numeric id of the user that owns the sending socket. Only for packets that go out.
        type: int
      gid:
        description: That user's numeric group. Only for packets that go out.
        type: int
        version_added: 0.2.0
      header:
        description:
          - Its exact headers, if they are known from a capture, as hexadecimal digits from the IP header to the end of the TCP header.
            Without them, rules that match TTL, length, DSCP, TCP options and the like may leave the packet undecided.
          - Addresses, ports and flags must agree with the other options.
        type: str
  ruleset:
    description:
      - A saved ruleset to evaluate instead of the loaded one.
      - Either its text, or the path of a file on the host, which begins with V(/).
      - The output of C(nft list ruleset), C(nft -j list ruleset), C(iptables-save) and C(ip6tables-save) is accepted. Rulesets of nftables
        are loaded into a temporary network namespace, which needs root and the tool C(nft) on the host.
      - Interfaces, addresses, routes and sets of C(ipset) are those of the host, and those that the ruleset and O(packets) imply for the
        host on which the ruleset was saved. The destination of a packet that comes in counts as its own address, and so does the source
        of a packet that goes out.
    type: str
seealso:
  - module: threeway.handshake.path_info
  - module: threeway.handshake.listener_info
"""

EXAMPLES = r"""
- name: See what the firewall does to a SYN from the web server
  threeway.handshake.firewall_info:
    packets:
      - source: 192.0.2.11
        destination: 198.51.100.21
        port: 5432
  register: firewall

- name: Make sure that it gets through
  ansible.builtin.assert:
    that: firewall.verdicts[0].verdict == 'accept'
    fail_msg: "{{ firewall.verdicts[0].rule.text | default(firewall.verdicts[0].undecided_because) }}"

- name: Evaluate a saved ruleset before it is loaded
  threeway.handshake.firewall_info:
    ruleset: "{{ lookup('ansible.builtin.file', 'nftables.conf') }}"
    packets:
      - packet: syn_ack
        direction: out
        source: 198.51.100.21
        source_port: 5432
        destination: 192.0.2.11
        port: 40001
"""

RETURN = r"""
verdicts:
  description: One for each of O(packets), in the same order.
  returned: success
  type: list
  elements: dict
  contains:
    packet:
      description:
        - The question, with defaults filled in. So are C(direction), C(source), C(source_port), C(destination), C(port), C(interface),
          C(out_interface), C(state), C(mark), C(uid) and C(gid).
      type: str
      returned: always
      sample: syn
    verdict:
      description:
        - What happens to the packet, one of V(accept), V(drop), V(reject), V(queue) (to a program, which decides), or V(undecided).
      type: str
      returned: always
      sample: drop
    reject_with:
      description: The answer to the packet, V(tcp-reset) or an ICMP error by its iptables name.
      type: str
      returned: when RV(verdicts[].verdict) is V(reject), else null
      sample: icmp-port-unreachable
    queue:
      description: The number of the queue to which the packet goes, or which drops it because no program reads the queue.
      type: int
      returned: when RV(verdicts[].verdict) is V(queue), or V(drop) by a queue, else null
    undecided_because:
      description: What the verdict depends on.
      type: str
      returned: when RV(verdicts[].verdict) is V(undecided), else null
      sample: "it depends on limit rate 5/second: drop if not, accept if so"
    undecided:
      description: The same as data, for programs.
      type: dict
      returned: when RV(verdicts[].verdict) is V(undecided), else null
      sample: {kind: limit, what: limit rate 5/second, otherwise: drop, if_so: accept}
      contains:
        kind:
          description:
            - V(limit) for a rate, a quota, a count or a random number; V(queue) for which of several
              queues it is put into, where programs read only some; V(unknown) for anything else that cannot be known.
            - V(unsupported) for what is not modelled or could not be read; V(too_many) for more unknowns than can be tried.
            - V(unroutable) where rules send the packet to where the kernel has no way for it, or give it a mark with which it has none.
          type: str
          returned: always
        what:
          description: What is unknown, in words.
          type: str
          returned: always
        otherwise:
          description: The verdict if it is not so. Null if the verdict does not depend on a single unknown.
          type: str
          returned: always
        if_so:
          description: The verdict if it is so. Null if the verdict does not depend on a single unknown.
          type: str
          returned: always
    rewritten:
      description: The packet as it leaves the firewall, if rules changed it.
      type: dict
      returned: when a rule changed it, else null
      contains:
        source:
          description: Its source address.
          type: str
          returned: always
        source_port:
          description: Its source port.
          type: int
          returned: always
        destination:
          description: Its destination address.
          type: str
          returned: always
        port:
          description: Its destination port.
          type: int
          returned: always
        mark:
          description: Its mark.
          type: int
          returned: always
        changes:
          description: What the rules changed, in their order.
          type: list
          elements: str
          returned: always
    rerouted:
      description: Where the kernel leads the packet since a rule has given it a mark.
      type: dict
      returned: when a rule did so and the kernel has a way for it, else null
      contains:
        interface:
          description: The interface by which it leaves.
          type: str
          returned: always
        gateway:
          description: The address of the next hop. Null if the destination is on the link.
          type: str
          returned: always
        table:
          description: The routing table that has the route.
          type: int
          returned: always
        rule:
          description: The rule that set the mark last, as RV(verdicts[].rule). Null if none is known.
          type: dict
          returned: always
    rule:
      description:
        - The rule that decided. For V(accept), the last one that accepted the packet.
        - Null if no rule decided, because all chains accept what no rule matches.
        - If the policy of a chain drops the packet, a rule without handle and number stands for the policy.
      type: dict
      returned: always
      sample:
        family: inet
        table: filter
        chain: input
        handle: 12
        number: 3
        text: tcp dport 5432 counter drop
        manager: nftables
        origin: {file: /etc/nftables.conf, line: 9}
        packets: 3
      contains:
        family:
          description: The family of its table.
          type: str
          returned: always
        table:
          description: Its table.
          type: str
          returned: always
        chain:
          description: Its chain.
          type: str
          returned: always
        handle:
          description: Its handle in nf_tables; null for legacy iptables.
          type: int
          returned: always
        number:
          description: Its number in the chain, from 1.
          type: int
          returned: always
        text:
          description: The rule in the syntax of its tool.
          type: str
          returned: always
        manager:
          description: "The program that made it: firewalld, ufw, docker, nftables and others."
          type: str
          returned: always
        origin:
          description: Where its manager stores it. Null if that was not found.
          type: dict
          returned: always
        packets:
          description: How many packets it has counted. Null for a rule without a counter.
          type: int
          returned: always
    change:
      description: How to let the packet through, with the program that made the rule.
      type: dict
      returned: when the packet is dropped or rejected and this is known, else null
    shadowed:
      description: Rules that would accept the packet, but come after the one that decided. Like RV(verdicts[].rule).
      type: list
      elements: dict
      returned: always
    path:
      description: The rules that the packet meets. Of those that did not match, only the first 64 or so are listed.
      type: list
      elements: dict
      returned: always
      contains:
        chain:
          description: "Its C(family), C(table), C(chain), C(hook) and C(priority)."
          type: dict
          returned: always
        rule:
          description: Like RV(verdicts[].rule). Null for the policy of the chain.
          type: dict
          returned: always
        matched:
          description: Whether it matched. Null if that could not be known.
          type: bool
          returned: always
        parts:
          description:
            - Its conditions, each with C(text), C(matched), and C(seen), which is what the packet has instead. C(matched) is null for
              conditions that were not evaluated because an earlier one did not match, and for those that could not be known.
          type: list
          elements: dict
          returned: always
        effect:
          description: What it did, in words. Null if the packet went on to the next rule.
          type: str
          returned: always
        effects:
          description:
            - The same as data, for programs, with its verdict last. Empty if the packet went on to the next rule.
            - Each has a C(kind), such as V(accept), V(drop), V(reject), V(jump), V(dnat) or V(set), and a C(target), such as V(tcp-reset),
              the chain, V(10.0.2.22:5999) or V(mark 0x1), or null.
          type: list
          elements: dict
          returned: always
          sample: [{kind: set, target: mark 0x1}, {kind: accept, target: null}]
    passed:
      description: How many rules did not match and are not listed in RV(verdicts[].path).
      type: int
      returned: always
absent:
  description: What could not be read and why, each with C(what) and C(why).
  returned: success
  type: list
  elements: dict
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._commands import runner
from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.questions import DIRECTIONS, KINDS, STATES
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.verdicts import observe

PACKET = {
    "packet": {"type": "str", "choices": list(KINDS), "default": "syn"},
    "direction": {"type": "str", "choices": list(DIRECTIONS)},
    "source": {"type": "str", "required": True},
    "source_port": {"type": "int"},
    "destination": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "interface": {"type": "str"},
    "out_interface": {"type": "str"},
    "state": {"type": "str", "choices": list(STATES)},
    "mark": {"type": "int", "default": 0},
    "uid": {"type": "int"},
    "gid": {"type": "int"},
    "header": {"type": "str"},
}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"packets": {"type": "list", "elements": "dict", "required": True, "options": PACKET}, "ruleset": {"type": "str"}},
        supports_check_mode=True,
    )
    run = runner(module)
    try:
        answer = observe(module.params["packets"], run, module.params["ruleset"])
    except ObserveError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: firewall_rule
short_description: Let one flow through a plain nftables or iptables firewall, before the rule that stops it
version_added: 0.1.0
description:
  - Adds a rule that accepts packets from one address to one port of another. The rule goes before the rule that stops these packets, or at
    the end of a chain whose policy stops them. It is added to the running ruleset and, with O(file), also to the file from which the
    ruleset is loaded at boot. Both changes are prepared and checked before either is made.
  - The rule that stops the packets is identified by a digest of its text, O(before), because handles and numbers of rules change. If the
    chain no longer has it, the task fails.
  - Its own rule is identified by its comment, so a second run changes nothing.
  - For firewalls with a manager, use the module of that manager, such as M(ansible.posix.firewalld) and M(community.general.ufw).
author:
  - The threeway.handshake authors (@threeway)
requirements:
  - Linux, root on the host, and the tool of the variant
extends_documentation_fragment:
  - threeway.handshake.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  state:
    description:
      - V(present) adds the rule before O(before). V(absent) removes it everywhere in the chain and in O(file).
    type: str
    choices: [present, absent]
    default: present
  variant:
    description:
      - The kind of rules in the chain. Rules of V(iptables-legacy) are not in nf_tables, and C(iptables) may be the tool of either variant.
    type: str
    choices: [nft, iptables-nft, iptables-legacy]
    default: nft
  family:
    description: The family of the table. V(ip) and V(ip6) are those of C(iptables) and C(ip6tables).
    type: str
    choices: [ip, ip6, inet, netdev, bridge]
    default: inet
  table:
    description: The table.
    type: str
    default: filter
  chain:
    description: The chain.
    type: str
    required: true
  source:
    description: The source address of the packets.
    type: str
    required: true
  destination:
    description: The destination address of the packets.
    type: str
    required: true
  port:
    description: The destination port of the packets. Either this or O(source_port) is required.
    type: int
  source_port:
    description: The source port of the packets, for replies of a service.
    type: int
  in_interface:
    description: Accept them only if they arrive on this interface.
    type: str
  out_interface:
    description: Accept them only if they leave by this interface.
    type: str
  established:
    description: Whether to accept them only as part of a tracked connection.
    type: bool
    default: false
  before:
    description:
      - The digest of the rule that stops the packets, from the report of a diagnosis. Without it, the rule goes to the end of the chain.
    type: str
  file:
    description:
      - The file that contains the rule that stops the packets, such as V(/etc/nftables.conf) or V(/etc/iptables/rules.v4).
    type: path
seealso:
  - module: ansible.builtin.iptables
  - module: threeway.handshake.firewall_info
  - module: threeway.handshake.guard
"""

EXAMPLES = r"""
- name: Let the web server through to the database, at the end of the chain
  threeway.handshake.firewall_rule:
    chain: input
    source: 192.0.2.11
    destination: 192.0.2.21
    port: 5432

- name: Let it through before the rule that the report names, now and in the file
  threeway.handshake.firewall_rule:
    chain: input
    source: 192.0.2.11
    destination: 192.0.2.21
    port: 5432
    before: 5fa1c80e2bb1d1a4
    file: /etc/nftables.conf

- name: Remove the rule
  threeway.handshake.firewall_rule:
    chain: input
    source: 192.0.2.11
    destination: 192.0.2.21
    port: 5432
    file: /etc/nftables.conf
    state: absent
"""

RETURN = r"""
rule:
  description: The rule.
  returned: success
  type: str
  sample: ip saddr 192.0.2.11 ip daddr 192.0.2.21 tcp dport 5432 counter accept comment "threeway.handshake ..."
"""

import os
import tempfile
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._commands import Run, runner
from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.arguments import FAMILY, TABLE, VARIANT, read
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.change import Change, carry_out, check_draft, plan
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.loaded import FAMILIES, Place
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.words import VARIANTS, Accepted


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "variant": {"type": "str", "choices": list(VARIANTS), "default": VARIANT},
            "family": {"type": "str", "choices": list(FAMILIES), "default": FAMILY},
            "table": {"type": "str", "default": TABLE},
            "chain": {"type": "str", "required": True},
            "source": {"type": "str", "required": True},
            "destination": {"type": "str", "required": True},
            "port": {"type": "int"},
            "source_port": {"type": "int"},
            "in_interface": {"type": "str"},
            "out_interface": {"type": "str"},
            "established": {"type": "bool", "default": False},
            "before": {"type": "str"},
            "file": {"type": "path"},
        },
        required_one_of=[("port", "source_port")],
        mutually_exclusive=[("port", "source_port")],
        supports_check_mode=True,
    )
    try:
        answer = work(module)
    except ObserveError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**answer)


def work(module: AnsibleModule) -> dict[str, t.Any]:
    """Do what is asked for. Raises ObserveError."""
    wanted = module.params
    place, accepted = read(wanted)
    present, file = wanted["state"] == "present", wanted["file"]
    run = runner(module)
    change = plan(run, place, accepted, wanted["before"], file, present)
    changed = change.missing or bool(change.surplus) or change.text is not None
    if changed and not module.check_mode:
        make(module, run, place, accepted, change)
    answer = {"changed": changed, "rule": accepted.line(place.variant, place.chain)}
    return {**answer, "diff": change.diff} if module._diff else answer


def make(module: AnsibleModule, run: Run, place: Place, accepted: Accepted, change: Change) -> None:
    """The file's draft first: what is refused then has changed nothing."""
    file, draft = module.params["file"], None
    if change.text is not None:
        try:
            handle, draft = tempfile.mkstemp(prefix=".threeway-handshake.", dir=os.path.dirname(os.path.realpath(file)))
            module.add_cleanup_file(draft)
            with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
                stream.write(change.text)
        except OSError as error:
            raise ObserveError(f"{file} cannot be written: {error.strerror}; nothing has been changed") from error
        check_draft(run, place, accepted, file, draft)
    carry_out(run, place, accepted, change)
    if draft is not None:
        module.atomic_move(draft, os.path.realpath(file))


if __name__ == "__main__":
    main()

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look up the hosts of a playbook's second play, which its first play has planned; without a plan, the playbook must fail."""

from __future__ import annotations

DOCUMENTATION = r"""
name: planned_hosts
short_description: The hosts that take part in a planned diagnosis
version_added: 0.2.0
description:
  - Returns the hosts that M(threeway.handshake.plan) stored in a variable, for C(hosts) of the play that continues the plan.
  - Fails if nothing was planned, because the previous play had no hosts or its task was skipped. C(hosts) would otherwise be empty, and
    the playbook would end as if all were well.
author:
  - The threeway.handshake authors (@threeway)
"""

EXAMPLES = r"""
- name: Diagnose handshakes
  hosts: "{{ query('threeway.handshake.planned_hosts') }}"
  gather_facts: false
  tasks:
    - name: Find out where handshakes break
      ansible.builtin.import_role:
        name: threeway.handshake.diagnose
        tasks_from: observe
"""

RETURN = r"""
_raw:
  description: The hosts, or patterns of them.
  type: list
  elements: str
"""

from typing import Any

from ansible import context
from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.threeway.handshake.plugins.plugin_utils._act import forks
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.runs import is_this
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain

# With these, Ansible reads a playbook and runs nothing of it.
_READING = ("syntax", "listhosts", "listtasks", "listtags")


class LookupModule(LookupBase):
    def run(self, terms: Any, variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        if any(context.CLIARGS.get(option) for option in _READING):
            return []
        localhost = ((variables or {}).get("hostvars") or {}).get("localhost") or {}
        facts = localhost.get("ansible_facts") or {}
        hosts = facts.get("handshake_hosts")
        # A fact cache keeps facts of localhost, too, and what another ansible-playbook planned is no plan.
        if not hosts or not is_this(plain(facts.get("handshake_controller"))):
            raise AnsibleLookupError(
                "No handshake was planned: the first play of this playbook matched no host (is there an inventory, and has it hosts?), "
                "or --tags, --skip-tags or --start-at-task left its task out. Run the whole playbook, on the hosts of the flows."
            )
        forks.prepare()  # the play that this is asked for comes next
        return [str(host) for host in hosts]

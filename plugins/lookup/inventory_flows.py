# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look up the flows in the variables of another inventory than the play's: the one that a scheduled job will use."""

from __future__ import annotations

DOCUMENTATION = r"""
name: inventory_flows
short_description: The flows that the hosts of an inventory have in their variables
version_added: 0.2.0
description:
  - Returns the different values of a variable on the hosts of an inventory, evaluated for each of them. The role C(schedule) uses it to
    find the flows of a job.
  - Encrypted files of the inventory are read with the C(ansible-vault) passwords of the play.
  - Fails if the inventory cannot be read or has no hosts, or if a host's value cannot be evaluated.
author:
  - The threeway.handshake authors (@threeway)
options:
  _terms:
    description: The inventory, a file or a directory.
    type: list
    elements: path
    required: true
  names:
    description: The names of the variables.
    type: list
    elements: str
    default: [handshake_flows]
"""

EXAMPLES = r"""
- name: Show the flows that a job with this inventory would combine
  ansible.builtin.debug:
    msg: "{{ query('threeway.handshake.inventory_flows', 'inventory.yml') }}"
"""

RETURN = r"""
_raw:
  description: The values, each once, in the order of the hosts.
  type: list
  elements: raw
"""

from typing import Any

from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.host_variables import HostVariables, VariableError


class LookupModule(LookupBase):
    def run(self, terms: Any, variables: dict[str, Any] | None = None, **kwargs: Any) -> list[Any]:
        options: Any = self
        options.set_options(var_options=variables, direct=kwargs)
        found: list[Any] = []
        for source in terms:
            try:
                for value in self._values(str(source), options.get_option("names")):
                    if value not in found:
                        found.append(value)
            except VariableError as error:
                raise AnsibleLookupError(f"Of the inventory {source}: {error}") from error
            except AnsibleError as error:
                said = str(getattr(error, "message", None) or error)
                raise AnsibleLookupError(f"The inventory {source} cannot be read: {said}") from error
        return found

    def _values(self, source: str, names: list[str]) -> list[Any]:
        known = HostVariables.elsewhere(self, source)
        if not known.hosts:
            raise AnsibleError("it has no hosts")
        found = (known.of(host, name) for name in names for host in known.hosts)
        return [each.value for each in found if each is not None]

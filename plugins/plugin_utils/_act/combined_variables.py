# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""All variables of any host of the inventory, as Ansible combines them in the context of a task, but for facts.

This is the one module that knows how Ansible keeps variables; it holds for ansible-core 2.16 to 2.21.

It differs from Ansible in one thing: there, facts override the inventory. Here, what a host says of itself is neither a variable that
the collection is configured with nor one that the inventory has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible import constants as C
from ansible.inventory.host import Host
from ansible.inventory.manager import InventoryManager
from ansible.utils.unsafe_proxy import wrap_var
from ansible.vars import plugins as vars_plugins
from ansible.vars.clean import namespace_facts
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from .._plan.options import OPTIONS

_NOBODY = "nobody.threeway-handshake.invalid"
"""A host that is in no inventory, to ask what there is beside the variables of hosts themselves."""
_OURS = ("handshake_", *(f"{start}{role}_" for role in OPTIONS for start in ("", "__")))
"""What variables begin with that users set, and those that the roles hand to each other."""
_of_sources: Any = vars_plugins.get_vars_from_inventory_sources
_of_path: Any = vars_plugins.get_vars_from_path
_unsafe: Any = wrap_var
_namespaced: Any = namespace_facts
_inventory: Any = InventoryManager


def of_inventory(plugin: Any, source: str) -> dict[str, Any]:
    """Variables of a task as far as `CombinedVariables` asks for them, for an inventory that is not the one of this run, without the
    extra variables of this run. AnsibleError."""
    inventory = _inventory(loader=plugin._loader, sources=[source])
    manager: Any = VariableManager(loader=plugin._loader, inventory=inventory)
    manager._extra_vars = {}
    return {"hostvars": HostVars(inventory, manager, plugin._loader), "ansible_play_hosts_all": []}


class CombinedVariables:
    """The variables of all hosts in the context of a task: defaults, inventory, play, role, parameters, extra variables.

    Without ``in_play`` those of the inventory and extra variables alone, as C(hostvars) has them.
    A fleet of 1,000 hosts costs a few hundred milliseconds, because the variables of hosts in the same groups are combined once.
    """

    def __init__(self, action: Any, task_vars: Mapping[str, Any], *, in_play: bool = True) -> None:
        self._manager = task_vars["hostvars"]._variable_manager
        self._inventory = self._manager._inventory
        self._loader = action._loader
        self.play_hosts = [str(host) for host in task_vars["ansible_play_hosts_all"]]
        self._context: dict[str, Any] = {}
        if in_play:
            batch = [str(host) for host in task_vars["ansible_play_batch"]]
            self._context = {"play": action._task.get_play(), "task": action._task, "_hosts": batch, "_hosts_all": self.play_hosts}
        self._files = bool(in_play and self._context["play"].get_vars_files())  # which may depend on facts
        self._hosts: dict[str, Host] = {str(name): host for name, host in self._inventory.hosts.items()}
        for name in self.play_hosts:  # an implicit localhost is in no inventory
            self._hosts.setdefault(name, self._inventory.get_host(name))
        option: Any = C.config.get_config_value
        self._injects_facts = option("INJECT_FACTS_AS_VARS")
        self._replacing = option("DEFAULT_HASH_BEHAVIOUR") == "replace" and option("PLAYBOOK_VARS_ROOT") == "top"
        self._alike: dict[tuple[str, ...], list[str]] = {}
        for name, host in self._hosts.items():
            self._alike.setdefault(_groups(host), []).append(name)
        self._shared: dict[tuple[str, ...], tuple[dict[str, Any], frozenset[str]]] = {}
        self._own: dict[str, dict[str, Any]] = {}
        self._facts_of: dict[str, Mapping[str, Any]] = {}
        self._combined: dict[str, dict[str, Any]] = {}
        self._complete: dict[str, dict[str, Any]] = {}

    @property
    def hosts(self) -> list[str]:
        """All hosts of the inventory, and of the play, in the inventory's order."""
        return list(self._hosts)

    def of(self, host: str) -> dict[str, Any]:
        """All that a task sees, but for facts, and for C(vars), which is that again."""
        if host not in self._combined:
            alike = self._alike[_groups(self._hosts[host])]
            usual = len(alike) > 2 and self._is_usual(host)
            self._combined[host] = self._combine(host) if usual else self.complete(host) if self._files else self._with_facts(host, {})
        return self._combined[host]

    def complete(self, host: str) -> dict[str, Any]:
        """As Ansible itself puts them together, which takes more than a millisecond, but for facts that stand for something else."""
        if host not in self._complete:
            facts = self.facts(host)
            if facts and self._injects_facts:
                taken = {*self._common(host)[0], *self._of_host(host)}
                harmless = {name: value for name, value in facts.items() if name not in taken and not name.startswith(_OURS)}
                asked_for = {"ansible_facts": _unsafe(_namespaced(facts)["ansible_facts"])}
                self._complete[host] = {**self._with_facts(host, harmless), **asked_for}
            else:
                self._complete[host] = self._manager.get_vars(host=self._hosts[host], **self._context)
        return self._complete[host]

    def facts(self, host: str) -> Mapping[str, Any]:
        """What the host said of itself, in this run or, by a cache, in an earlier one."""
        if host not in self._facts_of:
            self._facts_of[host] = _cached(self._manager._fact_cache, host)
        return self._facts_of[host]

    def claimed(self, host: str) -> list[str]:
        """The variables of ours that Ansible takes from what the host says of itself, and this does not."""
        names = [name for name in self.facts(host) if name.startswith(_OURS)]
        if not names:
            return []
        theirs, ours = self._manager.get_vars(host=self._hosts[host], **self._context), self.of(host)
        return [name for name in names if name in theirs and (name not in ours or theirs[name] != ours[name])]

    def _with_facts(self, host: str, facts: Mapping[str, Any]) -> Any:
        """The variables of a host, had it said this of itself."""
        cache = self._manager._fact_cache
        self._manager._fact_cache = _Facts(cache, host, facts)
        try:
            return self._manager.get_vars(host=self._hosts[host], **self._context)
        finally:
            self._manager._fact_cache = cache

    def _is_usual(self, host: str) -> bool:
        """Whether the host has nothing but what inventory, play and role give it, and each value replaces that of a lesser place."""
        learned = self._manager._vars_cache.get(host) or self._manager._nonpersistent_fact_cache.get(host)
        return self._replacing and not learned and not (self._files and self.facts(host))

    def _combine(self, host: str) -> dict[str, Any]:
        """The variables that all hosts in the same groups have, and on top those of its own that nothing else overrides."""
        shared, overridden = self._common(host)
        return {**shared, **{name: value for name, value in self._of_host(host).items() if name not in overridden}}

    def _common(self, host: str) -> tuple[dict[str, Any], frozenset[str]]:
        """What `_of_groups` says of the host's groups."""
        groups = _groups(self._hosts[host])
        if groups not in self._shared:
            self._shared[groups] = self._of_groups(groups)
        return self._shared[groups]

    def _of_groups(self, groups: tuple[str, ...]) -> tuple[dict[str, Any], frozenset[str]]:
        """The variables of a host in these groups that has none of its own, and the names that its own would not count for."""
        members = self._alike[groups]
        nobody = Host(_NOBODY)
        nobody.groups = list(self._hosts[members[0]].groups)
        shared = self._manager.get_vars(host=nobody, **self._context)
        marks = {name: f"{_NOBODY} {name}" for member in members for name in self._of_host(member)}
        nobody.vars = dict(marks)
        marked = self._manager.get_vars(host=nobody, **self._context)
        return shared, frozenset(marks) - {name for name in marked if name in marks and marked[name] == marks[name]} - frozenset(
            nobody.get_magic_vars()
        )

    def _of_host(self, host: str) -> dict[str, Any]:
        """What the host itself has: in the inventory, in host_vars, and by other plugins."""
        if host not in self._own:
            several = [self._hosts[host]]
            own = {**self._hosts[host].get_vars(), **_of_sources(self._loader, self._inventory._sources, several, "task")}
            if self._manager.safe_basedir:
                own.update(_of_path(self._loader, self._loader.get_basedir(), several, "task"))
            self._own[host] = own
        return self._own[host]


class _Facts:
    """A cache of facts, with others for one host."""

    def __init__(self, cache: Any, host: str, facts: Mapping[str, Any]) -> None:
        self._cache, self._host, self._instead = cache, host, facts

    def get(self, host: str, _default: object = None) -> Mapping[str, Any]:
        return dict(self._instead) if host == self._host else _cached(self._cache, host)


def _cached(cache: Any, host: str) -> Mapping[str, Any]:
    """The facts of a host; where there are none, caches say so in different ways."""
    try:
        return cache.get(host) or {}
    except KeyError:
        return {}


def _groups(host: Host) -> tuple[str, ...]:
    return tuple(str(group.name) for group in host.groups)

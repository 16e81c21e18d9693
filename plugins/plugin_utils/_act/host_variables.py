# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The value of a variable for any host of the inventory, as a task would see it if it ran for that host.

A task with C(run_once) is templated with the variables of the first host of its play. Whatever another host may have set otherwise has
to be asked for here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.errors import AnsibleError

from .._values.plain import plain
from .._values.templates import has_template, names_in
from .combined_variables import CombinedVariables, of_inventory

_REFERENCE = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*(?:\|\s*default\(\s*(?:\[\]|'[^'{}]*'|\"\")\s*\))?\s*\}\}")
_FACTS = frozenset({"ansible_facts", "ansible_local"})
_DYNAMIC = frozenset({"vars", "varnames"})
"""With one of these a template may ask for variables whose names are not in it."""
_WITHOUT_FACTS = (
    ". It asks for facts, and none of this host are known: gather them in a play before, keep them in a cache, or give the value"
)
_DEEPEST = 20
"""References to references that are followed; Ansible itself reports those that never end."""


class VariableError(Exception):
    """A variable whose template fails; the message is a sentence."""


@dataclass(frozen=True)
class Found:
    """``value`` consists of Python's own types, and is the same object for hosts that have it from the same place.

    ``variable`` is the one that holds the value, at the end of those that only refer to another.
    """

    value: Any
    variable: str


class HostVariables:
    """The values of variables for all hosts, in the context of a task, or (``in_play`` false) of the inventory and extra variables alone.

    Of 1,000 hosts, a value without a template, and a template whose variables are the same objects, are evaluated once.
    """

    def __init__(self, action: Any, task_vars: Mapping[str, Any], *, in_play: bool = True) -> None:
        self._combined = CombinedVariables(action, task_vars, in_play=in_play)
        self._templar = action._templar
        self.play_hosts = self._combined.play_hosts
        self._plain: dict[int, Any] = {}
        self._trusted: dict[int, bool] = {}
        self._mentioned: dict[int, frozenset[str]] = {}
        self._templated: dict[tuple[Any, ...], Any] = {}

    @classmethod
    def elsewhere(cls, plugin: Any, source: str) -> HostVariables:
        """Those of an inventory that is not the one of this run, without the extra variables of this run. AnsibleError."""
        return cls(plugin, of_inventory(plugin, source), in_play=False)

    @property
    def hosts(self) -> list[str]:
        """All hosts of the inventory, and of the play, in the inventory's order."""
        return self._combined.hosts

    def claimed(self, host: str) -> list[str]:
        """The variables of ours that Ansible takes from what the host says of itself, and this does not."""
        return self._combined.claimed(host)

    def names(self, host: str) -> Iterable[str]:
        """Of all variables that the host has."""
        return self._combined.of(host)

    def of(self, host: str, name: str) -> Found | None:
        """None where it is undefined. VariableError."""
        variables = self._combined.of(host)
        if name not in variables and name in self._combined.facts(host):
            variables = self._combined.complete(host)
        if name not in variables:
            return None
        try:
            return self._value(host, variables, name, 0)
        except (AnsibleError, RecursionError) as error:
            said = getattr(error, "message", None) or str(error)
            hint = _WITHOUT_FACTS if self._lacks_facts(host, variables, name) else ""
            raise VariableError(f"The variable {name} of host {host} cannot be evaluated: {said}{hint}") from error

    def literal(self, host: str, name: str) -> str | None:
        """A text that the inventory has for the host, and that is no template: nothing is evaluated for it. None: there is no such text."""
        value = self._combined.of(host).get(name)
        return plain(value) if isinstance(value, str) and not has_template(value) else None

    def _lacks_facts(self, host: str, variables: Mapping[str, Any], name: str) -> bool:
        """Whether a template asks for facts of a host that has returned none."""
        asked = {each for each in self._asked_for(variables, variables[name]) if each not in variables or each in _FACTS}
        return not self._combined.facts(host) and any(each.startswith("ansible_") for each in asked)

    def _value(self, host: str, variables: Mapping[str, Any], name: str, depth: int) -> Found:
        raw = variables[name]
        if not has_template(raw):
            if id(raw) not in self._plain:  # the variables of its host keep it alive
                self._plain[id(raw)] = plain(raw)
            return Found(self._plain[id(raw)], name)
        reference = _REFERENCE.fullmatch(raw) if isinstance(raw, str) and self._is_trusted(raw) else None
        if reference and reference[1] in variables and depth < _DEEPEST:
            return self._value(host, variables, reference[1], depth + 1)
        key = self._inputs(variables, raw, self._combined.facts(host))
        if key is None:
            return Found(self._template(self._combined.complete(host), raw), name)
        if key not in self._templated:
            self._templated[key] = self._template(variables, raw)
        return Found(self._templated[key], name)

    def _is_trusted(self, raw: str) -> bool:
        """Whether Ansible evaluates this text: what comes from a host may look like a template and is none."""
        if id(raw) not in self._trusted:
            self._trusted[id(raw)] = not getattr(raw, "__UNSAFE__", False) and bool(self._templar.is_template(raw))
        return self._trusted[id(raw)]

    def _inputs(self, variables: Mapping[str, Any], raw: object, facts: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """What a template depends on: itself and all variables that it and they mention. None for facts, or where that is unknown."""
        asked = self._asked_for(variables, raw)
        if asked & _DYNAMIC or (facts and (asked & _FACTS or not asked.isdisjoint(facts))):
            return None
        return (id(raw), *sorted((name, id(variables[name])) for name in asked if name in variables))

    def _asked_for(self, variables: Mapping[str, Any], raw: object) -> set[str]:
        """All names that a template mentions, and those that the variables among them mention."""
        known: set[str] = set()
        waiting = [raw]
        while waiting:
            new = self._mentioned_in(waiting.pop()) - known
            known |= new
            waiting += [variables[name] for name in new if name in variables]
        return known

    def _mentioned_in(self, raw: object) -> frozenset[str]:
        """All names in the templates of a value."""
        if id(raw) not in self._mentioned:
            self._mentioned[id(raw)] = names_in(raw)
        return self._mentioned[id(raw)]

    def _template(self, variables: Mapping[str, Any], raw: object) -> Any:
        return plain(self._templar.copy_with_new_env(available_variables=variables).template(raw))

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The options of the roles for each host of a play, checked by the roles' own argument_specs before any host is touched."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from .._plan.options import DECLARED, OPTIONS, Whose, complaint
from .._values.plain import plain
from .._values.words import quoted
from .host_variables import HostVariables

_ROLES = Path(__file__).parents[3] / "roles"
_WANTED = {
    "bool": "give true or false",
    "int": "give a whole number",
    "float": "give a number",
    "str": "give a text",
    "path": "give a path",
    "list": "give a list",
    "dict": "give a mapping",
}

_UNLIKE: Mapping[str, tuple[type, ...]] = {
    "int": (bool,),
    "float": (bool,),
    **dict.fromkeys(("str", "path"), (bool, Mapping, list, tuple)),
}
"""What argument_specs would convert, and nobody means: a directory called `['reports']`, a history called `False`."""

_ALIKE = 0.9
"""How much a variable must look like an option to be taken for it; people may have variables of their own that begin like those."""

Spec = Mapping[str, Any]


class OptionError(ValueError):
    """An option that cannot be; the message is a sentence that names it, and the host where hosts differ."""


class RoleOptions:
    """The options of the roles, as the variables of the play's hosts have them."""

    def __init__(self, variables: HostVariables, loader: Any) -> None:
        self.hosts = variables.play_hosts
        self._variables = variables
        self._specs = {option: spec for role in OPTIONS for option, spec in _specs(loader, role).items()}
        self._checked: dict[tuple[str, int], Any] = {}

    def check(self, *roles: str) -> None:
        """That the options of these roles are what they must be, and those of the play alike for all hosts. OptionError, VariableError."""
        for host in self.hosts:
            if taken := [name for name in self._variables.claimed(host) if name.startswith("__") or _whose(name) is Whose.PLAY]:
                names = ", ".join(map(quoted, sorted(taken)[:5]))
                raise OptionError(
                    f"Host {host} says in its facts what {names} is, and Ansible would go by that for the whole "
                    f"play, since facts override the inventory. Find out why it does, and leave it out (--limit 'all:!{host}'), or set "
                    "inject_facts_as_vars = false in ansible.cfg."
                )
        for option, whose in (item for role in roles for item in OPTIONS[role].items()):
            if whose is Whose.INVENTORY:
                continue
            if whose is Whose.PLAY:
                self._agree(option)
            else:
                for host in self.hosts:
                    self.of(host, option)

    def claimed(self) -> list[str]:
        """A sentence for each host whose facts would configure the collection; that they do not count is worth a remark."""
        found = {host: [quoted(name) for name in self._variables.claimed(host) if _is_asked_for(name)] for host in self.hosts}
        return [
            f"Host {host} says in its facts what {', '.join(sorted(names))} is: that does not count, since a host's facts come from itself."
            for host, names in found.items()
            if names
        ]

    def misspelt(self, *roles: str) -> list[str]:
        """A sentence for each variable that looks like an option of these roles and is none."""
        known = [option for role in roles for option in OPTIONS[role]]
        prefixes = tuple(f"{role}_" for role in roles)
        found: dict[str, str] = {}
        for host in self.hosts:
            for name in self._variables.names(host):
                if name.startswith(prefixes) and name not in found and name not in known:
                    found[name] = host
        near = {name: difflib.get_close_matches(name, known, 1, _ALIKE) for name in found}
        return [
            f"The variable {quoted(name)} of host {host} is no option: did you mean {near[name][0]}?"
            for name, host in found.items()
            if near[name]
        ]

    def of(self, host: str, option: str) -> Any:
        """An option of a host: what its variables say, or the default. OptionError, VariableError."""
        found = self._variables.of(host, option)
        if found is None:
            return self._specs[option].get("default")
        key = option, id(found.value)
        if key not in self._checked:
            try:
                self._checked[key] = checked(option, found.value, self._specs[option])
            except OptionError as error:
                raise OptionError(f"{option}{self._of_host(host, option)} {error}.") from None
        return self._checked[key]

    def has(self, host: str, option: str) -> bool:
        """Whether the variables of a host say something, and be it by a role's defaults."""
        return self._variables.of(host, option) is not None

    def one(self, option: str) -> Any:
        """An option that is one for the whole play. OptionError, VariableError."""
        self._agree(option)
        return self.of(self.hosts[0], option)

    def _agree(self, option: str) -> None:
        values = {host: self.of(host, option) for host in self.hosts}
        first, *others = values
        for other in others:
            if values[other] is not values[first] and values[other] != values[first]:
                one, two = (f" ({quoted(values[host])})" if not self._specs[option].get("no_log") else "" for host in (first, other))
                raise OptionError(
                    f"{option} is one for the whole play, and the hosts {first}{one} and {other}{two} differ: "
                    "set it for all hosts alike, in group_vars/all or with -e."
                )

    def _of_host(self, host: str, option: str) -> str:
        """`` of host web1``, unless all hosts have the same."""
        several = {repr(found.value) if (found := self._variables.of(each, option)) else None for each in self.hosts}
        return f" of host {host}" if len(several) > 1 else ""


def _whose(option: str) -> Whose | None:
    """Whose variable decides; None for what is no option."""
    return next((options[option] for options in OPTIONS.values() if option in options), None)


def _is_asked_for(name: str) -> bool:
    """Whether the variable says something to the collection; it has facts of its own for localhost, which nobody need hear of."""
    return name in DECLARED or _whose(name) is not None


def checked(option: str, value: object, spec: Spec) -> Any:
    """The value as the type of the option has it. OptionError: what follows the option's name in a sentence."""
    kind, secret = str(spec.get("type", "str")), bool(spec.get("no_log"))
    if value is None and spec.get("default") == "":
        value = ""
    validator: Any = ArgumentSpecValidator
    result = validator({option: dict(spec)}).validate({option: value})
    absent = value is None and kind != "raw"
    if result.error_messages or absent or isinstance(value, _UNLIKE.get(kind, ())):
        raise OptionError(f"is {'not what it must be' if secret else quoted(value)}: {_wanted(spec)}")
    converted = plain(result.validated_parameters.get(option))
    if said := complaint(option, converted):
        raise OptionError(said)
    return converted


def _wanted(spec: Spec) -> str:
    if spec.get("choices"):
        return f"give one of {', '.join(map(str, spec['choices']))}"
    if spec.get("default") == "":
        return "give a text, or an empty one for none"
    return _WANTED.get(str(spec.get("type", "str")), "correct it")


def _specs(loader: Any, role: str) -> dict[str, Spec]:
    """The options of all entry points of a role."""
    entries = plain(loader.load_from_file(str(_ROLES / role / "meta" / "argument_specs.yml")))["argument_specs"]
    return {option: spec for entry in entries.values() for option, spec in entry["options"].items()}

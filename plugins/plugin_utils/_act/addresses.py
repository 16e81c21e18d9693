# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Where clients reach the hosts of the inventory, by the hosts' variables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import Dial, resolve

from .._plan.declared import VARIABLE, declared
from .host_variables import HostVariables

_MOST_NAMED = 2000
_LOOKUP_SECONDS = 5.0  # for all names of hosts together, which Ansible looks up as well when it connects


class Addresses:
    """A host's handshake_address, which defaults to its ansible_host, and that to its name."""

    def __init__(self, variables: HostVariables, use_handshake_address: bool) -> None:
        self.variables = variables
        self.spelled_in = ("handshake_address", "ansible_host") if use_handshake_address else ("ansible_host",)

    def of(self, host: str) -> object:
        """VariableError."""
        return next((value for _variable, value in self._spelled(host)), host)

    def assumed(self, host: str) -> bool:
        """Whether that is where Ansible reaches it, because nothing says where clients do. VariableError."""
        return next((variable for variable, _value in self._spelled(host)), None) != self.spelled_in[0]

    def place(self, host: str) -> str:
        """Where that stands, for a sentence."""
        variable = next((variable for variable, _value in self._spelled(host)), None)
        if not self.assumed(host):
            return f"{variable} of host {host}"
        return f"{variable or 'name'} of host {host}, which has no {self.spelled_in[0]}"

    def _spelled(self, host: str) -> Iterator[tuple[str, object]]:
        """VariableError."""
        return ((variable, value) for variable in self.spelled_in if (value := self._value(host, variable)) is not None)

    def declared(self, hosts: list[str]) -> dict[str, tuple[str, ...]]:
        """All addresses that the inventory has for the hosts. PlanError, VariableError."""
        spelled = {host: [self.of(host), self._value(host, "ansible_host")] for host in hosts}
        return declared(spelled, {host: self._value(host, VARIABLE) for host in hosts}, _looked_up)

    def literals(self, hosts: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Those that the inventory spells out of hosts without a part in the run, to name these by: nothing is evaluated or looked up.

        Of the first `_MOST_NAMED`.
        """
        names = ("handshake_address", "ansible_host")
        spelled = {host: [self.variables.literal(host, name) or host for name in names] for host in islice(hosts, _MOST_NAMED)}
        return {host: known for host, known in declared(spelled, {}, lambda _names: {}).items() if known}

    def _value(self, host: str, variable: str) -> object:
        found = self.variables.of(host, variable)
        return found.value if found else None


def _looked_up(names: list[str]) -> dict[str, list[str]]:
    """The addresses of names, as Ansible itself would find them; none for a name that does not resolve in time."""
    answers = resolve([Dial(number, name, 0) for number, name in enumerate(names)], limit=_LOOKUP_SECONDS)
    return {answer.dial.address: answer.record()["addresses"] for answer in answers}

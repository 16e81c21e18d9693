# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Hosts and groups of the inventory by their names and by patterns."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleError
from ansible.inventory.manager import InventoryManager, split_host_pattern

from .._values.words import quoted

_manager: Any = InventoryManager
_parts_of: Any = split_host_pattern


class Inventory:
    """Patterns as C(hosts) of a play knows them, over all of the inventory, and strict about names."""

    def __init__(self, loader: Any, groups: dict[str, list[str]]) -> None:
        self.names = {str(group) for group in groups}
        self.manager = _manager(loader, parse=False)
        for group, hosts in groups.items():
            self.manager.add_group(str(group))
            for host in hosts:
                self.names.add(str(host))
                self.manager.add_host(str(host), group=str(group))

    def hosts(self, pattern: str) -> list[str]:
        """LookupError for a name that is neither a host nor a group, and for a pattern that cannot be read."""
        if pattern in self.manager.hosts:  # names need not be what patterns can spell
            return [pattern]
        for part in _parts_of(pattern):
            name = part.lstrip("!&")
            if name not in self.names and not any(special in name for special in "*?[~"):
                raise LookupError(f"the inventory has no host or group {quoted(name)}")
        try:
            return [str(host.name) for host in self.manager.get_hosts(pattern)]
        except AnsibleError as error:
            raise LookupError(f"{quoted(pattern)} is not a pattern of hosts ({error.message})") from error

    def groups(self, hosts: set[str]) -> dict[str, tuple[str, ...]]:
        """The groups that some of these hosts are in, and not all of them."""
        members = {name: tuple(sorted(hosts & {host.name for host in group.get_hosts()})) for name, group in self.manager.groups.items()}
        return {name: found for name, found in members.items() if 0 < len(found) < len(hosts)}

    def patterns(self, hosts: list[str]) -> list[str]:
        """What C(hosts) of a play must say to reach these hosts: their names, or all if a name means something else there."""
        literal = all(_parts_of(host) == [host] and [found.name for found in self.manager.get_hosts(host)] == [host] for host in hosts)
        return hosts if literal else ["all"]

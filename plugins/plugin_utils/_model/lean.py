# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What is kept of a host whose handshakes are all well: what distinguishes it from others, and what is missing of its answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, overload

from .host import Host
from .snapshot import Snapshot

_KEPT = ("name", "unreachable", "unasked", "gap", "absent")


class Lean(Host):
    """Such a host. Once somebody asks for more, all of it is read again, and stays."""

    def __init__(self, host: Host, read: Callable[[str], Host]) -> None:
        known = host.snapshot
        for name in _KEPT:
            setattr(self, name, getattr(host, name))
        self._own = known.own if known and known.addresses is not None else None
        self._identity = (
            Snapshot(time=known.time, boot=known.boot, netns=known.netns, links=known.links, addresses=known.addresses) if known else None
        )
        self._read = read
        self._whole: Host | None = None

    @property
    def identity(self) -> Snapshot | None:
        return self._identity

    def owns(self, address: str) -> bool | None:
        return None if self._own is None else address in self._own

    @property
    def whole(self) -> Host:
        """The host with everything."""
        if self._whole is None:
            self._whole = self._read(self.name)
        return self._whole


class _OfWhole:
    """A field that is not kept."""

    def __init__(self, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, lean: None, _class: type[Lean]) -> _OfWhole: ...

    @overload
    def __get__(self, lean: Lean, _class: type[Lean]) -> Any: ...

    def __get__(self, lean: Lean | None, _class: type[Lean]) -> Any:
        return self if lean is None else getattr(lean.whole, self._name)

    def __set__(self, lean: Lean, value: object) -> None:
        setattr(lean.whole, self._name, value)


for each in fields(Host):
    if each.name not in _KEPT:
        setattr(Lean, each.name, _OfWhole(each.name))


def whole(host: Host) -> Host:
    """A host with everything, whatever was kept of it."""
    return host.whole if isinstance(host, Lean) else host

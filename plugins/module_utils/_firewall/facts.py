# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Answer what rules ask of this host (`Facts` of ruleset.py), from the running kernel."""

from __future__ import annotations

import ipaddress
import os
import re
import time
import typing as t

from .._errors import ObserveError
from .._host import links as _links
from .._host import queues, routes, sockets
from .._wire.netlink import Netlink
from .ipsec import Used, used
from .packet import Link, packed, text
from .ruleset import Receiver


class LiveFacts:
    """Links and addresses as they are now; routes are asked of the kernel, each question once. `sets`: ipset name -> its members."""

    def __init__(self, netlink: Netlink, sets: t.Callable[[str], t.Any], lasting: bool = False) -> None:
        self.lasting = lasting
        self._netlink = netlink
        self._links = {link["name"]: link for link in _links.links(netlink)}
        self._indices = {name: link["index"] for name, link in self._links.items()}
        self._addresses = _links.addresses(netlink, {index: name for name, index in self._indices.items()})
        self._answers: dict[tuple[t.Any, ...], dict[str, t.Any]] = {}
        self._sets = sets
        self._queues: dict[int, int] | None = None
        self._readers: dict[int, dict[str, t.Any] | None] = {}
        self._receivers: dict[int, list[sockets.Receiver] | None] = {}
        self._ipsec: Used | None = None
        self.now = time.time()

    def link(self, name: str) -> Link | None:
        known = self._links.get(name)
        return Link(**{field: known[field] for field in ("index", "name", "type", "group", "kind", "master", "mac")}) if known else None

    def link_by_index(self, index: int) -> Link | None:
        return next((self.link(name) for name, number in self._indices.items() if number == index), None)

    def links(self) -> list[Link]:
        return [link for link in map(self.link, self._links) if link]

    def addresses(self, link: str | None = None) -> list[tuple[bytes, int]]:
        """(packed, prefix length) of every address, or those of one interface."""
        return [(packed(each["address"]), each["prefix"]) for each in self._addresses if link in (None, each["interface"])]

    def owns(self, address: bytes) -> bool:
        """Whether packets to it end here: the host's own addresses, and 127.0.0.0/8."""
        return ipaddress.ip_address(address).is_loopback or any(address == own for own, _prefix in self.addresses())

    def route(
        self, destination: bytes, source: bytes | None = None, mark: int = 0, iif: str | None = None, oif: str | None = None
    ) -> dict[str, t.Any]:
        """What the kernel answers; a question that cannot be put is answered with `error` and nothing else."""
        key = (destination, source, mark, iif, oif)
        if key not in self._answers:
            self._answers[key] = self._ask(destination, source, mark, iif, oif)
        return self._answers[key]

    def _ask(self, destination: bytes, source: bytes | None, mark: int, iif: str | None, oif: str | None) -> dict[str, t.Any]:
        near, far = text(source) if source else None, text(destination)
        question = routes.Question(near, far, mark, oif=oif) if iif is None else routes.Question(far, near or "", mark, iif=iif)
        try:
            return routes.answer(self._netlink, question, self._indices, ())
        except (ObserveError, OSError) as error:
            return {"error": str(error), "type": None, "interface": None, "gateway": None, "source": None}

    def sysctl(self, name: str) -> str | None:
        try:
            with open("/proc/sys/" + name.replace(".", "/"), encoding="ascii", errors="replace") as file:
                return file.read().strip()
        except OSError:
            return None

    def queue_read(self, number: int) -> bool | None:
        """Whether a program has bound itself to the queue."""
        if self._queues is None:
            self._queues = queues.ports()
        return None if self._queues is None else number in self._queues

    def queue_reader(self, number: int) -> dict[str, t.Any] | None:
        """That program."""
        if not self.queue_read(number) or self._queues is None:
            return None
        if number not in self._readers:
            self._readers[number] = queues.reader(self._queues[number])
        return self._readers[number]

    def receivers(self, family: int, port: int) -> list[Receiver] | None:
        """As inet_diag reports."""
        if port not in self._receivers:
            try:
                self._receivers[port] = sockets.receivers(port)
            except (ObserveError, OSError):
                self._receivers[port] = None
        found = self._receivers[port]
        if found is None:
            return None
        return [
            Receiver(None if ipaddress.ip_address(each.address).is_unspecified else packed(each.address), each.device, each.transparent)
            for each in found
            if each.family == family or (family == 4 and not each.v6only and each.address == "::")
        ]

    def ipsec(self) -> Used:
        """As the kernel counts its associations and policies."""
        if self._ipsec is None:
            self._ipsec = used()
        return self._ipsec

    def tracks_unasked(self) -> bool | None:
        """It does on Linux before 4.10; later, connections that are known here were tracked for some other reason, now or a while ago."""
        count = self.sysctl("net.netfilter.nf_conntrack_count")
        if count is None:
            return False
        first, second = (int(part) for part in re.findall(r"\d+", os.uname().release)[:2])
        return True if (first, second) < (4, 10) else False if count == "0" else None

    def set_members(self, name: str) -> t.Any:
        return self._sets(name)

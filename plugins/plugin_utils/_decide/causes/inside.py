# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Containers and other network namespaces of the server to which its firewall translates the SYN: who listens there, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..._model.firewall_records import DESTINATION_NAT, Verdict
from ..._model.host import Host
from ..._model.network_records import LOOPBACK
from ..._model.rule_records import Rule
from ..._model.socket_records import ForeignListener, Listener, Namespace
from ..._model.socket_subjects import Published
from ..._values.words import endpoint
from ..case import Case, is_any
from ..finding import Finding
from .needs import SERVER, needs
from .rules import details, kept_by
from .translated import connections, distinct
from .traversals import Place, judged


@dataclass(frozen=True, kw_only=True)
class Inside:
    """Where the server's rules send the SYN: an address and port in another namespace of the server, and the listeners there."""

    namespace: Namespace
    address: str
    port: int
    listeners: tuple[ForeignListener, ...]
    rule: Rule | None
    verdict: Verdict

    @property
    def target(self) -> str:
        return endpoint(self.address, self.port)

    @property
    def where(self) -> str:
        name = f" (of {self.namespace.name}, pid {self.namespace.pid})" if self.namespace.name else ""
        return f"network namespace {self.namespace.netns}{name}"

    @property
    def taking(self) -> list[ForeignListener]:
        """The listeners that take the SYN, or may: by which interface it comes in there is not known."""
        return [each for each in self.listeners if takes(each, self.address) is not False]

    def beside(self, server: Host) -> list[str]:
        """Who listens on other ports in there, of those that take what comes from outside."""
        known = (server.snapshot.other_namespaces if server.snapshot else None) or ()
        others = (each for each in known if each.netns == self.namespace.netns and each.port != self.port)
        return [f"{owner_of(each)} on {at_of(each)}" for each in others if takes(each, self.address) is not False][:3]

    @property
    def state(self) -> Literal["none", "other", "full", "takes", "unknown"]:
        """Whether somebody listens at the target, only at others, or has a full accept queue."""
        if not self.taking:
            return "other" if self.listeners else "none"
        if all(full(each) for each in self.taking):
            return "full"
        return "takes" if any(takes(each, self.address) and not full(each) for each in self.taking) else "unknown"


def takes(listener: Listener | ForeignListener, address: str, interface: str | None = None) -> bool | None:
    """Whether a listener gets what is sent to an address of its host or namespace, and comes in by an interface there; without one, from
    outside. None: it is bound to an interface (SO_BINDTODEVICE), and by which one that comes is not known."""
    if listener.address is None:
        return False
    if is_any(listener.address):
        fits = (":" in listener.address) == (":" in address) or (":" in listener.address and not listener.v6only)
    else:
        fits = listener.address == address
    if not fits or listener.device is None:
        return fits
    if interface is None:
        return False if listener.device == LOOPBACK else None
    return listener.device == interface


def full(listener: ForeignListener) -> bool:
    return listener.recv_q is not None and listener.send_q is not None and listener.recv_q > listener.send_q


@needs(SERVER)
def inside(case: Case, server: Host) -> Inside | None:
    """Where the SYN goes in the server's other namespaces, if its rules, evaluated, send it there and do not stop it."""
    found = led_inside(case)
    return None if found is None or found.verdict.stops else found


@needs(SERVER)
def led_inside(case: Case, server: Host) -> Inside | None:
    """Where the server's rules, evaluated, send the SYN in its other namespaces, whatever they do to it afterwards."""
    snapshot = server.snapshot
    if snapshot is None or snapshot.namespaces is None or not case.arrived:
        return None
    verdict = judged(case, Place(server, "syn", "in", "server.firewall"))
    target = verdict.rewritten if verdict else None
    if verdict is None or target is None or target.port is None:
        return None
    having = [each for each in snapshot.namespaces if target.destination in each.addresses]
    if len(having) != 1 or snapshot.other_namespaces is None:
        return None  # of several with the same address, the route's interface decides, and that is not known
    namespace = having[0]
    listeners = tuple(each for each in snapshot.other_namespaces if (each.netns, each.port) == (namespace.netns, target.port))
    return Inside(
        namespace=namespace,
        address=target.destination,
        port=target.port,
        listeners=listeners,
        rule=verdict.last_to(*DESTINATION_NAT, "tproxy"),
        verdict=verdict,
    )


@needs(SERVER, inside)
def listener_other_address(case: Case, server: Host, found: Inside) -> Finding | None:
    """Somebody listens on the translated port in there, at other addresses than the one to which the SYN is translated."""
    if found.state != "other" or case.outcome.kind != "reset":
        return None
    counted = connections(server, found.rule, distinct(case, server, found.verdict))
    near = found.listeners[0]
    owner = f"{near.name} (pid {near.pid})" if near.name else "a process"
    incomplete = any(absence.what == "other network namespaces" for absence in server.absent)
    at = ", ".join(at_of(each) for each in found.listeners[:3])
    return Finding(
        "proven" if counted and counted[0] and not incomplete else "likely",
        server.name,
        "server.socket",
        f"{owner} in {found.where} of {server.name} listens on {at}, not on {found.target}, to which "
        f"{found.rule.name if found.rule else 'its firewall'} translates {case.target}",
        (
            *((counted[1],) if counted else ()),
            *case.passage(),
            case.saw(server, "inet_diag", f"LISTEN {at} in {found.where}; nothing listens on {found.target} there"),
            *(kept_by(server, found.rule) if found.rule else ()),
        ),
        leg="syn",
        detail={
            **details(found.verdict, None, found.rule),
            "target": found.address,
            "port": found.port,
            "netns": found.namespace.netns,
            "listening": [at_of(each) for each in found.listeners],
        },
        subject=Published(owner, found.address, found.port),
    )


@needs(SERVER, inside)
def accept_queue_full(case: Case, server: Host, found: Inside) -> Finding | None:
    """The SYN is translated to a listener in there that accepts nothing; its namespace's counters are not known."""
    if found.state != "full":
        return None
    listener = found.taking[0]
    owner = f"{listener.name} (pid {listener.pid})" if listener.name else "the application"
    return Finding(
        "likely",
        server.name,
        "server.backlog",
        f"the accept queue of {at_of(listener)} in {found.where} of {server.name} is full ({listener.recv_q} waiting, limit "
        f"{listener.send_q}): {owner} does not accept; {case.target} is translated to {found.target} there",
        (*case.passage(), case.saw(server, "inet_diag", f"LISTEN {at_of(listener)}: Recv-Q {listener.recv_q} > Send-Q {listener.send_q}")),
        leg="syn",
        detail={"recv_q": listener.recv_q, "limit": listener.send_q, "process": listener.name, "netns": found.namespace.netns},
        subject=listener,
    )


def at_of(listener: Listener | ForeignListener) -> str:
    return endpoint(listener.address or "?", listener.port, listener.device)


def in_namespace(listener: ForeignListener) -> str:
    """``nginx (pid 99) listens on 0.0.0.0:80 in network namespace 4026532300``"""
    return f"{owner_of(listener)} listens on {at_of(listener)} in network namespace {listener.netns}"


def owner_of(listener: ForeignListener) -> str:
    return f"{listener.name or 'a process'} (pid {listener.pid})"


def led_nowhere(case: Case, server: Host) -> bool:
    """Whether the server's rules are known to lead the SYN nowhere else."""
    if server.translates("prerouting") is False:
        return True
    verdict = judged(case, Place(server, "syn", "in", "server.firewall"))
    return verdict is not None and verdict.accepts and verdict.rewritten is None

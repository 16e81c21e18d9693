# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Whether an end of handshakes is as usual apart from their packets: nothing that a detector or rule looks at is unusual."""

from __future__ import annotations

from functools import cache, partial

from .._model.firewall_records import Verdict
from .._model.host import Host
from .._plan.declared import Declared
from .anomalies.neighbours import unanswered
from .causes.units import stopped_unit


class UsualEnd:
    """What is asked of a host: each question is answered once."""

    def __init__(self, host: Host, declared: Declared) -> None:
        self.host = host
        self.whole = _is_usual(host)
        """Whether nothing that is asked of a whole host is unusual."""
        self.opened = host.delta("Tcp", "PassiveOpens")
        self.port = cache(partial(_is_usual_port, host))
        self.leaves = cache(partial(_leaves_as_usual, host, declared))
        self.answers = cache(partial(_answers_as_usual, host))
        self.interface = cache(partial(_interface, host))


def _interface(host: Host, ifindex: int) -> str | None:
    return host.observations.interface(ifindex) if host.observations is not None else None


def _is_usual(host: Host) -> bool:
    before, after = host.before, host.after
    return (
        before is not None
        and after is not None
        and host.saw_everything
        and not (host.captured or host.point or host.traced_probes or host.path_sizes)
        and (host.temporary_listeners is None or not (host.temporary_listeners.ends or host.temporary_listeners.taken))
        and all(each.state == "invalid" or _lets_through(each) for each in host.verdicts.all())
        and not after.xinetd
        and (after.sockets is None or not ("SYN_RECV" in after.sockets.each("state") or any(after.sockets.each("retransmits"))))
        and not unanswered(host)
    )


def _leaves_as_usual(host: Host, declared: Declared, address: str, local: str, uid: int | None, interface: str) -> bool:
    """Whether a client has the address by which its packets leave, as declared as its others, and they leave by the interface that the
    route names."""
    beside = [entry.address for entry in (host.snapshot.addresses if host.snapshot else None) or ()]
    if not declared.has(host.name, local) and any(declared.has(host.name, each) for each in beside):
        return False
    route = host.route(address, None, uid)
    return bool(host.owns(local)) and (route is None or route.interface in (None, interface))


def _answers_as_usual(host: Host, address: str, local: str, interface: str) -> bool:
    """Whether a server has the address that was dialled, its packets to the client leave by the interface that the route names, and no
    balancer says that it could not serve this client."""
    if any(each.client == local for each in (host.snapshot.balancers if host.snapshot else None) or ()):
        return False
    route = host.route(local, address)
    return bool(host.owns(address)) and (route is None or route.interface in (None, interface))


def _is_usual_port(host: Host, port: int) -> bool:
    """Whether nobody waits to be accepted there, few connections are half-open, no program passes connections on to another or waits
    for one of its own, and the units that should serve it run."""
    if host.snapshot is None:
        return True
    served = all(listener.recv_q == 0 for listener in host.snapshot.listeners_on.get(port, ()))
    crowded = (each.port for snapshot in (host.before, host.after) if snapshot for each in snapshot.half_open or ())
    stopped = stopped_unit(host, port) or any(unit.port == port and unit.active != "active" for unit in host.snapshot.units or ())
    alone = all(relay.port != port for relay in host.snapshot.relays or ()) and not (host.snapshot.calls or host.snapshot.tunnels)
    return served and not stopped and port not in crowded and alone and not _failed_meanwhile(host)


def _failed_meanwhile(host: Host) -> bool:
    """Whether a balancer counts more connections that failed than before the handshakes, or had no counts then."""
    before = {(each.proxy, each.server): each.failed for each in (host.before.balancers if host.before else None) or ()}
    after = (host.after.balancers if host.after else None) or ()
    return any(each.failed and each.failed != before.get((each.proxy, each.server)) for each in after)


def _lets_through(verdict: Verdict) -> bool:
    """Whether a firewall lets a packet through as it is, whoever sends it."""
    return verdict.accepts and not (verdict.users or verdict.rewritten or verdict.undecided)

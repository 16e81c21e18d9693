# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A loopback address dialled and translated: packets with a source in 127.0.0.0/8 leave by no other interface than lo."""

from __future__ import annotations

import ipaddress

from ..._model.firewall_records import DESTINATION_NAT
from ..._model.host import Host
from ..._model.network_subjects import KeptInside
from ..case import Case
from ..finding import Finding
from .catalogue import Cause
from .rules import kept_by
from .translated import connections
from .traversals import Place, judged


def _loopback_kept(case: Case) -> Finding | None:
    """A rule sends what is for the loopback address to another namespace, and the kernel routes no packet from there out of lo."""
    client = case.client
    if case.family != 4 or not ipaddress.ip_address(case.address).is_loopback or case.outcome.completed:
        return None
    verdict = judged(case, Place(client, "syn", "out", "client.firewall"))
    target = verdict.rewritten.destination if verdict and verdict.rewritten else None
    rule = verdict.last_to(*DESTINATION_NAT) if verdict else None
    if verdict is None or target is None or rule is None or client.owns(target) is not False:
        return None
    interface = _towards(client, target)
    settings = {name: client.sysctl(f"net.ipv4.conf.{name}.route_localnet") for name in ("all", interface)} if interface else {}
    if interface is None or any(value != 0 for value in settings.values()):
        return None
    # The kernel forgets a connection of which it could send nothing: each SYN is translated again.
    counted = connections(client, rule, sum(probe.syns or 1 for probe in case.probes if probe.stage not in ("socket", "bind")), "SYN")
    return Finding(
        "proven" if counted and counted[0] and client.saw_everything else "likely",
        client.name,
        "client.firewall",
        f"{rule.name} on {client.name} translates {case.target} to {target} behind {interface}, and the kernel sends nothing from a "
        f"loopback address there: net.ipv4.conf.{interface}.route_localnet is 0",
        (
            *((counted[1],) if counted else ()),
            case.saw(client, f"sysctl route_localnet of {interface} and all", "0"),
            case.saw(client, "capture", f"no SYN left by {interface}"),
            *kept_by(client, rule),
        ),
        leg="syn",
        detail={"target": target, "interface": interface},
        subject=KeptInside(interface, target),
    )


def _towards(client: Host, target: str) -> str | None:
    """The interface that has the network of an address."""
    for entry in (client.snapshot.addresses if client.snapshot else None) or ():
        network = entry.network
        if entry.interface != "lo" and ipaddress.ip_address(target) in network:
            return entry.interface
    return None


CAUSES = (
    Cause(
        "loopback_kept",
        "A translation would lead a loopback address out of the host",
        ("client.firewall",),
        ("unsent", "refused_locally", "lost_syn", "silent"),
        "The address dialled is a loopback one, a rule of the client, evaluated, translates it to an address behind another interface, its "
        "counter rises by the SYNs, and route_localnet is 0 for all interfaces and for that one. Without a counter: likely.",
        "The SYN leaves by that interface.",
        rule=_loopback_kept,
        precedes=("firewall_drop", "nat_wrong_target", "redirected_to_proxy"),
    ),
)

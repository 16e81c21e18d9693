# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Services of xinetd, which accepts connections itself and closes those that its access control refuses."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from ..._model.host import Host
from ..._model.socket_subjects import RefusingService
from ..._model.unit_records import XinetdService
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from .catalogue import Accounts, Cause
from .needs import CLIENT_ADDRESS, SERVER, needs


@needs(SERVER)
def service_of(case: Case, server: Host) -> XinetdService | None:
    """The one on the server's port, where there is one only."""
    found = [each for each in (server.snapshot.xinetd if server.snapshot else None) or () if each.port == case.listening_port]
    return found[0] if len(found) == 1 else None


def switched_off(case: Case) -> XinetdService | None:
    """The one on the server's port, if it is switched off."""
    service = service_of(case)
    return service if service and service.disabled else None


@needs(SERVER, service_of, CLIENT_ADDRESS)
def _xinetd_refuses(case: Case, server: Host, service: XinetdService, client: str) -> Finding | None:
    """Every connection is closed at once, and xinetd's files do not let the client in."""
    connected = [probe for probe in case.probes if probe.connected]
    if not connected or any(probe.peer != "closed" for probe in connected):
        return None
    refused, by = _refused(service, client)
    if not refused:
        return None
    said = f"{by} = {' '.join((service.only_from if by == 'only_from' else service.no_access) or ())}".rstrip()
    return Finding(
        "likely",
        server.name,
        "server.application",
        f"xinetd on {server.name} accepts the connection and closes it at once: {by} of its service {service.service} does not let "
        f"{client} in",
        (
            case.saw(server, service.file, f"service {service.service}: {said}"),
            case.saw(case.client, "probe", f"closed without a byte, {plural(len(connected), 'attempt')}"),
            *case.passage(),
        ),
        detail={"service": service.service, "file": service.file, "attribute": by},
        undecided=(f"xinetd's log on {server.name} would show it (FAIL: {service.service} address from={client})",),
        subject=RefusingService(service, by),
    )


def _refused(service: XinetdService, client: str) -> tuple[bool, str]:
    """Whether the client is surely refused, and by which attribute. Where both have it, the closer match decides: not determined here."""
    named, barred = _listed(service.only_from or (), client), _listed(service.no_access or (), client)
    if service.only_from is not None and named is False:
        return True, "only_from"
    return (barred is True and (service.only_from is None or named is False)), "no_access"


def _listed(addresses: Sequence[str], client: str) -> bool | None:
    """Whether an address is among those of a list; None where the list has others than numbers, as names, and it is none of the numbers."""
    networks = [network(text) for text in addresses]
    address = ipaddress.ip_address(client)
    if any(network is not None and address in network for network in networks):
        return True
    return None if None in networks else False


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """What a number in a list stands for: one with zeros at its end for a network, 0.0.0.0 for everybody (xinetd.conf(5)); None: a name."""
    try:
        if "/" in text or ":" in text:
            return ipaddress.ip_network(text, strict=False)
        octets = ipaddress.IPv4Address(text).packed
    except ValueError:
        return None
    return ipaddress.ip_network(f"{text}/{8 * len(octets.rstrip(bytes(1)))}", strict=False)


CAUSES = (
    Cause(
        "xinetd_refuses",
        "xinetd's access control refuses the client",
        ("server.application",),
        ("completed",),
        "Not provable from its files, which it may not have read since: xinetd has the listening socket, every connection is closed at "
        "once without a byte, and only_from or no_access of the service, numbers alone considered, refuses the client.",
        "A byte comes, or a connection stays open.",
        rule=_xinetd_refuses,
        precedes=("application_hangs_up",),
        accounts_for=(Accounts("closed_unused", any_leg=True),),
    ),
)

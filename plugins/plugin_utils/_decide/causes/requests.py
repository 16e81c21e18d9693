# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""ARP requests and neighbour solicitations that are lost on the link between two managed hosts."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_records import Link
from ..._model.subjects import LostRequests
from ..._values.words import plural
from ..case import Case
from ..finding import Finding
from .addresses import next_hops
from .catalogue import Accounts, Cause
from .needs import needs


def _unheard(case: Case) -> tuple[Host, Host, str, Link] | None:
    """(who asks, who has the address, that address, and its link there), where the one asks in vain and the other one was not asked."""
    for asker, owner, address in next_hops(case):
        entry = owner.interface_of(address)
        link = owner.link(entry.interface) if entry else None
        if link is None or not link.up or link.carrier is False or owner.observations is None or not asker.unanswered_requests(address):
            continue
        asked = [seen.packet.neighbour for seen in owner.observations if seen.direction != "out"]
        if not any(said and said.operation == "request" and said.target == address for said in asked):
            return asker, owner, address, link
    return None


@needs(_unheard)
def _requests_lost(case: Case, unheard: tuple[Host, Host, str, Link]) -> Finding:
    """Requests are for all machines of a link (ARP: broadcast; IPv6: multicast), other packets for one: a switch treats them apart."""
    asker, owner, address, link = unheard
    count = asker.unanswered_requests(address)
    kind, sent = ("neighbour solicitation", "multicast") if ":" in address else ("ARP request", "broadcast")
    entry = asker.neighbour(address, None)
    sure = asker.saw_everything and owner.saw_everything and not link.xdp and not case.completed
    segment = "client.neighbour" if asker is case.client else "server.egress" if asker is case.server else case.outcome.segment
    return Finding(
        "proven" if sure and (count > 1 or (entry is not None and entry.unresolved)) else "likely",
        asker.name if segment in ("client.neighbour", "server.egress") else "path",
        segment or "path.forward",
        f"{asker.name}'s {kind}s ({sent}) for {address} do not come to {owner.name}, which has it on {link.name}: something on the link "
        "between them loses them",
        (
            case.saw(asker, "capture", f"{plural(count, kind)} for {address} out, no reply"),
            case.saw(owner, "capture", f"no {kind} for {address} came in"),
            case.saw(owner, "rtnetlink link", f"{link.name}: {link.mac}, operstate {link.operstate}"),
            *([case.saw(asker, "rtnetlink neighbour", f"{address} is {entry.state}")] if entry else []),
            *case.passage(),
        ),
        detail={"address": address, "asker": asker.name, "owner": owner.name},
        subject=LostRequests(asker.name, owner.name, address),
    )


CAUSES = (
    Cause(
        "requests_lost",
        "ARP requests or neighbour solicitations are lost on the link",
        ("client.neighbour", "server.egress", "path.forward", "path.return"),
        ("refused_locally", "unsent", "icmp", "lost_syn", "unanswered", "lost_syn_ack"),
        "The recording of a managed host has requests for the address of its next hop that nobody answers, and that of the managed host "
        "which has the address, on an interface that is up and on the same network, has none of them. Where a recording is not whole, an "
        "XDP program is there, or it asked but once: likely.",
        "One of them comes in at the host that has the address.",
        rule=_requests_lost,
        precedes=("neighbour_unresolved", "return_neighbour_unresolved", "path_icmp_unreachable", "path_drop", "path_loss"),
        accounts_for=(
            Accounts("request_unanswered", anywhere=True, any_leg=True),
            Accounts("icmp_error", anywhere=True, any_leg=True),
        ),
    ),
)

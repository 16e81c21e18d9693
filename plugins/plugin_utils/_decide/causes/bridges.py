# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Ports of bridges that do not pass a frame: they are closed, or it would leave by the port that it came by."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.network_subjects import BridgePort
from ..._model.recording import Observation
from ..case import Case
from ..finding import Finding
from ..outcome import Leg
from .catalogue import Accounts, Cause
from .link_states import OPEN, as_port
from .needs import SERVER, FirstOf, needs
from .reverse_path import entered
from .stretch import inside


@needs(entered)
def _closed(case: Case, entry: tuple[Host, Observation, str, Leg]) -> Finding | None:
    """Recorders see a frame ahead of the bridge, which drops what comes in on such a port (br_handle_frame())."""
    host, seen, segment, leg = entry
    links = [snapshot.link_by_name.get(seen.interface) for snapshot in (host.before, host.after) if snapshot]
    states = [link.port_state for link in links if link and link.port_state]
    link = host.link(seen.interface)
    if link is None or not states or OPEN in states[:1]:
        return None
    return Finding(
        "proven" if len(states) > 1 and OPEN not in states and not case.completed else "likely",
        host.name,
        "server.ingress" if host is case.server else segment,
        f"{host.name} drops what comes in on {link.name}: it is {as_port(link, states[0])}",
        (*case.passage(), case.saw(host, "rtnetlink link", f"{link.name}: master {link.master}, port state {', then '.join(states)}")),
        leg=leg,
        detail={"interface": link.name, "bridge": link.master, "state": states[0]},
        subject=BridgePort(link.name, link.master or "", states[0]),
    )


@needs(inside, SERVER)
def _same_port(case: Case, via: Host, server: Host) -> Finding | None:
    """What a bridge translates for a machine behind the port that it came by is bridged, and not routed (br_nf_pre_routing_finish()).

    It goes out by the bridge itself where the machine's link address must be asked for first (br_nf_dev_xmit()).
    """
    seen = case.observation("syn", via, "in")
    if seen is None:
        return None
    link = via.link(seen.interface)
    name = f"net.bridge.bridge-nf-call-ip{'' if case.family == 4 else '6'}tables"
    if link is None or link.hairpin is not False or not link.master or via.sysctl(name) != 1 or not via.translates("prerouting"):
        return None
    if case.outcome.kind != "lost_syn" or server.owns(case.address) is not False or server.owns(seen.packet.src) is not True:
        return None
    return Finding(
        "likely",
        via.name,
        "path.forward",
        f"the SYN of {server.name} to {case.address}, which {via.name} is to translate to {server.name} itself, would have to leave by the "
        f"port {link.name} of {link.master} that it came by, and hairpin mode is off there",
        (
            *case.passage(),
            case.saw(via, "capture", f"SYN in on {link.name} from {seen.packet.src}"),
            case.saw(via, "rtnetlink link", f"{link.name}: master {link.master}, hairpin off"),
            case.saw(via, f"sysctl {name}", "1: what comes in on a port is translated there, and bridged"),
        ),
        leg="syn",
        detail={"interface": link.name, "bridge": link.master},
        subject=BridgePort(link.name, link.master, "hairpin"),
    )


CAUSES = (
    Cause(
        "bridge_port",
        "A port of a bridge does not pass the frame",
        ("server.ingress", "client.ingress", "path.forward", "path.return"),
        ("unanswered", "ignored_syn_ack", "lost_syn", "lost_syn_ack"),
        "The packet comes in on a port of a bridge that was in another state than forwarding before and afterwards. Where it became "
        "forwarding meanwhile, or a host on the way translates what it bridges, the server itself dials an address that is not its own, "
        "and the port that its SYN came by has hairpin mode off: likely.",
        "The port forwards, or has hairpin mode on.",
        rule=FirstOf((_closed, _same_port)),
        precedes=("path_drop", "firewall_drop"),
        accounts_for=(Accounts("request_ignored", any_leg=True), Accounts("request_unanswered", anywhere=True, any_leg=True)),
    ),
)

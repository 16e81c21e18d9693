# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Address translations that lead astray: advice, for which of their rules is right is for people to say."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.firewall_subjects import DeadTargets, Hairpin, MissedTranslation, Translated, TranslatedInside
from .._model.fixes import Fix
from .._model.network_subjects import KeptInside, Source
from .._values.words import endpoint
from .make import advice, shell


def nat_wrong_target(case: Case, finding: Finding) -> Fix:
    """Of a rule of the client, of a host on the way or, where there is no subject, of the server itself."""
    host = finding.host
    dead, inside, translated = finding.about(DeadTargets), finding.about(TranslatedInside), finding.about(Translated)
    if dead:
        ends = " and ".join(endpoint(*end) for end in dead.ends)
        return advice("firewall", host, f"bring {ends} back, or take it out of what {host} translates {case.target} to")
    if inside:
        start = f"start what should listen on port {inside.port} in {inside.namespace}"
        return advice("firewall", host, f"{start}, or correct the translation of tcp/{case.port} on {host}")
    if translated:
        return advice("firewall", host, f"correct the address translation of {translated.end} on {host}")
    return advice("firewall", host, f"correct the translation of tcp/{case.port} on {host}, or start what it leads to")


def nat_wrong_source(_case: Case, finding: Finding) -> Fix | None:
    source = finding.about(Source)
    if source is None:
        return None
    return advice("firewall", finding.host, f"translate to an address of {finding.host}, or route {source.address} to it")


def redirected_to_proxy(case: Case, finding: Finding) -> Fix:
    return advice("firewall", finding.host, f"exempt tcp/{case.port} to {case.address} from the redirect on {finding.host}")


def nat_not_undone(case: Case, finding: Finding) -> Fix | None:
    if hairpin := finding.about(Hairpin):
        return _hairpin(hairpin)
    sent = case.observation("syn", case.client, "out")
    if sent is None:
        return None
    summary = f"make replies pass the host that translates {sent.packet.dst} (routing, or translate the source as well)"
    return advice("advice", "path", summary)


def _hairpin(hairpin: Hairpin) -> Fix:
    """Have the answers come back by who translates: they go to whom the SYN comes from."""
    end = endpoint(hairpin.address, hairpin.port)
    whose = f"from {hairpin.network} " if hairpin.network else ""
    known = hairpin.network is not None and hairpin.manager == "iptables"
    program = "ip6tables" if ":" in hairpin.address else "iptables"
    command = shell(
        *(program, "-t", "nat", "-A", "POSTROUTING", "-s", hairpin.network, "-d", hairpin.address),
        *("-p", "tcp", "--dport", hairpin.port, "-j", "MASQUERADE"),
    )
    return advice(
        "firewall",
        hairpin.host,
        f"have {hairpin.host} translate the source, too, of what it sends {whose}to {end} (masquerade), or have those clients dial "
        f"{hairpin.address} (by their DNS)",
        [command] if known else [],
    )


def covered(host: str, port: int, found: MissedTranslation) -> Fix:
    """Have the translation take what just misses it, too, by a rule of its own or by whoever makes the rules."""
    missed, own = found.missed, endpoint(found.address, port)
    inner = missed.port or port
    end = endpoint(missed.destination, inner)
    manager = (missed.translating or missed.rule).manager
    if manager in ("docker", "podman"):
        summary = (
            f"if others than now are to reach it, have {manager} on {host} publish the container's port on {found.address}, too "
            f"(--publish {own}:{inner}), and make the container again; or dial the address that its rule is for"
        )
        return advice("firewall", host, summary)
    by = f" that comes by {found.interface}" if found.interface else ""
    summary = f"have {host} translate TCP from {found.network or found.source} to {own}{by} to {end} as well, or have clients dial {end}"
    if found.network:
        summary += f"; for those of {found.network}, which is the network of {end}, translate the source as well (masquerade)"
    return advice("firewall", host, summary, _translating(found, port) if manager in ("iptables", None) else [])


def _translating(found: MissedTranslation, port: int) -> list[str]:
    """Rules of iptables for the flow's own clients: others may be left out on purpose."""
    end, inner = found.missed.destination, found.missed.port or port
    tool = ("ip6tables" if ":" in end else "iptables", "-t", "nat")
    rule = found.missed.rule
    place = ("-I", "PREROUTING", rule.number) if rule.chain == "PREROUTING" and rule.number else ("-A", "PREROUTING")
    clients = ("-s", found.network or found.source)
    by = ("-i", found.interface) if found.interface else ()
    to = ("-d", found.address, "-p", "tcp", "--dport", port, "-j", "DNAT", "--to-destination", endpoint(end, inner))
    commands = [shell(*tool, *place, *clients, *by, *to)]
    if found.network:
        commands.append(shell(*tool, "-A", "POSTROUTING", *clients, "-d", end, "-p", "tcp", "--dport", inner, "-j", "MASQUERADE"))
    return commands


def loopback_kept(case: Case, finding: Finding) -> Fix | None:
    kept = finding.about(KeptInside)
    if kept is None:
        return None
    setting = f"net.ipv4.conf.{kept.interface.replace('.', '/')}.route_localnet=1"
    return advice(
        "sysctl",
        finding.host,
        f"have {finding.host} route packets from loopback addresses to {kept.interface} ({setting}) and masquerade them there, or dial "
        f"{kept.target} or an address of another interface, or have a proxy listen on {case.target} (Docker: userland-proxy)",
        [
            shell("sysctl", "-w", setting),
            shell("iptables", "-t", "nat", "-A", "POSTROUTING", "-s", "127.0.0.0/8", "-o", kept.interface, "-j", "MASQUERADE"),
        ],
    )

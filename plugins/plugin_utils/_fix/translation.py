# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Address translations that lead astray: advice, for which of their rules is right is for people to say."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.firewall_subjects import (
    DeadTargets,
    Hairpin,
    MissedTranslation,
    RulesInside,
    TakenAhead,
    ToLoopback,
    Translated,
    TranslatedInside,
)
from .._model.fixes import Fix
from .._model.network_subjects import KeptInside, Source
from .._model.rule_records import Rule
from .._values.words import endpoint
from . import fit
from .before_rule import kept
from .make import advice, shell
from .sysctl import of_interface


def nat_wrong_target(case: Case, finding: Finding) -> Fix:
    """Of a rule of the client, of a host on the way or, where there is no subject, of the server itself."""
    host = finding.host
    dead, inside, translated = finding.about(DeadTargets), finding.about(TranslatedInside), finding.about(Translated)
    if dead:
        ends = " and ".join(endpoint(*end) for end in dead.ends)
        return advice("firewall", host, f"bring {ends} back, or take it out of what {host} translates {case.target} to")
    if inside:
        other = " (or have what listens there use that port)" if inside.beside else ""
        start = f"start what should listen on port {inside.port} in {inside.namespace}{other}"
        return advice("firewall", host, f"{start}, or correct the translation of tcp/{case.port} on {host}")
    if translated:
        return _corrected(host, translated)
    if rules := finding.about(RulesInside):
        look = f"look at the rules in {rules.namespace}: start what they lead to, such as the sidecar proxy, or remove them"
        within = [shell("nsenter", "-t", rules.pid, "-n", *words.split()) for words in ("nft list ruleset", "ss -ltn")] if rules.pid else []
        return advice("firewall", host, look, within)
    if loopback := finding.about(ToLoopback):
        return _to_own_address(case, host, loopback)
    return advice("firewall", host, f"correct the translation of tcp/{case.port} on {host}, or start what it leads to")


def _to_own_address(case: Case, host: str, loopback: ToLoopback) -> Fix:
    name = of_interface(4, loopback.interface, "route_localnet") if case.family == 4 else None
    by = " (firewalld: a forward-port without toaddr)" if loopback.rule.manager == "firewalld" else ""
    return advice(
        "firewall",
        host,
        f"redirect to port {loopback.port} instead of translating to {loopback.end}{by}, and have what listens there listen on an address "
        f"of {host}, too"
        + (f"; or set {name}=1, which lets all who reach {loopback.interface} send to loopback addresses" if name else ""),
    )


def nat_wrong_source(_case: Case, finding: Finding) -> Fix | None:
    source = finding.about(Source)
    if source is None:
        return None
    return advice("firewall", finding.host, f"translate to an address of {finding.host}, or route {source.address} to it")


def _corrected(host: str, translated: Translated) -> Fix:
    """The rule to correct, and how it is taken away, where that would help, if nobody means it."""
    rule, summary = translated.rule, f"correct the address translation of {translated.end} on {host}"
    start = ", or start what it leads to" if translated.unserved else ""
    if translated.passing:
        start += f"; if it is for what comes to {host} itself, such as a container's published port, have it ask for an address of {host}"
    command = removal(rule) if rule else ""
    if rule is None or not command:
        return advice("firewall", host, summary + start)
    file, line = kept(rule)
    there = f", and in {file}" + (f" line {line}" if line else "") if file else ""
    corrected = f"{summary}: {rule.tag} of chain {rule.chain}{there}{start}"
    if not translated.needless:
        return advice("firewall", host, corrected)
    return advice("firewall", host, f"{corrected}; or take it away, if nobody means it", [command])


def removal(rule: Rule) -> str:
    """The command that takes a rule away; empty for those that other programs make again."""
    known = rule.manager in ("nftables", "iptables") and fit.name(rule.table) and fit.name(rule.chain)
    if not known or rule.family not in ("ip", "ip6", "inet"):
        return ""
    if rule.manager == "nftables" and rule.handle is not None:
        return shell("nft", "delete", "rule", rule.family, rule.table, rule.chain, "handle", rule.handle)
    if rule.manager == "iptables" and rule.number and rule.family != "inet":
        return shell(_tool(rule), "-t", rule.table, "-D", rule.chain, rule.number)
    return ""


def _tool(rule: Rule) -> str:
    return ("ip6tables" if rule.family == "ip6" else "iptables") + ("-legacy" if rule.legacy else "-nft")


def redirected_to_proxy(case: Case, finding: Finding) -> Fix:
    """One rule more in front of the one that redirects: it ends the chain for this flow."""
    translated = finding.about(Translated)
    rule = translated.rule if translated else None
    commands = [command] if rule and fit.address(case.address) and (command := _exemption(rule, case.address, case.port)) else []
    summary = f"exempt tcp/{case.port} to {case.address} from the redirect on {finding.host}"
    return advice("firewall", finding.host, summary, commands)


def _exemption(rule: Rule, address: str, port: int) -> str:
    if not removal(rule):
        return ""
    network = "ip6" if ":" in address else "ip"
    if rule.manager == "nftables":
        before = ("rule", rule.family, rule.table, rule.chain, "position", rule.handle)
        return shell("nft", "insert", *before, network, "daddr", address, "tcp", "dport", port, "accept")
    flow = ("-d", address, "-p", "tcp", "--dport", port)
    return shell(_tool(rule), "-t", rule.table, "-I", rule.chain, rule.number, *flow, "-j", "ACCEPT")


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


def nat_hidden(_case: Case, finding: Finding) -> Fix | None:
    taken = finding.about(TakenAhead)
    return let_through(finding.host, taken) if taken else None


def let_through(host: str, taken: TakenAhead) -> Fix:
    """Have the flow's own SYNs translated ahead of what takes them: others may be left out on purpose."""
    hidden, end = taken.hidden, endpoint(taken.hidden.destination, taken.hidden.port or taken.port)
    ahead = hidden.by[0]
    summary = (
        f"have {host} translate TCP from {taken.source} to {endpoint(taken.address, taken.port)} to {end} ahead of {ahead.tag} of chain "
        f"{ahead.chain}, or correct that rule, or put {hidden.translating.tag} of chain {hidden.translating.chain} in front of it"
    )
    same = (ahead.family, ahead.table) == (hidden.translating.family, hidden.translating.table)
    command = _ahead(ahead, taken, end) if same and removal(ahead) and not hidden.by[1:] else ""
    return advice("firewall", host, summary, [command] if command else [])


def _ahead(rule: Rule, taken: TakenAhead, end: str) -> str:
    source, address, port = taken.source, taken.address, taken.port
    if rule.manager == "nftables":
        network = "ip6" if ":" in address else "ip"
        before = ("rule", rule.family, rule.table, rule.chain, "position", rule.handle)
        to = ("dnat", *([network] if rule.family == "inet" else []), "to", end)
        return shell("nft", "insert", *before, network, "saddr", source, network, "daddr", address, "tcp", "dport", port, *to)
    flow = ("-s", source, "-d", address, "-p", "tcp", "--dport", port)
    return shell(_tool(rule), "-t", rule.table, "-I", rule.chain, rule.number, *flow, "-j", "DNAT", "--to-destination", end)


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

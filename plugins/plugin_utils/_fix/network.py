# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Interfaces and their addresses. The last resort is a restart of what manages a client's network, which recreates them and its routes."""

from __future__ import annotations

from dataclasses import replace

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from .._model.network_records import LEAST_MTU, LOOPBACK, Link
from .._model.network_subjects import BridgePort, Spread, WithoutIpv6
from . import fit
from .make import advice, mending, shell
from .sysctl import of_interface


def source_address_unavailable(case: Case, _finding: Finding) -> Fix:
    client = case.client
    summary = f"add {case.source} to an interface of {client.name}, or let the application bind another source"
    return or_restarted(advice("address", client.name, summary), client, f"{client.name} lacks the address {case.source}")


def link_down(case: Case, finding: Finding) -> Fix | None:
    link = finding.about(Link)
    if link is None:
        return bridge_port(case, finding)
    fix = _brought_up(link, finding.host)
    if link.up is not False and (setting := of_interface(case.family, link.name, "ignore_routes_with_linkdown")):
        passed = f"{setting}=1 has the kernel take that one while {link.name} has no carrier"
        fix = replace(fix, summary=f"{fix.summary}; where another route leads there as well, {passed}")
    return or_restarted(fix, case.client, f"{link.name} is administratively down", link.name) if link.up is False else fix


def server_link_down(case: Case, finding: Finding) -> Fix | None:
    link = finding.about(Link)
    return _brought_up(link, finding.host) if link else bridge_port(case, finding)


def _brought_up(link: Link, host: str) -> Fix:
    name, known = link.name, fit.interface(link.name)
    if link.up is False:
        again = "" if name == LOOPBACK else ", and give it again what went with it: its routes, and its IPv6 addresses"
        return advice("link", host, f"switch {name} of {host} on{again}", [shell("ip", "link", "set", name, "up")] if known else ())
    return advice("link", host, f"bring {name} up on {host} (cable, switch port, bond, peer)")


def with_ipv6(host: str, lacking: WithoutIpv6) -> Fix:
    """The kernel forgets all IPv6 addresses and routes of a link that it takes IPv6 from, and does not bring them back by itself."""
    name = lacking.interface
    again = "then give it its addresses and routes again, by restarting what manages its network"
    if lacking.mtu is None:
        setting = of_interface(6, name, "disable_ipv6")
        what = f"{setting}=0" if setting else f"disable_ipv6 of {name} to 0"
        commands = [shell("sysctl", "-w", f"{setting}=0")] if setting else ()
        return advice("sysctl", host, f"set {what} on {host}, now and where it is set; {again}", commands)
    return advice(
        "link",
        host,
        f"raise the MTU of {name} of {host} from {lacking.mtu} to {LEAST_MTU} or more, now and where it is set; {again}",
        [shell("ip", "link", "set", name, "mtu", LEAST_MTU)] if fit.interface(name) else (),
    )


def bridge_port(_case: Case, finding: Finding) -> Fix | None:
    port = finding.about(BridgePort)
    return passing(finding.host, port) if port else None


def passing(host: str, port: BridgePort) -> Fix:
    """How a port of a bridge is had to pass frames. Where there is a loop, its spanning tree must not be switched off."""
    if port.state == "hairpin":
        return advice(
            "link",
            host,
            f"switch hairpin mode on for {port.name} of {host}, now and where {port.bridge} is made (CNI: hairpinMode; libvirt, Docker and "
            "kubelet have settings of their own)",
            [shell("bridge", "link", "set", "dev", port.name, "hairpin", "on")] if fit.interface(port.name) else (),
        )
    if port.state == "disabled":
        return advice(
            "link",
            host,
            f"find out who has disabled {port.name} in {port.bridge} of {host} (a spanning tree that is no kernel's, such as mstpd, or "
            "'bridge link set'), and whether there is a loop behind it; if not, have it forward again",
            [shell("bridge", "link", "set", "dev", port.name, "state", 3)] if fit.interface(port.name) else (),
        )
    return advice(
        "link",
        host,
        f"wait until {port.name} of {host} is forwarding, which takes twice the forward_delay of {port.bridge}; if no other bridge is "
        f"behind {port.name}, make {port.bridge} without a spanning tree (stp off, forward_delay 0) where it is configured; if the state "
        "stays blocking (bridge link show), look for a loop",
    )


def host_down(_case: Case, finding: Finding) -> Fix:
    return advice("link", finding.host, f"start {finding.host}, or connect it again (power, cable, switch port, hypervisor)")


def or_restarted(otherwise: Fix, client: Host, missing: str, interface: str | None = None) -> Fix:
    """The fix ``otherwise`` if it can be made; else a restart of the unit that manages the client's network, if it is known.

    ``missing``: what the client lacks, half a sentence. ``interface``: the one that is concerned; None: whichever the unit manages.
    """
    unit = _manager(client, interface)
    if otherwise.steps or unit is None:
        return otherwise
    command = shell("systemctl", "restart", unit)
    return mending(
        "network",
        client.name,
        f"{otherwise.summary}; as a last resort, if its configuration has what is missing, restart {unit} on {client.name} ({command}): "
        "addresses that its configuration does not have are lost, and not brought back",
        [Step("ansible.builtin.systemd_service", {"name": unit, "state": "restarted"}, command)],
        Saves(units=(unit,), routes=True),
        why=f"{missing}, which is for {unit} to set up",
        undo=(),
        check=f"{shell('systemctl', 'is-active', unit)} says active, and ip address and ip route show what was missing",
        risk="disruptive",
    )


def _manager(client: Host, interface: str | None) -> str | None:
    """The one unit that manages the interface, or all of the client's that are managed."""
    links = (client.snapshot.links if client.snapshot else None) or ()
    units = {link.manager for link in links if link.manager is not None and interface in (None, link.name)}
    unit = units.pop() if len(units) == 1 else None
    return unit if fit.unit(unit) else None


_AGAIN = {
    "NetworkManager.service": ("nmcli", "device", "connect"),
    "networking.service": ("ifup", "--force"),
    "systemd-networkd.service": ("networkctl", "reconfigure"),
}
"""How each network manager is made to configure an interface again."""


def configured(host: Host, interface: str, address: str) -> Fix:
    """Have an interface get its addresses again: one that is added by hand is nobody's to renew, and gone with the next start."""
    unit = _manager(host, interface)
    who = unit or "what configures it (a DHCP client, ifupdown, netplan ...)"
    again = _AGAIN.get(unit or "")
    return advice(
        "address",
        host.name,
        f"have {who} configure {interface} of {host.name} again, and see there why it lost its addresses, such as a lease that ran "
        f"out; {address} added by hand does not last",
        [shell(*again, interface)] if again and fit.interface(interface) else (),
    )


def handshake_split(case: Case, finding: Finding) -> Fix:
    """A router's own hash over addresses and ports keeps a connection together; lots, counters and hashes over less, or more, do not."""
    spread = finding.about(Spread)
    named = spread.hosts if spread else ()
    names = " and ".join(named if len(named) > 1 else (*named, "others"))
    return advice(
        "advice",
        "path",
        f"have what spreads connections to {case.address} over {names} (ECMP, a balancer, anycast, rules that mark in turn) "
        "choose by connection and not by packet: by a hash over addresses and ports "
        "(net.ipv4.fib_multipath_hash_policy=1 and net.ipv6.fib_multipath_hash_policy=1 on Linux routers), or by connection tracking",
    )


def mac_conflict(_case: Case, finding: Finding) -> Fix | None:
    link = finding.about(Link)
    if link is None:
        return None
    return advice(
        "link",
        finding.host,
        f"give {link.name} of {finding.host} a link address of its own, where its hypervisor or its network's configuration sets it, as "
        "for a clone of a virtual machine",
    )

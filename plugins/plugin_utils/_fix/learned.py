# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Gateways that a host learned from the network: have it forget them, and learn no more of that kind."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.network_records import Route
from . import fit
from .make import advice, ip, shell


def learned_gateway(_case: Case, finding: Finding) -> Fix | None:
    route, host = finding.about(Route), finding.host
    if route is None or route.gateway is None or not fit.address(route.gateway) or not fit.interface(route.interface or ""):
        return None
    return _redirected(host, route) if route.instead_of is not None else _advertised(host, route)


def _redirected(host: str, route: Route) -> Fix:
    ipv6 = ":" in (route.gateway or "")
    return advice(
        "route",
        host,
        f"have {host} forget the redirect and take no more of them, and see why {route.instead_of} sends redirects to {route.gateway} (it "
        "has a route by that one, and net.ipv4.conf.*.send_redirects is on)",
        [
            ip(route.gateway or "", "route", "flush", "cache"),
            *(
                shell("sysctl", "-w", f"net.ipv{6 if ipv6 else 4}.conf.{name}.accept_redirects=0")
                for name in ("all", str(route.interface).replace(".", "/"))
            ),
        ],
        check=f"ip route get on {host} names {route.instead_of} again",
    )


def _advertised(host: str, route: Route) -> Fix:
    return advice(
        "route",
        host,
        f"stop the router advertisements of {route.gateway} if it is no router (RA guard on the switch), or have {host} ignore them on "
        f"{route.interface}: what manages that interface says so (systemd-networkd: IPv6AcceptRA=no; NetworkManager: ipv6.method manual)",
        [
            shell("ip", "-6", "route", "del", route.prefix or "default", "via", route.gateway, "dev", route.interface, "proto", "ra"),
            shell("sysctl", "-w", f"net.ipv6.conf.{str(route.interface).replace('.', '/')}.accept_ra=0"),
        ],
        check=f"ip -6 route get on {host} names another gateway",
    )

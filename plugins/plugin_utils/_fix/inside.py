# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Containers that are cut off from their host: advice, as what runs them has to know, with what joins them again until it does."""

from __future__ import annotations

from dataclasses import replace

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.socket_subjects import CutOff
from . import fit
from .make import advice, ip, shell

_AGAIN = "restart the container, which makes all of it again"


def namespace_cut_off(case: Case, finding: Finding) -> Fix | None:
    cut = finding.about(CutOff)
    if cut is None:
        return None
    fix, way = _joined_again(case, cut, finding.host), cut.way
    fitting = all(fit.interface(name) for name in (way.interface, way.peer, way.master, way.by) if name)
    return fix if fitting else replace(fix, commands=())


def _joined_again(case: Case, cut: CutOff, host: str) -> Fix:
    way = cut.way
    if cut.kind == "down":
        lost = any(each.error for each in way.back)  # routes go with their link
        route = _default(case, cut) if lost else []
        summary = f"set {way.interface} in {cut.where} up" + (", and give it its routes again" if lost else "") + f", or {_AGAIN}"
        return advice("network", host, summary, [*_in_there(cut, "ip", "link", "set", way.interface, "up"), *route])
    if cut.kind == "peer_down":
        summary = f"set {way.peer} of {host} up, or {_AGAIN}; see what set it down"
        return advice("network", host, summary, [shell("ip", "link", "set", way.peer, "up")])
    if cut.kind == "master_down":
        summary = f"set {way.master} of {host} up, whose routes come back with it, or restart what runs the container; see what set it down"
        return advice("network", host, summary, [shell("ip", "link", "set", way.master, "up")])
    if cut.kind == "no_port":
        summary = (
            f"make {way.peer} a port of {way.by} again, or {_AGAIN}; see what takes it out, such as a file of systemd-networkd or "
            "NetworkManager that matches it (Unmanaged=yes, unmanaged-devices)"
        )
        return advice("network", host, summary, [shell("ip", "link", "set", way.peer, "master", way.by, "up")])
    return _with_a_route(case, cut, host)


def _with_a_route(case: Case, cut: CutOff, host: str) -> Fix:
    way, back = cut.way, next((each for each in cut.way.back if each.gateway), None)
    joined = way.master or way.peer
    if cut.kind == "no_way_back":
        summary = (
            f"give {cut.where} a route to {case.client_address}, such as a default route via the address of {joined or host}, or {_AGAIN}"
        )
        return advice("routes", host, summary, _default(case, cut))
    if cut.bare and way.master is None and ":" not in way.address:
        summary = (
            f"restart what runs the container: {joined} of {host}, which leads there, has no address, as ports of bridges have none, and "
            "is a port of no bridge; see whether that is gone, and what takes it away"
        )
        return advice("network", host, summary)
    if cut.bare and back and back.gateway:
        address = f"{back.gateway}/{way.prefix}"
        summary = (
            f"give {joined} of {host} its address again, as a restart of what runs the container does, {address} by the route in there; "
            "see what takes it away, such as a file of systemd-networkd or NetworkManager that matches the bridge"
        )
        return advice("network", host, summary, [ip(address, "address", "add", address, "dev", joined)])
    summary = f"have the route of {host} to {way.address} lead by {joined}"
    return advice("routes", host, summary, [ip(way.address, "route", "replace", way.address, "dev", joined)])


def _default(case: Case, cut: CutOff) -> list[str]:
    """A default route by the server's own address on the link to there."""
    way, entries = cut.way, (case.server.snapshot.addresses if case.server and case.server.snapshot else None) or ()
    on = [each.address for each in entries if each.interface == way.by and (":" in each.address) == (":" in way.address)]
    gateway = next((address for address in on if not address.startswith("fe80:")), None)
    family = ["-6"] if ":" in way.address else []
    return _in_there(cut, "ip", *family, "route", "replace", "default", "via", gateway) if gateway else []


def _in_there(cut: CutOff, *words: str | None) -> list[str]:
    """Without a process in there, nobody knows a name for it."""
    return [shell("nsenter", f"--target={cut.pid}", "--net", *words)] if cut.pid else []

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Targets that translate addresses (net/netfilter/xt_nat.c, xt_MASQUERADE.c, xt_REDIRECT.c, xt_NETMAP.c, nf_nat_core.c, nf_nat_redirect.c).

A translation accepts the packet in its table. Its tracking is marked only where something really changes, as the kernel does.
"""

from __future__ import annotations

import ipaddress
import typing as t

from ...._errors import DecodeError
from ...evaluation import Action, Evaluation, UnsupportedError
from ...packet import Packet, text
from ...redirect import redirected_to
from ..condition import Place, address, network, port_range
from ..syntax import Clause
from . import Done, Target

_LOOPBACK_NET = 127


class _Range(t.NamedTuple):
    """Addresses (None: keep it) and ports (None: keep it) that a target translates to; `base` for ranges that keep their order."""

    low: bytes | None
    high: bytes | None
    ports: tuple[int, int] | None
    base: int | None = None


def _range(value: str, family: int) -> _Range:
    """10.0.0.1, 10.0.0.1-10.0.0.9:80-90/8080, [2001:db8::1-2001:db8::9]:80, :80."""
    addresses, ports = value, ""
    if value.startswith("["):
        addresses, _bracket, ports = value[1:].partition("]")
        ports = ports[1:]
    elif family == 4 or (value.startswith(":") and not value.startswith("::")):
        addresses, _colon, ports = value.partition(":")
    first, dash, last = addresses.partition("-")
    low = address(first, family) if first else None
    high = address(last, family) if dash else low
    ports, _slash, base = ports.partition("/")
    return _Range(low, high, port_range(ports.replace("-", ":")) if ports else None, port_range(base)[0] if base else None)


def _translated(packet: Packet, source: bool, range_: _Range, what: str) -> Done:
    """Rewrite one end of the packet, as nf_nat_setup_info would for the first packet of a connection, unless it has that end already."""
    own, port = packet.tracked_end(not source)
    target = own if range_.low is None else range_.low
    if range_.low != range_.high:
        if not source or range_.high is None:
            raise UnsupportedError(f"which address {what} picks from its range cannot be known")
        target = own if target <= own <= range_.high else target
    wanted = _port(port, packet.destination_port, source, range_)
    changed = (target, wanted) != (own, port)
    if changed and source:
        packet.rewrite(source=target, source_port=wanted)
    elif changed:
        packet.rewrite(destination=target, destination_port=wanted)
    if wanted is None:
        packet.transport.forget(0 if source else 2, 2)
    done = Action(what, _ends(target, wanted))
    if target == range_.low and range_.high not in (None, target):
        _forget_low_bits(packet, range_.low or b"", range_.high or b"")
        done = Action(what, f"{text(range_.low or b'')}-{text(range_.high or b'')}")
    packet.changed(done)
    tracking = packet.tracking
    if tracking is not None and source:
        tracking.source_bound, tracking.source_translated = True, tracking.source_translated or changed
    elif tracking is not None:
        tracking.destination_bound, tracking.destination_translated = True, tracking.destination_translated or changed
    return "accept", done


def _forget_low_bits(packet: Packet, low: bytes, high: bytes) -> None:
    """Which source of the range it gets is not known: only the bits that all have in common are."""
    differing = (int.from_bytes(low, "big") ^ int.from_bytes(high, "big")).bit_length()
    at, size = (12, 4) if packet.family == 4 else (8, 16)
    mask = (1 << 8 * size) - (1 << differing)
    packet.network.forget(at, size)
    packet.network.put(at, low, mask.to_bytes(size, "big"))


def _port(port: int | None, destination_port: int | None, source: bool, range_: _Range) -> int | None:
    """The port stays where that is allowed (nf_nat_l4proto_unique_tuple); None where the kernel picks one that nobody knows."""
    if range_.ports is None:
        return port
    low, high = range_.ports
    if low == high:
        return low
    if range_.base is not None and destination_port is not None and not source:
        return low + (destination_port - range_.base) % (high - low + 1)
    return port if port is not None and low <= port <= high else None


def _ends(host: bytes, port: int | None) -> str:
    shown = f"[{text(host)}]" if len(host) == 16 else text(host)
    return f"{shown}:{port}" if port is not None else text(host)


def _options(clause: Clause, known: t.Container[str]) -> None:
    for option in clause.options:
        if option.name not in known:
            raise DecodeError(f"{clause.name} --{option.name}: we do not model it")


def _nat(clause: Clause, place: Place) -> Target:
    source = clause.name == "SNAT"
    name = "to-source" if source else "to-destination"
    _options(clause, (name, "random", "random-fully", "persistent"))
    option = clause.get(name)
    if option is None:
        raise DecodeError(f"{clause.name} without --{name}")
    range_ = _range(option.value, place.family)
    what = "snat" if source else "dnat"
    scattered = source and _scattered(clause)

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        done = _translated(packet, source, range_, what)
        if scattered:
            packet.transport.forget(0, 2)
        return done

    return apply


def _scattered(clause: Clause) -> bool:
    """Whether the source port is picked at random."""
    return clause.get("random") is not None or clause.get("random-fully") is not None


def _to_ports(clause: Clause) -> tuple[int, int] | None:
    _options(clause, ("to-ports", "random", "random-fully"))
    option = clause.get("to-ports")
    return port_range(option.value.replace("-", ":")) if option else None


def _redirect(clause: Clause, place: Place) -> Target:
    ports = _to_ports(clause)

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        host = redirected_to(packet, evaluation.facts)
        if host is None:
            return "drop", Action("redirect")
        return _translated(packet, False, _Range(host, host, ports), "redirect")

    return apply


def _masquerade(clause: Clause, place: Place) -> Target:
    ports = _to_ports(clause)
    scattered = _scattered(clause)

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        if packet.oif is None:
            raise UnsupportedError("MASQUERADE takes the address of the interface that the packet leaves by, which is not known")
        host = _leaving_address(packet, evaluation)
        if host is None:
            return "drop", Action("masquerade")
        done = _translated(packet, True, _Range(host, host, ports), "masquerade")
        if scattered:
            packet.transport.forget(0, 2)
        return done

    return apply


def _leaving_address(packet: Packet, evaluation: Evaluation) -> bytes | None:
    """The address that inet_select_addr or ipv6_dev_get_saddr chooses; addresses of the loopback net only where there is no other."""
    facts, oif = evaluation.facts, packet.oif
    if oif is None:
        return None
    every = [(each, length) for each, length in facts.addresses() if len(each) == len(packet.destination)]
    if packet.family == 6:
        if any(packet.destination == each for each, _length in every):
            return packet.destination
        answer = facts.route(packet.destination, None, packet.mark or 0)
        if answer["interface"] != oif.name:
            answer = facts.route(packet.destination, None, packet.mark or 0, None, oif.name)
        return ipaddress.IPv6Address(answer["source"]).packed if answer["source"] else None
    answer = facts.route(packet.destination, None, packet.mark or 0, None, oif.name)
    hop = ipaddress.ip_address(answer["gateway"] if answer["gateway"] else packet.destination)
    own = [(each, length) for each, length in facts.addresses(oif.name) if len(each) == 4 and each[0] != _LOOPBACK_NET]
    near = [each for each, length in own if hop in ipaddress.ip_network((each, length), strict=False)]
    elsewhere = [each for each, _length in every if each[0] != _LOOPBACK_NET]
    found: list[bytes] = [*near, *(each for each, _length in own), *elsewhere]
    return found[0] if found else None


def _netmap(clause: Clause, place: Place) -> Target:
    option = clause.get("to")
    if option is None:
        raise DecodeError("NETMAP without --to")
    wanted, mask = network(option.value, place.family)

    def apply(packet: Packet, evaluation: Evaluation, hook: str | None) -> Done:
        if hook is None and packet.oif is None and packet.direction == "in":
            raise UnsupportedError("NETMAP changes the source or the destination, and which hook this is is not known")
        source = hook in ("postrouting", "input") if hook is not None else packet.iif is not None or packet.direction == "forward"
        own = packet.source if source else packet.destination
        host = bytes(new | have & ~keep & 0xFF for new, have, keep in zip(wanted, own, mask))
        return _translated(packet, source, _Range(host, host, None), "netmap")

    return apply


BUILDERS: dict[str, t.Callable[[Clause, Place], Target]] = {
    "DNAT": _nat,
    "SNAT": _nat,
    "MASQUERADE": _masquerade,
    "REDIRECT": _redirect,
    "NETMAP": _netmap,
}

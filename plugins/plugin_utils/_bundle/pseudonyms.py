# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Another name for each name, another address for each address: the same one every time, and with the same relations. Pure."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable

from .._plan.orders import STAND_INS

_KEPT_V4 = ("0.0.0.0/8", "127.0.0.0/8", "169.254.169.254/32", "224.0.0.0/4", "240.0.0.0/4", f"{STAND_INS[4]}/32")
_KEPT_V6 = ("::/127", "ff00::/8", f"{STAND_INS[6]}/128")
_INSIDE_V4 = ("10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.0.2.0/24", "192.168.0.0/16", "198.51.100.0/24")
_INSIDE_V6 = ("64:ff9b::/96", "2001:db8::/32", "2002::/16", "fc00::/7", "fe80::/64")
_ANCHORS = {
    version: [(int(each.network_address), each.prefixlen) for each in map(ipaddress.ip_network, (*kept, *inside))]
    for version, kept, inside in ((4, _KEPT_V4, _INSIDE_V4), (6, _KEPT_V6, _INSIDE_V6))
}
_KEPT = {4: [*map(ipaddress.ip_network, _KEPT_V4)], 6: [*map(ipaddress.ip_network, _KEPT_V6)]}
_MAPPED, _SOLICITED = ipaddress.ip_network("::ffff:0:0/96"), ipaddress.ip_network("ff02::1:ff00:0/104")
_OF_ROUTERS = (bytes.fromhex("00005e0001"), bytes.fromhex("00005e0002"))  # of virtual ones, without their numbers (RFC 9568, 7.3)
_INTERFACE_ID = (1 << 64) - 1
_OF_CONTAINERS = bytes.fromhex("0242")  # Docker's

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Pseudonyms:
    """Drawn with a secret that nobody keeps; hosts and flows are numbered in their order, so that what is sorted stays so."""

    def __init__(self, secret: bytes, hosts: Iterable[str] = (), flows: Iterable[str] = ()) -> None:
        self._secret = secret
        self._addresses: dict[Address, Address] = {}
        self._bits: dict[tuple[int, int, int], int] = {}
        self._names: dict[str, dict[str, str]] = {}
        for kind, names in (("host", hosts), ("flow", flows)):
            known = sorted(set(names))
            digits = len(str(len(known)))
            self._names[kind] = {name: f"{kind}{number:0{digits}}" for number, name in enumerate(known, 1)}

    def name(self, kind: str, name: str) -> str:
        """Such as ``unit3``; an empty name stays empty."""
        known = self._names.setdefault(kind, {})
        return known.setdefault(name, f"{kind}{len(known) + 1}") if name else name

    def names(self) -> set[str]:
        """All names that were replaced."""
        return {name for known in self._names.values() for name in known}

    def domain(self, name: str) -> str:
        """A name of the DNS, label by label, so that search domains still fit."""
        return ".".join(label if label in ("", "localhost") else self.name("label", label) for label in name.split("."))

    def destination(self, text: str) -> str:
        """What a client dials, or anything else that is an address, a network or a name."""
        try:
            return self.address(text)
        except ValueError:
            pass
        try:
            return self.network(text)
        except ValueError:
            return self.domain(text)

    def address(self, text: str) -> str:
        """ValueError where it is none."""
        return str(self._address(ipaddress.ip_address(text)))

    def packed(self, address: bytes) -> bytes:
        """Of four or of 16 bytes."""
        return self._address(ipaddress.ip_address(address)).packed

    def network(self, text: str) -> str:
        """ValueError where it is none."""
        network = ipaddress.ip_network(text, strict=False)
        base = self._address(network.network_address)
        return str(ipaddress.ip_network(f"{base}/{network.prefixlen}", strict=False))

    def mac(self, text: str) -> str:
        """As text; what is no link address of six bytes becomes a name."""
        if not re.fullmatch(r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}", text):
            return self.name("link", text)
        return self.link(bytes.fromhex(text.replace(":", ""))).hex(":")

    def link(self, address: bytes) -> bytes:
        """Zeros, broadcast, the bit for multicast and what several machines share by design stay; all become locally administered."""
        if not any(address) or address == b"\xff" * len(address) or (address and address[0] & 1) or address.startswith(_OF_ROUTERS):
            return address
        digest = self._digest(b"link" + address)[: len(address)]
        if address.startswith(_OF_CONTAINERS):  # made of their addresses
            return _OF_CONTAINERS + digest[2:]
        return bytes([digest[0] & 0xFC | 2]) + digest[1:]

    def _address(self, address: Address) -> Address:
        found = self._addresses.get(address)
        if found is None:
            found = self._addresses[address] = self._drawn(address)
        return found

    def _drawn(self, address: Address) -> Address:
        if isinstance(address, ipaddress.IPv6Address):
            if address.scope_id is not None:
                raise ValueError("addresses with an interface are not replaced")
            if address in _MAPPED:
                return ipaddress.IPv6Address(0xFFFF << 32 | int(self._address(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))))
            if address in _SOLICITED:
                return ipaddress.IPv6Address(int(address) ^ int.from_bytes(self._digest(b"solicited")[:3], "big"))
            if not int(address) & _INTERFACE_ID:  # stays that of all routers there (RFC 4291, 2.6.1)
                return ipaddress.IPv6Address(self._flipped(int(address), 6, 128) & ~_INTERFACE_ID)
        if any(address in network for network in _KEPT[address.version]):
            return address
        return type(address)(self._flipped(int(address), address.version, address.max_prefixlen))

    def _flipped(self, value: int, version: int, length: int) -> int:
        """Each bit by what stands before it, so that common prefixes stay common; but none that tells what is special from the rest."""
        result = value
        for depth in range(length):
            prefix = value >> (length - depth)
            if any(depth < least and anchor >> (length - depth) == prefix for anchor, least in _ANCHORS[version]):
                continue
            key = (version, depth, prefix)
            if key not in self._bits:
                self._bits[key] = self._digest(repr(key).encode())[0] & 1
            result ^= self._bits[key] << (length - depth - 1)
        return result

    def _digest(self, what: bytes) -> bytes:
        return hashlib.blake2b(what, key=self._secret, digest_size=32).digest()

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read nf_tables over nfnetlink. Tables and base chains are read at once, everything else when a packet first meets it."""

from __future__ import annotations

import errno
import typing as t

from ..._errors import DecodeError, NotPermittedError, ObserveError
from ..._wire.netlink import NETLINK_NETFILTER, NLM_F_DUMP, Netlink, NetlinkError, attribute, attribute_list, attributes
from ..effect import Compat
from ..packet import Link
from ..tracking import FAMILIES as FAMILIES_TRACKED
from .tables import NftBaseChain, Source, Table
from .wire import (  # fmt: skip
    FAMILIES,
    NFPROTO,
    NFT_MSG_GETCHAIN,
    NFT_MSG_GETGEN,
    NFT_MSG_GETOBJ,
    NFT_MSG_GETRULE,
    NFT_MSG_GETSET,
    NFT_MSG_GETSETELEM,
    NFT_MSG_GETTABLE,
    long,
    name,
    number,
    signed,
)

NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_TABLE_HANDLE, NFT_TABLE_F_DORMANT = 1, 2, 4, 1
NFTA_CHAIN_TABLE, NFTA_CHAIN_HANDLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_USE, NFTA_CHAIN_TYPE = range(1, 8)
NFTA_CHAIN_FLAGS, _BINDING = 10, 4
NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY, NFTA_HOOK_DEV, NFTA_HOOK_DEVS = 1, 2, 3, 4
NFTA_RULE_TABLE, NFTA_RULE_CHAIN = 1, 2
NFTA_GEN_ID = 1
NFTA_OF_TABLE = 1  # NFTA_OBJ_TABLE, NFTA_SET_TABLE
NFTA_SET_ELEM_LIST_TABLE, NFTA_SET_ELEM_LIST_SET, NFTA_SET_ELEM_LIST_ELEMENTS = 1, 2, 3
_HEADER = 4  # struct nfgenmsg
_HOOKS = {"netdev": ("ingress", "egress"), "arp": ("input", "output", "forward")}
_IP_HOOKS = ("prerouting", "input", "forward", "output", "postrouting", "ingress")


class Nftables:
    """The host's nf_tables, as far as packets meet it."""

    def __init__(self, tables: t.Iterable[bytes], chains: t.Iterable[bytes], source: Source, links: t.Mapping[int, Link]) -> None:
        """`tables` and `chains`: the bodies of NFT_MSG_NEWTABLE and NFT_MSG_NEWCHAIN; DecodeError for what cannot be read."""
        self.tables: dict[tuple[str, str], Table] = {}
        for body in tables:
            about = attributes(body[_HEADER:])
            family = _family(body)
            dormant = bool(number(about, NFTA_TABLE_FLAGS, 0) & NFT_TABLE_F_DORMANT)
            table = Table(family, name(about, NFTA_TABLE_NAME), long(about, NFTA_TABLE_HANDLE), dormant, source, links)
            self.tables[table.key] = table
        self._base_chains: list[NftBaseChain] = []
        for body in chains:
            self._add_chain(body)

    def base_chains(self, compat: Compat | None = None) -> list[NftBaseChain]:
        """Those that may do something to packets of IP, in the kernel's order where hook and priority are equal: the youngest first.

        A hook is put in front of those of equal priority that are there (nf_hook_entries_grow). Which of two tables' chains is younger is
        recognised by the tables' age, as their chains have handles of their own. `compat` marks rules of iptables-nft.
        """
        for table in self.tables.values():
            table.compat = compat
        awake = [chain for chain in self._base_chains if not chain.table.dormant and chain.family != "arp" and not chain.idle]
        return sorted(awake, key=lambda chain: (chain.table.handle, chain.handle), reverse=True)

    @property
    def translates(self) -> bool:
        """Whether some rule may translate addresses."""
        return any(chain.kind == "nat" and chain.rules and not chain.table.dormant for chain in self._base_chains)

    def tracks(self, version: int) -> bool:
        """Whether some rule or object has the kernel track connections of IPv4 or IPv6."""
        tables = [table for table in self.tables.values() if table.family in FAMILIES_TRACKED[version]]
        translating = {chain.table.key for chain in self._base_chains if chain.kind == "nat"}
        return any(table.tracks(version) for table in sorted(tables, key=lambda table: table.key not in translating))

    def _add_chain(self, body: bytes) -> None:
        about = attributes(body[_HEADER:])
        family = _family(body)
        table = self.tables.get((family, name(about, NFTA_CHAIN_TABLE)))
        if table is None:
            return  # it came between two readings
        table.names.append(name(about, NFTA_CHAIN_NAME))
        if number(about, NFTA_CHAIN_FLAGS, 0) & _BINDING:
            table.inline.add(table.names[-1])
        if NFTA_CHAIN_HOOK not in about:
            return
        hook = attributes(about[NFTA_CHAIN_HOOK])
        hooks, at = _HOOKS.get(family, _IP_HOOKS), number(hook, NFTA_HOOK_HOOKNUM)
        devices = [device for _kind, device in attribute_list(hook.get(NFTA_HOOK_DEVS, b""))] or [hook.get(NFTA_HOOK_DEV, b"")]
        self._base_chains.append(
            NftBaseChain(
                table,
                table.names[-1],
                name(about, NFTA_CHAIN_TYPE),
                hooks[at] if at < len(hooks) else str(at),
                signed(hook.get(NFTA_HOOK_PRIORITY, b"")),
                "drop" if NFTA_CHAIN_POLICY in about and number(about, NFTA_CHAIN_POLICY) == 0 else "accept",
                tuple(device.rstrip(b"\0").decode("utf-8", "surrogateescape") for device in devices if device),
                long(about, NFTA_CHAIN_HANDLE),
                number(about, NFTA_CHAIN_USE, 0),
            )
        )


def _family(body: bytes) -> str:
    """Of a message, from its struct nfgenmsg."""
    if len(body) < _HEADER:
        raise DecodeError(f"an nf_tables message of {len(body)} bytes is shorter than its header")
    return FAMILIES.get(body[0], str(body[0]))


def read(links_by_index: t.Mapping[int, Link]) -> Nftables:
    """The nf_tables of this network namespace. Raises NotPermittedError without CAP_NET_ADMIN, NetlinkError, DecodeError."""
    source = Kernel()
    try:
        return Nftables(source.dump(NFT_MSG_GETTABLE), source.dump(NFT_MSG_GETCHAIN), source, links_by_index)
    except NetlinkError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            raise NotPermittedError("reading nf_tables takes CAP_NET_ADMIN: run with become") from error
        if error.errno in (errno.EINVAL, errno.EPROTONOSUPPORT):  # a kernel without nf_tables
            return Nftables([], [], source, links_by_index)
        raise


def generation() -> bytes | None:
    """What changes whenever rules, sets or their elements are changed by somebody; None where the kernel does not say."""
    try:
        with Netlink(NETLINK_NETFILTER) as netlink:
            return next((attributes(body[_HEADER:]).get(NFTA_GEN_ID) for body in netlink.request(NFT_MSG_GETGEN, 0, bytes(_HEADER))), None)
    except ObserveError:
        return None


class Kernel:
    """A Source: the running kernel, asked again each time."""

    def dump(self, kind: int, payload: bytes = b"", family: str = "") -> list[bytes]:
        with Netlink(NETLINK_NETFILTER) as netlink:
            return netlink.request(kind, NLM_F_DUMP, bytes([NFPROTO.get(family, 0), 0, 0, 0]) + payload)

    def rules(self, family: str, table: str, chain: str) -> list[bytes]:
        asked = _text(NFTA_RULE_TABLE, table) + _text(NFTA_RULE_CHAIN, chain)
        return [body[_HEADER:] for body in self.dump(NFT_MSG_GETRULE, asked, family) if _of_chain(body, asked)]

    def set(self, family: str, table: str, name: str) -> bytes:
        return self._one(NFT_MSG_GETSET, _text(1, table) + _text(2, name), family)

    def elements(self, family: str, table: str, name: str) -> list[bytes]:
        asked = _text(NFTA_SET_ELEM_LIST_TABLE, table) + _text(NFTA_SET_ELEM_LIST_SET, name)
        return [attributes(body[_HEADER:]).get(NFTA_SET_ELEM_LIST_ELEMENTS, b"") for body in self.dump(NFT_MSG_GETSETELEM, asked, family)]

    def object(self, family: str, table: str, name: str, kind: int) -> bytes:
        return self._one(NFT_MSG_GETOBJ, _text(1, table) + _text(2, name) + attribute(3, kind.to_bytes(4, "big")), family)

    def objects(self, family: str, table: str) -> list[bytes]:
        return self._of_table(NFT_MSG_GETOBJ, family, table)

    def sets(self, family: str, table: str) -> list[bytes]:
        return self._of_table(NFT_MSG_GETSET, family, table)

    def _of_table(self, kind: int, family: str, table: str) -> list[bytes]:
        asked = _text(NFTA_OF_TABLE, table)
        return [body[_HEADER:] for body in self.dump(kind, asked, family) if body[_HEADER : _HEADER + len(asked)] == asked]

    def _one(self, kind: int, payload: bytes, family: str) -> bytes:
        with Netlink(NETLINK_NETFILTER) as netlink:
            bodies = netlink.request(kind, 0, bytes([NFPROTO.get(family, 0), 0, 0, 0]) + payload)
        if not bodies:
            raise DecodeError("the kernel answered with nothing")
        return bodies[0][_HEADER:]


def _of_chain(body: bytes, asked: bytes) -> bool:
    """Whether a rule is of that chain: kernels before 4.7 leave nothing out of a dump."""
    return body[_HEADER : _HEADER + len(asked)] == asked


def _text(kind: int, text: str) -> bytes:
    return attribute(kind, text.encode("utf-8", "surrogateescape") + b"\0")

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""How this host and addresses in its other network namespaces reach each other: by which links, and whether there is a way back."""

from __future__ import annotations

import contextlib
import typing as t

from .._errors import ObserveError
from .._wire.netlink import NETLINK_ROUTE, Netlink
from . import links, policy_rules, routes

MOST_BACK = 8

Record = t.Dict[str, t.Any]
End = t.Tuple[str, str]
"""An address in another network namespace, and a client's to which it answers."""


def peers(verdicts: t.Iterable[t.Mapping[str, t.Any]], addresses: t.Collection[str]) -> set[End]:
    """Who gets the answers to SYNs that the firewall, by what it says of them, sends to some addresses."""
    sent = [each["rewritten"] for each in verdicts if each["rewritten"] and each["packet"] == "syn"]
    return {(each["destination"], each["source"]) for each in sent if each["destination"] in addresses and each["source"]}


def within(netlink: Netlink, addresses: t.Sequence[Record], answered: t.Collection[End]) -> list[Record]:
    """Asked in a namespace: the links of some of its addresses, as `links.addresses` has them by index, and the ways to those whom they
    answer."""
    known, others = {str(link["index"]): link for link in links.links(netlink)}, links.peers(netlink)
    indices = {link["name"]: link["index"] for link in known.values()}
    rules = policy_rules.rules(netlink)
    found = []
    for each in addresses:
        link = known.get(each["interface"])
        if link is None:
            continue
        remotes = sorted({remote for address, remote in answered if address == each["address"]})[:MOST_BACK]
        found.append(
            {
                "address": each["address"],
                "prefix": each["prefix"],
                "interface": link["name"],
                "up": link["up"],
                "index": link["index"],
                "peer": others.get(link["index"]),
                "back": [way for remote in remotes for way in _back(netlink, each["address"], remote, indices, rules)],
            }
        )
    return found


def _back(
    netlink: Netlink, address: str, remote: str, indices: t.Mapping[str, int], rules: t.Sequence[policy_rules.Rule]
) -> t.Iterator[Record]:
    """The way of an answer from there, where the kernel can be asked."""
    with contextlib.suppress(ObserveError):
        way = routes.answer(netlink, routes.Question(local=address, remote=remote), indices, rules)
        yield {"remote": remote, **{name: way[name] for name in ("error", "gateway")}}


def joined(ways: t.Sequence[Record]) -> None:
    """Asked in the host's own namespace: give each way the host's end of its link (`peer`, a pair of veth) and what that is a port of,
    where the host's own route leads (`by`, `gateway`, `error`), and the state of its neighbour's entry."""
    if not ways:
        return
    with Netlink(NETLINK_ROUTE) as netlink:
        known, others = {link["index"]: link for link in links.links(netlink)}, links.peers(netlink)
        indices = {link["name"]: link["index"] for link in known.values()}
        rules = policy_rules.rules(netlink)
        for way in ways:
            end = known.get(way["peer"])
            # Indices are those of one namespace each: both ends have to name each other.
            end = end if end is not None and end["kind"] == "veth" and others.get(end["index"]) == way["index"] else None
            del way["index"]
            way.update(peer=end and end["name"], peer_up=end and end["up"], master=end and end["master"])
            way.update(by=None, gateway=None, error=None, state=None)
            with contextlib.suppress(ObserveError):
                route = routes.answer(netlink, routes.Question(local=None, remote=way["address"]), indices, rules)
                way.update(by=route["interface"], gateway=route["gateway"], error=route["error"])
                if route["interface"] and route["gateway"] is None:
                    entries = links.neighbours(netlink, [(way["address"], route["interface"])], indices)
                    way["state"] = entries[0]["state"] if entries else None

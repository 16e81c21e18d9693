# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The path that packets to some destinations would take from this host: the work of the module path_info."""

from __future__ import annotations

import ipaddress
import typing as t

from .._errors import ObserveError
from .._host import links as _links
from .._host import policy_rules, routes
from .._wire.netlink import NETLINK_ROUTE, Netlink

# An option of a destination, and what the kernel's question calls it.
_FIELDS = {"source": "local", "mark": "mark", "uid": "uid", "arrives_on": "iif", "device": "oif", "port": "remote_port"}


def observe(destinations: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """The return values of path_info for mappings of `address` and the options in `_FIELDS`; ObserveError for what cannot be asked."""
    questions = [_question(destination) for destination in destinations]
    absent: list[dict[str, str]] = []
    with Netlink(NETLINK_ROUTE) as netlink:
        links = {link["name"]: link for link in _links.links(netlink)}
        indices = {name: link["index"] for name, link in links.items()}
        rules: list[policy_rules.Rule] = []
        try:
            rules = policy_rules.rules(netlink)
        except ObserveError as error:
            absent.append({"what": "rules", "why": str(error)})
        answers = [routes.answer(netlink, question, indices, rules) for question in questions]
        wanted = [hop for hop in map(next_hop, answers) if hop]
        known: dict[tuple[str, str], dict[str, t.Any]] = {}
        try:
            known = {(one["address"], one["interface"]): one for one in _links.neighbours(netlink, wanted, indices)}
        except ObserveError as error:
            absent.append({"what": "neighbours", "why": str(error)})
    return {"paths": [_path(answer, links, rules, known) for answer in answers], "absent": absent}


def next_hop(answer: routes.Answer) -> tuple[str, str] | None:
    """(address, interface) of the neighbour that the packets are handed to; None when there is none."""
    if answer["type"] != "unicast" or not answer["interface"]:
        return None
    return answer["gateway"] or (answer["remote"] if answer["iif"] is None else answer["local"]), answer["interface"]


def _question(destination: t.Mapping[str, t.Any]) -> routes.Question:
    fields: dict[str, t.Any] = {name: destination.get(option) for option, name in _FIELDS.items()}
    fields["mark"] = _limited("mark", fields["mark"], 0, 0xFFFFFFFF) or 0
    fields["uid"] = _limited("uid", fields["uid"], 0, 0xFFFFFFFE)
    fields["remote_port"] = _limited("port", fields["remote_port"], 1, 65535)
    fields["local"] = None if fields["local"] is None else _address(fields["local"])
    return routes.Question(remote=_address(destination["address"]), **fields)


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise ObserveError(f"{text!r} is not an IP address: give addresses, not names") from error


def _limited(option: str, number: int | None, least: int, most: int) -> int | None:
    if number is not None and not least <= number <= most:
        raise ObserveError(f"{option} is {number}: give a number from {least} to {most}")
    return number


def _path(
    answer: routes.Answer,
    links: t.Mapping[str, t.Mapping[str, t.Any]],
    rules: t.Sequence[policy_rules.Rule],
    known: t.Mapping[tuple[str, str], dict[str, t.Any]],
) -> dict[str, t.Any]:
    family = "ipv6" if ":" in answer["remote"] else "ipv4"
    rule = next((rule for rule in rules if rule.family == family and rule.priority == answer["rule"]), None)
    interface = links.get(answer["interface"])
    hop = next_hop(answer)
    names = ("error", "type", "prefix", "table", "gateway", "source", "interface", "multipath")
    return {
        "address": answer["remote"],
        "asked": {option: answer[name] for option, name in _FIELDS.items()},
        **{name: answer[name] for name in names},
        "mtu": answer["mtu"] or (interface["mtu"] if interface else None),
        "rule": {"priority": rule.priority, "text": rule.text()} if rule else None,
        "neighbour": known.get(hop) if hop else None,
    }

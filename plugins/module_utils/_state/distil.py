# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Reduce a snapshot to state that is stable while nobody changes it: no counters, handles, process ids, learned neighbours or queues.

Pure functions over what docs/evidence.md calls S. Everything is sorted, and equal states are equal JSON.
"""

from __future__ import annotations

import re
import typing as t

Record = t.Dict[str, t.Any]

MOST_RULES = 40  # reported of one packet's way
# Scopes whose names have numbers that the next one does not have: login sessions, containers, transient units.
_NUMBERED = re.compile(r"(session)-[0-9c]+\.scope|(run)-[ru]?[0-9a-f]+\.(?:service|scope)|(\w+)-[0-9a-f]{12,64}\.scope")


def listeners(observed: t.Sequence[Record], ports: t.Collection[int]) -> list[Record]:
    """Who listens where on `ports`; sockets that share an address (SO_REUSEPORT) are one. Owners that may not be seen are missing."""
    found = [_listener(one) for one in observed if one["port"] in ports]
    return _unique(found, "port", "family", "address", "device")


def _listener(one: Record) -> Record:
    kept = {name: one.get(name) for name in ("port", "family", "address", "device", "md5", "filtered", "min_ttl", "defer_accept")}
    kept.update(v6only=one["v6only"] or None, backlog=one["send_q"], uid=one["uid"])
    kept.update(md5=sorted(one["md5"]) if one["md5"] else None)
    kept.update({name: kept[name] or None for name in ("filtered", "min_ttl", "defer_accept")})
    if one["processes"] is not None:
        # Others may hold the socket for a moment, between fork and exec; the eldest is the one that people know.
        eldest = min(one["processes"], key=lambda process: t.cast(int, process["pid"]), default=None)
        kept["process"] = eldest["name"] if eldest else "kernel"
        kept["unit"] = _stable_unit(eldest["unit"]) if eldest else None
        kept["container"] = bool(eldest and eldest["container"]) or None
    return _known(kept)


def _stable_unit(unit: str | None) -> str | None:
    numbered = _NUMBERED.fullmatch(unit or "")
    return f"{next(filter(None, numbered.groups()))}-*" if numbered else unit


def verdicts(observed: t.Sequence[Record], users: t.Collection[int] = ()) -> list[Record]:
    """What the firewall does to each packet, and by which rules. Those on packets that conntrack finds invalid are left out.

    `users`: the uids that flows name, which are reported.
    """
    found = [_verdict(each, users) for each in observed if each["state"] != "invalid"]
    return _unique(found, "source", "destination", "port", "source_port", "packet", "direction", "uid")


def _verdict(each: Record, users: t.Collection[int]) -> Record:
    rewritten = each["rewritten"]
    because = each["undecided_because"]
    return _known(
        {
            "packet": each["packet"],
            "direction": each["direction"],
            "source": each["source"],
            "source_port": each["source_port"],
            "destination": each["destination"],
            "port": each["port"],
            "uid": each["uid"] if each["uid"] in users else None,
            "interface": each["interface"],
            "out_interface": each["out_interface"],
            "verdict": each["verdict"],
            "reject_with": each["reject_with"],
            "queue": each["queue"],
            "undecided_because": because[:300] if because else None,
            "rewritten": "; ".join(rewritten["changes"]) if rewritten else None,
            "decided_by": _place(each["rule"]),
            "manager": each["rule"]["manager"] if each["rule"] else None,
            "rules": [_place(step["rule"]) for step in each["path"] if step["rule"] and step["matched"] is not False][:MOST_RULES] or None,
        }
    )


def _place(rule: Record | None) -> str | None:
    """A rule by its place and its words; its number and handle change with others."""
    return f"{rule['family']} {rule['table']} {rule['chain']}: {rule['text']}" if rule else None


def routes(observed: t.Sequence[Record]) -> list[Record]:
    """The kernel's answers about ways. A port is named only where the answer depends on it."""
    by_ends: dict[tuple[t.Any, ...], dict[t.Any, Record]] = {}
    for each in observed:
        by_ends.setdefault((each["remote"], each["local"], each["uid"]), {})[each["remote_port"]] = _route(each)
    found = []
    for (remote, local, uid), answers in by_ends.items():
        alike = all(answer == next(iter(answers.values())) for answer in answers.values())
        for port, answer in list(answers.items())[: 1 if alike else None]:
            found.append(_known({"to": remote, "source_asked": local, "port": None if alike else port, "uid": uid, **answer}))
    return _unique(found, "to", "source_asked", "port", "uid")


def _route(each: Record) -> Record:
    """Of several next hops each packet takes one: which one the kernel named is chance. MTUs may be learned, and are left out."""
    hops = sorted(f"{hop['gateway'] or 'on link'} dev {hop['interface']} weight {hop['weight']}" for hop in each["multipath"])
    kept = {name: each[name] for name in ("error", "type", "table", "prefix", "source")}
    kept.update({name: None if hops else each[name] for name in ("interface", "gateway")})
    return {**kept, "source": None if hops and each["local"] is None else each["source"], "hops": hops or None}


def neighbours(asked_routes: t.Sequence[Record], observed: t.Sequence[Record]) -> list[Record]:
    """The next hops of the ways. Entries that the kernel makes come and go, those without ARP as well; those that somebody made stay."""
    made = {(each["address"], each["interface"]): each["mac"] for each in observed if each["state"] == "PERMANENT"}
    hops = set()
    for route in asked_routes:
        if route["type"] == "unicast" and not route["error"]:
            for hop in route["multipath"] or [route]:
                if hop["interface"]:
                    hops.add((hop["gateway"] or (route["remote"] if route["iif"] is None else route["local"]), hop["interface"]))
    found = [{"address": address, "interface": interface, "permanent_mac": made.get((address, interface))} for address, interface in hops]
    return _unique([_known(each) for each in found], "address", "interface")


def used_interfaces(asked_routes: t.Sequence[Record]) -> set[str]:
    """Through which the ways lead."""
    return {hop["interface"] for route in asked_routes for hop in (route, *route["multipath"]) if hop["interface"]} - {"lo"}


def _unique(records: t.Iterable[Record], *names: str) -> list[Record]:
    """One record for each key, in the order of their keys; of several the one that sorts first."""
    found: dict[tuple[str, ...], Record] = {}
    for record in sorted(records, key=repr):
        found.setdefault(tuple(str(record.get(name, "")).rjust(5) for name in names), record)
    return [found[key] for key in sorted(found)]


def _known(record: Record) -> Record:
    """Without what is not there."""
    return {name: value for name, value in record.items() if value is not None}

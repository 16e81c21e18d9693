# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rules of firewalld: their zone or policy; their service, port, rich rule or target; and whether they are permanent.

A rule that is loaded is part of firewalld's runtime configuration. Whether it is permanent, too, is in the files: see firewalld.zone(5),
firewalld.policy(5) and firewalld.richlanguage(5). So firewall-cmd, which takes a third of a second and the bus, is asked
only what a reload would change.
"""

from __future__ import annotations

import re
import typing as t

from ..._commands import Run
from ..._errors import ObserveError
from ..accept.firewalld_words import PRIORITIES, commands
from .firewalld_files import Files, Holder, Item
from .firewalld_runtime import reloading
from .flow import Flow, quoted

DIRECTORIES = ("/etc/firewalld", "/usr/lib/firewalld", "/usr/share/firewalld")
_MOST_NAMES, _MOST_NAMED = 100, 8
_UNKNOWN = (
    "which forgets all that is not permanent: compare the output of firewall-cmd --list-all-zones and --list-all-policies with that of the "
    "same commands with --permanent first"
)
_CHAIN = re.compile(
    r"(?:(?:filter|nat|mangle|raw)_)?(?P<way>PRE|POST|IN|OUT|FWD|FWDI|FWDO)_(?P<policy>policy_)?(?P<name>.+?)(?:_(?P<list>pre|log|deny|allow|post))?"
)
_PORT = re.compile(r"(?:\btcp dport|--dports?) \{? ?(\d{1,5})(?:[-:](\d{1,5}))?(?=[\s}]|$)")
_SOURCE = re.compile(r"(?:\bip6? saddr|-s) ([0-9a-f.:/]+)(?=\s|$)")
_VERDICT = re.compile(r"(?:-[jg] |\b)(accept|reject|drop)\b", re.IGNORECASE)


class Firewalld:
    def __init__(self, here: bool, directories: t.Sequence[str] = DIRECTORIES, run: Run | None = None) -> None:
        self._files, self._run = Files(directories) if here else None, run
        self._forgets: str | None = None

    def origin(self, reference: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
        """{zone, policy, part, item, permanent, file}. One of zone and policy is a name; None for firewalld's own frame of rules.

        part: pre | log | deny | allow | post | target. item: "service https", "port 443/tcp", "rich rule ..." as the files have it.
        permanent: None where the files may not be read, or the chain is for no item.
        """
        holder, name, part = self._holder(str(reference["chain"]))
        if name is None:
            return None
        origin: dict[str, t.Any] = {"zone": None, "policy": None, "part": part, "item": None, "permanent": None, "file": None}
        origin["policy" if holder == "policy" else "zone"] = name
        kept = self._files.holder(holder, name) if self._files else None
        if kept is None:
            # A zone that exists at runtime only has no file; where nothing at all can be read, it is not known.
            origin["permanent"] = False if self._files and self._files.readable else None
            return origin
        origin["file"] = kept.file
        if part == "target":
            origin.update(item=f"target {kept.target}", permanent=_target_is(kept.target, str(reference["text"])))
        else:
            item = _item(kept, part, str(reference["text"]))
            origin.update(item=item.text if item else None, permanent=item is not None)
        return origin

    def change(self, reference: t.Mapping[str, t.Any], flow: Flow) -> dict[str, t.Any] | None:
        if not flow.opens:  # firewalld lets through what belongs to a connection before anything else
            return None
        holder, name, part = self._holder(str(reference["chain"]))
        if name is None:
            return None
        if holder == "zone" and flow.direction == "forward":
            return self._forwarded(name, flow)
        simple = None
        if holder == "zone" and part == "target":
            simple = quoted("firewall-cmd", f"--zone={name}", f"--add-port={flow.port}/tcp")
        only_now = (reference.get("origin") or {}).get("permanent") is False and part != "target"
        note = "; the rule that stops it is not permanent, firewall-cmd --reload forgets it" if only_now else ""
        waiting = self._not_loaded(holder, name, flow) if part == "target" else None
        if waiting:
            loads = self._forgotten() or "and changes nothing else"
            note = f"; its permanent configuration has {waiting} already, which is not loaded: firewall-cmd --reload loads it, {loads}"
        elif part == "target" and holder == "zone":
            note += self._in_others(name, flow)
        return {
            "summary": f"accept {flow.words()} in {holder} {name}, now and permanently{note}",
            "commands": commands(holder, name, flow.rich_rule(PRIORITIES.get(part, 0))),
            "simple": simple,
        }

    def _in_others(self, zone: str, flow: Flow) -> str:
        """The zones of this host's own that let the port in, where the interface is in another one."""
        names = self._files.own_zones() if self._files and flow.interface else []
        found = [(name, item) for name in names if name != zone for item in [self._not_loaded("zone", name, flow)] if item]
        if not found:
            return ""
        name, item = found[0]
        moved = quoted("firewall-cmd", f"--zone={name}", f"--change-interface={flow.interface}")
        return f"; or, if {flow.interface} belongs into zone {name}, which has {item}: {moved}, and the same with --permanent"

    def _not_loaded(self, holder: str, name: str, flow: Flow) -> str | None:
        """What of the files lets the port in for everybody: a packet that comes to the zone's target has met no such rule."""
        kept = self._files.holder(holder, name) if self._files else None
        for item in kept.all_items if kept else []:
            fits = item.plain and item.family in (None, "ipv6" if flow.ipv6 else "ipv4")
            if fits and any(ports is not None and ports[0] <= flow.port <= ports[1] for ports in item.ports):
                return item.text
        return None

    def _forwarded(self, zone: str, flow: Flow) -> dict[str, t.Any]:
        """Between zones it takes a policy: see firewalld.policies(5). Rules can be added to one at once; a new one takes a reload.

        A policy is in force between interfaces that are bound to its zones, which those of the default zone need not be.
        """
        leaves = self._zone_of(flow.out_interface)
        name, exists = self._policy(zone, leaves or "ANY")
        allowed, permanently = commands("policy", name, flow.rich_rule())
        summary = f"forward {flow.words()} from zone {zone} to {f'zone {leaves}' if leaves else 'any zone'} with policy {name}"
        ways = ((flow.interface, zone), (flow.out_interface, leaves))
        bind = [quoted(f"--zone={place}", f"--add-interface={link}") for link, place in ways if link and place and self._unbound(link)]
        if exists:
            now = [f"firewall-cmd {each}" for each in bind]
            lasting = [f"firewall-cmd --permanent {each}" for each in bind]
            return {"summary": f"{summary}, now and permanently", "commands": [*now, allowed, *lasting, permanently]}
        there = quoted("firewall-cmd", "--permanent", f"--info-policy={name}")
        ends = [f"--policy={name}", f"--add-ingress-zone={zone}"], [f"--policy={name}", f"--add-egress-zone={leaves or 'ANY'}"]
        forgets = self._forgotten()
        return {
            "summary": f"{summary}. It takes effect with firewall-cmd --reload, {forgets or 'which changes nothing else now'}",
            "commands": [
                f"{there} > /dev/null 2>&1 || {quoted('firewall-cmd', '--permanent', f'--new-policy={name}')}",
                *(quoted("firewall-cmd", "--permanent", *each) for each in ends),
                *(f"firewall-cmd --permanent {each}" for each in bind),
                permanently,
                *([] if forgets else ["firewall-cmd --reload"]),
            ],
        }

    def _zone_of(self, link: str | None) -> str | None:
        return (self._files.zone_of(link) or self._files.default_zone()) if self._files and link else None

    def _unbound(self, link: str) -> bool:
        return self._files is not None and self._files.zone_of(link) is None

    def _forgotten(self) -> str:
        """What else a reload would change, as half a sentence; empty where that is nothing."""
        if self._forgets is None:
            try:
                found = [each.words() for each in reloading(self._run)] if self._run else None
            except ObserveError as error:
                self._forgets = f"and it is not known what else that changes: {error}"
            else:
                more = f" and {len(found) - _MOST_NAMED} more" if found and len(found) > _MOST_NAMED else ""
                warning = f"which would also change: {', '.join(found[:_MOST_NAMED])}{more}" if found else ""
                self._forgets = _UNKNOWN if found is None else warning
        return self._forgets

    def _policy(self, arrives: str, leaves: str) -> tuple[str, bool]:
        """The name of the policy between two zones that these commands make, and whether it is there; names of others are left to them."""
        start = re.sub(r"[^\w-]", "", f"{arrives[:8]}-{'any' if leaves == 'ANY' else leaves[:6]}")
        for number in range(1, _MOST_NAMES):
            name = start if number == 1 else f"{start}{number}"
            kept = self._files.holder("policy", name) if self._files else None
            if kept is None or kept.ways == ([arrives], [leaves]):
                return name, kept is not None
        return start, False

    def _holder(self, chain: str) -> tuple[str, str | None, str]:
        """("zone" or "policy", its name, the part of it) that a chain belongs to; no name for the frame that all have in common."""
        match = _CHAIN.fullmatch(chain)
        if match is None:
            return "zone", None, ""
        name = match["name"]
        # With the backend iptables, chains of policies are named like those of zones.
        policy = bool(match["policy"]) or bool(self._files and not self._files.holder("zone", name) and self._files.holder("policy", name))
        return ("policy" if policy else "zone"), name, match["list"] or "target"


def _target_is(target: str, text: str) -> bool:
    """Whether a target of the files is what the rule does; the targets default and %%REJECT%% reject."""
    does = _verdict(text)
    return does == {"ACCEPT": "accept", "DROP": "drop"}.get(target, "reject")


def _verdict(text: str) -> str | None:
    found = _VERDICT.search(text)
    return found[1].lower() if found else None


def _item(kept: Holder, part: str, text: str) -> Item | None:
    """The item of a zone or policy that a rule was made of: same port, same verdict, and the same source if it has one."""
    port, source = _PORT.search(text), _SOURCE.search(text)
    ports = (int(port[1]), int(port[2] or port[1])) if port else None
    address = re.sub(r"/(32|128)$", "", source[1]) if source else None
    candidates = [item for item in kept.all_items if part != "allow" or item.verdict == "accept"]
    for item in candidates:
        if ports in item.ports and address == item.source and item.verdict == _verdict(text) and item.protocol_fits(text):
            return item
    return None

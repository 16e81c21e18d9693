# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Which handshakes a difference endangers, and how: one sentence for each of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._host.sysctl_meanings import MEANINGS
from ansible_collections.threeway.handshake.plugins.module_utils._host.sysctls import pattern
from ansible_collections.threeway.handshake.plugins.module_utils._state.services import RUNNING
from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import on_loopback

from .._model.records import whole
from .compare import Difference
from .parts import Part
from .state import PACKETS, STOPPED, State

Dangers = Iterator[tuple[Part, str]]

_ANY = ("0.0.0.0", "::")
_SIDES = {"client": ("client", "both"), "server": ("server", "both"), "via": ("router",)}
# Sysctls of which more, or anything at all, is no danger to a handshake.
_MORE_IS_SAFE = re.compile(
    r"fs\..*|net\.core\.(netdev_budget|netdev_max_backlog|somaxconn)|.*\.gc_thresh[123]|.*\.nf_conntrack_max"
    r"|net\.ipv4\.(tcp_(max_syn_backlog|max_tw_buckets|syn_retries|synack_retries|syn_linear_timeouts|challenge_ack_limit)|icmp_msgs_per_sec)"
)
# Values of others that let through or answer all that any other value does.
_SAFEST = re.compile(
    r"net\.ipv4\.(conf\..*\.(accept_local=1|rp_filter=0)|tcp_(abort_on_overflow=0|syncookies=1))|net\.ipv[46]\.ip_nonlocal_bind=1"
)
_HARMLESS = re.compile(
    r".*\.log_martians|net\.ipv4\.(icmp_.*|tcp_(ecn_fallback|sack|window_scaling|mtu_probing|fin_timeout))|net\.ipv6\.icmp\..*"
)


def dangers(difference: Difference, mine: Iterable[Part], kept: State, now: State) -> Dangers:
    """The host's parts in handshakes that the difference endangers. ``kept``, ``now``: the host's state in the baseline, and as it is."""
    mine = list(mine)
    open_ = [part for part in mine if part.entry.expect == "open"]
    if difference.kind == "reboot":
        yield from _reboot(difference, open_, kept, now)
    elif difference.kind in _BY_KIND:
        yield from _BY_KIND[difference.kind](difference, open_, now)
    yield from _opening(difference, [part for part in mine if part.entry.expect == "blocked"])


def _opening(difference: Difference, closed: list[Part]) -> Dangers:
    """What lets handshakes through that must not be possible."""
    was, is_ = difference.before or {}, difference.after or {}
    if difference.kind == "listener" and not was:
        for part in closed:
            if part.role == "server" and part.entry.port == is_["port"]:
                yield part, f"something listens on port {is_['port']} now, and this handshake must not be possible"
    elif difference.kind == "firewall" and was.get("verdict") in STOPPED and is_.get("verdict", "accept") not in STOPPED:
        packet = PACKETS.get(was["packet"], was["packet"])
        for part in closed:
            if part.has(was):
                yield part, f"its {packet} is stopped no longer, and this handshake must not be possible"
    elif difference.kind == "reboot" and is_.get("answers"):
        for answer in is_["answers"]:
            for part in closed:
                if part.has(answer):
                    yield part, f"after a reboot it meets another outcome: {answer['then']} (now {answer['now']})"


def _name(difference: Difference, mine: list[Part], _now: State) -> Dangers:
    for part in mine:
        if part.role == "client" and part.entry.address == difference.name:
            yield part, f"{difference.name} now resolves to {', '.join(difference.after or ()) or 'nothing'}"


def _listener(difference: Difference, mine: list[Part], now: State) -> Dangers:
    was, is_ = difference.before, difference.after
    port = (was or is_)["port"]
    serving = [part for part in mine if part.role == "server" and part.entry.port == port]
    if was is None:
        if is_["address"] not in _ANY:  # a more specific listener takes what another one had
            for part in serving:
                if is_["address"] in part.server and sum(each.port == port for each in now.listeners or ()) > 1:
                    yield part, f"another listener takes {is_['address']}:{port} now"
        return
    if is_ is None:
        for part in serving:
            if not any(each.port == port and _covers(each.address, part, was["address"]) for each in now.listeners or ()):
                yield part, f"nobody listens on port {port} for it any more"
        return
    changed = sorted(name for name in {*was, *is_} if was.get(name) != is_.get(name))
    less = "backlog" in changed and is_.get("backlog", 0) < was.get("backlog", 0)
    strict = [name for name in changed if name in ("v6only", "md5", "filtered", "min_ttl", "defer_accept") and is_.get(name)]
    for part in serving:
        if strict:
            yield part, f"the listener has {', '.join(strict)} now, which may refuse it"
        elif less:
            yield part, f"its accept queue takes {is_.get('backlog')} connections now, and took {was.get('backlog')}"
        elif owner := next((name for name in ("process", "unit") if name in changed), None):
            yield part, f"another {owner} answers: {is_.get(owner) or 'none'} instead of {was.get(owner) or 'none'}"


def _covers(address: str, part: Part, gone: str) -> bool:
    """Whether another listener still takes the handshake. Where addresses are translated, one of several may have been the other's."""
    return address in (*_ANY, *part.server) or (gone not in (*_ANY, *part.server) and not on_loopback(address))


def _service(difference: Difference, mine: list[Part], _now: State) -> Dangers:
    was, is_ = difference.before or {}, difference.after or {}
    stopped = was.get("active") in RUNNING and is_.get("active") not in RUNNING
    disabled = was.get("enabled") in ("enabled", "static", "indirect", "generated") and is_.get("enabled") in ("disabled", "masked", None)
    ports = {*(was.get("ports") or ()), *(is_.get("ports") or ())}
    how = "is not running any more" if stopped else "will not start at the next boot" if disabled else ""
    for part in mine:
        if how and part.role == "server" and part.entry.port in ports:
            yield part, f"{difference.name} {how}"


def _firewall(difference: Difference, mine: list[Part], _now: State) -> Dangers:
    was, is_ = difference.before or {"verdict": "accept"}, difference.after or {"verdict": "accept"}
    record = difference.before or difference.after
    packet = PACKETS.get(record["packet"], record["packet"])
    verdict = is_["verdict"]
    rewritten = was.get("rewritten") != is_.get("rewritten")
    if verdict in STOPPED and was["verdict"] not in STOPPED:
        how = f"its {packet} is stopped: {verdict}" + (f" by {is_['decided_by']}" if is_.get("decided_by") else "")
    elif verdict not in ("accept", *STOPPED) and was["verdict"] == "accept":
        how = f"whether its {packet} is let through is no longer sure ({is_.get('undecided_because') or verdict})"
    elif rewritten and verdict not in STOPPED:
        otherwise, before = (each.get("rewritten") or "not at all" for each in (is_, was))
        how = f"its {packet} is translated otherwise: {otherwise} instead of {before}"
    else:
        return
    for part in mine:
        if part.has(record):
            yield part, how


def _route(difference: Difference, mine: list[Part], _now: State) -> Dangers:
    was, is_ = difference.before, difference.after
    if is_ is None or (was is None and not is_.get("error")):  # another question, not another answer
        return
    if is_.get("error") or is_.get("type") not in ("unicast", "local"):
        how = f"there is no way to {is_['to']} any more ({is_.get('type') or is_.get('error')})"
    else:
        now, before = _way(is_), _way(was or {})
        if now == before and is_.get("source") != was.get("source"):
            now, before = f"with the source {is_.get('source')}", f"with {was.get('source')}"
        if now == before:
            return  # another prefix or table, and the same way
        how = f"its packets to {is_['to']} leave {now} instead of {before}"
    for part in mine:
        if part.goes(is_["to"]):
            yield part, how


def _way(route: Mapping[str, Any]) -> str:
    if route.get("hops"):
        return "by " + ", ".join(route["hops"])
    gateway = f"by {route['gateway']} " if route.get("gateway") else "on link "
    return f"{gateway}through {route.get('interface') or 'nothing'}"


def _neighbour(difference: Difference, mine: list[Part], now: State) -> Dangers:
    mac, before = ((each or {}).get("permanent_mac") for each in (difference.after, difference.before))
    address = (difference.after or difference.before)["address"]
    how = f"{address} on its way is pinned to the link address {mac}"
    if mac is None:
        how = f"{address} on its way was pinned to the link address {before}, and has to answer for itself now"
    ways = {route.to for route in now.routes or () if route.gateway == address or (route.to == address and not route.gateway)}
    for part in mine:
        if any(part.goes(to) for to in ways):
            yield part, how


def _sysctl(difference: Difference, mine: list[Part], _now: State) -> Dangers:
    yield from _by_sysctl(difference.name, difference.before, difference.after, mine, "is")


def _by_sysctl(name: str, was: Any, is_: Any, mine: list[Part], verb: str) -> Dangers:
    if is_ is None or was is None or _HARMLESS.fullmatch(name) or _SAFEST.fullmatch(f"{name}={is_}"):
        return
    if _MORE_IS_SAFE.fullmatch(name) and _is_more(was, is_):
        return
    meaning = MEANINGS.get(pattern(name))
    for part in mine:
        ours = meaning is None or meaning.side in _SIDES[part.role]
        family = part.ipv6 if name.startswith("net.ipv6.") else part.ipv4 if name.startswith("net.ipv4.conf.") else True
        forwards = name.endswith(("forwarding", "ip_forward"))
        if (ours or (forwards and part.role == "via")) and family and not (forwards and str(is_) != "0"):
            yield part, f"{name} {verb} {is_ or 'empty'} instead of {was or 'empty'}" + (f" ({meaning.text[:200]})" if meaning else "")


def _is_more(was: Any, is_: Any) -> bool:
    before, now = whole(str(was)), whole(str(is_))
    return before is not None and now is not None and 0 <= before <= now


def _reboot(difference: Difference, mine: list[Part], kept: State, now: State) -> Dangers:
    change = difference.after
    if change is None:
        return
    if change["kind"] == "sysctl":
        wanted = (kept.sysctls or {}).get(change["name"], change["now"])
        if change["then"] != wanted:  # else the reboot heals it
            yield from _by_sysctl(change["name"], wanted, change["then"], mine, "after a reboot is")
    elif change["kind"] == "service":
        ports = (now.services or {}).get(change["name"])
        for part in mine:
            if change["then"] == "not started" and ports and part.role == "server" and part.entry.port in (ports.ports or ()):
                yield part, f"{change['name']} runs, and a reboot does not start it ({change['because']})"
    elif change.get("answers") is None:
        for part in mine:
            yield part, f"what {change['kind']} makes of it after a reboot is not known: {change['name']} differs"
    else:
        for answer in change["answers"]:
            for part in mine:
                if part.has(answer):
                    packet = PACKETS.get(answer["packet"], answer["packet"])
                    yield part, f"after a reboot its {packet} meets another outcome: {answer['then']} (now {answer['now']})"


_BY_KIND: Mapping[str, Callable[[Difference, list[Part], State], Dangers]] = {
    "name": _name,
    "listener": _listener,
    "service": _service,
    "firewall": _firewall,
    "route": _route,
    "neighbour": _neighbour,
    "sysctl": _sysctl,
}

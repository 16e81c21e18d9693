# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What a host's firewall does to the packets of the handshakes that a diagnosis tries: `firewall` of a snapshot, see docs/evidence.md."""

from __future__ import annotations

import os
import time
import typing as t

from .._commands import Run
from .._firewall.hidden import takes
from .._firewall.verdicts import observe
from .._wire.netlink import NETLINK_ROUTE, Netlink
from . import by_user, links, traversals

MOST_STEPS = 20  # rules reported of one packet's way
_LEADING = ("jump", "return")
MOST_PARTS = 20  # conditions reported of one rule
MOST_BY_USER = 5  # SYNs for which other users are asked about
MOST_MISSED = 10  # SYNs for which rules are asked about that just miss them
MOST_UNLOADED = 10  # SYNs for which files are looked through
MOST_TEXT = 500  # characters of a rule, which may have a large set in it

if t.TYPE_CHECKING:
    from .snapshot import Destination

Absent = t.List[t.Dict[str, str]]
Record = t.Dict[str, t.Any]


class Dial(t.NamedTuple):
    """A handshake of this host's own; `source` None: no way there. `interface`: by which it leaves; None: the rules' routing says it."""

    source: str | None
    local_port: int | None
    address: str
    port: int
    uid: int
    gid: int
    interface: str | None = None


def own(destination: Destination, way: t.Mapping[str, t.Any] | None, local_ports: t.Mapping[tuple[str, int, int], int | None]) -> Dial:
    """The dial to a destination, by the kernel's answer about the way; policy routing may ask for the user."""
    uid, gid = (destination.user.uid, destination.user.gid) if destination.user else (os.geteuid(), os.getegid())
    _source, address, port, user = destination
    source = destination.source or (way["source"] if way else None)
    return Dial(
        source=source,
        local_port=local_ports.get((address, port, uid)),
        address=address,
        port=port,
        uid=uid,
        gid=gid,
        interface=way["interface"] if way and user else None,
    )


def ask(order: t.Mapping[str, t.Any], dials: t.Sequence[Dial], run: Run) -> tuple[Record, Absent]:
    """The verdicts on the order's packets and on those of the host's own dials.

    Where conntrack's finding a packet invalid would make a difference to one that is not stopped anyway, the verdict on that follows.
    Raises ObserveError.
    """
    begun = time.time()
    ours: list[Record] = []
    left_out = 0
    for (uid, gid, interface), several in _by_socket(dials).items():
        questions, more = traversals.bounded(several, traversals.MOST_HANDSHAKES - len(ours) // 3)
        out = {"uid": uid, "gid": gid, "out_interface": interface}
        ours += [{**question, **(out if question["direction"] == "out" else {"uid": None, "gid": None})} for question in questions]
        left_out += more
    asked = [*ours, *(order.get("packets") or ())]
    arriving = _by_their_own_interface(asked)
    anybodys = by_user.unowned(asked)
    questions = [*asked, *({**question, "state": "invalid"} for question in asked), *arriving.values(), *anybodys.values()]
    lasting = bool(order.get("lasting"))
    found = observe(questions, run, lasting=lasting)
    verdicts = found["verdicts"][: len(asked)]
    invalid = zip(verdicts, found["verdicts"][len(asked) :])
    elsewhere = [(verdicts[number], other) for number, other in zip(arriving, found["verdicts"][2 * len(asked) :])]
    of_anybody = dict(zip(anybodys, found["verdicts"][len(questions) - len(anybodys) :]))
    users = _by_user(asked, verdicts, of_anybody, lambda several: observe(several, run, lasting=lasting)["verdicts"])
    verdicts = [{**verdict, "users": users.get(number)} for number, verdict in enumerate(verdicts)]
    verdicts += [other for verdict, other in invalid if not _stops(verdict) and other["verdict"] != verdict["verdict"]]
    verdicts += [other for verdict, other in elsewhere if (other["verdict"], other["rule"]) != (verdict["verdict"], verdict["rule"])]
    absent = [{**each, "what": f"firewall: {each['what']}"} for each in found["absent"]]
    left_out += order.get("packets_left_out") or 0
    if left_out:
        why = f"not asked about {left_out} handshakes: at most {traversals.MOST_HANDSHAKES} are asked about on a host"
        absent.append({"what": "firewall", "why": why})
    shortened = [_shortened(verdict) for verdict in verdicts]
    return {"begun": begun, "ended": time.time(), "generation": _generation(), "verdicts": shortened}, absent


def add_missed(verdicts: t.Sequence[Record], listened: t.Container[int], run: Run) -> None:
    """Where a SYN is stopped, or comes to a port on which nobody listens, see which rule would do better but for one condition.

    Where it is stopped, see for which element of a set, too, or for the lack of which. Where a rule may take it ahead of one that
    translates it, see whether there is one.
    """
    syns = [verdict for verdict in verdicts if (verdict["packet"], verdict["state"]) == ("syn", "new")]
    lost = [verdict for verdict in syns if _is_lost(verdict, listened)]
    wanted = [*lost, *(verdict for verdict in syns if verdict not in lost and _is_taken(verdict, listened))][:MOST_MISSED]
    if not wanted:
        return
    fields = ("packet", "direction", "source", "source_port", "destination", "port", "interface", "out_interface", "state", "uid", "gid")
    found = observe([{**{name: verdict[name] for name in fields}, "missed": True} for verdict in wanted], run)
    for verdict, answer in zip(wanted, found["verdicts"]):
        if _decision(answer) != _decision(verdict):
            continue  # a frame that is bridged, or another packet of which a verdict does not have everything
        verdict["missed"] = [
            {**each, "rule": _short(each["rule"]), "translating": _short(each["translating"])} for each in answer["missed"]
        ]
        hidden = answer["hidden"]
        verdict["hidden"] = hidden and {
            **hidden,
            "by": [_short(each) for each in hidden["by"]],
            "translating": _short(hidden["translating"]),
        }
        verdict["sets"] = [{**each, "rule": _short(each["rule"]), "filled_by": _short(each["filled_by"])} for each in answer["sets"]]


def add_unloaded(verdicts: t.Sequence[Record], run: Run) -> Absent:
    """Where a SYN is stopped, see whether a file of the firewall has a rule that lets it through, and that is not loaded."""
    stopped = [verdict for verdict in verdicts if _stops(verdict) and (verdict["packet"], verdict["state"]) == ("syn", "new")]
    wanted = [each for each in stopped if not each["shadowed"] and each["path"]][:MOST_UNLOADED]
    if not wanted or os.geteuid() != 0:
        return []
    from .._firewall import unloaded

    found, absent = unloaded.find(wanted, run)
    for verdict, each in zip(wanted, found):
        verdict["unloaded"] = {**each, "text": str(each["text"])[:MOST_TEXT]} if each else None
    return absent


def _decision(verdict: Record) -> tuple[t.Any, ...]:
    rule = verdict["rule"] or {}
    return (verdict["verdict"], *(rule.get(name) for name in ("family", "table", "chain", "handle", "number")))


def _is_lost(verdict: Record, listened: t.Container[int]) -> bool:
    unserved = verdict["direction"] == "in" and not verdict["rewritten"] and verdict["port"] not in listened
    return _stops(verdict) or (verdict["verdict"] == "accept" and unserved)


def _is_taken(verdict: Record, listened: t.Container[int]) -> bool:
    """Whether it goes on, though not to a listener of this host, and a rule may have kept it from others that translate it."""
    served = verdict["direction"] == "in" and not verdict["rewritten"] and verdict["port"] in listened
    steps = ((step["chain"]["hook"], step["matched"], [each["kind"] for each in step["effects"]]) for step in verdict["path"])
    return verdict["verdict"] == "accept" and not served and any(takes(*step) for step in steps)


def _by_socket(dials: t.Sequence[Dial]) -> dict[tuple[int, int, str | None], list[tuple[str, traversals.End, traversals.End]]]:
    """The handshakes by what decides about them beside their ends: (uid, gid, interface)."""
    found: dict[tuple[int, int, str | None], list[tuple[str, traversals.End, traversals.End]]] = {}
    for each in dials:
        if each.source:
            handshake = ("client", (each.source, each.local_port), (each.address, each.port))
            found.setdefault((each.uid, each.gid, each.interface), []).append(handshake)
    return found


def _by_their_own_interface(asked: t.Sequence[Record]) -> dict[int, Record]:
    """By its number, each question about a packet that comes in by an interface unknown, as coming in by that of the address it is for.

    Without a recording the way back to its source is supposed to be the one that it comes; where it is not, other rules meet it, whose
    counters must be known from before.
    """
    with Netlink(NETLINK_ROUTE) as netlink:
        names = {link["index"]: link["name"] for link in links.links(netlink)}
        owners = {each["address"]: each["interface"] for each in links.addresses(netlink, names)}
    unknown = {number: each for number, each in enumerate(asked) if each["direction"] == "in" and not each.get("interface")}
    return {
        number: {**each, "interface": owners[each["destination"]]}
        for number, each in unknown.items()
        if owners.get(each["destination"], "lo") != "lo" and each["source"] not in owners
    }


def _by_user(
    asked: t.Sequence[Record],
    verdicts: t.Sequence[Record],
    of_anybody: t.Mapping[int, Record],
    ask_again: t.Callable[[t.Sequence[Record]], t.Sequence[Record]],
) -> dict[int, Record | None]:
    """`users` of the verdicts, by their number, that depend on who sends the packet."""
    hanging = [number for number, unknown in of_anybody.items() if by_user.depends(verdicts[number], unknown)][:MOST_BY_USER]
    questions = {number: by_user.others(asked[number]) for number in hanging}
    answers = iter(ask_again([question for several in questions.values() for _name, question in several]) if questions else ())
    return {
        number: by_user.differing(verdicts[number], [(name, next(answers)) for name, _q in several])
        for number, several in questions.items()
    }


def _generation() -> int | None:
    """How often the rules of nf_tables were changed since the network namespace was made; None where the kernel does not say."""
    from .._firewall.nft.read import generation

    number = generation()
    return int.from_bytes(number, "big") if number else None


def _stops(verdict: Record) -> bool:
    return verdict["verdict"] in ("drop", "reject")


def _shortened(verdict: Record) -> Record:
    """A verdict with the steps that matter: the rules that matched, or might have."""
    path = [step for step in verdict["path"] if step["matched"] is not False]
    steps = _as_many(path)
    left_out = len(verdict["path"]) - len(steps)
    users = verdict.get("users")
    shadowed = [_short(rule) for rule in verdict["shadowed"][:3]]
    return {
        **verdict,
        "rule": _short(verdict["rule"]),
        "change": _short_change(verdict["change"]),
        "then": _shortened({**verdict["then"], "users": None}) if verdict["then"] else None,
        "shadowed": shadowed,
        "users": {**users, "rule": _short(users["rule"])} if users else None,
        "one_of": [_short(rule) for rule in verdict["one_of"] if rule],
        "marked_by": [_short(rule) for rule in verdict["marked_by"]],
        "rerouted": verdict["rerouted"] and {**verdict["rerouted"], "rule": _short(verdict["rerouted"]["rule"])},
        "targets": [{**target, "rule": _short(target["rule"])} for target in verdict["targets"]],
        "path": [{**step, "rule": _short(step["rule"]), "parts": step["parts"][:MOST_PARTS]} for step in steps],
        "passed": verdict["passed"] + left_out,
    }


def _as_many(path: list[Record]) -> list[Record]:
    """As many of the steps as are reported: all that do something to the packet, and the last one, before those that only lead to
    chains."""
    doing = [at for at, step in enumerate(path) if at == len(path) - 1 or any(each["kind"] not in _LEADING for each in step["effects"])]
    leading = [at for at in range(len(path)) if at not in doing]
    kept = doing[-MOST_STEPS:] + leading[: max(0, MOST_STEPS - len(doing))]
    return [path[at] for at in sorted(kept)]


def _short_change(change: Record | None) -> Record | None:
    return {**change, "before": _short(change["before"])} if change else None


def _short(rule: Record | None) -> Record | None:
    return {**rule, "text": str(rule["text"])[:MOST_TEXT]} if rule else None

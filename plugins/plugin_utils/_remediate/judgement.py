# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Did it help, and did it harm? The report before a batch of changes against the report after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .._decide.outcome import SEGMENTS, step
from .._drift.mended import remains, worse
from .._model.prose import Prose, Wording, unwrapped, worded
from .._model.records import RecordError, build
from .mending import Mending

Json = Mapping[str, Any]
_WORKING = ("ok", "degraded")


@dataclass(frozen=True)
class Judgement:
    """Of all changes of one host, which are one transaction. ``helped``: the keys of the fixes that did what they were for."""

    keep: bool
    why: Wording
    helped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        worded(self, "why")

    def to_json(self) -> dict[str, Any]:
        document: dict[str, Any] = unwrapped(vars(self))
        return document


def judge(before: Json, after: Json, changed: Mapping[str, Sequence[Mending]], failed: Mapping[str, str]) -> dict[str, Judgement]:
    """Whether to keep what was changed, per host. ``failed``: hosts on which the change was not completed, and why.

    All of the batch is undone where some flow that worked is broken now: which change broke it is not known.
    """
    flows_before, flows_after = _by_id(before), _by_id(after)
    harmed = [sentence for flow in flows_before if (sentence := harm(flows_before[flow], flows_after.get(flow)))]
    judged = {}
    for host, several in changed.items():
        wanted = {each.key: list(_failures(each, before, after)) for each in several}
        helped = tuple(key for key, answers in wanted.items() if not answers)
        failing = [sentence for answers in wanted.values() for sentence in answers]
        harms = [*harmed, *_harms(host, before, after)]
        if host in failed:
            judged[host] = Judgement(False, failed[host])
        elif harms:
            judged[host] = Judgement(False, "; ".join(harms[:3]))
        elif failing:
            judged[host] = Judgement(False, "; ".join(failing[:3]), helped)
        else:
            concerned = dict.fromkeys(flow for each in several for flow in each.flows[:3])
            successes = [_success(flows_before[flow], flows_after[flow]) for flow in concerned]
            judged[host] = Judgement(True, "; ".join(["the drift is gone"] * ("drift" in before) + successes), helped)
    return judged


def with_all(before: Json, after: Json) -> Json:
    """The report after the changes, and the flows of the one before that nobody tried, because they are not declared any more."""
    tried = {flow["id"] for flow in after["flows"]}
    missing = [{**flow, "status": "undetermined", "causes": []} for flow in before["flows"] if flow["id"] not in tried]
    return {**after, "flows": [*after["flows"], *missing]}


def harm(before: Json, after: Json | None) -> str | None:
    """That a flow worked before and does not now."""
    if before["status"] not in _WORKING or (after is not None and after["status"] in _WORKING):
        return None
    now = "cannot be judged" if after is None or after["status"] == "undetermined" else "is broken"
    return f"{named(before)} worked before and {now}"


def _harms(host: str, before: Json, after: Json) -> list[str]:
    """What the change did to the host itself, as far as its baseline shows."""
    harm = worse(host, before["drift"], after["drift"]) if "drift" in before else None
    return [harm] if harm else []


def _failures(mending: Mending, before: Json, after: Json) -> Iterator[str]:
    """Why a fix did not do what it was made for."""
    then, now = _by_id(before), _by_id(after)
    flows = [(then[flow], now[flow]) for flow in mending.flows]
    if "drift" not in before:
        yield from filter(None, (failure(mending, *flow) for flow in flows))
        return
    # A handshake that drift endangers may have worked all the time, and may go on to break for another reason. One that could not be tried
    # before, because its client is down, say, shows nothing as long as there are others.
    known = [flow for flow in flows if flow[0]["status"] != "undetermined"]
    yield from filter(None, [remains(mending.code, mending.host, after["drift"]), *(_falls_short(*flow) for flow in known or flows)])


def failure(mending: Mending, before: Json, after: Json) -> str | None:
    """Why a fix did not do for a flow what it was made for; None if it did.

    It did if the flow works, or comes further than before, so that another cause shows that this one had hidden: of a firewall also
    another rule. It did not where the cause comes back: as the one that decides, or as a proven one beside another.
    """
    if after["status"] == "ok":
        return None
    if fell := _falls_short(before, after):
        return fell
    again = _again(before, after)
    if after["status"] == "degraded" and before["status"] != "degraded":
        return f"{named(after)} connects, but {mending.code} at {mending.host} is back: {again['summary']}" if again else None
    if again or not after["causes"]:
        return f"{named(after)} is {after['status']} as before ({mending.code} at {mending.host})"
    return None


def _falls_short(before: Json, after: Json) -> str | None:
    """That a flow does not come as far as before, or it is not known how far."""
    if after["status"] == "undetermined":
        return f"{named(after)} cannot be judged{'' if before['status'] == 'undetermined' else ' any more'}"
    if after["status"] in _WORKING or _reached(after) >= _reached(before):
        return None
    return f"{named(after)} does not come as far as before" + (f": {after['causes'][0]['summary']}" if after["causes"] else "")


def _again(before: Json, after: Json) -> Json | None:
    """What decided about a flow and is still there: as what decides, or proven beside something else, unless the flow comes further."""
    if not before["causes"] or not after["causes"]:
        return None
    first, *others = after["causes"]
    further = after["status"] == "broken" and _reached(after) > _reached(before)
    beside = [] if further else [cause for cause in others if cause["certainty"] == "proven"]
    return next((cause for cause in (first, *beside) if _is_same(before["causes"][0], cause)), None)


def _is_same(before: Json, after: Json) -> bool:
    rule_then, rule_now = _rule(before), _rule(after)
    same_rule = rule_then is None or rule_now is None or rule_then.may_be(rule_now)
    return (before["code"], before["host"]) == (after["code"], after["host"]) and same_rule


@dataclass(frozen=True)
class _Rule:
    """A firewall's rule as a report names it. Its number and handle change when another one is put before it; ``text`` may be missing."""

    family: str
    table: str
    chain: str
    text: Prose | None = None

    def may_be(self, other: _Rule) -> bool:
        place, others = (self.family, self.table, self.chain), (other.family, other.table, other.chain)
        return place == others and (self.text is None or other.text is None or self.text == other.text)


def _rule(cause: Json) -> _Rule | None:
    """The rule that a cause names, as far as that is known."""
    try:
        rule: _Rule = build(_Rule, (cause.get("detail") or {}).get("rule"), "rule")
    except RecordError:
        return None
    return rule


def named(flow: Json) -> str:
    """``web-to-db (web1 -> db1)``"""
    return f"{flow['name']} ({flow['client']} -> {flow['server'] or flow['address']}:{flow['port']})"


def _success(before: Json, after: Json) -> str:
    if after["status"] == "ok":
        return f"{named(after)} connects"
    if after["status"] == "degraded":
        return f"{named(after)} connects, but is degraded" + (f": {after['causes'][0]['summary']}" if after["causes"] else "")
    if not after["causes"] or _again(before, after):
        return f"{named(after)} is {after['status']} as before"
    return f"{named(after)} comes further, to {after['causes'][0]['code']} at {after['causes'][0]['host']}"


def _reached(flow: Json) -> int:
    """How far a handshake comes."""
    return step(flow["leg"], flow["segment"]) if flow["segment"] in SEGMENTS else -1


def _by_id(report: Json) -> dict[str, Json]:
    return {flow["id"]: flow for flow in report["flows"]}

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people call their chains, sets, units and rules changes no answer; and no code of the decide room reads sentences."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.front_reasons import Why
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.icmp import IcmpAnswer
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.finding import Evidence, Finding
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.conclude import Observed
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.state import PacketChange
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.firewall_records import Rewritten, Undecided, Verdict
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.firewall_subjects import TranslatedInside
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.fixes import Fix
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Absence, Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.opening_records import RuleChange
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.probe_records import Resolution
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.prose import Prose, Wording
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.rule_records import Condition, Effect, Rule, RuleStep
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.socket_subjects import Accepting, Backend, StoppedUnit
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.unit_records import Unit
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.gaps import Gap
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.judgement import Judgement
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.mending import Mending
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.run import Remediation
from tests.unit.examples import examples
from tests.unit.plugins.plugin_utils.recordings import FINISHED, STARTED, Phases, recorded, reported
from tests.unit.plugins.plugin_utils.sampled import sampled

TELLING = (
    *("after-dnat", "cali-fip-dnat", "limit", "reject-log", "drop", "accept", "policy drop", "goto x", "jump", "snat", "masquerade"),
    *("redirect to :1", "quota", "recent", "meter", "it depends on x: accept if not, drop if so", "masked", "random", "fib rpfilter", ""),
)
CHAINS = [name for name in TELLING if name.replace("-", "").isalpha()]
few = examples(3, always=1)
ROOMS = Path(__file__).parents[5] / "plugins"
BUILT_IN = {"INPUT", "OUTPUT", "FORWARD", "PREROUTING", "POSTROUTING"}


class Renaming:
    """New names for old ones, the same for the same, and different for different ones."""

    def __init__(self, names: list[str]) -> None:
        self._names, self._new = names, dict[tuple[str, str], str]()

    def of(self, kind: str, old: str) -> str:
        number, names = len(self._new), [name for name in self._names if kind == "text" or name in CHAINS]
        return self._new.setdefault((kind, old), f"{names[number % len(names)]}{'-' * (number // len(names))}")

    def text(self, old: str | None) -> str | None:
        return None if old is None else self.of("text", old)


def renamed(found: Phases, names: list[str]) -> Phases:
    """Evidence whose rules, user chains, sets and unknowns are called and written otherwise, in words as in data."""
    renaming = Renaming(names)
    for phases in found.values():
        for answer in phases.values():
            for key in ("snapshot", "before", "after"):
                for verdict in (((answer["evidence"] or {}).get(key) or {}).get("firewall") or {}).get("verdicts", ()):
                    _rename(verdict, renaming)
    return found


def _rename(verdict: dict[str, Any], renaming: Renaming) -> None:
    hooked = {step["chain"]["chain"] for step in verdict["path"] if step["rule"] is None} | BUILT_IN

    def chains(old: str) -> str:
        return old if old in hooked or not _is_users(verdict, old) else renaming.of("chain", old)

    verdict["undecided_because"] = renaming.text(verdict["undecided_because"])
    if verdict["undecided"]:
        verdict["undecided"]["what"] = renaming.text(verdict["undecided"]["what"])
    for rule in (verdict["rule"], *verdict["shadowed"], *(step["rule"] for step in verdict["path"])):
        if rule and (rule["number"] is not None or rule["handle"] is not None):
            rule["text"], rule["chain"] = renaming.text(rule["text"]), chains(rule["chain"])
    for step in verdict["path"]:
        step["effect"], step["chain"]["chain"] = renaming.text(step["effect"]), chains(step["chain"]["chain"])
        for part in step["parts"]:
            part["text"], part["seen"] = renaming.text(part["text"]), renaming.text(part["seen"])
        for effect in step["effects"]:
            if effect["kind"] in ("jump", "goto", "add"):
                effect["target"] = chains(effect["target"])


def _is_users(verdict: dict[str, Any], chain: str) -> bool:
    """Whether a chain is one that rules jump to."""
    return any(effect["target"] == chain for step in verdict["path"] for effect in step["effects"] if effect["kind"] in ("jump", "goto"))


def answers(report: dict[str, Any]) -> list[Any]:
    """What a report says, without words and without what rules are called."""
    return [
        (
            *(flow[name] for name in ("status", "leg", "segment")),
            [(cause["code"], cause["host"], cause["certainty"], cause["segment"], _kind(cause["fix"])) for cause in flow["causes"]],
        )
        for flow in report["flows"]
    ]


def _kind(fix: dict[str, Any] | None) -> Any:
    return fix and (fix["kind"], fix["risk"], [step["module"] for step in fix["steps"]])


@sampled
@few
@given(names=st.permutations(TELLING))
def test_names_change_no_answer(recording: str, names: list[str]) -> None:
    plan, evidence = recorded(recording)
    assert answers(decide(plan, renamed(evidence, names), STARTED, FINISHED).report) == answers(reported(recording))


# -- no code reads what is for people


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for room in ("plugin_utils", "action"):
        for path in sorted((ROOMS / room).rglob("*.py")):
            yield path, ast.parse(path.read_text(encoding="utf-8"))


# Where texts for people become plain strings: what shows them, or carries them on unread.
UNWRAPPING = {
    *(
        "_model/prose.py",
        "_decide/decided.py",
        "_decide/entry.py",
        "_decide/observed.py",
        "_decide/rehearsals.py",
        "_drift/conclude.py",
        "_drift/state.py",
        "_fix/before_rule.py",
    ),
    *(f"_remediate/{name}.py" for name in ("changes", "judgement", "mending", "run")),
}


def test_prose_is_unwrapped_only_where_it_is_shown_or_carried_on() -> None:
    found = {
        str(path.relative_to(ROOMS / "plugin_utils"))
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "unwrapped" and "_show" not in path.parts
    }
    assert found <= UNWRAPPING


TEXTS = {"text", "effect", "undecided_because", "because", "seen", "summary", "observation", "title", "message", "why", "said"}
READING = {"startswith", "endswith", "split", "partition", "rpartition", "find", "index", "removeprefix", "removesuffix", "lower", "upper"}
MATCHING = {"search", "match", "fullmatch", "findall", "finditer"}


def _is_text(node: ast.expr) -> bool:
    """An attribute, or an entry, that is called like a text for people; also as a default: ``step.effect or ""``."""
    if isinstance(node, ast.BoolOp):
        return any(_is_text(each) for each in node.values)
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return node.slice.value in TEXTS
    if isinstance(node, ast.Call):
        function = node.func
        if isinstance(function, ast.Attribute) and function.attr == "get" and node.args and isinstance(node.args[0], ast.Constant):
            return node.args[0].value in TEXTS
        named_str = isinstance(function, ast.Name) and function.id in ("str", "unwrapped")
        chained = isinstance(function, ast.Attribute) and function.attr in READING and _is_text(function.value)
        return chained or (named_str and any(_is_text(each) for each in node.args))
    return isinstance(node, ast.Attribute) and node.attr in TEXTS


def reads(tree: ast.AST) -> Iterator[int]:
    """The lines that look into a text for people."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and any(isinstance(each, ast.In | ast.NotIn) for each in node.ops):
            if any(_is_text(each) for each in node.comparators):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            looked_into = [node.func.value] if node.func.attr in READING else node.args if node.func.attr in MATCHING else []
            if any(_is_text(each) for each in looked_into):
                yield node.lineno


@pytest.mark.parametrize(
    "code",
    [
        '"reject" in rule.text.lower()',
        '(step.effect or "").startswith("goto")',
        'WANTED.search(step.effect or "")',
        're.match("x", change["because"])',
        '"masked" not in change["because"]',
        'str(rule.text).split(",")',
        '"x" in finding.summary',
        're.fullmatch("x", each.get("why"))',
    ],
)
def test_reading_is_recognised(code: str) -> None:
    assert list(reads(ast.parse(code)))


def test_no_code_reads_sentences() -> None:
    show = ROOMS / "plugin_utils" / "_show"
    found = [f"{path.relative_to(ROOMS)}:{line}" for path, tree in trees() if show not in path.parents for line in reads(tree)]
    assert found == []


def test_texts_of_records_are_no_strings() -> None:
    """So that mypy refuses to search, split or match them."""
    kinds = {
        **{Rule: ("text",), Condition: ("text", "seen"), RuleStep: ("effect",), Undecided: ("what",), Verdict: ("undecided_because",)},
        **{RuleChange: ("summary",), Absence: ("why",), Host: ("incomplete", "unreachable"), Resolution: ("message",), Gap: ("why",)},
        **{IcmpAnswer: ("text",), PacketChange: ("now", "then"), Observed: ("failure",), Remediation: ("stopped",)},
    }
    for record, names in kinds.items():
        assert {name: record.__annotations__[name].removesuffix(" | None") for name in names} == dict.fromkeys(names, Prose.__name__)
    assert Rewritten.__annotations__["changes"] == Unit.__annotations__["log"] == f"tuple[{Prose.__name__}, ...]"
    assert not isinstance(Prose("x"), str) and not hasattr(Prose("x"), "__contains__")
    assert RuleStep.__annotations__["effects"] == f"tuple[{Effect.__name__}, ...]"


WRITTEN: list[tuple[Any, tuple[str, ...]]] = [
    (Evidence("db1", "capture", "seen"), ("observation",)),
    (Fix(kind="service", host="db1", summary="start it", why="it is down", check="it runs"), ("summary", "why", "check")),
    (Finding("proven", "db1", "server.socket", "it is down", ()), ("summary",)),
    (
        Mending(code="no_listener", host="db1", certainty="proven", kind="service", where="db1", summary="start it", risk="low", flows=()),
        ("summary", "why", "check"),
    ),
    (Judgement(True, "it connects"), ("why",)),
    (Why("proven", "it is stopped", Backend("closed", 5432), "db1"), ("reason",)),
    (Accepting(None, "the application", "; it is stopped"), ("state",)),
    (
        StoppedUnit(unit=Unit(port=5432, unit="a.service", how="declared"), ended="it exits with status 1", held="a has the port"),
        ("ended", "held"),
    ),
    (TranslatedInside(5432, "network namespace 4026531840"), ("namespace",)),
]


@pytest.mark.parametrize(("record", "names"), WRITTEN, ids=lambda value: type(value).__name__)
def test_texts_that_rules_write_are_no_strings_any_more(record: Any, names: tuple[str, ...]) -> None:
    """mypy refuses to search what may be a Prose, and it always is one."""
    assert [record.__annotations__[name] for name in names] == ["Wording"] * len(names) and Prose in Wording.__args__
    assert all(isinstance(getattr(record, name), Prose) for name in names)


def test_what_would_decide_is_no_string_any_more() -> None:
    finding = Finding("likely", "db1", "server.socket", "it is down", (), undecided=("a look at it",))
    assert Finding.__annotations__["undecided"] == "tuple[Wording, ...]" and finding.undecided == (Prose("a look at it"),)


SENTENCES = {"summary", "observation", "because", "why", "reason", "message", "check", "failure", "fault", "stopped"}
CODES = {("BalancedServer", "check")}  # HAProxy's, such as L4CON


def test_no_record_has_a_sentence_that_is_a_string() -> None:
    """But what is shown, and the rows of the database of earlier runs, which are shown."""
    found = [
        f"{path.name}: {kind.name}.{field.target.id}"
        for path, tree in trees()
        if not {"_report", "_history", "_show"} & set(path.parts)
        for kind in ast.walk(tree)
        if isinstance(kind, ast.ClassDef)
        for field in kind.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if field.target.id in SENTENCES and "str" in ast.unparse(field.annotation)
        if (kind.name, field.target.id) not in CODES
    ]
    assert found == []

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Baselines as files: what is written is what is read, the same state is the same bytes, and whatever else is there is one sentence."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.plugin_utils._drift import DriftError, state
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.baseline import MOST_BYTES, SCHEMA, Baseline, parse, render
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.compare import differences, not_compared
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.prose import Prose
from tests import schemas

texts = st.text(st.characters(codec="utf-8"), max_size=20)
ports = st.integers(1, 65535)
addresses = st.sampled_from(["192.0.2.1", "198.51.100.7", "2001:db8::1", "::"])


listeners = st.builds(
    state.ListenerState,
    port=ports,
    family=texts,
    address=addresses,
    backlog=st.none() | ports,
    unit=st.none() | texts,
    process=st.none() | texts,
)
verdicts = st.builds(
    state.VerdictState,
    packet=st.sampled_from(["syn", "syn_ack", "ack"]),
    direction=texts,
    source=addresses,
    destination=addresses,
    verdict=texts,
    rules=st.none() | st.lists(texts, min_size=1, max_size=3).map(tuple),
)
routes = st.builds(state.RouteState, to=addresses, gateway=st.none() | addresses, table=st.none() | ports)
neighbours = st.builds(state.NeighbourState, address=addresses, interface=texts, permanent_mac=st.none() | texts)
services = st.builds(state.ServiceState, active=texts, enabled=texts, ports=st.none() | st.lists(ports, min_size=1).map(tuple))
changes = st.builds(state.RebootChange, kind=texts, name=texts, now=texts, then=texts, because=st.builds(Prose, texts))


def several(each: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(each, max_size=4).map(tuple)


states = st.builds(
    state.State,
    names=st.none() | st.dictionaries(texts, st.lists(texts).map(tuple), max_size=3),
    listeners=several(listeners),
    services=st.none() | st.dictionaries(texts, services, max_size=3),
    firewall=several(verdicts),
    routes=several(routes),
    neighbours=several(neighbours),
    sysctls=st.none() | st.dictionaries(texts, texts, max_size=5),
    reboot=several(changes),
)


@given(states, texts, st.lists(texts), st.dictionaries(texts, texts, max_size=2))
def test_what_is_written_is_read_again(told: state.State, host: str, flows: list[str], expectations: dict[str, str]) -> None:
    baseline = Baseline(host, told, tuple(sorted(set(flows))), (), expectations)
    text = render(baseline)
    schemas.check("baseline", yaml.safe_load(text))
    assert text.isascii() and text.replace("\n", "").isprintable()
    assert parse(text.encode(), "db1.yml") == baseline
    assert render(parse(text.encode(), "db1.yml")) == text


@given(states, states)
def test_a_state_differs_from_another_one_and_never_from_itself(one: state.State, other: state.State) -> None:
    assert differences(one, one) == []
    assert not_compared(one, one) == []
    there, back = differences(one, other), differences(other, one)
    assert all(difference.before != difference.after for difference in there)
    mirrored = {(each.kind, each.name) for each in back}
    # A packet that was not asked about on one side is told in one direction only.
    assert {(each.kind, each.name) for each in there if each.kind not in ("firewall", "sysctl")} <= mirrored | {
        (each.kind, each.name) for each in there if each.kind == "firewall"
    }


@given(st.binary(max_size=200) | texts.map(str.encode))
def test_whatever_stands_in_a_file_is_a_sentence(content: bytes) -> None:
    with pytest.raises(DriftError) as complaint:
        parse(content, "db1.yml")
    assert str(complaint.value).startswith("The baseline db1.yml ") and str(complaint.value).isprintable()


GOOD = render(Baseline("db1", state.State(sysctls={"net.ipv4.tcp_syncookies": "1"})))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is not of the schema"),
        ("[1, 2", "is not YAML in line"),
        ("schema: 7\n", "is not of the schema threeway.handshake/baseline/1 (but 7)"),
        (f"schema: {SCHEMA}\n", "is damaged: state is None where a mapping belongs"),
        (f"schema: {SCHEMA}\nstate: {{sysctls: {{a: 1}}}}\n", "is damaged: state.sysctls.a is 1 where a str belongs"),
        (f"schema: {SCHEMA}\nstate: {{}}\nflows: nothing\n", "is damaged: flows is 'nothing' where a list of texts belongs"),
        (GOOD + "x: !!python/object/apply:os.system ['true']\n", "has a tag in line"),
        (GOOD + "x: !vault secret\n", "has a tag in line"),
        (GOOD + "x: &a [1]\ny: [*a, *a]\n", "has an anchor or alias in line"),
        (GOOD + "x: " + "[" * 100 + "]" * 100 + "\n", "has more than 12 levels in line"),
        ("x: " + "[" * 100_000, "has more than 12 levels in line"),
        (GOOD + "x: \x00\n", "is not YAML"),
        ("#" * (MOST_BYTES + 1), f"the limit is {MOST_BYTES}"),
    ],
)
def test_files_that_are_no_baselines(content: str, says: str) -> None:
    with pytest.raises(DriftError) as complaint:
        parse(content.encode(), "db1.yml")
    assert says in str(complaint.value)


def test_the_state_of_a_host_that_lies_is_refused() -> None:
    for told, says in (
        (None, "where a mapping belongs"),
        ({"sysctls": []}, "where a dict belongs"),
        ({"listeners": [{"port": "x", "family": "ipv4", "address": "::"}]}, "state.listeners[0].port is 'x' where a int belongs"),
        ({"routes": [{"to": "10.0.0.1"}] * 30_000}, "has more than 20000 records"),
    ):
        with pytest.raises(DriftError, match=says.replace("[", r"\[").replace("]", r"\]")):
            state.read_state(told, "state")


def test_every_part_of_a_state_is_compared() -> None:
    empty = {"names": {}, "services": {}, "sysctls": {}}
    for part in dataclasses.fields(state.State):
        one = state.State(**{part.name: empty.get(part.name, ())})  # type: ignore[arg-type]
        assert not_compared(one, state.State()) == [part.name]


@pytest.mark.parametrize(
    "told",
    [
        {"listeners": [{"port": 70000, "family": "ipv4", "address": "0.0.0.0"}]},
        {"routes": [{"to": "10.0.2.21%x"}]},
        {"neighbours": [{"address": "10.0.2.300", "interface": "eth0"}]},
    ],
)
def test_what_is_no_address_and_no_port_is_refused_where_it_is_read(told: dict[str, Any]) -> None:
    with pytest.raises(DriftError, match=r"where (an IP address|a port) belongs"):
        state.read_state(told, "x")

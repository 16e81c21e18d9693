# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Truncated and mutated messages: what cannot be read is an error in words or an undecided packet, never a traceback."""

from __future__ import annotations

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall import prose
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.evaluation import explore
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.packet import Link, Packet, Tracking, packed
from tests.unit.plugins.module_utils._firewall.host import Host

from .recording import Recording, record

RULESET = """
table inet t {
  set i { type ipv4_addr; flags interval; elements = { 192.0.2.0/25, 198.51.100.1-198.51.100.7 } }
  set c { type ipv4_addr . inet_service; flags interval; elements = { 192.0.2.0/24 . 1-79, 192.0.2.9 . 443 } }
  set d { type ipv4_addr; size 9; flags dynamic,timeout; }
  map v { type inet_service : verdict; elements = { 22 : accept, 80 : jump other } }
  map m { type inet_service : mark; elements = { 80 : 7 } }
  counter n { }
  quota q { over 100 mbytes }
  chain other { ip ttl set 3; tcp option maxseg size set 1400; counter; return; }
  chain i {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    ip saddr @i counter name n
    ip saddr . tcp dport @c drop
    tcp dport vmap @v
    meta mark set tcp dport map @m
    meta mark set meta mark & 0xff
    tcp flags & (syn | ack) == syn limit rate 5/second log prefix "x"
    update @d { ip saddr limit rate over 5/second } drop
    quota name q drop
    numgen random mod 3 vmap { 0 : accept, 1 : drop, 2 : continue }
    meta hour "10:00"-"12:00" fib saddr . iif oif missing drop
    ct original ip saddr 192.0.2.9 ct count over 3 reject with icmpx port-unreachable
    socket transparent 1 ip6 saddr fe80::/10 tcp option sack-perm exists reject
    iifname { "eth*", "lo" } ip saddr 192.0.2.1-192.0.2.99 tcp sport 1-1023 accept comment "hello"
  }
  chain p { type nat hook prerouting priority -100; tcp dport 80 dnat ip to 192.0.2.7:8080; meta l4proto tcp redirect to :1-9; }
}
"""


@functools.lru_cache(maxsize=1)
def recorded() -> Recording:
    return record(RULESET)


def evaluate(recording: Recording) -> None:
    for chain in recording.nftables().base_chains():
        packet = Packet("syn", packed("192.0.2.9"), packed("192.0.2.1"))
        packet.rewrite(destination_port=80)
        packet.iif, packet.tracking = Link(2, "eth0"), Tracking("new", "original")
        found = explore(lambda evaluation, mine, chain=chain: chain.run(mine, evaluation), packet, Host())
        for step in found.first.path:
            if step.rule is not None:
                assert step.rule.reference()["text"] is not None and step.rule.parts() is not None


def test_as_it_was_recorded() -> None:
    evaluate(recorded())


@settings(max_examples=400)
@given(st.data())
def test_changed_bytes(data: st.DataObject) -> None:
    answers = {key: list(bodies) for key, bodies in recorded().answers.items()}
    for _change in range(data.draw(st.integers(1, 4))):
        key = data.draw(st.sampled_from(sorted(key for key, bodies in answers.items() if any(bodies))))
        number = data.draw(st.sampled_from([at for at, body in enumerate(answers[key]) if body]))
        body = bytearray(answers[key][number])
        at = data.draw(st.integers(0, len(body) - 1))
        if data.draw(st.integers(0, 9)) == 0:
            del body[at:]
        else:
            near = [0, 1, 4, 0xFF, (body[at] + 1) % 256, (body[at] - 1) % 256]
            body[at] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(near)))
        answers[key][number] = bytes(body)
    try:
        evaluate(Recording(answers))
    except DecodeError as error:
        assert str(error)


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_noise(table: bytes, rule: bytes) -> None:
    answers = dict(recorded().answers)
    with_noise = {**answers, "rules inet t i": [rule], "tables": [*answers["tables"], table]}
    try:
        evaluate(Recording(with_noise))
    except DecodeError as error:
        assert str(error)


def test_a_circle_of_jumps_ends() -> None:
    answers = {key: list(bodies) for key, bodies in recorded().answers.items()}
    body = answers["rules inet t other"][0]
    jump = next(body for body in record("table inet t { chain i { goto other; }\nchain other { }\n}").answers["rules inet t i"])
    answers["rules inet t other"] = [jump, body]
    answers["rules inet t i"] = [jump]
    tables = Recording(answers).nftables()
    chain = next(chain for chain in tables.base_chains() if chain.hook == "input")
    packet = Packet("syn", packed("192.0.2.9"), packed("192.0.2.1"))
    found = explore(lambda evaluation, mine: chain.run(mine, evaluation), packet, Host())
    assert prose.because(found.undecided) == "the chains of table inet t lead in a circle"


@pytest.mark.parametrize("length", range(0, 40, 3))
def test_truncated_set_elements(length: int) -> None:
    answers = {key: list(bodies) for key, bodies in recorded().answers.items()}
    answers["elements inet t i"] = [body[:-length] if length else body for body in answers["elements inet t i"]]
    evaluate(Recording(answers))

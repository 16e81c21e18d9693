# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expectations: what holds, what does not, and what is no expectation."""

from __future__ import annotations

import sys

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._drift import DriftError
from ansible_collections.threeway.handshake.plugins.plugin_utils._drift.expect import broken, read

STATE = {
    "sysctls": {"net.ipv4.tcp_syncookies": "1"},
    "listeners": [{"port": 5432, "address": "::", "unit": "postgresql.service"}],
    "reboot": [],
}


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("sysctls.\"net.ipv4.tcp_syncookies\" == '1'", None),
        ("listeners[?port==`5432`].unit | [0]", None),
        ("reboot == `[]`", None),
        ("`0`", None),
        ("sysctls.\"net.ipv4.tcp_syncookies\" == '0'", "the result is False"),
        ("nothing.at.all", "the result is None"),
        ("reboot", "the result is []"),
        ("length(nothing)", "it cannot be evaluated: In function length(), invalid type for value: None"),
        ("foo(@)", "it cannot be evaluated: Unknown function: foo()"),
    ],
)
def test_holds(expression: str, found: str | None) -> None:
    assert (broken({"it": expression}, STATE).get("it") or "").startswith(found or "")
    assert bool(broken({"it": expression}, STATE)) == bool(found)


def test_reads() -> None:
    assert read(None) == read([]) == {}
    assert read([{"expect": "reboot"}, {"expect": "a", "name": "b", "hosts": "db"}]) == {"reboot": ("reboot", "all"), "b": ("a", "db")}


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ("reboot", "drift_expect is 'reboot': give a list"),
        ({"expect": "a"}, "give a list"),
        ([7], "drift_expect[0] is 7: give a mapping with 'expect'"),
        ([{"name": "x"}], "drift_expect[0] is {'name': 'x'}: give a mapping"),
        ([{"expect": "a", "host": "b"}], "give a mapping with 'expect' and perhaps 'name' and 'hosts'"),
        ([{"expect": 7}], "drift_expect[0], field 'expect': 7 is no text"),
        ([{"expect": "a" * 3000}], "is no text of one line"),
        ([{"expect": "a"}, {"expect": "a"}], "drift_expect[1]: the name 'a' is taken"),
        ([{"expect": "foo[?"}], "drift_expect[0]: 'foo[?' is not a JMESPath expression"),
        ([{"expect": "a ' b"}], "is not a JMESPath expression at column 3"),
        ([{"expect": "sort_by(a, &)"}], "is not a JMESPath expression"),
    ],
)
def test_refuses(raw: object, says: str) -> None:
    with pytest.raises(DriftError) as complaint:
        read(raw)
    assert says in str(complaint.value)


def test_the_library_is_needed_only_for_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jmespath", None)
    assert read([]) == {}
    with pytest.raises(DriftError, match="drift_expect needs the Python library jmespath on the controller"):
        read([{"expect": "reboot"}])

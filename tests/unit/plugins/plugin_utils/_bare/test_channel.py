# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What OpenSSH's client writes of a channel, as OpenSSH 9.2 wrote it."""

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._bare.channel import Channel, probe

DIAL = {"id": 3, "port": 5432, "timeout": 1.0}
ASKED = "debug1: channel 0: new stdio-forward [stdio-forward] (inactive timeout: 0)\r"


def channel(*lines: str) -> Channel:
    found = Channel()
    for line in (ASKED, *lines):
        found.read(line)
    return found


def attempt(found: Channel, elapsed: float) -> tuple[object, ...]:
    made = probe(DIAL, 0, "10.0.2.21", found, 1.0, elapsed)
    return tuple(made[key] for key in ("outcome", "errno", "late_ms", "late_errno", "elapsed_ms"))


def test_a_connection_that_was_opened() -> None:
    opened = channel("debug2: channel 0: open confirm rwindow 2097152 rmax 32768\r")
    assert attempt(opened, 0.1) == ("connected", None, None, None, None)
    assert attempt(opened, 1.5) == ("timeout", None, 1500.0, None, None)


@pytest.mark.parametrize(
    ("said", "errno"),
    [
        ("Connection refused", "ECONNREFUSED"),
        ("Connection timed out", "ETIMEDOUT"),
        ("No route to host", "EHOSTUNREACH"),
        ("Host is unreachable", "EHOSTUNREACH"),
        ("Network is unreachable", "ENETUNREACH"),
        ("open failed", None),
    ],
)
def test_a_connection_that_failed(said: str, errno: str | None) -> None:
    failed = channel(f"channel 0: open failed: connect failed: {said}\r", "stdio forwarding failed\r")
    assert failed.refusal == "connect failed"
    assert attempt(failed, 0.1) == ("error", errno, None, None, None)
    assert attempt(failed, 1.5) == ("timeout", None, 1500.0 if errno else None, errno, None)


def test_no_answer_in_time() -> None:
    assert attempt(channel(), 1.2) == ("timeout", None, None, None, None)


def test_what_is_no_answer_about_the_handshake() -> None:
    prohibited = channel("channel 0: open failed: administratively prohibited: open failed\r")
    assert (prohibited.refusal, prohibited.errno) == ("administratively prohibited", None)
    assert channel("channel 0: open failed: connect failed: Name or service not known\r").resolver_error == "EAI_NONAME"
    denied = Channel()
    denied.read("operator@db1: Permission denied (publickey).\r")
    assert (denied.asked, denied.answered, denied.last) == (False, False, "operator@db1: Permission denied (publickey).")


def test_a_banner_answers_nothing() -> None:
    early = Channel()
    early.read("channel 0: open failed: connect failed: Connection refused")
    assert not early.answered

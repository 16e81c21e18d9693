# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who wrote a line, and when, as far as the kernel, the journal and files say it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._logs import files, journal, kmsg
from ansible_collections.threeway.handshake.plugins.module_utils._logs.line import KERNEL, LONGEST, Line

FULL = "nf_conntrack: nf_conntrack: table full, dropping packet"
NOW = 1763697600.0  # 2025-11-21T04:00:00Z


def test_the_kernels_own_lines_are_told_from_those_that_programs_write_to_it() -> None:
    own = kmsg.parse(f"4,339,5140900,-;{FULL}\n SUBSYSTEM=net\n".encode(), boot=100.0)
    assert own == Line(105.1409, "kmsg", True, KERNEL, FULL)
    assert kmsg.parse(f"12,340,5140901,-;{FULL}\n".encode(), boot=100.0) is None  # facility 1: a user's
    assert kmsg.parse(f"30,341,5140902,-;kernel: {FULL}\n".encode(), boot=100.0) is None  # 3: a daemon's


@pytest.mark.parametrize("record", [b"", b";", b"4,1;x", b"a,b,c,-;x", b"-4,1,2,-;x", b"\xff" * 9000])
def test_malformed_records_of_the_kernel_are_none(record: bytes) -> None:
    assert kmsg.parse(record, boot=0.0) is None


@pytest.mark.skipif(not os.access(kmsg.DEVICE, os.R_OK | os.W_OK), reason="needs root, and a kernel log")
def test_what_a_program_writes_to_the_kernels_log_is_not_the_kernels() -> None:
    mark = f"handshake test {os.getpid()}"
    Path(kmsg.DEVICE).write_text(f"<4>{mark} {FULL}")
    now = time.time()
    read = kmsg.lines(now - 3600, now + 60)
    assert not [line for line in read.lines if mark in line.text]


def entry(**fields: Any) -> bytes:
    return json.dumps({"__REALTIME_TIMESTAMP": "1763697600123456", "MESSAGE": "said", **fields}).encode()


def test_the_journal_says_who_wrote_a_line() -> None:
    own = journal.parse(entry(_TRANSPORT="kernel", SYSLOG_FACILITY="0", PRIORITY="4", MESSAGE=FULL))
    assert own == Line(1763697600.123456, "journal", True, KERNEL, FULL)
    assert journal.parse(entry(_TRANSPORT="kernel", SYSLOG_FACILITY="1", SYSLOG_IDENTIFIER="kernel", MESSAGE=FULL)) is None
    forged = journal.parse(entry(_TRANSPORT="syslog", SYSLOG_IDENTIFIER="kernel", _COMM="logger", _PID="9", MESSAGE=FULL))
    assert forged is not None
    assert (forged.program, forged.attested) == ("logger", False)
    app = journal.parse(entry(_COMM="db", _PID="7", _SYSTEMD_UNIT="db.service", UNIT="other.service", PRIORITY="3"))
    assert app == Line(1763697600.123456, "journal", True, "db", "said", pid=7, unit="db.service", urgent=True)
    user = journal.parse(entry(_COMM="sshd", _PID="7", _SYSTEMD_UNIT="session-3.scope"))
    assert user is not None
    assert not user.attested
    about = journal.parse(entry(_COMM="systemd", _PID="1", _SYSTEMD_UNIT="init.scope", UNIT="db.service", MESSAGE_ID="d9b3"))
    assert about is not None
    assert (about.subject, about.event) == ("db.service", "d9b3")


def test_what_a_bound_leaves_out_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = tmp_path / "said"
    said.write_bytes(entry(_COMM="sshd") + b"\n" + entry(_COMM="sshd") + b"\n")
    monkeypatch.setattr(journal, "_COMMAND", ("sh", "-c", f"cat {said}", "journalctl"))
    assert journal.lines(NOW, NOW + 1, (), (), True).missing is None
    monkeypatch.setattr(journal, "MOST_LINES", 2)
    found = journal.lines(NOW, NOW + 1, (), (), True)
    assert len(found.lines) == 2 and "only the last 2 entries" in str(found.missing)
    monkeypatch.setattr(journal, "MOST_BYTES", 10)
    assert "only the first 10 bytes" in str(journal.lines(NOW, NOW + 1, (), (), True).missing)
    device = tmp_path / "kmsg"
    device.write_bytes(f"4,339,5140900,-;{FULL}\n".encode())
    monkeypatch.setattr(kmsg, "DEVICE", str(device))
    assert kmsg.lines(0.0, 1e12).missing is None
    monkeypatch.setattr(kmsg, "MOST_LINES", 1)
    found = kmsg.lines(0.0, 1e12)
    assert len(found.lines) == 1 and "only the first 1 lines" in str(found.missing)


def test_a_unit_that_cannot_be_asked_for_is_an_error_and_not_a_traceback() -> None:
    with pytest.raises(ObserveError, match="journalctl cannot be run: embedded null byte"):
        journal.lines(NOW, NOW + 1, ("a\0.service",), (), True)


def test_a_journal_that_cannot_be_listed_may_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As one of which this user may not list the directory; root may list any, so that another error stands in."""
    monkeypatch.setattr(journal, "DIRECTORIES", (str(tmp_path / "nowhere"), str(tmp_path)))
    assert not journal.exists()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    monkeypatch.setattr(journal, "DIRECTORIES", (str(tmp_path / "loop"),))
    assert journal.exists()


@pytest.mark.parametrize(
    "text", [b"", b"null", b"[1]", b"{", b"[" * 5000, entry(MESSAGE=None), entry(MESSAGE={"a": 1}), entry(__REALTIME_TIMESTAMP="x")]
)
def test_malformed_entries_of_the_journal_are_none(text: bytes) -> None:
    assert journal.parse(text) is None


def test_long_and_binary_messages_are_bounded() -> None:
    long, binary = journal.parse(entry(MESSAGE="x" * 10**6)), journal.parse(entry(MESSAGE=[255, 104, 105]))
    assert long is not None
    assert binary is not None
    assert (len(long.text), binary.text) == (LONGEST, "\ufffdhi")


LINES = {
    f"2025-11-21T04:00:00.250000+00:00 db1 kernel: [ 5140.901234] {FULL}": (NOW + 0.25, KERNEL, FULL, None),
    f"2025-11-21T05:00:00+01:00 db1 kernel: {FULL}": (NOW, KERNEL, FULL, None),
    "2025-11-21T04:00:00Z db1 sshd[812]: error: beginning MaxStartups throttling": (
        *(NOW, "sshd", "error: beginning MaxStartups throttling", 812),
    ),
    'type=AVC msg=audit(1763697600.500:45): avc:  denied  { name_bind } for  pid=8 comm="db" src=5432': (
        *(NOW + 0.5, "audit", 'avc:  denied  { name_bind } for  pid=8 comm="db" src=5432', None),
    ),
}


@pytest.mark.parametrize("text", LINES)
def test_a_line_of_a_file(text: str) -> None:
    line = files.parse(text.encode(), "/var/log/messages", NOW)
    assert line is not None
    assert (line.time, line.program, line.text, line.pid) == LINES[text]
    assert not line.attested


def test_only_auditd_writes_what_the_kernel_denied() -> None:
    text = b'type=AVC msg=audit(1763697600.500:45): avc:  denied  { name_bind } for  pid=8 comm="db" src=5432'
    line, forged = (files.parse(each, "/var/log/audit/audit.log", NOW) for each in (text, text.replace(b"type=AVC", b"type=USER_AVC")))
    assert line is not None
    assert forged is not None
    assert (line.attested, forged.attested) == (True, False)


def test_times_without_a_year_are_of_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    line = files.parse(b"Dec 31 23:59:59 db1 kernel: x", "/var/log/messages", NOW)  # of the year before
    today = files.parse(b"Nov 21 04:00:00 db1 kernel: x", "/var/log/messages", NOW)
    assert line is not None
    assert today is not None
    assert today.time == NOW
    assert NOW - 366 * 86400 < line.time < NOW


def test_the_end_of_a_file_is_read_and_no_link_followed(tmp_path: Path) -> None:
    line = f"2025-11-21T04:00:00+00:00 db1 kernel: {FULL}\n"
    (tmp_path / "messages").write_text("x" * (2 * files.MOST_BYTES) + "\n" + line)
    (tmp_path / "syslog").write_text(line)
    (tmp_path / "kern.log").symlink_to(tmp_path / "syslog")
    os.mkfifo(tmp_path / "auth.log")
    found, unread, there = files.lines(NOW - 1, NOW + 1, str(tmp_path))
    assert [each.text for each in found] == [FULL]  # in two files, and one line
    assert there
    assert list(unread) == [str(tmp_path / "messages"), str(tmp_path / "kern.log")]
    assert "last 1048576 bytes" in unread[str(tmp_path / "messages")]
    assert files.lines(NOW + 5, NOW + 9, str(tmp_path)).lines == []
    assert files.lines(NOW - 1, NOW + 1, str(tmp_path / "nowhere")) == ([], {}, False)

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes on one database, some of them killed, and databases that are none."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._history.errors import HistoryError
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import record as _record
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database

from .reports import EPOCH, contents, flow, record, report, rows

WRITER = """
import json, sys
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import record
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database
database = Database(sys.argv[1])
for line in open(sys.argv[2]):
    with database.writing() as connection:
        record.record(connection, json.loads(line), "here")
    print(flush=True)
"""


def writer(where: str, orders: Path) -> subprocess.Popen[str]:
    """A process that records the reports of a file, one a line, and acknowledges each with a line."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([sys.executable, "-c", WRITER, where, orders], stdout=subprocess.PIPE, text=True, env=environment)


class TestSeveralProcesses:
    def test_who_comes_first_at_once(self, where: str, tmp_path: Path) -> None:
        """Four writers on a database that is not there yet: all of their runs are kept, and all tables are made once."""
        for number in range(4):
            lines = (json.dumps(report(number + 10 * each, flow("broken"))) for each in range(5))
            (tmp_path / f"orders{number}").write_text("\n".join(lines))
        writers = [writer(where, tmp_path / f"orders{number}") for number in range(4)]
        assert [(process.communicate(timeout=60)[0], process.returncode) for process in writers] == [("\n" * 5, 0)] * 4
        assert rows(where, "SELECT COUNT(*) FROM handshake_runs") == [(20,)]
        assert rows(where, "SELECT COUNT(*) FROM handshake_flows") == [(1,)]

    def test_readers_wait_for_no_writer(self, where: str) -> None:
        record(where, report(1, flow("ok")))
        with Database(where).writing() as connection:
            _record.record(connection, report(2, flow("ok")), "here")
            began = time.monotonic()
            assert rows(where, "SELECT COUNT(*) FROM handshake_runs") == [(1,)]
            assert time.monotonic() - began < 5

    @pytest.mark.parametrize("kills", [7, pytest.param(20, marks=pytest.mark.slow)])
    def test_killed_in_the_middle_of_writing(self, where: str, tmp_path: Path, kills: int) -> None:
        """SIGKILL at so many moments of a writer: every run is there whole or not at all, and what was acknowledged is there."""
        flows = [flow("broken", name=f"flow{number}") for number in range(150)]
        began = time.monotonic()
        assert record(where, *(report(number, *flows) for number in range(3))) == [True] * 3
        took = time.monotonic() - began
        kept = []
        for kill in range(1, kills + 1):
            reports = [report(100 * kill + each, *(flows if each else flows[:1])) for each in range(4)]
            (tmp_path / "orders").write_text("".join(f"{json.dumps(each)}\n" for each in reports))
            with writer(where, tmp_path / "orders") as process:
                assert process.stdout
                before = kill % 4
                assert [process.stdout.readline() for _line in range(1 + before)] == ["\n"] * (1 + before)
                time.sleep(took / 3 * kill / kills)
                process.send_signal(signal.SIGKILL)
                acknowledged = before + len(process.stdout.read())
            found = rows(where, f"SELECT run FROM handshake_runs WHERE finished > {EPOCH + 6000 * kill}")
            assert acknowledged <= len(found) <= 3
            kept.append(len(found))
        per_run = [number for (number,) in rows(where, "SELECT COUNT(*) FROM handshake_verdicts GROUP BY run")]
        assert sorted(per_run) == [1] * kills + [150] * (3 + sum(kept))
        assert rows(where, "SELECT COUNT(*) FROM handshake_causes") == [(sum(per_run),)]
        assert record(where, report(9999, *flows)) == [True]


def test_a_file_is_for_its_owner_only(tmp_path: Path) -> None:
    where = tmp_path / "made" / "history.db"
    record(str(where), report(1, flow("ok")))
    assert stat.S_IMODE(where.stat().st_mode) == 0o600
    assert stat.S_IMODE(where.parent.stat().st_mode) == 0o700
    assert rows(f"sqlite:///{where}", "PRAGMA journal_mode") == [("wal",)]
    assert rows(str(where), "PRAGMA integrity_check") == [("ok",)]


def test_what_is_no_history(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    other.write_text("This is a text. " * 100)
    with pytest.raises(HistoryError, match=r"^The history .*/other.db cannot be written: file is not a database$"):
        record(str(other), report(1, flow("ok")))
    with pytest.raises(HistoryError, match=r"^There is no history .*/nothing.db: record a run first, with diagnose_history.$"):
        contents(str(tmp_path / "nothing.db"))
    assert not (tmp_path / "nothing.db").exists()
    with sqlite3.connect(tmp_path / "mine.db") as mine:
        mine.execute("CREATE TABLE mine (x)")
    before = (tmp_path / "mine.db").read_bytes()
    with pytest.raises(HistoryError, match=r"^There is no history in .*/mine.db yet: record a run first"):
        contents(str(tmp_path / "mine.db"))
    assert (tmp_path / "mine.db").read_bytes() == before
    (tmp_path / "empty.db").touch()
    with pytest.raises(HistoryError, match=r"^There is no history in .*/empty.db yet: record a run first"):
        contents(str(tmp_path / "empty.db"))
    with pytest.raises(HistoryError, match=r"^The history /proc/nowhere/history.db cannot be written: "):
        record("/proc/nowhere/history.db", report(1, flow("ok")))


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("", "No history is given: set diagnose_history to the path of a file"),
        ("mysql://me:s3cret@db/x", "A history of the kind mysql is not supported: give the path of a file"),
        ("postgresql://me:s3cret@db:port/x", "The URL of the history cannot be read: write postgresql://user:password@host:port/database."),
        ("s3cret://", "A history of the kind s3cret|The URL of the history cannot be read"),
    ],
)
def test_addresses_that_are_none(where: str, said: str) -> None:
    with pytest.raises(HistoryError, match=said) as refused:
        Database(where)
    assert "me:s3cret" not in str(refused.value)


def test_no_password_is_ever_said() -> None:
    pytest.importorskip("psycopg")
    for url in ("postgresql://me:s3cret@127.0.0.1:1/x?sslpassword=s3cret", "postgres://127.0.0.1:1/x?user=me&password=s3cret"):
        database = Database(url)
        assert database.shown == "postgresql://127.0.0.1:1/x"
        with (
            pytest.raises(HistoryError, match=r"^The history postgresql://127.0.0.1:1/x cannot be written: connection failed") as refused,
            database.writing(),
        ):
            pytest.fail("connected")
        assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("where", ["history.db", "sqlite:///history.db"])
def test_a_file_needs_nothing_but_python(where: str, tmp_path: Path) -> None:
    script = f"""
import sys
sys.modules["sqlalchemy"] = None
from tests.unit.plugins.plugin_utils._store.history.reports import contents, flow, record, report
assert record({where!r}, report(1, flow("ok"))) == [True]
print(len(contents({where!r})["verdicts"]))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [os.getcwd(), *sys.path]))}
    said = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout == "1\n"
    assert (tmp_path / "history.db").is_file()


@pytest.mark.parametrize(
    ("missing", "where"), [("sqlalchemy", "postgresql://db.example.org/x"), ("psycopg", "postgresql://db.example.org/x")]
)
def test_libraries_that_are_missing(missing: str, where: str) -> None:
    script = f"""
import importlib.util, sys
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *more: None if name == {missing!r} else real(name, *more)
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.keep import keep
assert {missing!r} not in sys.modules
try:
    Database({where!r})
except Exception as error:
    print(type(error).__name__, error)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True).stdout
    assert said.startswith("HistoryError A history ") and said.rstrip().endswith(
        (f"{sys.executable} -m pip install 'SQLAlchemy>=2.0'.", f"{sys.executable} -m pip install 'psycopg[binary]>=3.1'.")
    )

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of PostgreSQL for tests: a data directory of its own, a unix socket in it and no network, gone with the process that wanted it.

with Server() as server:
    Database(server.url("fresh"))       # an empty database of that name, whose owner has a password
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:  # of Python 3.11
    from typing import Self

PASSWORD = "s3cret/of:the@tests"
_NOBODY = 65534
_PATIENCE = 30


class Server:
    """PostgreSQL refuses to run as root: then it runs as nobody."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="handshake-postgres-", dir="/tmp"))
        self._become = ["setpriv", "--pdeathsig=QUIT"]
        if os.geteuid() == 0:
            self._become += [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
            os.chown(self.directory, _NOBODY, _NOBODY)
        self._server: subprocess.Popen[bytes] | None = None

    @staticmethod
    def missing() -> str | None:
        """Why this machine has no PostgreSQL, or None."""
        return None if _program("initdb") else "there is no PostgreSQL here: install Debian's package postgresql"

    def url(self, database: str) -> str:
        """The URL of an empty database."""
        self._psql(f"CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'")
        return f"postgresql://handshake:{quote(PASSWORD, safe='')}@/{database}?host={self.directory}"

    def __enter__(self) -> Self:
        secret = self.directory / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        data = str(self.directory / "data")
        make = ["initdb", "--username=handshake", f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        self._run([*make, "--no-sync", "--no-instructions", f"--pgdata={data}"])
        options = {"listen_addresses": "", "unix_socket_directories": self.directory, "fsync": "off", "max_connections": 40}
        argv = [_program("postgres"), "-D", data, *(f"--{name}={value}" for name, value in options.items())]
        with (self.directory / "log").open("wb") as log:
            self._server = subprocess.Popen([*self._become, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        give_up = time.monotonic() + _PATIENCE
        while subprocess.run([_program("pg_isready"), "-q", "-h", self.directory], check=False).returncode != 0:
            if self._server.poll() is not None or time.monotonic() > give_up:
                log_text = (self.directory / "log").read_text()
                self.__exit__(None, None, None)
                raise RuntimeError(f"PostgreSQL did not start: {log_text}")
            time.sleep(0.05)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.terminate()  # waits for sessions
            try:
                self._server.wait(5)
            except subprocess.TimeoutExpired:
                self._server.send_signal(3)  # SIGQUIT ends them
                self._server.wait(_PATIENCE)
        shutil.rmtree(self.directory)

    def _psql(self, statement: str) -> None:
        target = ["-h", str(self.directory), "-U", "handshake", "-d", "postgres"]
        self._run(["psql", "-q", "-X", "-v", "ON_ERROR_STOP=1", *target, "-c", statement], PGPASSWORD=PASSWORD)

    def _run(self, argv: list[str], **environment: str) -> None:
        command = [*self._become, _program(argv[0]), *argv[1:]]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd="/", env={**os.environ, **environment})


@contextmanager
def optional() -> Iterator[Server]:
    """A server for a test, which is skipped where there cannot be one: PostgreSQL is an option."""
    for library in ("sqlalchemy", "psycopg"):
        pytest.importorskip(library, reason=f"{library} is not installed: PostgreSQL is an option")
    if reason := Server.missing():
        pytest.skip(reason)
    with Server() as server:
        yield server


def _program(name: str) -> str:
    """Debian keeps the server's programs out of PATH; the newest version is taken."""
    newest_first = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: float(place.parent.name), reverse=True)
    return shutil.which(name, path=os.pathsep.join([*map(str, newest_first), os.environ.get("PATH", "")])) or ""

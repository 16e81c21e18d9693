# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that listen in the file system instead of on their TCP port, and the setting that has it so."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._host import unix_sockets
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

LINES = [
    ("mysqld", "[mysqld]\n# skip-networking\nskip-networking\n", ("skip-networking", 3)),
    ("mysqld", "[mysqld]\nskip_networking=0\nport = 3306\n", None),
    ("mariadbd", "port=0\n", ("port=0", 1)),
    ("postgres", "#listen_addresses = 'localhost'\nlisten_addresses = ''\n", ("listen_addresses = ''", 2)),
    ("postgres", "listen_addresses = '*'\n", None),
    ("redis-server", "port 6379\nport 0\n", ("port 0", 2)),
    ("php-fpm", "[www]\nlisten = /run/php/php-fpm.sock\nlisten.owner = www-data\n", ("listen = /run/php/php-fpm.sock", 2)),
    ("php-fpm", "listen = 127.0.0.1:9000\n", None),
    ("memcached", "-m 64\n-s /run/memcached.sock\n", ("-s /run/memcached.sock", 2)),
    ("dockerd", '{\n  "hosts": ["unix:///run/docker.sock"]\n}\n', ('"hosts": ["unix:///run/docker.sock"]', 2)),
    ("dockerd", '{\n  "hosts": ["tcp://127.0.0.1:2375"]\n}\n', None),
]


@pytest.mark.parametrize(("program", "text", "expected"), LINES)
def test_a_line_of_its_configuration(tmp_path: Path, program: str, text: str, expected: tuple[str, int] | None) -> None:
    file = tmp_path / "conf"
    file.write_text(text)
    found = unix_sockets.setting(unix_sockets.PROGRAMS[program]._replace(files=(str(file),)), [program], "")
    assert found == (expected and {"text": expected[0], "file": str(file), "line": expected[1]})


ARGUMENTS = [
    ("postgres", ["-D", "/data", "--listen_addresses="], "--listen_addresses="),
    ("postgres", ["-c", "listen_addresses=''"], "listen_addresses=''"),
    ("postgres", ["-c", "listen_addresses=*"], None),
    ("mysqld", ["--user=mysql", "--skip-networking"], "--skip-networking"),
    ("mysqld", ["--skip-networking=0"], None),
    ("redis-server", ["--port", "0", "--dir", "/run"], "--port 0"),
    ("redis-server", ["--port", "0123"], None),
    ("dockerd", ["-H", "fd://", "--containerd=/run/containerd/containerd.sock"], "-H fd://"),
]


@pytest.mark.parametrize(("program", "arguments", "expected"), ARGUMENTS)
def test_an_argument(program: str, arguments: list[str], expected: str | None) -> None:
    found = unix_sockets.setting(unix_sockets.PROGRAMS[program]._replace(files=()), [program, *arguments], "")
    assert found == (expected and {"text": expected, "file": None, "line": None})


def test_a_program_that_listens_for_its_host_alone() -> None:
    with Rootless() as network:
        network.sh(
            "redis-server --port 0 --unixsocket '/run/own.sock' --save '' --dir /run >/dev/null 2>&1 & echo $! >/run/pid; "
            "for i in $(seq 100); do [ -S /run/own.sock ] && exit; sleep 0.05; done; exit 1"
        )
        (found,) = network.python("_host.unix_sockets", "unix_sockets.read([6379, 22])")
        assert (found["port"], found["path"], found["process"]["name"]) == (6379, "/run/own.sock", "redis-server")
        assert found["process"]["pid"] == int(network.sh("cat /run/pid").strip())
        assert network.python("_host.unix_sockets", "unix_sockets.read([5432])") == []


def test_the_file_that_is_its_first_argument_and_the_one_in_its_directory(tmp_path: Path) -> None:
    (tmp_path / "own.conf").write_text("port 0\n")
    (tmp_path / "postgresql.conf").write_text("listen_addresses = ''\n")
    redis, postgres = unix_sockets.PROGRAMS["redis-server"], unix_sockets.PROGRAMS["postgres"]
    found = unix_sockets.setting(redis, ["redis-server", str(tmp_path / "own.conf")], "")
    assert found == {"text": "port 0", "file": str(tmp_path / "own.conf"), "line": 1}
    found = unix_sockets.setting(postgres, ["postgres"], str(tmp_path))
    assert found == {"text": "listen_addresses = ''", "file": str(tmp_path / "postgresql.conf"), "line": 1}


def test_what_a_process_says_of_itself_is_a_place_and_nothing_else(tmp_path: Path) -> None:
    """Whoever runs a program may give it any name, any arguments and any directory."""
    (tmp_path / "own.conf").write_text("port 0\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "postgresql.conf").write_text("listen_addresses = ''\n")
    redis, postgres = unix_sockets.PROGRAMS["redis-server"], unix_sockets.PROGRAMS["postgres"]
    with subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "X": "\nport 0\n"}) as other:
        try:
            (tmp_path / "link").symlink_to(f"/proc/{other.pid}/environ")
            for first in (f"/proc/{other.pid}/environ", str(tmp_path / "link"), str(tmp_path / "*.conf")):
                assert unix_sockets.setting(redis, ["redis-server", first], "") is None
        finally:
            other.kill()
    assert unix_sockets.setting(postgres, ["postgres"], str(tmp_path / "*")) is None


def test_a_long_list_of_hosts_takes_no_time(tmp_path: Path) -> None:
    """One that is no list: commas are missing."""
    (tmp_path / "daemon.json").write_text('{"hosts": [' + (" " * 8 + '"fd://"') * 200 + "\n")
    docker = unix_sockets.PROGRAMS["dockerd"]._replace(files=(str(tmp_path / "daemon.json"),))
    started = time.process_time()
    assert unix_sockets.setting(docker, ["dockerd"], "") is None
    assert time.process_time() - started < 1


def test_paths_of_sockets_with_line_ends(tmp_path: Path) -> None:
    """Of the abstract namespace, where anybody may bind any bytes."""
    with socket.socket(socket.AF_UNIX) as odd, socket.socket(socket.AF_UNIX) as listener:
        odd.bind(f"\0{tmp_path}\n\nx y\n")
        odd.listen()
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        assert (os.fstat(listener.fileno()).st_ino, str(tmp_path / "s")) in list(unix_sockets._listening())

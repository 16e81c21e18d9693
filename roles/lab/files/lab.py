# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bring a rootless lab of network namespaces up or down, as root or as an ordinary user.

    python3 lab.py up   --directory DIR [--python PATH] [--tie PID] < topology.json
    python3 lab.py down --directory DIR
    python3 lab.py hold --directory DIR [--python PATH]

`up --tie PID` has the lab taken down when that process ends, however that comes about. `hold` reads the topology from one line of
standard input and keeps the lab until standard input ends.
All answer with one line of JSON on standard output: `changed`, `message`, and but for `down` what `lab.json` in DIR holds. Errors
are one sentence on standard error and return code 1.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

from inventory import inventory_text
from namespaces import CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, id_mapper, map_single_id, unshare
from processes import is_alive, pids_outside, process, stop
from topology import Host, LabError, parse

LAB_NAMESPACES = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC
WATCH_EVERY = 0.2  # seconds


def up(directory: Path, topology: object, python: str, tie: int | None = None) -> dict[str, Any]:
    """Start the lab in `directory`, unless it runs there already; raises LabError."""
    hosts = parse(topology)
    master = process(tie) if tie is not None else None
    with _locked(directory):
        state = read_state(directory)
        running = state is not None and is_alive(state["holder"])
        control = None
        if state is None or not running:
            state, control = start(topology, directory / "lab.log", tied=master is not None)
        elif state["topology"] != topology:
            raise LabError(f"A lab with another topology runs in {directory}: take it down first.")
        elif master is not None:
            raise LabError(f"A lab that would not end with process {master['pid']} runs in {directory} already: take it down first.")
        changed = _write_files(directory, hosts, state, python)
    if control is not None:
        if master is not None:
            _watch(master, control, directory, state["holder"])
        control.close()
    message = f"The lab in {directory} {'was running already' if running else 'is up'}: {len(hosts)} hosts."
    return {"changed": changed, "message": message, **state}


def hold(directory: Path, topology: object, python: str) -> None:
    """Run a lab in `directory` until standard input ends; raises LabError, also when one runs there already."""
    hosts = parse(topology)
    with _locked(directory):
        state = read_state(directory)
        if state is not None and is_alive(state["holder"]):
            raise LabError(f"A lab runs in {directory} already: take it down first.")
        state, control = start(topology, directory / "lab.log", tied=True)
        _write_files(directory, hosts, state, python)
    try:
        _answer({"changed": True, "message": f"The lab in {directory} is up: {len(hosts)} hosts.", **state})
        sys.stdin.read()
    finally:
        control.close()
        down(directory)


def _watch(master: dict[str, int], control: socket.socket, directory: Path, holder: dict[str, int]) -> None:
    """Leave a process behind that takes the lab down when `master` ends. When it is ended itself, the lab is taken down as well."""
    if os.fork():
        return
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):  # whoever started us waits until these are closed
        os.dup2(nothing, stream)
    try:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda _number, _frame: sys.exit())
        while is_alive(master) and not select.select([control], [], [], WATCH_EVERY)[0]:
            pass
    finally:
        with suppress(LabError, OSError):
            down(directory, holder)
        os._exit(0)


def down(directory: Path, only: dict[str, int] | None = None) -> dict[str, Any]:
    """Kill the lab in `directory` with everything that runs in it, and remove what `up` wrote. `only`: if that is its holder."""
    none = {"changed": False, "message": f"There is no lab in {directory}."}
    try:
        with _locked(directory, make=False):
            state = read_state(directory)
            if only is not None and (state is None or state["holder"] != only):
                return {"changed": False, "message": f"The lab in {directory} is another one."}
            killed = state is not None and stop(state["holder"])
            for name in ("lab.json", "inventory.yml", "lab.log"):
                (directory / name).unlink(missing_ok=True)
            with suppress(OSError):  # something of the user's is in there
                directory.rmdir()
    except (FileNotFoundError, NotADirectoryError):
        return none
    if state is None:
        return none
    return {"changed": True, "message": f"The lab in {directory} {'is down' if killed else 'had died; its files are removed'}."}


def start(topology: object, log: Path, tied: bool) -> tuple[dict[str, Any], socket.socket]:
    """Start a lab; returns its state and the socket to its holder. A `tied` lab ends when that socket is closed.

    State: `{"holder": P, "hosts": {name: P}, "topology": ...}`, where P = `{"pid", "started"}` names a process for good
    (`started` is field 22 of /proc/PID/stat).
    """
    ours, theirs = socket.socketpair()
    holder = _spawn_holder(theirs, log)
    theirs.close()
    line = ""
    with suppress(ConnectionError), ours.makefile("r") as answers:
        ours.sendall(json.dumps({"topology": topology, "tied": tied}).encode() + b"\n")
        line = answers.readline()
    if not line:
        raise LabError(f"The lab died while it was being made: {log.read_text().strip()}")
    answer = json.loads(line)
    if "error" in answer:
        raise LabError(answer["error"])
    outside = pids_outside(holder, answer["hosts"].values())
    hosts = {name: process(outside[inside]) for name, inside in answer["hosts"].items()}
    return {"holder": process(holder), "hosts": hosts, "topology": topology}, ours


def _spawn_holder(control: socket.socket, log: Path) -> int:
    """Start holder.py as process 1 of new namespaces, detached from here; returns its process id as seen from here."""
    mapper = id_mapper()
    uid, gid = os.getuid(), os.getgid()
    ours, theirs = socket.socketpair()
    middle = os.fork()
    if middle == 0:
        status = 1
        try:
            ours.close()
            os.setsid()
            _redirect(control, log)
            unshare(LAB_NAMESPACES)
            if mapper is None:
                map_single_id(uid, gid)
            theirs.sendall(b"unshared\n")
            theirs.recv(16)  # the ids are mapped
            pid = os.fork()
            if pid == 0:
                _become_holder(log.parent)
            theirs.sendall(f"{pid}\n".encode())
            status = 0
        except LabError as error:
            theirs.sendall(f"error {error}\n".encode())
        finally:
            os._exit(status)
    theirs.close()
    with ours, ours.makefile("r") as answers:
        word = answers.readline().strip()
        if word == "unshared":
            if mapper is not None:
                mapper(middle)
            ours.sendall(b"mapped\n")
            word = answers.readline().strip()
    os.waitpid(middle, 0)
    if not word.isdigit():
        raise LabError(word.removeprefix("error ") or f"The lab's first process died: {log.read_text().strip()}")
    return int(word)


def _become_holder(directory: Path) -> NoReturn:
    try:
        os.setuid(0)
        os.setgid(0)
        os.execv(sys.executable, [sys.executable, "-B", str(Path(__file__).with_name("holder.py")), str(directory)])
    except OSError as error:
        sys.stderr.write(f"{sys.executable} cannot be run as root of the lab: {error.strerror}.\n")
        sys.stderr.flush()
        os._exit(1)


def _redirect(control: socket.socket, log: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for source, target in ((control.fileno(), 0), (output, 1), (output, 2)):
        os.dup2(source, target)


def read_state(directory: Path) -> dict[str, Any] | None:
    """What `up` noted in `directory`, or None; raises LabError when it cannot be understood."""
    file = directory / "lab.json"
    try:
        state: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LabError(f"{file} is damaged ({error}): end the lab's holder process by hand and remove the file.") from error
    return state


def _write_files(directory: Path, hosts: list[Host], state: dict[str, Any], python: str) -> bool:
    """Write down what runs; returns whether that was news."""
    texts = {"lab.json": json.dumps(state, indent=1) + "\n", "inventory.yml": inventory_text(hosts, state["hosts"], python)}
    return True in [_write(directory / name, text) for name, text in texts.items()]  # all of them


def _write(file: Path, text: str) -> bool:
    if file.exists() and file.read_text() == text:
        return False
    file.write_text(text)
    return True


@contextmanager
def _locked(directory: Path, make: bool = True) -> Iterator[None]:
    descriptor = _lock(directory, make)
    try:
        yield
    finally:
        os.close(descriptor)


def _lock(directory: Path, make: bool) -> int:
    """The descriptor that holds the lock of the directory that is there now, and not of one that a lab's end removed while this waited.

    Without `make`, a directory that does not exist raises FileNotFoundError.
    """
    while True:
        if make:
            directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor
        os.close(descriptor)


def _answer(result: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("action", choices=["up", "down", "hold"])
    parser.add_argument("--directory", type=Path, required=True)
    parser.add_argument("--python", default="/usr/bin/python3", help="the interpreter that the inventory names (default: %(default)s)")
    parser.add_argument("--tie", type=int, metavar="PID", help="take the lab down when this process ends")
    arguments = parser.parse_args()
    os.environ["PATH"] = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
    directory = arguments.directory.absolute()
    try:
        if arguments.action == "up":
            _answer(up(directory, json.load(sys.stdin), arguments.python, arguments.tie))
        elif arguments.action == "hold":
            hold(directory, json.loads(sys.stdin.readline()), arguments.python)
        else:
            _answer(down(directory))
    except (LabError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A recorder (or a tracer, see `Worker`) that continues after the process that started it has ended, and ends by itself.

It is a process with a Unix socket in a directory of its own; the directory's name is the recorder's handle. No packet is ever written to
a file: the recording leaves the process through the socket, once, when it is asked for. At its deadline, or on SIGTERM, the process
removes the directory and ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import time
from typing import Any, Iterable, NoReturn, Sequence

from .._typing import Protocol
from .._wire.frames import MAX_BYTES, MAX_PACKETS
from .handles import CONVERSATION_SECONDS, connect, is_handle, publish, remove
from .interest import Interest, RecorderError
from .recorder import Recording

_MAX_REQUEST = 16 << 20
_SPARE_MEMORY = 256 << 20  # bytes beyond the frames: the interpreter, and copies while an answer is put together


class Worker(Protocol):
    """What can run detached: something that gathers what its one descriptor has to say, as `Recording` does."""

    def fileno(self) -> int:
        """Stays valid until `close()`."""

    def descriptors(self) -> list[int]:
        """All that it needs, this one among them: the detached process closes the others."""

    def collect(self) -> None:
        """Take what is waiting."""

    def result(self, interest: dict[str, Any] | None = None) -> dict[str, Any]:
        """What was gathered up to now."""

    def finish(self, interest: dict[str, Any] | None = None) -> dict[str, Any]:
        """The same, and the end of it."""

    def close(self) -> None:
        """End it, without a word."""


class _Terminated(Exception):
    """SIGTERM has come."""


def start_detached(
    ports: Iterable[int],
    addresses: Iterable[str],
    seconds: float,
    max_packets: int = MAX_PACKETS,
    max_bytes: int = MAX_BYTES,
    peers: Sequence[str] = (),
) -> str:
    """Start a recorder for so many seconds and return its handle. When this returns, every packet is being recorded.

    Raises NotPermittedError, RecorderError or ObserveError when it cannot be started.
    """
    return detach(Recording(ports, addresses, seconds, max_packets, max_bytes, peers), seconds, max_bytes, "handshake-rec")


def detach(worker: Worker, seconds: float, max_bytes: int, name: str) -> str:
    """Let a worker go on for so many seconds in a process of its own with that name, and return its handle; here it is closed.

    `max_bytes` is what it may gather by its own bounds. Raises RecorderError or ObserveError when that cannot be done.
    """
    try:
        directory, listener = publish()
    except (OSError, RecorderError) as error:
        worker.close()
        raise RecorderError(f"the recorder has no place for its socket: {error}") from error
    try:
        _detach(worker, listener, directory, time.monotonic() + seconds, max_bytes, name)
    except OSError as error:
        remove(directory)
        raise RecorderError(f"the recorder cannot leave this process: {error}") from error
    finally:
        listener.close()
        worker.close()
    return os.path.basename(directory)


def stop_detached(handle: str, interest: dict[str, Any] | None = None) -> dict[str, Any]:
    """End a recorder and return its recording (see `Worker.finish`). Raises RecorderError when there is no such recorder any more."""
    return _ask(handle, {"command": "stop", "interest": interest})


def read_detached(handle: str, interest: dict[str, Any] | None = None) -> dict[str, Any]:
    """The recording up to now; the recorder goes on. Raises RecorderError when there is no such recorder any more."""
    return _ask(handle, {"command": "read", "interest": interest})


def _ask(handle: str, request: dict[str, Any]) -> dict[str, Any]:
    if not is_handle(handle):
        raise RecorderError(f"{handle!r} is not a handle that a recorder gave out: those have 16 hexadecimal digits")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
        connect(peer, handle)
        peer.settimeout(CONVERSATION_SECONDS)
        try:
            peer.sendall(json.dumps(request).encode("ascii"))
            peer.shutdown(socket.SHUT_WR)
            answer: dict[str, Any] = json.loads(b"".join(iter(lambda: peer.recv(1 << 16), b"")))
        except (OSError, ValueError) as error:
            raise RecorderError(f"recorder {handle} ended before its recording was complete: {error}") from error
    if "error" in answer:
        raise RecorderError(answer["error"])
    return answer


def _detach(worker: Worker, listener: socket.socket, directory: str, deadline: float, max_bytes: int, name: str) -> None:
    """Run the recorder in a process that nobody waits for; return when it has let go of everything of ours."""
    ready, report = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(ready)
            os.setsid()
            if os.fork() == 0:  # not a session leader: it never gets a terminal
                _run(worker, listener, directory, deadline, max_bytes, name, report)
        finally:
            os._exit(0)
    os.close(report)
    os.waitpid(child, 0)
    try:
        message = os.read(ready, 4096)
    finally:
        os.close(ready)
    if message != b"ready":
        raise OSError(message.decode("utf-8", "replace") or "it ended at once")


def _run(worker: Worker, listener: socket.socket, directory: str, deadline: float, max_bytes: int, name: str, report: int) -> NoReturn:
    """The life of the detached process."""
    try:
        try:
            _let_go({*worker.descriptors(), listener.fileno(), report}, max_bytes, name)
            os.write(report, b"ready")
        except (OSError, ValueError) as error:
            os.write(report, str(error).encode())
            raise
        finally:
            os.close(report)
        _serve(worker, listener, directory, deadline)
    finally:
        remove(directory)
        os._exit(0)


def _let_go(keep: set[int], max_bytes: int, name: str) -> None:
    """Hold nothing of the starter: no descriptor (Ansible and sshd wait until their pipes are closed), directory, signal or terminal."""

    def terminate(_number: int, _frame: object) -> None:
        raise _Terminated

    signal.signal(signal.SIGTERM, terminate)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    kept = {os.readlink(f"/proc/self/fd/{descriptor}") for descriptor in keep}  # by what they are: mmap holds a duplicate of its own
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):  # the directory itself was among them
            if descriptor > 2 and os.readlink(f"/proc/self/fd/{descriptor}") not in kept:
                os.close(descriptor)
    with open("/proc/self/comm", "w", encoding="ascii") as comm:
        comm.write(name)
    with open("/proc/self/statm", encoding="ascii") as statm:
        now = int(statm.read().split()[0]) * resource.getpagesize()
    # The recording bounds itself; this is for the case that it is wrong.
    limit = now + 2 * max_bytes + _SPARE_MEMORY
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _serve(worker: Worker, listener: socket.socket, directory: str, deadline: float) -> None:
    """Work until the deadline, SIGTERM, or the request to stop."""
    poll = select.poll()
    poll.register(worker.fileno(), select.POLLIN)
    poll.register(listener.fileno(), select.POLLIN)
    with contextlib.suppress(_Terminated):
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return
            for descriptor, _events in poll.poll(left * 1000 + 1):
                if descriptor == listener.fileno():
                    peer, _address = listener.accept()
                    with peer, contextlib.suppress(OSError):
                        if not _answer(worker, peer, directory):
                            return
                else:
                    worker.collect()


def _answer(worker: Worker, peer: socket.socket, directory: str) -> bool:
    """Answer one request; False when it was the last one: who has that answer finds nothing of the recorder any more."""
    peer.settimeout(CONVERSATION_SECONDS)
    text = b""
    for part in iter(lambda: peer.recv(1 << 16), b""):
        text += part
        if len(text) > _MAX_REQUEST:
            return True
    if not text:  # a new recorder looks which ones are alive
        return True
    try:
        request = json.loads(text)
        stop, interest = request["command"] == "stop", request["interest"]
        if interest is not None:
            Interest.of(interest)  # before a mistake costs the recording
        answer = worker.finish(interest) if stop else worker.result(interest)
    except (RecorderError, ValueError, KeyError, TypeError) as error:
        stop, answer = False, {"error": f"the recorder does not understand the request: {error}"}
    if stop:
        remove(directory)
    with contextlib.suppress(OSError):
        peer.sendall(json.dumps(answer).encode("ascii"))
    return not stop

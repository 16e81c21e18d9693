# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Work in a separate network namespace: load rules there and read the kernel's defaults, without changing anything else.

What programs write beside that into files they write into copies, in a mount namespace of their own: see mount(2).
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import typing as t

from .._errors import ObserveError

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
_MS_REC, _MS_SLAVE = 0x4000, 0x80000
_PR_SET_PDEATHSIG = 1
MOST_SECONDS = 86400
MOST_COPIED = 16 << 20  # bytes of a directory
Files = t.Dict[str, t.Tuple[int, bytes]]  # path within the directory -> mode and content

Answer = t.Dict[str, t.Any]


def in_namespace(what: str, work: t.Callable[[], Answer], seconds: float = 0.0, spent: float = 0.0) -> Answer:
    """What `work` returns in a child process with a network namespace of its own, which ends with it, and so do the programs that it runs.

    `what`: the work in a sentence, "load the ruleset". An ObserveError comes back as one, and so does anything else that goes wrong.
    `seconds`: how long it may take, 0 for any time; `spent`: how much of that is gone already.
    """
    checked_seconds(seconds)
    left = seconds - spent
    if seconds and left <= 0:
        raise ObserveError(f"it takes longer than {seconds:g} s to {what}")
    reader, writer = os.pipe()
    parent, child = os.getpid(), os.fork()
    if child == 0:
        os.close(reader)
        status = 1
        try:
            os.setpgid(0, 0)
            if seconds:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_REAL, left)
            _send_answer(writer, what, work, parent)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as file:
        said = file.read()
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # as long as it has not been waited for, its group is nobody else's
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    _child, ended = os.waitpid(child, 0)
    if os.WIFSIGNALED(ended) and os.WTERMSIG(ended) == signal.SIGALRM:
        raise ObserveError(f"it takes longer than {seconds:g} s to {what}")
    if not said:
        raise ObserveError(f"the process that was to {what} ended without a word")
    answer: Answer = json.loads(said)
    if "refused" in answer:
        raise ObserveError(answer["refused"])
    return answer


def checked_seconds(seconds: float) -> None:
    """Raises ObserveError."""
    if not 0 <= seconds <= MOST_SECONDS:
        raise ObserveError(f"seconds is {seconds:g}: give a number from 0 to {MOST_SECONDS}")


def _send_answer(writer: int, what: str, work: t.Callable[[], Answer], parent: int) -> None:
    try:
        _leave_namespace(what)
        _end_with(parent)
        answer = work()
    except ObserveError as error:
        answer = {"refused": str(error)}
    except Exception as error:  # must reach the parent as words
        answer = {"refused": f"it is not possible to {what}: {type(error).__name__}: {error}"}
    with os.fdopen(writer, "w", encoding="utf-8") as file:
        json.dump(answer, file)


def _leave_namespace(what: str) -> None:
    """unshare(2): with a user namespace first, where there is no CAP_SYS_ADMIN."""
    libc = ctypes.CDLL(None, use_errno=True)
    for flags in (CLONE_NEWNET, CLONE_NEWUSER | CLONE_NEWNET):
        if libc.unshare(flags) == 0:
            return
    reason = os.strerror(ctypes.get_errno())
    raise ObserveError(f"no network namespace can be made to {what} ({reason}): it takes root, run with become")


def _end_with(parent: int) -> None:
    """The group of this process ends when its parent does, which can no longer end it (PR_SET_PDEATHSIG)."""
    signal.signal(signal.SIGTERM, lambda _signal, _frame: os.killpg(0, signal.SIGKILL))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.killpg(0, signal.SIGKILL)


def files_of(directory: str) -> Files:
    """The plain files below a directory. Raises ObserveError, OSError."""
    found: Files = {}
    room = MOST_COPIED
    for folder, _folders, names in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                content = file.read(room + 1)
            room -= len(content)
            if room < 0:
                raise ObserveError(f"{directory} has more than {MOST_COPIED} bytes")
            found[os.path.relpath(path, directory)] = (os.stat(path).st_mode & 0o7777, content)
    return found


def put_files(directory: str, files: Files) -> None:
    """Let the directory have these files, and no others."""
    for name in set(files_of(directory)) - set(files):
        os.unlink(os.path.join(directory, name))
    for name, (mode, content) in files.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)


def copied(directories: t.Sequence[str]) -> None:
    """From now on this process and its children see copies of these directories, which end with them. Raises ObserveError."""
    held = {directory: files_of(directory) for directory in directories if os.path.isdir(directory)}
    for directory, files in held.items():
        emptied(directory)
        put_files(directory, files)


def emptied(directory: str) -> None:
    """From now on this process and its children see an empty directory there. Raises ObserveError.

    What the host unmounts meanwhile is unmounted here, too: a private mount would keep its device busy.
    """
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_SLAVE, None)
    _call("mount", b"none", os.fsencode(directory), b"tmpfs", 0, b"mode=0755")


def _call(name: str, *arguments: t.Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise ObserveError(f"files cannot be copied: {name} says {os.strerror(ctypes.get_errno())}")

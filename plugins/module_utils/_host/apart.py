# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Work in a separate network namespace: load rules there and read the kernel's defaults, without changing anything else.

What programs write beside that into files they write into copies, in a mount namespace of their own: see mount(2).
"""

from __future__ import annotations

import ctypes
import json
import os
import typing as t

from .._errors import ObserveError

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
_MS_REC, _MS_PRIVATE = 0x4000, 0x40000
MOST_COPIED = 16 << 20  # bytes of a directory
Files = t.Dict[str, t.Tuple[int, bytes]]  # path within the directory -> mode and content

Answer = t.Dict[str, t.Any]


def in_namespace(what: str, work: t.Callable[[], Answer]) -> Answer:
    """What `work` returns in a child process with a network namespace of its own, which ends with it.

    `what`: the work in a sentence, "load the ruleset". An ObserveError comes back as one, and so does anything else that goes wrong.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        status = 1
        try:
            _send_answer(writer, what, work)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as file:
        said = file.read()
    os.waitpid(child, 0)
    if not said:
        raise ObserveError(f"the process that was to {what} ended without a word")
    answer: Answer = json.loads(said)
    if "refused" in answer:
        raise ObserveError(answer["refused"])
    return answer


def _send_answer(writer: int, what: str, work: t.Callable[[], Answer]) -> None:
    try:
        _leave_namespace(what)
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
    _call("unshare", CLONE_NEWNS)
    _call("mount", b"none", b"/", None, _MS_REC | _MS_PRIVATE, None)
    for directory, files in held.items():
        _call("mount", b"none", os.fsencode(directory), b"tmpfs", 0, b"mode=0755")
        put_files(directory, files)


def _call(name: str, *arguments: t.Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise ObserveError(f"files cannot be copied: {name} says {os.strerror(ctypes.get_errno())}")

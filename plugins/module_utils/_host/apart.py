# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Work in a separate network namespace: load rules there and read the kernel's defaults, without changing anything else."""

from __future__ import annotations

import ctypes
import json
import os
import typing as t

from .._errors import ObserveError

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000

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
            _told(writer, what, work)
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


def _told(writer: int, what: str, work: t.Callable[[], Answer]) -> None:
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

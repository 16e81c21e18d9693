# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Be another user of this host while a socket is made: firewall rules and policy routing ask whose it is.

The kernel notes the user when the socket is created, so that only creating, binding and connecting it need to be done as that user.
The process keeps its control group, its limits and its security label.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import typing as t

from .._errors import ObserveError
from .tcp_info import errno_name


class Identity(t.NamedTuple):
    """A user of this host, with all groups."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()


def identity(user: str) -> Identity | None:
    """The user of a name, or of a number; None for the one as whom this process runs. ObserveError: it cannot be had here."""
    try:
        account = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except (KeyError, ValueError, OverflowError):
        raise ObserveError(f"this host knows no user {user!r}: correct the flow's user, or create it") from None
    if account.pw_uid == os.geteuid():
        return None
    groups = tuple(sorted(set(os.getgrouplist(account.pw_name, account.pw_gid))))
    found = Identity(account.pw_name, account.pw_uid, account.pw_gid, groups)
    try:
        with acting_as(found):
            pass
    except OSError as error:
        refused = f"user {found.name} (uid {found.uid}): {errno_name(error.errno or 0)}"
        raise ObserveError(f"this process, of uid {os.geteuid()}, may not act as {refused}; run with become as root") from error
    return found


@contextlib.contextmanager
def acting_as(user: Identity | None) -> t.Iterator[None]:
    """Have the effective ids and the groups of a user, where one is named. OSError: they cannot be had; nothing has changed then.

    The C library changes them in all threads of the process; nothing else runs in it meanwhile but name resolution that was given up.
    """
    if user is None:
        yield
        return
    uid, gid, groups = os.geteuid(), os.getegid(), os.getgroups()
    try:
        os.setgroups(user.groups)
        os.setegid(user.gid)
        os.seteuid(user.uid)
        yield
    finally:
        os.seteuid(uid)
        os.setegid(gid)
        if sorted(os.getgroups()) != sorted(groups):
            os.setgroups(groups)

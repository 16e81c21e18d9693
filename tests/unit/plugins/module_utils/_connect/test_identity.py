# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Being another user while a socket is made, as the kernel sees it."""

from __future__ import annotations

import grp
import os
import pwd
import typing as t

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._connect.identity import Identity, acting_as, identity
from ansible_collections.threeway.handshake.plugins.module_utils._connect.probe import try_all
from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import Dial, resolve
from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._work.dials import dials_of
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

OTHER = "daemon"


def ids() -> tuple[t.Any, ...]:
    return os.getresuid(), os.getresgid(), sorted(os.getgroups())


def test_who_we_are_needs_no_change() -> None:
    own = pwd.getpwuid(os.geteuid())
    assert identity(own.pw_name) is None
    assert identity(str(own.pw_uid)) is None


@pytest.mark.parametrize("user", ["nosuchuser", "4294967000", "9" * 30])
def test_a_user_who_is_not_there(user: str) -> None:
    with pytest.raises(ObserveError, match=f"this host knows no user '{user}'"):
        identity(user)


def test_a_user_who_cannot_be_had_is_tried_as_nobody_else() -> None:
    """As where root is not the host's own: only one user is mapped."""
    order = {"dials": [{"id": n, "address": "127.0.0.1", "port": 9, **more} for n, more in enumerate([{"user": OTHER}, {}])]}
    with Rootless() as namespace:
        told = f"(lambda absent: [[dial.id for dial in dials.dials_of({order!r}, absent)], absent])([])"
        found, absent = namespace.python("_work.dials", told)
    assert found == [1]
    assert [each["what"] for each in absent] == [f"probes as user {OTHER}"]
    assert absent[0]["why"].startswith("this process, of uid 0, may not act as user daemon (uid 1): E")


@pytest.mark.root
def test_the_socket_is_the_users_and_the_process_is_not() -> None:
    before, user = ids(), identity(OTHER)
    assert user is not None
    with acting_as(user):
        during = ids()
    account = pwd.getpwnam(OTHER)
    groups = {account.pw_gid, *(group.gr_gid for group in grp.getgrall() if OTHER in group.gr_mem)}
    assert (during[0][1], during[1][1], set(during[2])) == (account.pw_uid, account.pw_gid, groups)
    assert ids() == before

    dials = dials_of({"dials": [{"id": 0, "address": "127.0.0.1", "port": 9, "attempts": 1, "user": OTHER}]}, [])
    (probe,) = try_all(resolve([*dials, Dial(1, "127.0.0.1", 9, attempts=1)][:1]), patience=0.1)
    assert (probe["uid"], probe["errno"]) == (account.pw_uid, "ECONNREFUSED")
    assert ids() == before


@pytest.mark.root
def test_an_identity_that_the_kernel_refuses_leaves_all_as_it_was() -> None:
    before = ids()
    with pytest.raises(OSError), acting_as(Identity("nobody", 2**32 - 1, 2**32 - 1, (1, 2))):
        pass
    assert ids() == before

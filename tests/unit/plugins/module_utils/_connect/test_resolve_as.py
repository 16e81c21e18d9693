# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names are resolved as the user who connects, to whom the resolver's files may be closed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._connect import resolve_as
from ansible_collections.threeway.handshake.plugins.module_utils._connect.identity import identity
from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import Dial, resolve

pytestmark = pytest.mark.root  # who else may not be another user


def test_what_the_user_may_not_read_is_said_beside_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "resolv.conf"
    closed.write_text("nameserver 192.0.2.53\n")
    closed.chmod(0o600)
    monkeypatch.setattr(resolve_as, "_FILES", (str(closed), "/etc/hosts"))
    own, other = (each.record() for each in resolve([Dial(1, "localhost", 80), Dial(2, "localhost", 80, identity=identity("daemon"))]))
    assert own["addresses"] == other["addresses"] != []
    assert (own["user"], own["unreadable"]) == (None, None)
    assert other["user"] == "daemon" and other["unreadable"] == [str(closed)]
    assert (other["dial"], other["hosts"]) == (2, own["hosts"])


def test_an_address_takes_no_user() -> None:
    (found,) = resolve([Dial(1, "192.0.2.1", 80, identity=identity("daemon"))])
    assert found.record()["addresses"] == ["192.0.2.1"] and found.unreadable is None


def test_who_does_not_answer_in_time_is_gone() -> None:
    user = identity("daemon")
    assert user is not None
    asked = resolve_as.begin(user, [Dial(1, "localhost", 80)], 5.0)
    silent, writer = os.pipe()
    assert resolve_as.collect(asked._replace(reader=silent), time.monotonic()) is None
    for descriptor in (asked.reader, writer):
        os.close(descriptor)
    with pytest.raises(ChildProcessError):
        os.waitpid(asked.pid, os.WNOHANG)


def test_a_user_who_cannot_be_is_no_silent_resolver() -> None:
    user = identity("daemon")
    assert user is not None
    nobody = user._replace(uid=2**32 - 1)
    (found,) = resolve([Dial(1, "localhost", 80, identity=nobody)])
    assert found.error == "EAI_SYSTEM" and found.elapsed_ms is None

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""`dev/programs` masks firewalld only where it installs it. It runs in a mount namespace, on a machine whose apt does nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[3] / "dev" / "programs"
SCRIPT = """
[ -d /etc/systemd ] || exit 77
mount -t tmpfs none /etc/systemd; mkdir /etc/systemd/system
mkdir {apt}/sbin; mount --bind /usr/sbin {apt}/sbin; mount -t tmpfs none /usr/sbin; ln -s {apt}/sbin/* /usr/sbin; rm -f /usr/sbin/firewalld
mask=/etc/systemd/system/firewalld.service
{before}
PATH={apt}:$PATH {programs} test || true
if [ -L $mask ]; then readlink $mask; else cat $mask 2>/dev/null || echo nothing; fi
"""


@pytest.mark.parametrize(
    ("before", "installs", "after"),
    [
        ("true", "exit 1", "nothing"),
        ("true", "cp /bin/true {apt}/firewalld", "/dev/null"),
        ("echo own > $mask", "exit 1", "own"),
        ("echo own > $mask", "cp /bin/true {apt}/firewalld", "own"),
    ],
)
def test_the_mask_of_firewalld(tmp_path: Path, before: str, installs: str, after: str) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text(f"#!/bin/sh\ncase $* in *install*) {installs.format(apt=tmp_path)};; esac\n")
    apt.chmod(0o755)
    script = SCRIPT.format(before=before, apt=tmp_path, programs=PROGRAMS)
    run = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode == 77:
        pytest.skip("there is no /etc/systemd here")
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, [after]), done.stderr
    assert ("systemctl unmask firewalld" in done.stderr) == (after == "/dev/null")

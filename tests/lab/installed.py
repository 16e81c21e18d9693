# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as users have it: installed from the tarball, with no way back to the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ._machines import HERE, collections_root

DEPENDENCIES = ("ansible/posix", "community/general")
# Lets an ordinary user reach Python where that lies within somebody's home: whatever else is in there stays out of reach.
VISIT = """
set -eu
stage=$1 uid=$2; shift 2
mount -t tmpfs none "$stage"
cp /etc/passwd "$stage/passwd"
echo "visitor:x:$uid:$uid::$HOME:/bin/sh" >> "$stage/passwd"
mount --bind "$stage/passwd" /etc/passwd
number=0
for path in $OPEN; do mkdir "$stage/$number"; mount --bind "$path" "$stage/$number"; number=$((number + 1)); done
for path in $CLOSED; do mount -t tmpfs -o mode=755 none "$path"; done
number=0
for path in $OPEN; do mkdir -p "$path"; mount --bind "$stage/$number" "$path"; number=$((number + 1)); done
unset OPEN CLOSED
cd
exec setpriv --reuid="$uid" --regid="$uid" --clear-groups -- "$@"
"""


def install(place: Path) -> Path:
    """Build the tarball and install it in `place`, with copies of the collections it depends on; returns the collections path."""
    galaxy = [sys.executable, "-m", "ansible", "galaxy", "collection"]
    _run([*galaxy, "build", "--output-path", str(place / "tarball"), str(HERE.parent.parent)], place)
    (tarball,) = (place / "tarball").iterdir()
    _run([*galaxy, "install", "--offline", "--no-deps", "--collections-path", str(place / "collections"), str(tarball)], place)
    for name in DEPENDENCIES:
        shutil.copytree(collections_root() / "ansible_collections" / name, place / "collections/ansible_collections" / name)
    return place / "collections"


def environment(collections: Path, home: Path) -> dict[str, str]:
    """What a login gives on a Debian, and the collections path."""
    return {"HOME": str(home), "PATH": "/usr/local/bin:/usr/bin:/bin", "ANSIBLE_COLLECTIONS_PATH": str(collections), "ANSIBLE_NOCOLOR": "1"}


def as_visitor(uid: int, stage: Path, argv: Sequence[str], surroundings: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a program as the ordinary user `visitor`, in the home directory; for root. `stage`: an empty directory."""
    reached = sorted({sys.prefix, sys.base_prefix})
    closed = sorted({str(parent) for path in reached if (parent := _closed(Path(path))) is not None})
    return subprocess.Popen(
        ["unshare", "--mount", "--propagation=private", "sh", "-c", VISIT, "sh", str(stage), str(uid), *argv],
        env={**surroundings, "OPEN": " ".join(reached), "CLOSED": " ".join(closed)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_of(uid: int) -> dict[int, str]:
    """Process ids and command lines of a user's processes, in whatever namespaces."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.stat().st_uid == uid:
                found[int(process.name)] = (process / "cmdline").read_text().replace("\\0", " ")
        except OSError:  # it ended meanwhile
            continue
    return found


def _closed(path: Path) -> Path | None:
    """The outermost directory above `path` that others may not enter."""
    return next((parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001), None)


def _run(argv: list[str], place: Path) -> None:
    own = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    done = subprocess.run(argv, env=own, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

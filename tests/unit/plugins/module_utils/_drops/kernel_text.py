# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel itself writes about its drops (tracefs): text that nobody here decodes from memory."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile

_EVENT = re.compile(r"kfree_skb: .*location=([\w.]+)\+\S+ reason: (\w+)")
_NAME = re.compile(r'\{ (\d+), "(\w+)" \}')


class KernelText:
    """An instance of tracefs; within a `with` it listens, once it was made by an outer one."""

    def __init__(self) -> None:
        self._mount = tempfile.mkdtemp(prefix="handshake-tracefs-")
        self._instance = os.path.join(self._mount, "instances", f"handshake_test_{os.getpid()}")
        self._depth = 0

    def __enter__(self) -> KernelText:
        if not self._depth:
            subprocess.run(["mount", "-t", "tracefs", "none", self._mount], check=True)
            os.mkdir(self._instance)
        else:
            self._write("trace", "")
            self._write("events/skb/kfree_skb/enable", "1")
        self._depth += 1
        return self

    def __exit__(self, *exception: object) -> None:
        self._depth -= 1
        self._write("events/skb/kfree_skb/enable", "0")
        if not self._depth:
            os.rmdir(self._instance)
            subprocess.run(["umount", self._mount], check=True)
            os.rmdir(self._mount)

    def drops(self) -> list[tuple[str, str]]:
        """(reason, function) of each packet of the machine that was dropped while this listened."""
        with open(os.path.join(self._instance, "trace"), encoding="utf-8") as trace:
            found = [_EVENT.search(line) for line in trace]
        return [(each.group(2), each.group(1).partition(".")[0]) for each in found if each]

    def reasons(self) -> dict[int, str]:
        """Names by number."""
        with open(os.path.join(self._instance, "events", "skb", "kfree_skb", "format"), encoding="ascii") as file:
            return {int(number): name for number, name in _NAME.findall(file.read())}

    def _write(self, name: str, text: str) -> None:
        with open(os.path.join(self._instance, name), "w", encoding="ascii") as file:
            file.write(text)

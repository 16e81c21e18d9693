# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel itself writes about its drops (tracefs): text that nobody here decodes from memory."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import tempfile
import typing as t

_EVENT = re.compile(r"kfree_skb: .*location=([\w.]+)\+\S+ reason: (\w+)")
_NAME = re.compile(r'\{ (\d+), "(\w+)" \}')


class KernelText:
    """An instance of tracefs."""

    def __init__(self) -> None:
        self._mount = tempfile.mkdtemp(prefix="handshake-tracefs-")
        self._instance = os.path.join(self._mount, "instances", f"handshake_test_{os.getpid()}")

    def __enter__(self) -> KernelText:
        subprocess.run(["mount", "-t", "tracefs", "none", self._mount], check=True)
        os.mkdir(self._instance)
        return self

    def __exit__(self, *exception: object) -> None:
        os.rmdir(self._instance)
        subprocess.run(["umount", self._mount], check=True)
        os.rmdir(self._mount)

    @contextlib.contextmanager
    def of(self, reason: str) -> t.Iterator[None]:
        """Listen for drops of the whole machine that have one reason."""
        (number,) = [number for number, name in self.reasons().items() if name == reason]
        self._write("trace", "")
        self._write("events/skb/kfree_skb/filter", f"reason == {number}")
        self._write("events/skb/kfree_skb/enable", "1")
        try:
            yield
        finally:
            self._write("events/skb/kfree_skb/enable", "0")

    def drops(self) -> list[tuple[str, str]]:
        """(reason, function) of each of them."""
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

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Standard output of ansible-playbook, shared by a line that lives while something is awaited and by what Ansible displays.

Ansible displays from several threads, and its workers, which are forks, send what they display to the main process. A thread of ours
writes the line; all else that is displayed makes it give way first. The forks inherit this object and must not use it: they have no
such thread, and a lock that was held when they were made is never released there.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from ansible.utils.color import ANSIBLE_COLOR
from ansible.utils.display import Display

from .._show import terminal
from .screen import columns, on_terminal

_AFTER, _EACH = 0.4, 1.0
"""Seconds until the line appears on a terminal, and between its changes."""
_PLAIN_AFTER, _PLAIN_EACH = 2.0, 30.0
"""The same for lines that stay, where there is no terminal."""

Compose = Callable[[int], str]
"""The line as it is now, in at most so many columns."""


class LiveLine:
    """``quiet``: hold back all that is displayed until `speak` is called. ``drawn``: whether the line is written at all."""

    def __init__(self, display: Display, *, quiet: bool, drawn: bool) -> None:
        shared: Any = display
        self._original = shared.display
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._held: list[tuple[tuple[Any, ...], dict[str, Any]]] | None = [] if quiet else None
        self._compose: Compose | None = None
        self._on_terminal = on_terminal()
        self._visible = False
        shared.display = self._displayed  # as ansible-runner does
        if drawn and not quiet:
            threading.Thread(target=self._draw, daemon=True).start()
            atexit.register(self.end)

    def show(self, compose: Compose | None) -> None:
        """From now on this line; None: none."""
        with self._lock:
            self._erase()
            self._compose = compose
            self._due = self._since = 0.0

    def speak(self) -> None:
        """Display what was held back, and whatever comes."""
        with self._lock:
            held, self._held = self._held or [], None
            for positional, named in held:
                self._original(*positional, **named)

    def end(self) -> None:
        """No line any more."""
        self._ended.set()
        if os.getpid() == self._process:
            self.show(None)

    def _displayed(self, *positional: Any, **named: Any) -> None:
        """In place of ``Display.display``."""
        if os.getpid() != self._process:
            self._original(*positional, **named)
            return
        with self._lock:
            if self._held is not None and not (named.get("stderr") or named.get("log_only")):
                self._held.append((positional, {**named, "screen_only": True}))
                self._original(*positional, **{**named, "log_only": True})
                return
            self._erase()
            self._original(*positional, **named)
            sys.stdout.flush()

    _due = _since = 0.0

    def _draw(self) -> None:
        after, each = (_AFTER, _EACH) if self._on_terminal else (_PLAIN_AFTER, _PLAIN_EACH)
        step = 0.2
        while not self._ended.wait(step):
            with self._lock:
                self._since += step
                if self._compose is None or self._since < max(after, self._due):
                    continue
                self._due = self._since + each
                if self._on_terminal:
                    line = self._compose(columns() - 1)
                    self._write(f"\r{terminal.ansi(line, 'dim') if ANSIBLE_COLOR else line}\x1b[K")
                    self._visible = True
                else:
                    self._write(f"{self._compose(columns())}\n")

    def _erase(self) -> None:
        if self._visible:
            self._write("\r\x1b[K")
            self._visible = False
            self._due = 0.0

    @staticmethod
    def _write(text: str) -> None:
        """Past the buffer of sys.stdout, whose lock a fork would inherit."""
        try:
            os.write(1, text.encode("utf-8", "replace"))
        except OSError:  # whoever read it has gone; Ansible says so where that matters
            return

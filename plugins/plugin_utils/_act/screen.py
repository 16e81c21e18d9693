# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What people see of an action: a text as wide and as coloured as their terminal, and none where a program reads standard output."""

from __future__ import annotations

import multiprocessing
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from ansible import constants
from ansible.utils.color import ANSIBLE_COLOR
from ansible.utils.display import Display

from .._show import terminal

WITHOUT_A_TERMINAL = 100
"""Columns of a text that goes to a file, a pipe or a journal."""
OURS = "threeway.handshake.answer"
# Stdout callbacks of which programs read the output, or of which there is none.
_WITHOUT_TEXTS = ("json", "jsonl", "null")

Render = Callable[[int, terminal.Style], str]
"""A text of at most so many columns."""


def columns() -> int:
    """How wide a text for people may be: as COLUMNS says, else as the terminal is now.

    From ansible-core 2.19 on tasks have no terminal, so that of ansible-playbook is asked. Ansible's own figure (``Display.columns``) is
    of no use: it is 79 without a terminal, and for each one that has up to 80 columns.
    """
    with suppress(KeyError, ValueError):
        if (wanted := int(os.environ["COLUMNS"])) > 0:
            return wanted
    return _columns_of(1) or _columns_of_parent() or WITHOUT_A_TERMINAL


def on_terminal() -> bool:
    """Whether standard output is a terminal on which lines can be written over."""
    return os.isatty(1) and os.environ.get("TERM", "dumb") != "dumb"


def present(display: Display, result: dict[str, Any], render: Render, *, page: str | None = None, attention: bool = True) -> None:
    """Show a text, or put it into the result where nobody sees it.

    ``page``: where people read more. ``attention``: whether something is not as it should be, so that quiet jobs must say so.
    """
    result["attention"] = attention
    if page is not None:
        result["page"] = os.path.abspath(page)
    callback = str(constants.DEFAULT_STDOUT_CALLBACK)  # type: ignore[attr-defined]
    width = columns()
    if callback.rpartition(".")[2] in _WITHOUT_TEXTS:
        result["answer"] = render(width, terminal.plain).splitlines()
        return
    text = "\n" + render(width, terminal.ansi if ANSIBLE_COLOR else terminal.plain)
    if page is not None and callback != OURS:  # which says it at the end of all
        text += f"\n{terminal.where(result['page'])}\n"
    display.display(text)


def without_lists(result: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Of a failure, which stdout callbacks show in full: without lists that bury the sentence that says what is wrong."""
    return {name: value for name, value in result.items() if name not in names} if result.get("failed") else result


def _columns_of_parent() -> int | None:
    parent = multiprocessing.parent_process()
    path = f"/proc/{(parent and parent.pid) or os.getpid()}/fd/1"
    with suppress(OSError):
        if stat.S_ISCHR(os.stat(path).st_mode):
            descriptor = os.open(path, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                return _columns_of(descriptor)
            finally:
                os.close(descriptor)
    return None


def _columns_of(descriptor: int) -> int | None:
    """None where it is no terminal, or one that does not know its width."""
    with suppress(OSError):
        return os.get_terminal_size(descriptor).columns or None
    return None

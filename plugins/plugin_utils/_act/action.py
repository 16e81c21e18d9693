# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What all actions have in common: no control character that a host sent reaches the terminal, and a fault of ours is a sentence."""

from __future__ import annotations

import errno
import json
import re
import traceback
from abc import abstractmethod
from collections.abc import Mapping, Set
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.module_utils.json_utils import _filter_non_json_lines

from .._faults import fault
from .._values.bounds import Bounds
from .._values.text import printable
from .play import unfit
from .temporary_files import WithoutFiles
from .terminals import WithTerminal
from .unread_input import UnreadInput

_UNPRINTABLE = re.compile(r"[^\t\n\x20-\x7e]")
_SHOWN = frozenset(("warnings", "deprecations", "exception"))
_ADVICE = {
    errno.ENOSPC: "make room there, or give another one",
    errno.EDQUOT: "make room there, or give another one",
}


class HandshakeAction(WithTerminal, WithoutFiles, UnreadInput):
    """The base of every action plugin of the collection, which implements `answer`."""

    _supports_check_mode = True
    _takes_the_whole_play = False
    """Whether all hosts of the play must go from task to task together, as the phases of a diagnosis do."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of `answer`, in printable characters: Ansible shows results, warnings and differences as they are."""
        task_vars = task_vars or {}
        result: dict[str, Any] = {}
        try:
            result = super().run(tmp, task_vars)
            why = unfit(self._task, task_vars) if self._takes_the_whole_play else None
            result = {**result, "failed": True, "msg": why} if why else self.answer(result, task_vars)
        except AnsibleConnectionFailure as error:
            result = {**result, "unreachable": True, "msg": error.message}
        except AnsibleError as error:
            if printable(str(error)) == str(error):
                raise
            result = {**result, "failed": True, "msg": str(error)}  # of what a command on the host said
        except Exception as error:
            self._display.vvv(printable(traceback.format_exc()))
            result = {**result, "failed": True, "msg": f"The task ended unexpectedly; {fault(error)}"}
        names = frozenset(str(name) for name in (task_vars.get("groups") or {}).get("all", ()))
        cleaned: dict[str, Any] = _cleaned(result, names)
        return cleaned

    @abstractmethod
    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        """Do the task; ``result`` is what Ansible has put into every result."""

    bounds = Bounds()
    """How much a host may answer."""

    reads: Set[str] | None = None
    """The keys of a module's answer that are read, where not all are: ansible-core would trip over others with values of a wrong type."""

    def _parse_returned_data(self, res: dict[str, Any], *profile: str) -> Any:
        """ansible-core passes a serialization profile since 2.19, and returns an object of its own since 2.21: only the text is ours."""
        return super()._parse_returned_data(without_controls(res, self.bounds, self.reads), *profile)


def unusable(what: str, error: Exception) -> str:
    """That files or directories of the controller cannot be used, and why: our own sentence, or the kernel's."""
    if not isinstance(error, OSError) or not error.strerror:
        return f"{what} cannot be used: {error}"
    file = f" ({error.filename})" if error.filename else ""
    return f"{what} cannot be used: {error.strerror}{file}: {_ADVICE.get(error.errno or 0, 'fix that, or give another one')}."


class TooMuch(AnsibleError):
    """A host answered more than can be read."""


def without_controls(res: Mapping[str, Any], bounds: Bounds, reads: Set[str] | None = None) -> dict[str, Any]:
    """What a module printed, for `_parse_returned_data`, with nothing but these keys in its answer, if any are given. TooMuch.

    Ansible shows whatever surrounds the JSON as a warning and, since 2.21, the answer's own warnings before an action sees them.
    The JSON itself is plain ASCII. Without pipelining SSH gives it a terminal, which ends lines with CR LF.
    """
    if why := bounds.exceeded_by(res.get("stdout", "")):
        raise TooMuch(why)
    stdout = _UNPRINTABLE.sub("?", res.get("stdout", "").replace("\r\n", "\n"))
    try:
        text: str = _filter_non_json_lines(stdout, objects_only=True)[0]  # type: ignore[no-untyped-call]
        answer: dict[str, Any] = json.loads(text)
    except (RecursionError, ValueError):
        return {**res, "stdout": stdout}
    wanted = {key: value for key, value in answer.items() if reads is None or key in reads}
    wanted.update((key, _cleaned(wanted[key], frozenset())) for key in _SHOWN & wanted.keys())
    return {**res, "stdout": stdout if wanted == answer else json.dumps(wanted)}


def _cleaned(value: Any, names: frozenset[str]) -> Any:
    """The same value in printable characters; names of the inventory are the user's own, and tasks compare them."""
    if isinstance(value, str):
        return value if value in names else printable(value)
    if isinstance(value, Mapping):
        return {_cleaned(key, names): _cleaned(each, names) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(each, names) for each in value]
    return value

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""How the host's own programs are run, for all collectors and changes alike."""

from __future__ import annotations

import typing as t

from ._typing import Protocol

Run = t.Callable[..., t.Tuple[int, str, str]]
"""``run(argv, data=None)``: return code, standard output, standard error. A program that is missing returns 127, as in a shell."""


class Runs(Protocol):
    """What an AnsibleModule has to run programs."""

    run_command_environ_update: dict[str, str]

    def run_command(
        self, args: list[str], *, data: str | None = None, binary_data: bool = False, handle_exceptions: bool = True
    ) -> tuple[int, str, str]: ...


def runner(module: Runs, *, path: str | None = None, exact_input: bool = False) -> Run:
    """Run programs by Ansible's module, with messages in English.

    ``path``: where to look for them, instead of PATH. ``exact_input``: ``data`` is passed on as it is, without a line end added.
    """
    module.run_command_environ_update = {"LANGUAGE": "C", "LC_ALL": "C", **({} if path is None else {"PATH": path})}

    def run(argv: list[str], data: str | None = None) -> tuple[int, str, str]:
        try:
            code, output, error = module.run_command(argv, data=data, binary_data=exact_input, handle_exceptions=False)
        except OSError as missing:
            return 127, "", f"{argv[0]}: {missing.strerror}"
        return code, output, error

    return run

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The reasons why the kernel cannot report drops on this host."""

from __future__ import annotations

from .._errors import ObserveError

KINDS = {
    "machine": "the machine, whose system calls are not known",
    "call": "the system call that was refused, with the error: bpf EPERM",
    "types": "the file of the kernel's types (BTF) that is missing or malformed",
    "member": "the structure and member that this kernel does not have",
    "tracepoint": "the tracepoint that this kernel does not have, or that has other arguments than any known",
    "program": "the program that the kernel's verifier refused",
    "cgroup": "the inode of the control group that is not there any more, or may not be read",
    "tracefs": "the directory of events that is not there, or may not be read",
}
"""What `Unavailable.value` has, by `Unavailable.kind`."""


class Unavailable(ObserveError):
    """A way to ask the kernel that does not exist here: which one and why as data, and a sentence for people."""

    def __init__(self, kind: str, value: str, why: str) -> None:
        super().__init__(why)
        self.kind, self.value = kind, value

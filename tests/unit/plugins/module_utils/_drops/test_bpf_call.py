# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of system calls against the kernel's headers; that the calls work shows in test_tracer.py, on the machine of the test."""

from __future__ import annotations

import os
import platform
import re
import resource
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._drops import bpf_call
from ansible_collections.threeway.handshake.plugins.module_utils._drops.absence import KINDS, Unavailable
from ansible_collections.threeway.handshake.plugins.module_utils._drops.ebpf import R0, Program

HEADERS = {  # of Debian's linux-libc-dev; aarch64 has the generic table
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@pytest.mark.parametrize("machine", sorted(bpf_call.NUMBERS))
def test_numbers_are_those_of_the_headers(machine: str) -> None:
    if not HEADERS[machine].exists():
        pytest.skip(f"{HEADERS[machine]} is not here")
    text = HEADERS[machine].read_text(encoding="ascii")
    told = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", text)}
    assert {name: told[name] for name in bpf_call.NUMBERS[machine]} == bpf_call.NUMBERS[machine]


def test_another_machine_is_said_to_be_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(Unavailable, match="aarch64 and x86_64 with 64 bits only") as caught:
        bpf_call.create_map(bpf_call.ARRAY, 4, 8, 1)
    assert (caught.value.kind, caught.value.value) == ("machine", "riscv64")
    assert caught.value.kind in KINDS


@pytest.mark.root
def test_a_program_that_the_verifier_refuses_is_refused_in_its_words() -> None:
    program = Program()
    program.move(R0, 3)
    program.leave()
    with pytest.raises(OSError, match="R3 !read_ok"):
        bpf_call.load(bpf_call.RAW_TRACEPOINT, program.assemble(), "test")


@pytest.mark.root
def test_a_map_keeps_what_it_is_given() -> None:
    before = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    numbers = bpf_call.create_map(bpf_call.HASH, 4, 8, 2)
    bpf_call.update(numbers, b"keys", b"eight by")
    assert bpf_call.look_up(numbers, b"keys", 8) == b"eight by"
    with pytest.raises(FileNotFoundError):
        bpf_call.look_up(numbers, b"none", 8)
    os.close(numbers)
    assert resource.getrlimit(resource.RLIMIT_MEMLOCK) == before

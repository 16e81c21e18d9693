# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kernels that differ from the one of this machine: the verifier takes the programs for them as well."""

from __future__ import annotations

import contextlib
import os
import typing as t

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._drops import bpf_call, layout, program, records
from ansible_collections.threeway.handshake.plugins.module_utils._drops.absence import Unavailable
from ansible_collections.threeway.handshake.plugins.module_utils._drops.layout import Arguments, Layout
from ansible_collections.threeway.handshake.plugins.module_utils._drops.routines import Choice, Maps
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._drops.kernel_text import KernelText


class Types:
    """What `layout` asks of the type information."""

    def __init__(self, *parameters: str) -> None:
        self._parameters = list(parameters)

    def __contains__(self, name: str) -> bool:
        return bool(self._parameters)

    def parameters(self, _name: str) -> list[str]:
        return self._parameters


SKB, SOCK, REQUEST = "struct sk_buff *", "struct sock *", "struct request_sock *"


@pytest.mark.parametrize(
    ("tracepoint", "parameters", "arguments"),
    [
        ("kfree_skb", ["void *", SKB, "void *"], Arguments(0, None, 1, None)),  # Linux 5.10
        ("kfree_skb", ["void *", SKB, "void *", "enum skb_drop_reason"], Arguments(0, None, 1, 2)),  # 5.17
        ("kfree_skb", ["void *", SKB, "void *", "enum skb_drop_reason", SOCK], Arguments(0, 3, 1, 2)),  # 6.11
        ("kfree_skb", ["void *", "void *"], None),
        ("kfree_skb", [], None),
        ("tcp_send_reset", ["void *", SOCK, SKB], Arguments(1, 0, None, None)),
        ("tcp_send_reset", ["void *", SOCK, SKB, "enum sk_rst_reason"], Arguments(1, 0, None, 2)),  # 6.10
        ("tcp_retransmit_synack", ["void *", SOCK, REQUEST], Arguments(None, 1, None, None)),
        ("tcp_retransmit_synack", ["void *", SOCK], None),
    ],
)
def test_arguments_are_found_by_their_types(tracepoint: str, parameters: list[str], arguments: Arguments | None) -> None:
    assert layout._arguments(t.cast(t.Any, Types(*parameters)), tracepoint) == arguments


@pytest.mark.root
@pytest.mark.parametrize("missing", [(), layout._OPTIONAL, ("sk_cgroup",), ("sk_local6",), ("net_inode",)])
@pytest.mark.parametrize("arguments", [Arguments(0, None, 1, None), Arguments(0, None, 1, 2), Arguments(0, 3, 1, 2)])
@pytest.mark.parametrize("choice", [Choice(None, False, ()), Choice(4026531840, True, (0, 1))])
def test_the_verifier_takes_what_is_for_other_kernels(missing: t.Iterable[str], arguments: Arguments, choice: Choice) -> None:
    here = layout.read()
    other = here._replace(offsets={name: offset for name, offset in here.offsets.items() if name not in missing})
    with contextlib.ExitStack() as undo:
        sizes = (bpf_call.HASH, records.KEY_SIZE, 1, 8), (bpf_call.RINGBUF, 0, 0, 4096), (bpf_call.ARRAY, 4, 8, 1)
        made = [bpf_call.create_map(*size) for size in sizes]
        for descriptor in made:
            undo.callback(os.close, descriptor)
        code = program.build(records.DROP, arguments, other, Maps(*made), choice)
        assert len(code) // 8 < 4096  # as many as any kernel takes
        os.close(bpf_call.load(bpf_call.RAW_TRACEPOINT, code, "test"))


@pytest.mark.root
def test_reasons_are_those_of_the_tracepoint_itself() -> None:
    with KernelText() as text:
        told = text.reasons()
    here: Layout = layout.read()
    assert told and {number: here.drop_reasons[number] for number in told} == told


def test_a_kernel_without_types_is_said_to_have_none(tmp_path: t.Any) -> None:
    with pytest.raises(Unavailable, match="does not say how its structures are laid out") as caught:
        layout.read(str(tmp_path / "vmlinux"))
    assert caught.value.kind == "types"
    (tmp_path / "vmlinux").write_bytes(b"nonsense")
    with pytest.raises(Unavailable, match="shorter than its header"):
        layout.read(str(tmp_path / "vmlinux"))

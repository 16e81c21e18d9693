# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The type information of the running kernel, against what is known from elsewhere: headers on the wire have the same layout everywhere."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._drops.btf import VMLINUX, Btf
from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError

needs_kernel = pytest.mark.skipif(not os.path.exists(VMLINUX), reason="this kernel was built without type information")
NAMES = ["struct iphdr", "struct tcphdr", "struct ipv6hdr", "struct sk_buff", "struct nonesuch", "enum ip_conntrack_dir"]
NAMES += ["typedef btf_trace_kfree_skb"]


@pytest.fixture(scope="module")
def types() -> Btf:
    return Btf.of_kernel(NAMES)


@needs_kernel
@pytest.mark.parametrize(
    ("structure", "member", "offset"),
    [
        ("struct iphdr", "ttl", 8),
        ("struct iphdr", "saddr", 12),  # in an anonymous union, since Linux 5.18 in one more
        ("struct iphdr", "daddr", 16),
        ("struct ipv6hdr", "nexthdr", 6),
        ("struct ipv6hdr", "daddr", 24),
        ("struct tcphdr", "seq", 4),
        ("struct tcphdr", "window", 14),
        ("struct tcphdr", "syn", 13),  # a bit
        ("struct tcphdr", "nonesuch", None),
        ("struct tcphdr", "seq.nonesuch", None),
        ("struct nonesuch", "seq", None),
    ],
)
def test_offsets_are_those_of_the_headers(types: Btf, structure: str, member: str, offset: int | None) -> None:
    assert types.offset(structure, member) == offset


@needs_kernel
def test_what_is_not_there_is_not_found(types: Btf) -> None:
    assert "struct tcphdr" in types
    assert "struct nonesuch" not in types
    assert types.enumerators("enum nonesuch") == {}


@needs_kernel
def test_arguments_are_named_by_their_types(types: Btf) -> None:
    kinds = types.parameters("typedef btf_trace_kfree_skb")
    assert kinds[:3] == ["void *", "struct sk_buff *", "void *"]


@needs_kernel
def test_a_file_that_is_cut_off_is_refused() -> None:
    with open(VMLINUX, "rb") as file:
        data = file.read(1 << 16)
    for length in (0, 10, 24, 1000, len(data)):
        with pytest.raises(DecodeError):
            Btf(data[:length], NAMES)


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(DecodeError):
        Btf(noise, NAMES)


def small(types: bytes, strings: bytes = b"\0") -> bytes:
    return struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings


def test_types_that_end_too_early_or_refer_to_themselves_are_refused() -> None:
    structure = struct.pack("=III", 1, 4 << 24 | 2, 8)
    with pytest.raises(DecodeError, match="within a type"):
        Btf(small(structure, b"\0one\0"), ["struct one"])
    itself = small(struct.pack("=III", 1, 8 << 24, 1), b"\0one\0")
    with pytest.raises(DecodeError, match="in a circle"):
        Btf(itself, ["typedef one"]).parameters("typedef one")


def test_a_member_within_bit_fields_is_found_by_its_byte() -> None:
    number = struct.pack("=IIII", 0, 1 << 24, 4, 32)
    packed = struct.pack("=III", 1, 1 << 31 | 4 << 24 | 2, 4) + struct.pack("=IIIIII", 5, 1, 3 << 24 | 2, 10, 1, 5 << 24 | 17)
    assert Btf(small(number + packed, b"\0one\0flag\0more\0"), ["struct one"]).offset("struct one", "more") == 2

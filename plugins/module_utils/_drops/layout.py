# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What the programs need from the running kernel: offsets, the arguments of its tracepoints, and the names of its reasons."""

from __future__ import annotations

import typing as t

from .._errors import DecodeError
from .absence import Unavailable
from .btf import VMLINUX, Btf

KFREE_SKB, SEND_RESET, RETRANSMIT_SYNACK = "kfree_skb", "tcp_send_reset", "tcp_retransmit_synack"
TRACEPOINTS = (KFREE_SKB, SEND_RESET, RETRANSMIT_SYNACK)

_DROP_REASON, _RESET_REASON, _SUBSYSTEM = "enum skb_drop_reason", "enum sk_rst_reason", "enum skb_drop_reason_subsys"
_SKB, _SOCK, _REQUEST = "struct sk_buff *", "struct sock *", "struct request_sock *"
_MEMBERS = {  # by the names of the fields of Offsets
    "skb_dev": ("struct sk_buff", "dev"),
    "skb_sk": ("struct sk_buff", "sk"),
    "skb_head": ("struct sk_buff", "head"),
    "skb_data": ("struct sk_buff", "data"),
    "skb_tail": ("struct sk_buff", "tail"),
    "skb_mac_header": ("struct sk_buff", "mac_header"),
    "skb_network_header": ("struct sk_buff", "network_header"),
    "skb_protocol": ("struct sk_buff", "protocol"),
    "skb_iif": ("struct sk_buff", "skb_iif"),
    "skb_dst": ("struct sk_buff", "_skb_refdst"),
    "dev_ifindex": ("struct net_device", "ifindex"),
    "sk_family": ("struct sock", "__sk_common.skc_family"),
    "sk_state": ("struct sock", "__sk_common.skc_state"),
    "sk_local": ("struct sock", "__sk_common.skc_rcv_saddr"),
    "sk_remote": ("struct sock", "__sk_common.skc_daddr"),
    "sk_local_port": ("struct sock", "__sk_common.skc_num"),
    "sk_remote_port": ("struct sock", "__sk_common.skc_dport"),
    "dst_dev": ("struct dst_entry", "dev"),
}
_OPTIONAL = {  # members that kernels are built without, or had none of yet
    "dev_net": ("struct net_device", "nd_net.net"),
    "sk_net": ("struct sock", "__sk_common.skc_net.net"),
    "net_inode": ("struct net", "ns.inum"),
    "sk_local6": ("struct sock", "__sk_common.skc_v6_rcv_saddr"),
    "sk_remote6": ("struct sock", "__sk_common.skc_v6_daddr"),
    "sk_cgroup": ("struct sock", "sk_cgrp_data.cgroup"),
    "cgroup_kn": ("struct cgroup", "kn"),
    "kn_id": ("struct kernfs_node", "id"),
}
_NAMES = [
    *sorted({structure for structure, _member in [*_MEMBERS.values(), *_OPTIONAL.values()]}),
    *(_DROP_REASON, _RESET_REASON, _SUBSYSTEM),
    *(f"typedef btf_trace_{tracepoint}" for tracepoint in TRACEPOINTS),
]


class Arguments(t.NamedTuple):
    """At which place a tracepoint has which argument, counted from 0; None where it has none of the kind."""

    skb: int | None
    sock: int | None  # for a retransmission the request, whose beginning is like that of a socket
    location: int | None
    reason: int | None


class Layout(t.NamedTuple):
    """Of one kernel."""

    offsets: dict[str, int]  # in bytes, by the names above; optional ones may be missing
    arguments: dict[str, Arguments]  # by tracepoint, those that exist and have arguments that are known
    drop_reasons: dict[int, str]  # without their prefix; empty before Linux 5.17
    reset_reasons: dict[int, str]  # empty before Linux 6.10
    subsystems: dict[int, str]  # whose reasons are counted from 0 again, see `reasons.name`


def read(path: str = VMLINUX) -> Layout:
    """Of the running kernel. Unavailable where it does not say."""
    try:
        types = Btf.of_kernel(_NAMES, path)
        return _layout(types)
    except OSError as error:
        raise Unavailable("types", path, f"this kernel does not say how its structures are laid out: {path}: {error.strerror}") from error
    except DecodeError as error:
        raise Unavailable("types", path, f"{path}: {error}") from error


def _layout(types: Btf) -> Layout:
    offsets = {}
    for name, (structure, member) in [*_MEMBERS.items(), *_OPTIONAL.items()]:
        offset = types.offset(structure, member)
        if offset is not None:
            offsets[name] = offset
        elif name in _MEMBERS:
            raise Unavailable("member", f"{structure}.{member}", f"{structure} of this kernel has no member {member}")
    arguments = {}
    for tracepoint in TRACEPOINTS:
        found = _arguments(types, tracepoint)
        if found:
            arguments[tracepoint] = found
    return Layout(
        offsets,
        arguments,
        _bare(types.enumerators(_DROP_REASON), "SKB_DROP_REASON_", "SKB_"),
        _bare(types.enumerators(_RESET_REASON), "SK_RST_REASON_"),
        _bare(types.enumerators(_SUBSYSTEM), "SKB_DROP_REASON_SUBSYS_"),
    )


def _arguments(types: Btf, tracepoint: str) -> Arguments | None:
    """By type, for they have changed from release to release: a reason came in Linux 5.17, the receiving socket in 6.11."""
    name = f"typedef btf_trace_{tracepoint}"
    if name not in types:
        return None
    parameters = types.parameters(name)[1:]  # after what the tracepoint was registered with

    def place(kind: str) -> int | None:
        return parameters.index(kind) if kind in parameters else None

    if tracepoint == RETRANSMIT_SYNACK:
        return Arguments(None, place(_REQUEST), None, None) if _REQUEST in parameters else None
    if _SKB not in parameters:
        return None
    if tracepoint == SEND_RESET:
        return Arguments(place(_SKB), place(_SOCK), None, place(_RESET_REASON))
    return Arguments(place(_SKB), place(_SOCK), place("void *"), place(_DROP_REASON))


def _bare(names: dict[int, str], *prefixes: str) -> dict[int, str]:
    bare = {}
    for value, name in names.items():
        prefix = next((each for each in prefixes if name.startswith(each)), "")
        bare[value] = name[len(prefix) :]
    return bare

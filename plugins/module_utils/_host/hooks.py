# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""List where this network namespace could drop packets: netfilter (nf_tables, legacy tables), traffic control, IPsec policies.

Not seen: BPF programs that are attached to cgroups or through BPF links (tcx, netkit, netfilter), and what the hardware does.
"""

from __future__ import annotations

import contextlib
import errno
import struct
import typing as t

from .._errors import ObserveError
from .._wire.netlink import NETLINK_NETFILTER, NLM_F_DUMP, Netlink, NetlinkError, attribute_list, attributes, unpack
from . import redirects

NFT_MSG_GETCHAIN = 10 << 8 | 4  # NFNL_SUBSYS_NFTABLES, linux/netfilter/nf_tables.h
NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY, NFTA_CHAIN_USE, NFTA_CHAIN_TYPE = 1, 3, 4, 5, 6, 7
NFTA_HOOK_HOOKNUM, NFTA_HOOK_PRIORITY, NFTA_HOOK_DEV, NFTA_HOOK_DEVS = 1, 2, 3, 4
NETLINK_XFRM, XFRM_MSG_GETSPDINFO, XFRMA_SPD_INFO = 6, 0x25, 1
RTM_GETQDISC, RTM_GETTFILTER = 38, 46
TCA_KIND, TCA_STATS2, TCA_STATS_QUEUE = 1, 7, 3
TC_H_CLSACT_INGRESS, TC_H_CLSACT_EGRESS = 0xFFFFFFF2, 0xFFFFFFF3

_FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
_HOOKS = {"netdev": ("ingress", "egress"), "arp": ("input", "output", "forward")}
_IP_HOOKS = ("prerouting", "input", "forward", "output", "postrouting", "ingress")
_COMMON_QDISCS = ("noop", "noqueue", "pfifo_fast", "mq", "fq", "fq_codel")  # of interest only if they dropped or hold something
_BIG, _SIGNED = struct.Struct("!I"), struct.Struct("!i")
_TCMSG = struct.Struct("=B3xiIII")  # struct tcmsg: family, interface, handle, parent, info
_QUEUE = struct.Struct("=I4xI")  # struct gnet_stats_queue, as far as drops: qlen, backlog, drops
_SPD_INFO = struct.Struct("=III")  # struct xfrmu_spdinfo, as far as fwdcnt

Absent = t.List[t.Dict[str, str]]


def read(route: Netlink, links: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[dict[str, t.Any], Absent]:
    """`hooks` of docs/evidence.md, and what could not be read and is missing there. `route`: a NETLINK_ROUTE socket."""
    collectors: dict[str, t.Callable[[], t.Any]] = {
        "netfilter": base_chains,
        "iptables_legacy": legacy_tables,
        "tc": lambda: traffic_control(route, {link["index"]: link["name"] for link in links}),
        "ipsec_policies": ipsec_policies,
    }
    hooks: dict[str, t.Any] = {}
    absent: Absent = []
    for name, collect in collectors.items():
        try:
            hooks[name] = collect()
        except (ObserveError, OSError) as error:
            refused = getattr(error, "errno", None) in (errno.EPERM, errno.EACCES)
            why = "not permitted: it takes root or CAP_NET_ADMIN, run with become" if refused else str(error)
            absent.append({"what": f"hooks.{name}", "why": why})
    return hooks, absent


def legacy_tables() -> list[str]:
    """The tables of legacy iptables and ip6tables that exist: "ip:filter", "ip6:mangle"; OSError without root."""
    return [f"{family}:{table}" for family in ("ip", "ip6") for table in _lines(f"{family}_tables_names")]


def base_chains() -> list[dict[str, t.Any]]:
    """The nf_tables chains that packets enter from the kernel, one entry per device of a netdev chain; needs CAP_NET_ADMIN.

    With policy accept and no rules, a chain drops nothing.
    """
    try:
        with Netlink(NETLINK_NETFILTER) as netlink:
            bodies = netlink.request(NFT_MSG_GETCHAIN, NLM_F_DUMP, bytes(4))
    except NetlinkError as error:
        if error.errno in (errno.EINVAL, errno.EPROTONOSUPPORT):  # no subsystem of that number: a kernel without nf_tables
            return []
        raise
    return [chain for body in bodies for chain in _base_chain(body)]


def _base_chain(body: bytes) -> t.Iterator[dict[str, t.Any]]:
    about = attributes(body[4:])
    if NFTA_CHAIN_HOOK not in about:
        return
    family = _FAMILIES.get(body[0], str(body[0]))
    hook = attributes(about[NFTA_CHAIN_HOOK])
    number = _big(hook.get(NFTA_HOOK_HOOKNUM))
    names = _HOOKS.get(family, _IP_HOOKS)
    devices: list[bytes | None] = [device for _kind, device in attribute_list(hook.get(NFTA_HOOK_DEVS, b""))]
    for device in devices or [hook.get(NFTA_HOOK_DEV)]:
        yield {
            "family": family,
            "table": _name(about.get(NFTA_CHAIN_TABLE)),
            "chain": _name(about.get(NFTA_CHAIN_NAME)),
            "type": _name(about.get(NFTA_CHAIN_TYPE)),
            "hook": names[number] if number < len(names) else str(number),
            "device": _name(device),
            "priority": unpack(_SIGNED, hook.get(NFTA_HOOK_PRIORITY, bytes(4)), "a priority")[0],
            "policy": "drop" if NFTA_CHAIN_POLICY in about and _big(about[NFTA_CHAIN_POLICY]) == 0 else "accept",
            "rules": _big(about.get(NFTA_CHAIN_USE)),  # nothing can jump to a base chain: its users are its rules
        }


def traffic_control(route: Netlink, names: t.Mapping[int, str]) -> list[dict[str, t.Any]]:
    """Queueing disciplines that filter, hold or have dropped something, with the kinds of their filters. `names`: links by index."""
    found = []
    for body in route.request(RTM_GETQDISC, NLM_F_DUMP, _TCMSG.pack(0, 0, 0, 0, 0)):
        _family, index, handle, _parent, _info = unpack(_TCMSG, body, "a queueing discipline")
        about = attributes(body[_TCMSG.size :])
        kind = _name(about.get(TCA_KIND)) or ""
        queue = attributes(about.get(TCA_STATS2, b"")).get(TCA_STATS_QUEUE)
        waiting, drops = unpack(_QUEUE, queue, "a queue's counters") if queue else (0, 0)
        if kind in _COMMON_QDISCS and not (drops or waiting):
            continue
        ways = {"egress": handle}
        if kind in ("ingress", "clsact"):
            ways = {"ingress": TC_H_CLSACT_INGRESS}
            ways.update({"egress": TC_H_CLSACT_EGRESS} if kind == "clsact" else {})
        for direction, parent in ways.items():
            bodies = [] if kind in _COMMON_QDISCS else _filters(route, index, parent)
            filters = [_name(about.get(TCA_KIND)) or "" for about in bodies]
            if filters or drops or waiting:
                where = {"interface": names.get(index, str(index)), "direction": direction, "kind": kind}
                found.append({**where, "filters": filters, "redirects": redirects.of(bodies, names), "drops": drops, "waiting": waiting})
    return found


def _filters(route: Netlink, index: int, parent: int) -> list[dict[int, bytes]]:
    """The attributes of the filters; those of the kernel's answers that have a handle, as the others only announce a chain of them."""
    bodies = route.request(RTM_GETTFILTER, NLM_F_DUMP, _TCMSG.pack(0, index, 0, parent, 0))
    return [attributes(body[_TCMSG.size :]) for body in bodies if unpack(_TCMSG, body, "a filter")[2]]


def ipsec_policies() -> dict[str, int] | None:
    """How many IPsec policies apply to incoming, outgoing and forwarded packets; None where the kernel has no IPsec."""
    try:
        with Netlink(NETLINK_XFRM) as netlink:
            bodies = netlink.request(XFRM_MSG_GETSPDINFO, 0, bytes(4))
    except NetlinkError as error:
        if error.errno == errno.EPROTONOSUPPORT:
            return None
        raise
    info = attributes(bodies[0][4:]).get(XFRMA_SPD_INFO, b"") if bodies else b""
    return dict(zip(("in", "out", "forward"), unpack(_SPD_INFO, info, "the counts of IPsec policies")))


def _lines(name: str) -> list[str]:
    """Empty when the file is not there: that part of netfilter is not loaded."""
    with contextlib.suppress(FileNotFoundError), open("/proc/net/" + name, encoding="ascii", errors="replace") as file:
        return file.read().splitlines()
    return []


def _name(raw: bytes | None) -> str | None:
    return None if raw is None else raw.rstrip(b"\0").decode("utf-8", "replace")


def _big(raw: bytes | None) -> int:
    return int(unpack(_BIG, raw, "a number")[0]) if raw else 0

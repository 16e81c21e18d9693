# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the kernel itself says of the packets that it drops, where no counter and no rule of ours decides."""

from __future__ import annotations

from ..._fix.make import advice, shell
from ..._model.evidence import Host
from ..case import OUTCOMES, Case, Evidence, Finding, Fix, Leg, plural
from ..kernel_word import Dropped, dropped
from .catalogue import Accounts, Cause

MOST_CALLERS = 16  # that a report has, whatever a host tells
_IPSEC, _NETFILTER = "XFRM_POLICY", "NETFILTER_DROP"
_TRAFFIC_CONTROL = {"TC_INGRESS": "ingress", "TC_EGRESS": "egress"}
_PROGRAMS = ("SOCKET_FILTER", "BPF_CGROUP_EGRESS")
_INBOUND = ("InTmplMismatch", "InNoPols", "InPolBlock", "InNoStates", "FwdHdrError")  # /proc/net/xfrm_stat
_OUTBOUND = ("OutPolBlock", "OutNoStates", "OutPolDead", "OutPolError")
_ENDS: dict[str, tuple[Leg, bool]] = {"unanswered": ("syn", False), "ignored_syn_ack": ("syn_ack", True), "ignored_ack": ("ack", False)}
"""By outcome: the packet that came in at an end and was not answered, and whether that end is the client."""


def _segment(case: Case, host: Host, leg: Leg, stage: str) -> str:
    """``stage``: the part of a host, such as ``firewall``."""
    if host is not case.client and host is not case.server:
        return "path.return" if leg == "syn_ack" else "path.forward"
    return f"{'client' if host is case.client else 'server'}.{stage}"


def _arrives(case: Case, seen: Dropped) -> bool:
    """Whether the packet came to the host from elsewhere, to stay."""
    return seen.host is (case.client if seen.leg == "syn_ack" else case.server)


def _first(case: Case, *reasons: str) -> Dropped | None:
    return next((seen for seen in dropped(case) if seen.drop_reason in reasons), None)


def _cgroup_filter(case: Case) -> Finding | None:
    """sk_filter_trim_cap() and ip_finish_output() ask the programs of the socket's control group (BPF_CGROUP_RUN_PROG_INET_*)."""
    seen = _first(case, *_PROGRAMS)
    if seen is None or not seen.programs:
        return None
    listener = case.listener()
    rivals = seen.host is case.server and seen.drop_reason == "SOCKET_FILTER" and (listener is None or listener.filtered is not False)
    owner = next((program.unit or program.container for program in seen.programs if program.unit or program.container), None)
    whose = owner or seen.programs[-1].group
    arrives = _arrives(case, seen)
    return Finding(
        "proven" if seen.exact and not rivals else "likely",
        seen.host.name,
        _segment(case, seen.host, seen.leg, "socket" if arrives == (seen.host is case.server) else "egress"),
        f"{seen.host.name} drops the packet by a BPF program of the control group of {whose}, such as IPAddressDeny= makes",
        (
            seen.evidence(),
            *(
                Evidence(
                    seen.host.name, "control group", f"program {program.name or 'without a name'} ({program.direction}) at {program.group}"
                )
                for program in seen.programs
            ),
            *case.passage(),
        ),
        leg=seen.leg,
        detail={
            "reason": seen.drop_reason,
            "function": seen.function,
            "unit": owner,
            "groups": [program.group for program in seen.programs],
        },
        fix=advice(
            "service",
            seen.host.name,
            f"look at IPAddressDeny= and IPAddressAllow= of {whose} and of the slices above it (systemctl show), and allow "
            f"{case.client_address if seen.host is case.server else case.address} there",
            why="the kernel names the control group whose program drops the packet",
            check="the flow is ok",
        ),
    )


def _ipsec_policy(case: Case) -> Finding | None:
    """xfrm_policy_check(): what comes in must have come through the tunnel or the transport that a policy demands."""
    if case.outcome.kind in ("refused_locally", "unsent"):
        return _ipsec_policy_out(case)
    seen = _first(case, _IPSEC)
    host = seen.host if seen else _end(case)
    if host is None:
        return None
    counted = {name: rise for name in _INBOUND if (rise := host.delta("Xfrm", name) or 0) > 0}
    if seen is None and sum(counted.values()) < case.swallowed_at(host):
        return None
    leg = seen.leg if seen else _ENDS[case.outcome.kind][0]
    return Finding(
        "proven" if seen and seen.exact else "likely",
        host.name,
        _segment(case, host, leg, "firewall"),
        f"an IPsec policy of {host.name} demands that the packet comes protected, and it does not",
        (
            *((seen.evidence(),) if seen else ()),
            *(case.saw(host, f"counter Xfrm{name}", f"+{rise}") for name, rise in counted.items()),
            *case.passage(),
        ),
        leg=leg,
        detail={"counters": counted},
        undecided=() if seen else (f"the kernel's reason for dropping the packet on {host.name} (XFRM_POLICY) would decide",),
        fix=advice(
            "ipsec",
            host.name,
            f"bring up the security associations of both ends, or take the policy away (ip xfrm policy, ip xfrm state on {host.name})",
            why="a policy demands ESP or AH for these addresses",
            check="the flow is ok",
        ),
    )


def _ipsec_policy_out(case: Case) -> Finding | None:
    """xfrm_lookup(): what leaves is blocked, or wants a security association that is not there; connect() asks before it sends."""
    counted = {name: rise for name in _OUTBOUND if (rise := case.client.delta("Xfrm", name) or 0) > 0}
    errno, route = case.errno(), case.client.route(case.address, case.source or case.client_address)
    if sum(counted.values()) < len(case.subject) or (route is not None and route.error):
        return None
    client = case.client.name
    return Finding(
        "likely",
        client,
        "client.firewall",
        f"an IPsec policy of {client} "
        + ("blocks" if "OutPolBlock" in counted else "wants a security association that is not there for")
        + f" what {client} sends to {case.address}",
        (
            case.saw(case.client, "connect()", f"{errno or 'no answer'}, {plural(len(case.subject), 'attempt')}"),
            *(case.saw(case.client, f"counter Xfrm{name}", f"+{rise}") for name, rise in counted.items()),
            *case.passage(),
        ),
        leg="syn",
        detail={"counters": counted},
        undecided=(f"ip xfrm policy on {client} would name the policy",),
        fix=advice(
            "ipsec",
            client,
            f"bring up the security associations that the policy for {case.address} wants, or take the policy away, which an IKE daemon "
            f"may have left (ip xfrm policy, ip xfrm state on {client})",
            why="the kernel looks a policy up before it sends",
            check="the flow is ok",
        ),
    )


def _end(case: Case) -> Host | None:
    """The end into which the packet vanished, where the outcome says so."""
    if case.outcome.kind not in _ENDS:
        return None
    return case.client if _ENDS[case.outcome.kind][1] else case.server


def _ends_there(case: Case, seen: Dropped) -> bool:
    """Whether it is where the outcome has the packet end: others may be dropped once, and sent again."""
    legs = ("syn", "syn_ack") if case.outcome.kind == "unanswered" else (case.outcome.leg,)
    return case.outcome.host == seen.host.name and seen.leg in legs


def _kernel_drop(case: Case) -> Finding | None:
    """What no rule of the catalogue explains, in the kernel's own words."""
    seen = min((each for each in dropped(case) if each.exact), key=lambda each: not _ends_there(case, each), default=None)
    if seen is None:
        return None
    arrives = _arrives(case, seen)
    where = f" in {seen.function}" if seen.function else ""
    return Finding(
        "proven" if _ends_there(case, seen) else "likely",
        seen.host.name,
        _segment(case, seen.host, seen.leg, "ingress" if arrives else "egress"),
        f"the kernel of {seen.host.name} drops {plural(seen.packets, 'packet')} of the handshake{where}, for the reason {seen.drop_reason}",
        (seen.evidence(), *case.passage()),
        leg=seen.leg,
        detail={"reason": seen.drop_reason, "function": seen.function, "callers": list(seen.callers[:MOST_CALLERS])},
        undecided=("the rule is not known: diagnose_depth=full would name it",) if seen.drop_reason == _NETFILTER else (),
        fix=_look(case, seen, arrives),
    )


def _look(case: Case, seen: Dropped, arrives: bool) -> Fix:
    """Where to look for what drops it: of traffic control the direction is known."""
    direction = _TRAFFIC_CONTROL.get(seen.drop_reason)
    if direction is None:
        summary = f"look up the reason {seen.drop_reason} (include/net/dropreason-core.h), and what makes it here"
        return advice("advice", seen.host.name, summary)
    packet = case.observation(seen.leg, seen.host, "in" if arrives else "out")
    tc = (seen.host.snapshot.hooks.tc if seen.host.snapshot and seen.host.snapshot.hooks else None) or ()
    filtered = [each.interface for each in tc if each.direction == direction and each.filters]
    names = [packet.interface] if packet else filtered[:1]
    where = f" of {names[0]}" if names else ""
    return advice(
        "traffic_control",
        seen.host.name,
        f"look for the filter of traffic control that drops it ({direction}{where} on {seen.host.name}), and remove it where whoever put "
        "it there, as a CNI plugin or a traffic shaper, is gone or has it wrong",
        [shell("tc", "filter", "show", "dev", name, direction) for name in names],
    )


_AT_ENDS = ("unanswered", "ignored_syn_ack", "ignored_ack", "unsent", "lost_syn", "lost_syn_ack", "lost_ack", "silent")

CAUSES = (
    Cause(
        "ipsec_policy",
        "An IPsec policy demands protected packets",
        ("client.firewall", "server.firewall", "path.forward", "path.return"),
        (*_AT_ENDS, "refused_locally"),
        "The kernel drops packets of this flow with the reason XFRM_POLICY. By counters of /proc/net/xfrm_stat that rise by them, or by "
        "the attempts that the client's kernel refuses: likely.",
        "No counter of /proc/net/xfrm_stat moves.",
        _ipsec_policy,
        explains=("connect_forbidden",),
        accounts_for=(Accounts("counter", tuple(f"Xfrm.{name}" for name in (*_INBOUND, *_OUTBOUND)), any_leg=True),),
    ),
    Cause(
        "cgroup_filter",
        "A BPF program of a control group drops the packet",
        ("client.socket", "client.egress", "client.ingress", "server.socket", "server.egress"),
        _AT_ENDS,
        "The kernel drops packets of this flow with the reason SOCKET_FILTER or BPF_CGROUP_EGRESS, and the control group of the socket has "
        "a program for that direction.",
        "No program is attached there.",
        _cgroup_filter,
    ),
    Cause(
        "kernel_drop",
        "The kernel drops the packet",
        ("client.egress", "client.ingress", "server.ingress", "server.egress", "path.forward", "path.return"),
        tuple(OUTCOMES),
        "The kernel says for this very packet that it is dropped, in which function and for what reason, and nothing else explains it.",
        "The kernel drops none of the packets.",
        last_resort=_kernel_drop,
    ),
)

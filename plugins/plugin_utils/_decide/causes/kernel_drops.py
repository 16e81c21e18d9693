# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the kernel itself says of the packets that it drops, where no counter and no rule of ours decides."""

from __future__ import annotations

from ..._model.firewall_subjects import ControlGroup, DropReason, OutboundPolicy
from ..._model.hook_records import IpsecPolicy
from ..._model.host import Host
from ..._model.socket_records import Listener
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..kernel_word import Dropped
from ..outcome import OUTCOMES, Leg
from ..translation import sent_elsewhere
from .catalogue import Accounts, Cause
from .listener_names import describe, process_of
from .listener_options import covers, signed_session

MOST_CALLERS = 16  # that a report has, whatever a host returns
_IPSEC, _NETFILTER = "XFRM_POLICY", "NETFILTER_DROP"
TRAFFIC_CONTROL = {"TC_INGRESS": "ingress", "TC_EGRESS": "egress"}
_PROGRAMS = ("SOCKET_FILTER", "BPF_CGROUP_EGRESS")
_BLOCKS, _DEMANDS = "blocks the packet", "demands that the packet comes protected, and it does not"
IPPROTO_TCP = 6
_UNSIGNED = ("TCP_MD5NOTFOUND", "TCP_AONOTFOUND")  # of the probe, which cannot sign: an application that does is not hit by it
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
    return next((seen for seen in case.dropped if seen.drop_reason in reasons), None)


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
        subject=ControlGroup(whose),
    )


def _ipsec_policy(case: Case) -> Finding | None:
    """xfrm_policy_check(): what comes in must have come through the tunnel or the transport that a policy demands."""
    if case.outcome.kind in ("refused_locally", "unsent"):
        return _ipsec_policy_out(case)
    seen = _first(case, _IPSEC)
    host = seen.host if seen else _end(case)
    if host is None:
        return None
    counted = {name: delta for name in _INBOUND if (delta := host.delta("Xfrm", name) or 0) > 0}
    if seen is None and sum(counted.values()) < case.swallowed_at(host):
        return None
    leg = seen.leg if seen else _ENDS[case.outcome.kind][0]
    policy = _policy(case, host, leg)
    return Finding(
        "proven" if seen and seen.exact else "likely",
        host.name,
        _segment(case, host, leg, "firewall"),
        f"an IPsec policy of {host.name} {_BLOCKS if policy and policy.blocks else _DEMANDS}" + (f": {policy}" if policy else ""),
        (
            *((seen.evidence(),) if seen else ()),
            *(case.saw(host, f"counter Xfrm{name}", f"+{delta}") for name, delta in counted.items()),
            *case.passage(),
        ),
        leg=leg,
        detail={"counters": counted, "policy": str(policy) if policy else None},
        undecided=() if seen else (f"the kernel's reason for dropping the packet on {host.name} (XFRM_POLICY) would decide",),
    )


def _policy(case: Case, host: Host, leg: Leg) -> IpsecPolicy | None:
    """The policy that the kernel asks first for the packet, by its addresses (xfrm_policy_lookup_bytype())."""
    seen, way = case.observation(leg, host, "in"), "in" if host in (case.client, case.server) else "forward"
    if seen is None:
        return None
    policies = (host.snapshot.ipsec_policies if host.snapshot else None) or ()
    meant = (each for each in policies if each.direction == way and each.protocol in (None, IPPROTO_TCP))
    return next((each for each in meant if covers((each.source,), seen.packet.src) and covers((each.destination,), seen.packet.dst)), None)


def _ipsec_policy_out(case: Case) -> Finding | None:
    """xfrm_lookup(): what leaves is blocked, or wants a security association that is not there; connect() asks before it sends."""
    counted = {name: delta for name in _OUTBOUND if (delta := case.client.delta("Xfrm", name) or 0) > 0}
    errno, route = case.errno(), case.route
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
            *(case.saw(case.client, f"counter Xfrm{name}", f"+{delta}") for name, delta in counted.items()),
            *case.passage(),
        ),
        leg="syn",
        detail={"counters": counted},
        undecided=(f"ip xfrm policy on {client} would name the policy",),
        subject=OutboundPolicy(case.address),
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
    seen = min((each for each in case.dropped if each.exact), key=lambda each: not _ends_there(case, each), default=None)
    if seen is None or (seen.drop_reason in _UNSIGNED and signed_session(case)):
        return None
    arrives = _arrives(case, seen)
    where = f" in {seen.function}" if seen.function else ""
    unfound = _unfound(case, seen)
    missed = f", although {process_of(unfound)} listens on {describe(unfound)}: it finds no socket for it" if unfound else ""
    return Finding(
        "proven" if _ends_there(case, seen) and seen.drop_reason not in _UNSIGNED else "likely",
        seen.host.name,
        _segment(case, seen.host, seen.leg, "socket" if unfound else "ingress" if arrives else "egress"),
        f"the kernel of {seen.host.name} drops {plural(seen.packets, 'packet')} of the handshake{where}, for the reason {seen.drop_reason}"
        + missed,
        (
            seen.evidence(),
            *([case.saw(seen.host, "inet_diag", f"LISTEN {describe(unfound)}, {process_of(unfound)}")] if unfound else []),
            *case.passage(),
        ),
        leg=seen.leg,
        detail={"reason": seen.drop_reason, "function": seen.function, "callers": list(seen.callers[:MOST_CALLERS])},
        undecided=("the rule is not known: diagnose_depth=full would name it",) if seen.drop_reason == _NETFILTER else (),
        subject=DropReason(seen.drop_reason, *_where(case, seen, arrives), unfound=unfound is not None),
    )


def _unfound(case: Case, seen: Dropped) -> Listener | None:
    """The server's listener that should get a SYN for which the kernel finds no socket."""
    if (seen.host, seen.leg, seen.drop_reason) != (case.server, "syn", _NO_SOCKET) or sent_elsewhere(case):
        return None
    return case.listener() if case.listened_before() else None


def _where(case: Case, seen: Dropped, arrives: bool) -> tuple[str | None, str | None]:
    """Of traffic control: the direction, and the interface that the packet passed, else one that has filters."""
    direction = TRAFFIC_CONTROL.get(seen.drop_reason)
    if direction is None:
        return None, None
    packet = case.observation(seen.leg, seen.host, "in" if arrives else "out")
    tc = (seen.host.snapshot.hooks.tc if seen.host.snapshot and seen.host.snapshot.hooks else None) or ()
    filtered = (each.interface for each in tc if each.direction == direction and each.filters)
    return direction, packet.interface if packet else next(filtered, None)


_NO_SOCKET = "NO_SOCKET"
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
        rule=_ipsec_policy,
        precedes=("connect_forbidden",),
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
        rule=_cgroup_filter,
    ),
    Cause(
        "kernel_drop",
        "The kernel drops the packet",
        ("client.egress", "client.ingress", "server.ingress", "server.socket", "server.egress", "path.forward", "path.return"),
        tuple(OUTCOMES),
        "The kernel says for this very packet that it is dropped, in which function and for what reason, and nothing else explains it.",
        "The kernel drops none of the packets.",
        last_resort=_kernel_drop,
    ),
)

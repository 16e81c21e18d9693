# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""client.socket: a client's connect() whose SYNs go to another address than the one dialled, and none of its rules does that."""

from __future__ import annotations

from ..._model.address_subjects import LedTo
from ..._model.drop_records import ConnectHooks, Program
from ..._values.words import endpoint
from ..case import Case
from ..finding import Finding
from ..translation import rules_leave_end, sent_elsewhere
from .catalogue import OF_ANOTHER_MACHINE, Cause
from .needs import needs


@needs(sent_elsewhere)
def _connect_redirected(case: Case, end: tuple[str, int]) -> Finding | None:
    """Programs of control groups may give connect() another address, as Cilium has them for services: the socket has that one then, and
    nothing on the way knows the one that was dialled."""
    client, owner = case.client, case.server
    to_server = owner is not None and owner.owns(end[0]) is True
    if (to_server and (end[1] == case.port or case.outcome.kind != "reset")) or not rules_leave_end(case, client, "output"):
        return None  # it comes to the server, as is meant, and on another port may be; or by rules, which other causes know
    hooks = client.snapshot.connect_hooks if client.snapshot else None
    programs = _programs(case, hooks)
    sent = case.observation("syn", client, "out")
    filters = client.snapshot.hooks.filtered(sent.interface) if sent and client.snapshot and client.snapshot.hooks else None
    sure = bool(programs) and hooks is not None and not hooks.ipvs and filters is False and owner is not None
    named = " and ".join(dict.fromkeys(f"{each.name} of control group {each.group}" for each in programs[:3]))
    by = (
        f"BPF program {named}, which connect() runs, leads it there"
        if programs
        else "a BPF program that connect() runs, or IPVS, may do so"
    )
    whose = f", which is no address of {owner.name}" if owner is not None and owner.owns(end[0]) is False else ""
    return Finding(
        "proven" if sure else "likely",
        client.name,
        "client.socket",
        f"connect() of {client.name} to {case.target} sends its SYNs to {endpoint(*end)}{whose}, and no rule of its firewall translates "
        f"them: {by}",
        (
            case.saw(client, "capture", f"SYN out to {endpoint(*end)}, dialled: {case.target}"),
            *(
                case.saw(client, "control group", f"program {each.name} ({each.direction}) at {each.group}" + _of_unit(each))
                for each in programs[:3]
            ),
            *case.passage(),
        ),
        leg="syn",
        detail={"address": end[0], "port": end[1], "programs": [each.name for each in programs]},
        undecided=() if sure else (f"bpftool cgroup tree, and ipvsadm -Ln, on {client.name} would show what leads it there",),
        subject=LedTo(end[0], end[1]),
    )


def _programs(case: Case, hooks: ConnectHooks | None) -> list[Program]:
    return [each for each in (hooks.programs if hooks else ()) if each.direction == f"connect{case.family}"]


def _of_unit(program: Program) -> str:
    return f", of {program.unit}" if program.unit else ""


CAUSES = (
    Cause(
        "connect_redirected",
        "connect() is led to another address",
        ("client.socket",),
        ("reset", "icmp", "lost_syn", "unanswered", "lost_syn_ack", "silent"),
        "The client's own recording has each SYN go to another address or port than the one dialled, which is not the server's; its "
        "firewall, evaluated, translates none, and its interface has no filters of traffic control; it has no IPVS, and a program of its "
        "control group is called by connect(). Without one of these, or without a known server: likely.",
        "The SYNs go where the client dialled, or a rule translates them.",
        rule=_connect_redirected,
        precedes=(
            *("path_reset", "path_drop", "path_loss", "path_icmp_unreachable", "path_icmp_rejected", "path_no_route", "next_hop_silent"),
            *("neighbour_unresolved", "address_elsewhere", "address_not_local", "ip_conflict", "kernel_drop", "host_down", "no_listener"),
        ),
        accounts_for=OF_ANOTHER_MACHINE,
    ),
)

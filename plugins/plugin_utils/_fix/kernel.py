# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What the kernel drops by other means than a firewall's rules: advice on where to look."""

from __future__ import annotations

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.address_subjects import LedTo
from .._model.firewall_subjects import ControlGroup, DropReason, OutboundPolicy, Queueing
from .._model.fixes import Fix
from .._model.log_records import LogRecord
from .._model.network_records import Link
from .._model.network_subjects import Redirection
from .._values.words import endpoint
from . import fit
from .make import advice, shell


def cgroup_filter(case: Case, finding: Finding) -> Fix | None:
    group = finding.about(ControlGroup)
    if group is None:
        return None
    peer = case.client_address if case.server and finding.host == case.server.name else case.address
    return advice(
        "service",
        finding.host,
        f"look at IPAddressDeny= and IPAddressAllow= of {group.name} and of the slices above it (systemctl show), and allow {peer} there",
        why="the kernel names the control group whose program drops the packet",
        check="the flow is ok",
    )


def server_lsm_denied(case: Case, finding: Finding) -> Fix | None:
    """The policy is a decision of people: a port type or a rule of it, not the module as a whole."""
    record = finding.about(LogRecord)
    if record is None:
        return None
    host, port = finding.host, case.listening_port
    if record.module == "selinux":
        look = f"give the port the type that the service may use (semanage port -l; semanage port -a -t TYPE -p tcp {port}) on {host}"
        return advice("service", host, f"{look}, and start the service", [shell("ausearch", "-m", "avc", "-ts", "recent")])
    return advice("service", host, f"allow it in the AppArmor profile of the service on {host} (aa-status), and start the service")


def ipsec_policy(_case: Case, finding: Finding) -> Fix:
    host, outbound = finding.host, finding.about(OutboundPolicy)
    if outbound:
        return advice(
            "ipsec",
            host,
            f"bring up the security associations that the policy for {outbound.address} wants, or take the policy away, which an IKE "
            f"daemon may have left (ip xfrm policy, ip xfrm state on {host})",
            why="the kernel looks a policy up before it sends",
            check="the flow is ok",
        )
    return advice(
        "ipsec",
        host,
        f"bring up the security associations of both ends, or take the policy away (ip xfrm policy, ip xfrm state on {host})",
        why="a policy demands ESP or AH for these addresses",
        check="the flow is ok",
    )


def kernel_drop(_case: Case, finding: Finding) -> Fix | None:
    reason = finding.about(DropReason)
    if reason is None:
        return None
    if reason.unfound:
        return advice(
            "advice",
            finding.host,
            f"see whether a BPF program of {finding.host}'s network namespace chooses sockets (sk_lookup), whose table lacks the one that "
            "listens now, and have whoever attached it enter that, or detach it; else whether the service was restarted meanwhile",
            [shell("bpftool", "link", "show"), shell("bpftool", "net", "show")],
        )
    if reason.direction is None:
        return advice("advice", finding.host, f"look up the reason {reason.name} (include/net/dropreason-core.h), and what causes it here")
    where = f" of {reason.interface}" if reason.interface else ""
    return advice(
        "traffic_control",
        finding.host,
        f"look for the filter of traffic control that drops it ({reason.direction}{where} on {finding.host}), and remove it where whoever "
        "put it there, as a CNI plugin or a traffic shaper, is gone or has it wrong",
        [shell("tc", "filter", "show", "dev", reason.interface, reason.direction)] if reason.interface else [],
    )


def traffic_redirected(_case: Case, finding: Finding) -> Fix | None:
    """Whoever shapes what comes in sends it through an interface that gives it back (ifb); one that only watches wants copies."""
    sent = finding.about(Redirection)
    if sent is None:
        return None
    known = fit.interface(sent.interface)
    return advice(
        "traffic_control",
        finding.host,
        f"remove the filter of {sent.interface} on {finding.host} that redirects to {sent.to}, if who put it there, as a shaper or a "
        f"monitor, is gone; a shaper needs an interface of type ifb that is up in place of {sent.to}, and a monitor mirror in place of "
        f"redirect; if it is meant, see what is behind {sent.to}",
        [shell("tc", "-s", "filter", "show", "dev", sent.interface, sent.direction)] if known else [],
    )


def queueing_drop(_case: Case, finding: Finding) -> Fix | None:
    """Without its own, the kernel gives the interface its default one again."""
    queue = finding.about(Queueing)
    if queue is None:
        return None
    which = f"{queue.kind or 'the queueing discipline'} of {queue.interface} on {finding.host}"
    looked = fit.interface(queue.interface)
    return advice(
        "traffic_control",
        finding.host,
        f"give {which} a burst and a limit into which packets fit (tc -s qdisc show dev {queue.interface}), or take it away",
        [shell("tc", "qdisc", "delete", "dev", queue.interface, "root")] if looked else [],
    )


def queueing_held(_case: Case, finding: Finding) -> Fix | None:
    queue = finding.about(Queueing)
    if queue is None:
        return None
    return advice(
        "traffic_control",
        finding.host,
        f"give the class of {queue.kind or 'the queueing discipline'} on {queue.interface} of {finding.host} in which the packets wait a "
        f"rate at which they leave (tc -s class show dev {queue.interface}), or take it away",
        [shell("tc", "qdisc", "delete", "dev", queue.interface, "root")] if fit.interface(queue.interface) else [],
    )


def xdp_drop(_case: Case, finding: Finding) -> Fix | None:
    link = finding.about(Link)
    return advice("advice", finding.host, f"look at the XDP program (ip link show {link.name}; bpftool net)") if link else None


def bad_checksum(_case: Case, finding: Finding) -> Fix:
    look = "look for broken checksum offload on the way (ethtool -K IF tx off rx off), tunnels and virtual switches"
    return advice("advice", finding.host, look)


def connect_forbidden(_case: Case, finding: Finding) -> Fix:
    look = "look for AVC records in the audit log and for BPF programs on the service's cgroup (bpftool cgroup tree)"
    return advice("advice", finding.host, look)


def connect_redirected(case: Case, finding: Finding) -> Fix | None:
    """Whoever attached the program has a table of backends, of which one is dead, or is not the one that is meant."""
    led = finding.about(LedTo)
    if led is None:
        return None
    there = endpoint(led.address, led.port)
    return advice(
        "advice",
        finding.host,
        f"see who attached the program on {finding.host}, and to which backends it leads {case.target} (Cilium: cilium-dbg service list): "
        f"take {there} out of them if it is gone, or bring it up; a flow to {there} shows what happens to it",
        [shell("bpftool", "cgroup", "tree")],
    )


def descriptor_limit(case: Case, finding: Finding) -> Fix:
    """ENFILE is for the whole host; EMFILE for the process that tried."""
    if case.errno() == "ENFILE":
        return advice("limit", finding.host, "raise fs.file-max")
    whose = f"the user that Ansible logs in as on {finding.host} (ulimit -Hn)"
    return advice("limit", finding.host, f"raise the limit of open files of {whose}, and look at the application's")

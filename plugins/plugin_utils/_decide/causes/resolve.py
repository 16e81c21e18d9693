# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""client.resolve: from a name to an address."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import SLOW_MS

from ..._model.host import Host
from ..._model.name_subjects import Resolved, SlowNames, Unresolved
from ..._model.probe_records import Resolution
from ..._values.words import plural
from ..case import Case
from ..finding import Evidence, Finding
from ..outcome import OUTCOMES
from .catalogue import OF_ANOTHER_MACHINE, Cause
from .nameservers import CONNECTED, DROPPED, PROHIBITED, and_why, in_vain, overlooked, own_program, refused, result, to_blame, unconfigured


def _own(case: Case) -> list[Resolution]:
    """What the client's resolver said for this very flow: for another user it may say otherwise."""
    return [each for each in case.client.resolutions if each.name == case.dialled and case.dial in (None, each.dial)]


def _name_resolution_failed(case: Case) -> Finding | None:
    failed = next((entry for entry in _own(case) if entry.error), None)
    if failed is None:
        return None
    said = f"{failed.error}: {failed.message}" if failed.message else str(failed.error)
    asked = tuple(case.saw(case.client, "DNS query", f"nameserver {entry.address}: {result(entry)}") for entry in failed.nameservers or ())
    cut = tuple(entry.address for entry in failed.nameservers or () if entry.tcp not in (None, CONNECTED))
    whole = f"; the answer of nameserver {', '.join(cut)} does not fit into UDP, and it cannot be reached by TCP port 53" if cut else ""
    answered = any(entry.answer_ms is not None for entry in failed.nameservers or ())
    own = None if answered else next((entry for entry in failed.nameservers or () if entry.process), None)
    if own and not whole:
        whole = f"; {own_program(case, own)}"
    dropped, prohibited = ((), ()) if answered else (refused(failed, DROPPED), refused(failed, PROHIBITED))
    if (dropped or prohibited) and not whole:
        whole = f"; its own kernel lets no query go to nameserver {and_why(dropped, prohibited)}"
    if failed.error == OUR_LIMIT:
        return Finding(
            "likely",
            case.client.name,
            "client.resolve",
            f"{case.client.name}'s resolver has not answered for {case.dialled} when we stopped waiting; no packet was sent{whole}",
            (case.saw(case.client, "getaddrinfo", said), *asked),
            detail={"name": case.dialled, "error": failed.error, "cut": list(cut)},
            undecided=(f"getent ahosts {case.dialled} on {case.client.name} would show whether it answers after all",),
            subject=Unresolved(waiting=True, cut=cut, own=own.process if own else None, forbidden=dropped, prohibited=prohibited),
        )
    held, sources, line = failed.held(), failed.sources or (), overlooked(failed)
    unasked = held is not None and bool(sources) and (sources[-1:] != ("dns",) or any(source.startswith("[") for source in sources))
    return Finding(
        "proven",
        case.client.name,
        "client.resolve",
        f"{case.client.name} cannot resolve the name {case.dialled}{f' as {failed.user}' if failed.user else ''} ({failed.error}); "
        + f"no packet was sent{_closed(failed)}"
        + (whole or (f"; nameserver {', '.join(held[1])} has an address for {held[0]}" if held else ""))
        + (f"; {unconfigured(failed.unconfigured)}" if failed.unconfigured else "")
        + (f"; {in_vain(line)}" if line else "")
        + (f", and hosts: {' '.join(sources)} in /etc/nsswitch.conf may stop before DNS" if held and unasked else ""),
        (
            case.saw(case.client, "getaddrinfo", said),
            *([case.saw(case.client, "/etc/nsswitch.conf", f"hosts: {' '.join(sources)}")] if sources and held else []),
            *asked,
        ),
        detail={"name": case.dialled, "error": failed.error, "held_by": list(held[1]) if held else [], "cut": list(cut)},
        subject=Unresolved(
            waiting=False,
            unasked=sources if unasked else (),
            cut=cut,
            unconfigured=failed.unconfigured,
            passed_over=line,
            own=own.process if own else None,
            known=failed.error == _NO_DATA,
            forbidden=dropped,
            prohibited=prohibited,
            user=failed.user,
            unreadable=failed.closed,
        ),
    )


def _closed(failed: Resolution) -> str:
    """That the resolver's files are closed to the user as whom it was asked."""
    return f"; {failed.user} may not read {' and '.join(failed.closed)}" if failed.closed else ""


def _name_resolution_slow(case: Case) -> Finding | None:
    """It takes long each time: the first nameserver is dead, say, and the second one is asked when the resolver's patience is over."""
    slow = next((entry for entry in _own(case) if (entry.elapsed_ms or 0.0) >= SLOW_MS), None)
    if slow is None or slow.error or (slow.again_ms is not None and slow.again_ms < SLOW_MS):
        return None  # slow once: what it did not know yet
    took = [value / 1000 for value in (slow.elapsed_ms, slow.again_ms) if value is not None]
    dead, blamed = to_blame(slow.nameservers or (), case.dialled.rstrip("."))
    return Finding(
        "proven" if len(took) > 1 else "likely",
        case.client.name,
        "client.resolve",
        f"{case.client.name} takes {' and '.join(f'{seconds:.1f} s' for seconds in took)} to resolve {case.dialled}, before any connection "
        f"begins{f': {blamed}' if blamed else ''}",
        (
            case.saw(case.client, "getaddrinfo", f"{case.dialled}: {', then '.join(f'{seconds:.3f} s' for seconds in took)}"),
            *(case.saw(case.client, "DNS query", f"nameserver {entry.address}: {result(entry)}") for entry in slow.nameservers or ()),
        ),
        detail={"name": case.dialled, "seconds": took, "dead": [entry.address for entry in dead]},
        subject=SlowNames(tuple(entry.address for entry in dead)),
    )


def _name_resolves_elsewhere(case: Case) -> Finding | None:
    server = case.server
    if server is None and case.dialled != case.address:
        return _hosts_file_decides(case)
    if server is None or case.server_owns(case.address) is not False:
        return None
    loopback = case.client.owns(case.address) and case.client is not server
    if case.assumed and case.outcome.kind == "completed" and not loopback:
        return _another_took_them(case, server)
    if case.dialled.partition("%")[0] == case.address:
        return None
    if case.outcome.kind in ("completed", "diverted") and not loopback:
        return None  # whoever stands in front of the server may well own the address
    if case.arrived or any(via.owns(case.address) is not False for via in case.vias):
        return None
    written = _in_hosts_file(case)
    searched = None if written else _searched(case)
    joined = next((address for each in _own(case) for address in each.joined or () if written and server.owns(address)), None)
    known = server.snapshot.addresses if server.snapshot else None
    owned = ", ".join(entry.address for entry in known or () if entry.interface != "lo" and not entry.address.startswith("fe80:"))
    return Finding(
        "proven" if case.client.owns(case.address) else "likely",  # elsewhere, an unknown translation may still lead to the server
        case.client.name,
        "client.resolve",
        f"{case.dialled} resolves to {case.address} on {case.client.name}, which is no address of {server.name}"
        + (": that is in its /etc/hosts, which takes precedence over DNS" if written else "")
        + (f"; {joined} stands at the end of another word of that line, as if two lines had become one" if joined else "")
        + (f": its search list has it ask for {searched} first, and a nameserver has an address for that" if searched else ""),
        (
            case.saw(case.client, "getaddrinfo", f"{case.dialled} is {case.address}"),
            *([case.saw(case.client, "DNS query", f"{searched} has an address")] if searched else []),
            *([case.saw(case.client, "/etc/hosts", f"{case.address} {case.dialled}")] if written else []),
            case.saw(server, "rtnetlink addresses", f"{server.name} has {owned}"),
            *([Evidence(server.name, "capture", "no SYN of this flow arrived")] if server.saw_everything else []),
        ),
        leg="syn",
        detail={"name": case.dialled, "resolved": case.address},
        subject=Resolved(written, searched[len(case.dialled) + 1 :] if searched else None, joined),
    )


def _another_took_them(case: Case, server: Host) -> Finding | None:
    """Ansible may reach a host by a port that a gateway forwards to it, and whose other ports lead elsewhere, or by a proxy."""
    taken = server.delta("Tcp", "PassiveOpens")
    if case.arrived or not server.saw_everything or case.vias or taken is None or taken >= case.completed:
        return None  # a gateway may have given them another port, by which they are not known in its recording
    came = f"{taken} at most" if taken else "none"
    return Finding(
        "likely",
        server.name,
        "client.resolve",
        f"{case.address} is no address of {server.name}, and {came} of the handshakes came to it: whoever has the address took them. By "
        f"{case.dialled} Ansible reaches {server.name}: if clients use another address, make it the handshake_address of {server.name}",
        (
            Evidence(server.name, "capture", "no SYN of this flow arrived"),
            case.saw(server, "counter Tcp PassiveOpens", f"+{taken}, fewer than the {plural(case.completed, 'handshake')} that completed"),
        ),
        remark=True,
    )


def _searched(case: Case) -> str | None:
    """The name with a domain of the search list appended, where that one has an address and is asked for before the name itself."""
    for each in _own(case):
        held = each.held()
        if held and held[0] != case.dialled.rstrip(".") and held[0].startswith(f"{case.dialled}."):
            return held[0]
    return None


def _in_hosts_file(case: Case) -> bool:
    """Whether the client has the address of the name from its hosts file."""
    return any(case.address in each.hosts for each in _own(case))


def _hosts_file_decides(case: Case) -> Finding | None:
    """Nobody asks a nameserver for what stands in a hosts file: worth a remark where there is no connection."""
    if case.completed or not _in_hosts_file(case):
        return None
    return Finding(
        "likely",
        case.client.name,
        "client.resolve",
        f"{case.client.name} has {case.address} for {case.dialled} from its /etc/hosts, which takes precedence over DNS: getent -s dns "
        f"ahosts {case.dialled} shows what DNS has",
        (case.saw(case.client, "/etc/hosts", f"{case.address} {case.dialled}"),),
        remark=True,
    )


def _dead_address_family(case: Case) -> Finding | None:
    """All addresses of one family fail while the other family connects: applications that try them in turn stall or fail."""
    relatives = [*case.siblings, case]
    same = [other for other in relatives if other.family == case.family]
    others = [other for other in relatives if other.family != case.family]
    if not others or any(other.completed for other in same) or not all(other.completed for other in others):
        return None
    return Finding(
        "proven",
        case.client.name,
        "client.resolve",
        f"{case.dialled} has IPv{case.family} addresses that do not answer ({', '.join(other.address for other in same)}), while "
        f"IPv{others[0].family} connects",
        tuple(
            case.saw(case.client, "connect()", f"{other.target}: {other.completed} of {len(other.attempts)} attempts completed")
            for other in relatives
        ),
        leg=case.outcome.leg,
        detail={"family": case.family, "addresses": [other.address for other in same]},
    )


OUR_LIMIT = "ETIMEDOUT"  # no error of getaddrinfo()'s own
_NO_DATA = "EAI_NODATA"
_FAILURES = tuple(kind for kind in OUTCOMES if kind not in ("completed", "unresolved"))

CAUSES = (
    Cause(
        "name_resolution_slow",
        "Resolving the name takes long",
        ("client.resolve",),
        ("completed",),
        "getaddrinfo() on the client takes a second or more, twice in a row; a nameserver that does not answer a query of its own while "
        "a later one does is named. Where there was no time to ask twice: likely.",
        "The second time it is fast.",
        rule=_name_resolution_slow,
    ),
    Cause(
        "dead_address_family",
        "One address family of the name does not work",
        ("client.resolve",),
        _FAILURES,
        "Every address of one family fails, and every address of the other connects, in the same run.",
        "An address of the family connects.",
        rule=_dead_address_family,
    ),
    Cause(
        "name_resolution_failed",
        "The name cannot be resolved",
        ("client.resolve",),
        ("unresolved",),
        "getaddrinfo() on the client fails, and no SYN is sent. Where it only had not answered when we stopped waiting: likely.",
        "A SYN was sent.",
        rule=_name_resolution_failed,
    ),
    Cause(
        "name_resolves_elsewhere",
        "The name resolves to another machine's address",
        ("client.resolve",),
        ("reset", "icmp", "lost_syn", "silent", "refused_locally", "unsent", "diverted", "completed"),
        "The address that the name resolves to belongs to no interface of the server and to no host on the way, and no SYN arrives at "
        "the server. Where they complete, Ansible reaches the server by that address, nobody says that clients do, and the server's TCP "
        "took fewer connections (PassiveOpens): a remark that another machine took them.",
        "The SYN arrives at the server after all (address translation), or a connection does.",
        rule=_name_resolves_elsewhere,
        precedes=("path_icmp_unreachable", "neighbour_unresolved", "path_reset"),
        accounts_for=OF_ANOTHER_MACHINE,
    ),
)

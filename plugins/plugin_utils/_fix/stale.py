# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Connections and tracked translations that have outlived their other end: ended, each by its exact ends. Nothing brings them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .._decide.case import Case
from .._decide.finding import Finding
from .._decide.translation import surely_untranslated
from .._model.firewall_subjects import Strays
from .._model.fixes import Fix, Saves, Step
from .._model.host import Host
from .._model.recording import Observation
from .._model.snapshot import Snapshot
from .._model.socket_records import Socket
from .._model.socket_subjects import HeldSockets
from .._values.words import endpoint, plural
from . import fit as _fit
from .make import advice, mending, shell
from .trusted import for_client

_MOST = 50  # steps; a range of ports that is all stale may have more
_KEEPALIVE = "have the application switch TCP keepalive on, so that connections whose client is gone end by themselves"
Ends = tuple[str, int, str, int]


def stale_connection(case: Case, finding: Finding) -> Fix | None:
    held, server = finding.about(HeldSockets), case.server
    if held is None or server is None:
        return None
    return _spread(case, server) if held.shared else for_client(case, server, case.client_address, _ended(case, server, held.sockets))


def _spread(case: Case, server: Host) -> Fix:
    sharing = case.client.name if case.client_address in _local(case) else "the translation on the way"
    return advice(
        "connection",
        server.name,
        f"give {sharing} more ports or addresses, so that none is used again while {server.name} keeps a connection from it in TIME-WAIT "
        "(a minute), or have clients close their connections first",
        why="disable neither timestamps nor TIME-WAIT: then old segments may reach new connections",
    )


def _local(case: Case) -> set[str | None]:
    return {probe.local_address for probe in case.probes}


def stale_translation(case: Case, finding: Finding) -> Fix | None:
    strays, via = finding.about(Strays), case.named(finding.host)
    return for_client(case, via, strays.seen[0][0].packet.src, _retranslated(via, strays.seen)) if strays and via else None


def _ended(case: Case, server: Host, held: Sequence[Socket]) -> Fix:
    """Abort the server's connections with the client that the client does not have, or, where that is not known, those that were met."""
    alone = _alone(case)
    present = _present(server.after)
    met = [ends for entry in held if (ends := _ends(entry)) in present]
    stale = list(dict.fromkeys([*met, *(_half_open(case, server) if alone else [])]))
    fit = [ends for ends in stale if _fit.address(ends[0]) and _fit.address(ends[2]) and _fit.port(ends[1]) and _fit.port(ends[3])]
    if not fit or len(fit) > _MOST:
        return advice("connection", server.name, f"{_KEEPALIVE} ({server.name}, port {case.listening_port})")
    commands = [shell("ss", "-K", "-tn", "src", endpoint(*ends[:2]), "dst", endpoint(*ends[2:])) for ends in fit]
    return mending(
        "connection",
        server.name,
        f"end {plural(len(fit), 'connection')} on {server.name} that {case.client.name} does not have any more ({commands[0]}"
        f"{', ...' if len(fit) > 1 else ''}), or let {case.client.name}'s RSTs through, which do so; {_KEEPALIVE}",
        [_step("socket", ends, command) for ends, command in zip(fit, commands, strict=True)],
        Saves(),
        why=f"{server.name} takes {case.client.name}'s SYNs for packets of these connections",
        undo=(),
        check=f"ss -tn src :{case.listening_port} on {server.name} shows none of them",
        risk="low" if alone and set(stale) == set(met) else "disruptive",  # who else has the client's address is not known for sure
    )


def _alone(case: Case) -> bool:
    """Whether nobody but the client has connections from its address, as where it translates those of containers: it dials from no port
    of a connection that it has."""
    return case.client is not case.server and case.client.translates("postrouting") is False and case.client_address in _local(case)


def _half_open(case: Case, server: Host) -> list[Ends]:
    """What the server held with the client's address before and after, and the client at neither time; nothing where that is not known.

    Where something on the way translates, the client knows its living connections by other ends.
    """
    if not surely_untranslated(case):
        return []
    client = case.client
    snapshots = (server.before, server.after, client.before, client.after)
    if any(absence.what == "sockets" for host in (server, client) for absence in host.absent):
        return []
    if not all(snapshot is not None and snapshot.sockets is not None for snapshot in snapshots):
        return []
    before, after, *of_client = (_present(snapshot) for snapshot in snapshots)
    alive = {(remote, remote_port, local, local_port) for held in of_client for local, local_port, remote, remote_port in held}
    candidates = [ends for ends in before if ends[:3] == (case.address, case.port, case.client_address)]
    return [ends for ends in candidates if ends in after and ends not in alive]


def _present(snapshot: Snapshot | None) -> list[Ends]:
    """The ends of connections, those that are only half made apart."""
    sockets = (snapshot.sockets if snapshot else None) or ()
    return [_ends(entry) for entry in sockets if entry.state not in ("SYN_RECV", "SYN_SENT", "BOUND_INACTIVE") and entry.remote_port]


def _ends(entry: Socket) -> Ends:
    return entry.local, entry.local_port, entry.remote, entry.remote_port


def _retranslated(host: Host, strays: Sequence[tuple[Observation, Observation]]) -> Fix:
    """Have connection tracking forget connections, by their SYNs as they came in and went out: the next one is translated by the rules."""
    stale = list(dict.fromkeys(found for came, went in strays if (found := _tracked(came, went))))[:_MOST]
    commands = [
        shell("conntrack", "-D", "-p", "tcp", "-s", source, "--sport", port, *_translated(destination, to, reply, by))
        for source, port, destination, to, reply, by in stale
    ]
    everybodys = shell("conntrack", "-D", "-p", "tcp", *_translated(*stale[0][2:]))
    return mending(
        "conntrack",
        host.name,
        f"have connection tracking on {host.name} forget {plural(len(stale), 'connection')} ({commands[0]}"
        f"{', ...' if len(stale) > 1 else ''}); if more ports or clients have such connections, {everybodys} forgets them all, also "
        "those that still work",
        [
            _step("conntrack", tracked[:4], command, {"reply_source": tracked[4], "reply_source_port": tracked[5]})
            for tracked, command in zip(stale, commands, strict=True)
        ],
        Saves(),
        why=f"{host.name} translates by what it remembers of them, not by its rules",
        undo=(),
        check=f"conntrack -L on {host.name} shows them as the rules translate them, or not at all",
    )


def _translated(destination: str, port: int, reply: str, reply_port: int) -> tuple[object, ...]:
    return "-d", destination, "--dport", port, "-r", reply, "--reply-port-src", reply_port


def _tracked(came: Observation, went: Observation) -> tuple[str, int, str, int, str, int] | None:
    before, behind = came.packet, went.packet
    if before.tcp is None or behind.tcp is None:
        return None
    return before.src, before.tcp.sport, before.dst, before.tcp.dport, behind.dst, behind.tcp.dport


def _step(kind: str, ends: Ends, command: str, more: Mapping[str, object] | None = None) -> Step:
    source, port, destination, to = ends
    arguments: dict[str, object] = {
        "kind": kind,
        "state": "absent",
        "source": source,
        "source_port": port,
        "destination": destination,
        "destination_port": to,
        **(more or {}),
    }
    return Step("threeway.handshake.network_entry", arguments, command)

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What is there instead of a listener on the server's port: who should listen, or is meant, as far as the server shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from ..._model.host import Host
from ..._model.prose import Wording, worded
from ..._model.socket_subjects import Gone, RunningUnit, StoppedUnit
from ..._model.unit_records import Unit
from ..._values.words import plural
from ..case import Case, is_any
from ..finding import Evidence
from . import hidden, just_missed, kept_address, running_units, taken_ahead, units, unpublished
from .inside import in_namespace, takes
from .listener_names import describe, process_of
from .traversals import Place, judged
from .xinetd import service_of, switched_off


@dataclass(frozen=True)
class Instead:
    """One such thing: how a sentence that says that nobody listens goes on, and what the fix is made from."""

    words: Wording
    evidence: tuple[Evidence, ...]
    subject: object = None
    detail: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        worded(self, "words")


def instead(case: Case, server: Host) -> Iterator[Instead]:
    """The most informative one first."""
    meant = next((found for find in _SURE if (found := find(case, server))), None)
    if meant:
        yield meant
    for find in _BESIDE if meant else _OTHERWISE:
        if found := find(case, server):
            yield found


def _listens_elsewhere(case: Case, server: Host) -> Instead | None:
    running = running_units.listening_elsewhere(server, case.listening_port)
    return _of_running(case, server, running) if running and running.ports else None


def _listens_by_path(case: Case, server: Host) -> Instead | None:
    taker = units.has_by_path(server, case.listening_port)
    if taker is None:
        return None
    said = units.taking_by_path(taker)
    return Instead(f": {said}", (case.saw(server, "/proc/net/unix", said),), taker)


def _listens_nowhere(case: Case, server: Host) -> Instead | None:
    if units.has_by_path(server, case.listening_port):
        return None
    running = running_units.listening_elsewhere(server, case.listening_port)
    return _of_running(case, server, running) if running else None


def _not_yet(case: Case, server: Host) -> Instead | None:
    running = running_units.not_yet(server, case.listening_port)
    return _of_running(case, server, running) if running else None


def _of_running(case: Case, server: Host, running: RunningUnit) -> Instead:
    unit = running.unit
    reload = f", its last reload: {unit.reload}" if unit.reload not in (None, "success") else ""
    outdated = ", its files have changed since systemd read them" if unit.outdated else ""
    evidence = (
        case.saw(server, "systemd", f"{unit.unit} (known by {unit.how}): {unit.active}/{unit.sub}{reload}{outdated}"),
        case.saw(server, "systemd" if running.socket or unit.listens else "inet_diag", running_units.where(running)),
        *units.last_words(server, unit),
    )
    detail: dict[str, object] = {"unit": unit.unit, "listens": list(running.ports), "socket": running.socket}
    return Instead(f": {running_units.where(running, case.listening_port)}", evidence, running, detail)


def _switched_off(case: Case, server: Host) -> Instead | None:
    off = switched_off(case)
    if off is None:
        return None
    said = f"xinetd's service {off.service} on port {case.listening_port}: disable = yes"
    return Instead("", (case.saw(server, off.file, said),), off)


def _bound(case: Case, server: Host) -> Instead | None:
    """xinetd binds the address of a service when it starts, or leaves the service out."""
    service = service_of(case)
    address = canonical_or_none(service.bind) if service and service.bind and not service.disabled else None
    if service is None or address is None or is_any(address):
        return None  # which address a name stands for is not known
    mine = server.interface_of(address) is not None
    why = "which it binds only when it starts" if mine else f"which is no address of {server.name}"
    said = f"xinetd's service {service.service} on port {case.listening_port}: bind = {service.bind}"
    return Instead(f": {said}, {why}", (case.saw(server, service.file, said),), service)


def _deactivated(case: Case, server: Host) -> Instead | None:
    """xinetd closes the port of a service for a while once too many connections come to it in a second."""
    service = service_of(case)
    if service is None or service.disabled or service.runs is None:
        return None
    said = f"xinetd's service {service.service} on port {case.listening_port} is switched on in {service.file}"
    most = f" for {service.cps[1]} s after more than {service.cps[0]} connections in a second (cps)" if len(service.cps) == 2 else ""
    why = (
        f"xinetd runs and does not listen there, as it does{most}, or until it reads its files again" if service.runs else "no xinetd runs"
    )
    return Instead(f": {said}, but {why}", (case.saw(server, service.file, f"{said}: {why}"),), service)


def _held(case: Case, server: Host) -> Instead | None:
    """Others' connections from the port, for which a service may not have got it."""
    held = units.holders_of(server, None, case.listening_port)
    return Instead("", tuple(case.saw(server, "inet_diag", units.described(each)) for each in held[:3])) if held else None


def _restless(case: Case, server: Host) -> Instead | None:
    """A unit that does not stay may be meant; one that failed some time ago is evidence only."""
    found = [] if _held(case, server) else units.restless(server, case.listening_port)
    if not found:
        return None
    again = next((unit for unit in found if unit.active != "failed"), None)
    return Instead(
        f"; no unit is known for the port, and {units.state_of(again)}" if again else "",
        (*(case.saw(server, "systemd", units.state_of(unit)) for unit in found), *units.last_words(server, found[0])),
        _subject(case, server, found[0]),
    )


def _subject(case: Case, server: Host, unit: Unit) -> Unit | StoppedUnit:
    """The unit, with what is known of why it failed where the host got the address too late for it."""
    early = units.came_later(server, unit, case.listening_end[0]) is not None
    return units.not_running(server, unit, case.listening_port, case.listening_end[0]) if early else unit


def _missed(case: Case, server: Host) -> Instead | None:
    missed = just_missed.just_missed(case, server)
    return Instead(just_missed.in_words(missed, server), tuple(just_missed.shown(case, missed, server)), missed) if missed else None


def _taken(case: Case, server: Host) -> Instead | None:
    taken = hidden.taken_ahead(judged(case, Place(server, "syn", "in", "server.firewall")))
    if taken is None:
        return None
    return Instead(f", and {hidden.in_words(taken.hidden)}", tuple(taken_ahead.shown(case, server, taken.hidden)), taken)


def _in_a_container(case: Case, server: Host) -> Instead | None:
    """Whose port no rule publishes. Of several nobody knows which one is meant: they are evidence only."""
    found = unpublished.unpublished(case, server)
    if not found:
        return None
    meant = unpublished.meant(found)
    words = f"; no rule of {server.name} leads the port on, and {in_namespace(meant.listener)}" if meant else ""
    return Instead(words, tuple(case.saw(server, "inet_diag", in_namespace(each)) for each in found[:5]), meant)


def _by_udp(case: Case, server: Host) -> Instead | None:
    taker = units.has_by_udp(server, case.listening_port)
    if taker is None:
        return None
    said = units.taking_datagrams(taker)
    return Instead(f"; {said}", (case.saw(server, "/proc/net/udp", said),), taker)


def _kept(case: Case, server: Host) -> Instead | None:
    kept = kept_address.kept_address(case, server)
    return Instead(kept_address.in_words(kept), tuple(kept_address.shown(case, kept)), kept) if kept else None


_Find = Callable[[Case, Host], Instead | None]


def _gone(case: Case, server: Host) -> Instead | None:
    """Who listened when the run began, and does no longer: some programs close their socket as soon as they have a connection."""
    before = server.before
    known = before.listeners_on.get(case.listening_port, ()) if before and before.listeners else ()
    address = case.listening_end[0] or case.address
    listener = next((each for each in known if takes(each, address) is not False), None)
    if listener is None:
        return None
    who = process_of(listener)
    taken = f", and was there for {plural(case.completed, 'connection')}" if case.completed else ""
    return Instead(
        f": {who} listened there when the run began{taken}",
        (case.saw(server, "inet_diag", f"before the attempts: LISTEN {describe(listener)}, {who}"),),
        Gone(listener, case.completed),
        {"listened_before": who, "taken": case.completed},
    )


# Who surely should listen: the first one of these, and beside it only what does not ask who it may be.
_SURE: tuple[_Find, ...] = (_listens_elsewhere, _listens_nowhere, _switched_off, _bound, _deactivated)
_BESIDE: tuple[_Find, ...] = (_held, _by_udp, _kept)
_OTHERWISE: tuple[_Find, ...] = (_gone, _listens_by_path, _held, _restless, _not_yet, _taken, _missed, _in_a_container, _by_udp, _kept)

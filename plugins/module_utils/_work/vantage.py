# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Do a host's part in a diagnosis, by its work order: record around the handshakes that other hosts try, or try them.

Every phase answers with what docs/evidence.md says. A part that fails is named in `absent`, and the others go on. Imports are made where
they are needed, because Ansible compiles whatever a module imports at every call.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Dict, Iterator

from .._commands import Run
from .._errors import ObserveError

if TYPE_CHECKING:
    from .._connect.hops import Destination
    from .._connect.resolve import Resolved
    from .._record.recorder import Recording

Order = Dict[str, Any]

RECORDING, LISTENERS = "recording", "temporary listeners"


def open_(order: Order, run: Run) -> dict[str, Any]:
    """Before the handshakes, where they are expected: start the recorder, look at the host, and listen where nothing does, if wanted."""
    answer: dict[str, Any] = {"snapshot": None, "recorder": None, "temporary_listeners": None, "absent": []}
    if order["record"]:
        with part(answer, RECORDING):
            from .._record.detached import start_detached

            answer["recorder"] = {
                "handle": start_detached(order["ports"], order["addresses"], order["recorder_seconds"], peers=order.get("peers") or ())
            }
    _snapshot(answer, "snapshot", order, run, owners=True)
    if order.get("temporary_listeners"):
        with part(answer, LISTENERS):
            _listen(answer, order)
    return answer


def try_(order: Order, run: Run) -> dict[str, Any]:
    """Try the handshakes between two looks at this host, and ask how far the SYNs get that nobody answered."""
    from .._connect.probe import try_all
    from .._connect.resolve import examine_odd, examine_slow, resolve
    from .._host.resolv_conf import MOST_SECONDS
    from .._host.snapshot import destinations_of
    from .dials import dials_of

    answer: dict[str, Any] = {
        "before": None,
        "resolutions": [],
        "probes": [],
        "hops": [],
        "recording": None,
        "after": None,
        "absent": [],
    }
    until = time.monotonic() + MOST_SECONDS
    resolved = examine_odd(examine_slow(resolve(dials_of(order, answer["absent"])), until), until)
    answer["resolutions"] = [each.record() for each in resolved]
    destinations = destinations_of(resolved)
    order = {**order, "addresses": sorted({*order["addresses"], *(each.address for each in destinations)})}
    _snapshot(answer, "before", order, run, owners=False, destinations=destinations)
    recording = _record(answer, order) if order["record"] else None
    try:
        watch = {recording.fileno(): recording.collect} if recording else {}
        with part(answer, "probes"):
            answer["probes"] = try_all(resolved, patience=order["patience"], settle=order["settle"], watch=watch)
        # Before SYNs are sent that are not part of any attempt, so that counters speak of the attempts alone.
        used = {(probe["address"], probe["port"], probe["uid"]): probe["local_port"] for probe in reversed(answer["probes"])}
        _snapshot(answer, "after", order, run, owners=False, closing=True, destinations=destinations, local_ports=used)
        if recording and answer["after"]:
            with part(answer, "neighbour probes"):
                _ask_next_hops(answer, {destination.sockaddr[0] for destination in silent(resolved, answer["probes"])})
        if order["hops"]:
            with part(answer, "hops"):
                _locate(answer, silent(resolved, answer["probes"]))
        if any(probe["outcome"] != "connected" for probe in answer["probes"]):
            with part(answer, "logs"):
                since = min(probe["started"] for probe in answer["probes"])
                _logs(answer, {**order, "interest": interest(answer["probes"], answer["hops"])}, since)
            if answer["after"]:
                _add_connect_hooks(answer["after"])
        if recording:
            with part(answer, RECORDING):
                answer["recording"] = recording.result(interest(answer["probes"], answer["hops"]))
    finally:
        if recording:
            recording.close()
    return answer


def close(order: Order, run: Run, handle: str | None, listeners: str | None = None) -> dict[str, Any]:
    """After the handshakes: end the temporary listeners, look again, and fetch the recording, as far as it is about the handshakes.

    It ends last: what counters count until they are read is recorded.
    """
    answer: dict[str, Any] = {"recording": None, "temporary_listeners": None, "after": None, "hops_back": [], "absent": []}
    if listeners:
        with part(answer, LISTENERS):
            from .._record.detached import stop_detached

            answer["temporary_listeners"] = stop_detached(listeners)
    if handle:
        with part(answer, "firewall"):
            from .._host.traversals import ports_of, recorded
            from .._record.detached import read_detached

            so_far, asked = read_detached(handle, order["interest"]), order.get("packets") or ()
            behind = ports_of(so_far, (order["interest"] or {}).get("isns") or ())
            order = {**order, "packets": recorded(so_far, asked), "ports": sorted({*order["ports"], *behind})}
    _snapshot(answer, "after", order, run, owners=True, closing=True)
    since = (order.get("interest") or {}).get("logs_since")
    if since is not None:
        with part(answer, "logs"):
            _logs(answer, order, since)
    if handle:
        if answer["after"]:
            with part(answer, "neighbour probes"):
                _ask_about_silence(answer["after"], order, handle)
        with part(answer, RECORDING):
            from .._record.detached import stop_detached

            answer["recording"] = stop_detached(handle, order["interest"])
        if order.get("hops_back") and answer["recording"] and answer["after"]:
            with part(answer, "hops back"):
                _locate_back(answer)
    return answer


def _locate_back(answer: dict[str, Any]) -> None:
    """After the recording, which is about the handshakes alone."""
    from .._connect import way_back

    answer["hops_back"] = way_back.locate_back(way_back.half_open(answer["after"], answer["recording"]))


def _listen(answer: dict[str, Any], order: Order) -> None:
    """After the snapshot, which is to say who listens without us."""
    from .._connect.temporary_listeners import TemporaryListeners
    from .._record.detached import detach

    verdicts = ((answer["snapshot"] or {}).get("firewall") or {}).get("verdicts") or ()
    translated = {(each["destination"], each["port"]) for each in verdicts if each["packet"] == "syn" and each["rewritten"]}
    worker = TemporaryListeners([(each["address"], each["port"]) for each in order["temporary_listeners"]], translated)
    answer["absent"] += [{"what": LISTENERS, "why": why} for why in worker.lacking]
    ends = worker.ends()
    if not ends:
        worker.close()
        return
    answer["temporary_listeners"] = {"handle": detach(worker, order["recorder_seconds"], 0, "handshake-lsn"), "ends": ends}


def _ask_next_hops(answer: dict[str, Any], remotes: set[str]) -> None:
    """Where SYNs stay unanswered and somebody pinned the link address of their next hop, ask who has the address."""
    if remotes and any(entry["state"] == "PERMANENT" for entry in answer["after"].get("neighbours") or ()):
        from .._connect import neighbour_probe

        neighbour_probe.send(neighbour_probe.of_pinned(answer["after"], remotes))


def _ask_about_silence(snapshot: dict[str, Any], order: Order, handle: str) -> None:
    """Ask who else has an address of ours at which no SYN arrived; and, while handshakes are half open, the pinned next hops back."""
    from .._connect import neighbour_probe
    from .._host.traversals import arrivals
    from .._record.detached import read_detached

    half_open = {entry["remote"] for entry in snapshot.get("sockets") or () if entry["state"] == "SYN_RECV"}
    missed = set((order["interest"] or {}).get("addresses") or ()) - arrivals(read_detached(handle, order["interest"]))
    probes = [*neighbour_probe.of_own(snapshot, missed), *neighbour_probe.of_pinned(snapshot, half_open)]
    neighbour_probe.send(probes[: neighbour_probe.MOST_PROBES])


def silent(resolved: list[Resolved], probes: list[dict[str, Any]]) -> list[Destination]:
    """The destinations none of whose attempts had an answer, not even a late one, but that the TTL was used up: hops show a loop."""
    from .._connect.hops import Destination
    from .._wire.addresses import canonical

    targets = {
        (each.dial.id, canonical(sockaddr[0])): Destination(family, sockaddr, each.dial.source, each.dial.identity)
        for each in resolved
        for family, sockaddr in each.targets
    }
    asked: dict[Destination, bool] = {}
    for probe in probes:
        destination = targets[probe["dial"], probe["address"]]
        used_up = probe["icmp"] is not None and probe["icmp"]["type"] == (11 if ":" not in probe["address"] else 3)  # time exceeded
        unanswered = (probe["outcome"] == "timeout" and probe["late_ms"] is None and probe["icmp"] is None) or used_up
        asked[destination] = asked.get(destination, True) and unanswered
    return [destination for destination, unanswered in asked.items() if unanswered]


def interest(probes: list[dict[str, Any]], hops: list[dict[str, Any]]) -> dict[str, Any]:
    """What of this host's own recording is about the attempts: their local ports distinguish them from everything else."""
    return {
        "isns": [],
        "ports": sorted({each["local_port"] for each in (*probes, *hops) if each["local_port"]}),
        "addresses": sorted({each[key] for each in probes for key in ("local_address", "address") if each[key]}),
    }


def _logs(answer: dict[str, Any], order: Order, since: float) -> None:
    """What was logged about the handshakes, some of which failed: into the snapshot, which names processes and units."""
    from .logs import about_handshakes

    if answer["after"]:
        answer["after"]["logs"], absent = about_handshakes(order, answer["after"], since)
        answer["absent"] += absent


def _record(answer: dict[str, Any], order: Order) -> Recording | None:
    recording = None
    with part(answer, RECORDING):
        from .._record.recorder import Recording

        recording = Recording(order["ports"], order["addresses"], order["recorder_seconds"], peers=order.get("peers") or ())
    return recording


def _add_connect_hooks(snapshot: dict[str, Any]) -> None:
    """Programs that connect() runs may have led handshakes that failed to another address."""
    from .._drops.cgroups import connect_hooks

    hooks = connect_hooks()
    if hooks is not None:
        snapshot["connect_hooks"] = hooks


def _locate(answer: dict[str, Any], destinations: list[Destination]) -> None:
    from .._connect.hops import locate

    answer["hops"], missing = locate(destinations)
    answer["absent"] += [{"what": "hops", "why": why} for why in missing]


def _snapshot(answer: dict[str, Any], key: str, order: Order, run: Run, **more: Any) -> None:
    with part(answer, key):
        from .._host.snapshot import take

        answer[key], absent = take(order, run=run, **more)
        answer["absent"] += [each for each in absent if each not in answer["absent"]]


@contextlib.contextmanager
def part(answer: dict[str, Any], what: str) -> Iterator[None]:
    """Whatever goes wrong inside costs this part only."""
    try:
        yield
    except ObserveError as error:
        answer["absent"].append({"what": what, "why": str(error)})
    except Exception as error:  # a mistake of ours, or a kernel unlike those we know: evidence of the other parts is worth keeping
        answer["absent"].append({"what": what, "why": f"{type(error).__name__}: {error}"})

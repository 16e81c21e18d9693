# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Matches on connection tracking (net/netfilter/xt_conntrack.c, xt_state.c, xt_connmark.c, xt_connlabel.c, xt_helper.c)."""

from __future__ import annotations

import typing as t

from ...._errors import DecodeError
from ...evaluation import LIMIT, Evaluation
from ...packet import Ends, Packet, Tracking
from .. import condition
from ..condition import Answer, Builder, Condition, Place, Unknown
from ..syntax import Clause, Option

_STATES = {"NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "SNAT", "DNAT"}
_STATUS = {"NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"}
_TCP = 6
_ARPHRD_LOOPBACK = 772

Ask = t.Callable[[Packet, Tracking], t.Optional[bool]]


def _tracked(packet: Packet) -> Tracking | None:
    """The packet's connection; None where conntrack has none for it (nf_ct_get)."""
    return packet.tracking if packet.tracking is not None and packet.tracking.state not in ("invalid", "untracked") else None


def _state_name(packet: Packet) -> str:
    """Before conntrack has seen a packet, the kernel calls it INVALID."""
    return packet.tracking.state.upper() if packet.tracking is not None else "INVALID"


def _conntrack(clause: Clause, place: Place) -> list[Condition]:
    has_state = any(option.name in ("ctstate", "state") for option in clause.options)
    conditions = []
    for option in sorted(clause.options, key=lambda each: each.name not in ("ctstate", "state")):
        text = f"-m {clause.name} {option.text}"
        if option.name in ("ctstate", "state"):
            conditions.append(_state(text, option))
        elif option.name in _ASKS:
            conditions.append(_about_connection(text, option, _ASKS[option.name](option, place), has_state))
        else:
            raise DecodeError(f"-m conntrack --{option.name}: we do not model it")
    return conditions


def _state(text: str, option: Option) -> Condition:
    wanted = _names(option, _STATES)
    reason = f"--ctstate {option.value}"

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        if _state_name(packet) in wanted:
            return True
        tracking = _tracked(packet)
        if tracking is None:
            return False
        answers = []
        if "SNAT" in wanted:
            answers.append(tracking.source_translated)
        if "DNAT" in wanted:
            answers.append(tracking.destination_translated)
        return True if True in answers else condition.unknown_field(packet, reason) if None in answers else False

    return Condition(text, test, option.negated, lambda packet: f"state {_state_name(packet)}")


def _names(option: Option, known: t.Container[str]) -> set[str]:
    names = set(option.value.upper().split(","))
    for name in names:
        if name not in known:
            raise DecodeError(f"{name[:40]!r} is no value of --{option.name}")
    return names


def _about_connection(text: str, option: Option, ask: Ask, has_state: bool) -> Condition:
    """Without a connection the kernel looks at --ctstate alone, and at `!` of no other option: so it turns the answer itself."""

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        tracking = _tracked(packet)
        if tracking is None:
            return has_state is not option.negated
        answer = ask(packet, tracking)
        return Unknown(f"--{option.name} {' '.join(option.values)}", (text, packet.generation, "ct")) if answer is None else answer

    return Condition(text, test, option.negated, lambda packet: None if _tracked(packet) else "no connection")


def _original(packet: Packet, tracking: Tracking) -> Ends | None:
    if tracking.original is not None:
        return tracking.original
    return packet.ends if tracking.state == "new" and tracking.destination_translated is False else None


def _reply(packet: Packet, tracking: Tracking) -> Ends | None:
    """The reply direction's tuple: for a new connection it is what NAT made of the packet so far, the other way round."""
    if tracking.state == "new":
        ends = packet.ends
    elif tracking.source_translated is False and tracking.destination_translated is False:
        known = _original(packet, tracking)
        if known is None:
            return None
        ends = known
    else:
        return None
    return Ends(ends.destination, ends.destination_port, ends.source, ends.source_port)


def _tuple_of(option: Option) -> t.Callable[[Packet, Tracking], Ends | None]:
    return _original if option.name.startswith("ctorig") else _reply


def _address(option: Option, place: Place) -> Ask:
    wanted, mask = condition.network(option.value, place.family)
    ends_of, source = _tuple_of(option), option.name.endswith("src")

    def ask(packet: Packet, tracking: Tracking) -> bool | None:
        ends = ends_of(packet, tracking)
        return None if ends is None else condition.in_network(ends.source if source else ends.destination, wanted, mask)

    return ask


def _port(option: Option, place: Place) -> Ask:
    low, high = condition.port_range(option.value)
    ends_of, source = _tuple_of(option), option.name.endswith("srcport")

    def ask(packet: Packet, tracking: Tracking) -> bool | None:
        ends = ends_of(packet, tracking)
        port = None if ends is None else ends.source_port if source else ends.destination_port
        return None if port is None else low <= port <= high

    return ask


def _protocol(option: Option, place: Place) -> Ask:
    protocol = {"tcp": _TCP}.get(option.value.lower())
    if protocol is None:
        protocol = condition.number(option.value, 255) if option.value.isdigit() else 0
    return lambda packet, tracking: protocol == _TCP


def _direction(option: Option, place: Place) -> Ask:
    if option.value.upper() not in ("ORIGINAL", "REPLY"):
        raise DecodeError(f"{option.value[:20]!r} is no direction of a connection")
    return lambda packet, tracking: tracking.direction.upper() == option.value.upper()


def _status(option: Option, place: Place) -> Ask:
    wanted = _names(option, _STATUS) - {"NONE"}

    def ask(packet: Packet, tracking: Tracking) -> bool | None:
        bits = _status_bits(packet, tracking)
        answers = [bits[name] for name in wanted]
        return True if True in answers else None if None in answers else False

    return ask


def _status_bits(packet: Packet, tracking: Tracking) -> dict[str, bool | None]:
    """What the first SYN, the SYN-ACK and the ACK of a connection find (nf_conntrack_proto_tcp.c)."""
    if tracking.state == "new":
        sent_here = packet.iif is not None and packet.iif.type == _ARPHRD_LOOPBACK  # confirmed when it left by the loopback interface
        return {"EXPECTED": False, "SEEN_REPLY": False, "ASSURED": False, "CONFIRMED": sent_here}
    if tracking.state == "related":
        return {"EXPECTED": True, "SEEN_REPLY": None, "ASSURED": None, "CONFIRMED": None}
    assured = False if packet.kind == "syn_ack" else True if packet.kind == "ack" else None
    return {"EXPECTED": None, "SEEN_REPLY": True, "ASSURED": assured, "CONFIRMED": True}


def _expires(option: Option, place: Place) -> Ask:
    return lambda packet, tracking: None


_ASKS: dict[str, t.Callable[[Option, Place], Ask]] = {
    "ctproto": _protocol,
    "ctdir": _direction,
    "ctstatus": _status,
    "ctexpire": _expires,
    **{f"ct{way}{end}": _address for way in ("orig", "repl") for end in ("src", "dst")},
    **{f"ct{way}{end}port": _port for way in ("orig", "repl") for end in ("src", "dst")},
}


def _connmark(clause: Clause, place: Place) -> list[Condition]:
    option = clause.get("mark")
    if option is None:
        raise DecodeError("-m connmark without --mark")
    wanted, mask = condition.value_and_mask(option.value)
    negated = option.negated

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        tracking = _tracked(packet)
        if tracking is None:
            return False
        if tracking.mark is None:
            return Unknown("the connection's mark", (condition.whole(clause), packet.generation))
        return (tracking.mark & mask == wanted) is not negated

    def seen(packet: Packet) -> str | None:
        tracking = _tracked(packet)
        return "no connection" if tracking is None else None if tracking.mark is None else f"ct mark {tracking.mark:#x}"

    return [Condition("-m connmark " + option.text, test, False, seen)]


def _only_new(clause: Clause, place: Place, without: bool) -> list[Condition]:
    """A match that needs something a new connection does not have; `without`: the answer where there is no connection."""
    negated = any(option.negated for option in clause.options)
    unknown = Unknown(condition.whole(clause), (place.rule, condition.whole(clause)))

    def test(packet: Packet, evaluation: Evaluation) -> Answer:
        tracking = _tracked(packet)
        if tracking is None:
            return without
        return negated if tracking.state == "new" else unknown

    return [Condition(condition.whole(clause), test)]


def _connlabel(clause: Clause, place: Place) -> list[Condition]:
    if clause.get("set"):
        raise DecodeError("-m connlabel --set is not modelled")
    return _only_new(clause, place, any(option.negated for option in clause.options))


def _helper(clause: Clause, place: Place) -> list[Condition]:
    """It is the helper of the connection that expected this one."""
    return _only_new(clause, place, any(option.negated for option in clause.options))


def _untracked_never(clause: Clause, place: Place) -> list[Condition]:
    """What is counted of a connection: unknown, and without a connection it never holds."""
    unknown = Unknown(condition.whole(clause), (place.rule, condition.whole(clause)))
    return [Condition(condition.whole(clause), lambda packet, evaluation: False if _tracked(packet) is None else unknown)]


def _connlimit(clause: Clause, place: Place) -> list[Condition]:
    return condition.unknown_match(clause, place, f"how many connections there are ({condition.whole(clause)})", LIMIT)


BUILDERS: dict[str, Builder] = {
    "conntrack": _conntrack,
    "state": _conntrack,
    "connmark": _connmark,
    "connlabel": _connlabel,
    "helper": _helper,
    "connbytes": _untracked_never,
    "connlimit": _connlimit,
}

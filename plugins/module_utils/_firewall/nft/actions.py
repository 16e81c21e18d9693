# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Render statements and remaining conditions of rules in nft's syntax."""

from __future__ import annotations

import ipaddress
import typing as t

from . import ct, endings, headers, host, lookups, meta, nat, operations
from . import fields as _fields
from . import limits as _limits
from .fields import Field
from .operations import Expression
from .sets import Element, Set

if t.TYPE_CHECKING:
    from .text import Describer

_FIB_FLAGS = ((host.F_SADDR, "saddr"), (host.F_DADDR, "daddr"), (host.F_MARK, "mark"), (host.F_IIF, "iif"), (host.F_OIF, "oif"))
_TCP_OPTIONS = {
    0: "eol", 1: "nop", 2: "maxseg", 3: "window", 4: "sack-perm", 5: "sack", 8: "timestamp", 19: "md5sig", 30: "mptcp", 34: "fastopen"
}  # fmt: skip
_TCP_FIELDS = {(2, 2, 2): "size", (3, 2, 1): "count", (8, 2, 4): "tsval", (8, 6, 4): "tsecr"}
_LOG_LEVELS = ("emerg", "alert", "crit", "err", "warn", "notice", "info", "debug", "audit")
_OBJECTS = {1: "counter", 2: "quota", 3: "ct helper set", 4: "limit", 5: "ct count", 6: "tunnel", 7: "ct timeout set",
            8: "meta secmark set", 9: "ct expectation set", 10: "synproxy"}  # fmt: skip
_DYNSET = ("add", "update", "delete")


def loaded(each: t.Any) -> Field:
    """What an expression other than payload, meta and ct loads."""
    if isinstance(each, headers.ExtensionHeader):
        return _extension(each)
    if isinstance(each, host.Fib):
        flags = " . ".join(name for bit, name in _FIB_FLAGS if each.flags & bit)
        if each.result == host.ADDRTYPE:
            return Field(f"fib {flags} type", _fields.addrtype, 4)
        kind = "oif" if each.result == host.OIF else "oifname"
        if each.flags & host.F_PRESENT:
            return Field(f"fib {flags} {kind}", _fields.presence, 1)
        return Field(f"fib {flags} {kind}", _fields.meta(meta.OIF if kind == "oif" else meta.OIFNAME).form, 4 if kind == "oif" else 16)
    if isinstance(each, host.Route):
        names = ("rt classid", "rt ip nexthop", "rt ip6 nexthop", "rt mtu", "rt ipsec")
        form = _fields.address if each.key in (1, 2) else _fields.presence if each.key == 4 else _fields.host_number
        return Field(names[each.key], form, (4, 4, 16, 2, 1)[each.key])
    if isinstance(each, host.Socket):
        key = min(each.key, 3)
        form = _fields.mark if key == 1 else _fields.host_number
        return Field(f"socket {('transparent', 'mark', 'wildcard', 'cgroupv2')[key]}", form, (1, 4, 1, 8)[key])
    if isinstance(each, _limits.Number):
        return Field(each.text(), _fields.host_number, 4)
    if isinstance(each, host.Fingerprint):
        return Field("osf name", _fields.string, 16)
    return Field(each.what if isinstance(each, endings.Absent) else "something", _fields.hexadecimal, 4)


def _extension(each: headers.ExtensionHeader) -> Field:
    if each.operation == headers.OP_TCPOPT:
        name = _TCP_OPTIONS.get(each.kind, str(each.kind))
        if each.present:
            return Field(f"tcp option {name}", _fields.presence, 1)
        field = _TCP_FIELDS.get((each.kind, each.offset, each.length), f"@{each.offset * 8},{each.length * 8}")
        return Field(f"tcp option {name} {field}", _fields.number, each.length)
    kind = "ip option" if each.operation == headers.OP_IPV4 else "exthdr"
    names = {0: "hbh", 43: "rt", 44: "frag", 51: "ah", 60: "dst", 135: "mh"}
    name = f"{kind} {names.get(each.kind, str(each.kind)) if kind == 'exthdr' else each.kind}"
    return Field(name, _fields.presence if each.present else _fields.number, each.length)


def masked(field: Field, mask: bytes) -> Field:
    """A field of which some bits are looked at."""
    if field.form is _fields.address and len(mask) in (4, 16):
        length = _prefix(mask)
        if length is not None:
            return field._replace(form=lambda data, links: f"{_fields.address(data, links)}/{length}")
    if field.name in ("ip @nh,8,8", "@nh,8,8") and mask == b"\xfc":
        return Field("ip dscp", lambda data, links: _fields.dscp(bytes([data[0] >> 2]), links) if data else "", 1)
    if field.form is _fields.address:
        return field._replace(name=f"{field.name} & {_fields.address(mask, {})}")
    if field.name.endswith(" flags"):
        flags = _fields.tcp_flags(mask, {})
        return field._replace(name=f"{field.name} & {'(' + flags.replace(',', ' | ') + ')' if ',' in flags else flags}")
    return field._replace(name=f"{field.name} & {field.form(mask, {})}")


def _prefix(mask: bytes) -> int | None:
    number = int.from_bytes(mask, "big")
    ones = bin(number).count("1")
    return ones if number == (1 << 8 * len(mask)) - (1 << 8 * len(mask) - ones) else None


def turned(field: Field, each: operations.Bitwise) -> Field:
    """A field with bits set, shifted or joined with another."""
    if each.operation == operations.BITWISE_MASK_XOR:
        kept = bytes(~keep & 0xFF for keep in each.mask)
        if kept == each.turn:
            return field._replace(name=f"{field.name} | {field.form(each.turn, {})}")
        return field._replace(name=f"{field.name} & {field.form(each.mask, {})} ^ {field.form(each.turn, {})}")
    sign = {operations.BITWISE_LSHIFT: "<<", operations.BITWISE_RSHIFT: ">>"}.get(each.operation)
    if sign:
        return field._replace(name=f"{field.name} {sign} {each.shift}")
    return field._replace(name=f"{field.name} {'&|^'[each.operation - operations.BITWISE_AND]} ...")


def elements(found: Set, fields: t.Sequence[Field], links: _fields.Links, most: int) -> str:
    """The elements of a set without a name, bounded."""
    words: list[str] = []

    def add(text: str, element: Element) -> bool:
        words.append(text + _with(element, links))
        return len(words) > most

    if found.interval and not found.ranged:
        for first, behind, element in found.intervals():
            if add(_interval(fields, first, behind, links), element):
                break
    else:
        for element in sorted(found.elements(), key=lambda each: each.key):
            one = element.key == element.last
            if add(_fields.written(fields, element.key, links) if one else _range(fields, element, links), element):
                break
    if found.catchall is not None:
        words.insert(0, "*" + _with(found.catchall, links))
    return "{ " + ", ".join([*words[:most], "..."] if len(words) > most else words) + " }"


def _with(element: Element, links: _fields.Links) -> str:
    if isinstance(element.data, bytes):
        return f" : {_data(element.data, links)}"
    if element.data is not None:
        return f" : {element.data if isinstance(element.data, str) else ' '.join(map(str, element.data))}"
    return f' : "{element.name}"' if element.name else ""


def _data(data: bytes, links: _fields.Links) -> str:
    if len(data) == 8:
        return f"{ipaddress.ip_address(data[:4])} . {int.from_bytes(data[4:6], 'big')}"
    return _fields.address(data, links) if len(data) in (4, 16) else _fields.number(data, links)


def _interval(fields: t.Sequence[Field], first: bytes, behind: bytes | None, links: _fields.Links) -> str:
    form = fields[0].form if fields else _fields.hexadecimal
    size = len(first)
    last = ((int.from_bytes(behind, "big") if behind is not None else 1 << 8 * size) - 1).to_bytes(size, "big")
    if first == last:
        return form(first, links)
    if form is _fields.string:
        return '"' + first.rstrip(b"\0").decode("utf-8", "replace") + '*"'
    low, high = int.from_bytes(first, "big"), int.from_bytes(last, "big")
    free = (low ^ high).bit_length()
    if form is _fields.address and low >> free << free == low and high - low == (1 << free) - 1:
        return f"{form(first, links)}/{8 * size - free}"
    return f"{form(first, links)}-{form(last, links)}"


def _range(fields: t.Sequence[Field], element: Element, links: _fields.Links) -> str:
    words, at = [], 0
    for field in fields:
        least, greatest = element.key[at : at + field.length], element.last[at : at + field.length]
        behind = int.from_bytes(greatest, "big") + 1
        end = behind.to_bytes(len(greatest), "big") if behind < 1 << 8 * len(greatest) else None
        words.append(_interval([field], least, end, links))
        at += (field.length + 3) & ~3
    return " . ".join(words)


def text(describer: Describer, each: Expression) -> tuple[str, bool]:
    """A statement, and whether it may stop the rule as a condition does."""
    if isinstance(each, operations.Immediate):
        return (each.data if isinstance(each.data, str) else " ".join(map(str, each.data))), False
    if isinstance(each, (_limits.Counter, _limits.Last)):
        return ("counter" if isinstance(each, _limits.Counter) else "last"), False
    if isinstance(each, _limits.Log):
        prefix = f' prefix "{each.prefix}"' if each.prefix else ""
        level = f" level {_LOG_LEVELS[each.level]}" if each.level != 4 and each.level < len(_LOG_LEVELS) else ""
        return f"log{prefix}{level}{f' group {each.group}' if each.group is not None else ''}", False
    if isinstance(each, endings.Reject):
        return _reject(each), False
    if isinstance(each, endings.Queue):
        numbers = str(each.first) if each.total == 1 else f"{each.first}-{each.first + each.total - 1}"
        return f"queue{' flags bypass' if each.bypass else ''} to {numbers if each.source is None else 'a number from a map'}", False
    if isinstance(each, (nat.Nat, nat.Masquerade, nat.Redirect, nat.Tproxy)):
        return _translation(describer, each), isinstance(each, nat.Tproxy)
    if isinstance(each, (meta.MetaSet, ct.ConnectionSet)):
        field = _fields.meta(each.key) if isinstance(each, meta.MetaSet) else _fields.connection(each.key, -1)
        name = field.name if field.name.startswith(("meta", "ct")) else f"meta {field.name}"
        return f"{name} set {_value(describer, each.source, field)}", False
    if isinstance(each, headers.PayloadSet):
        field = _fields.payload(each.base, each.offset, each.length, describer.network, describer.transport)
        return f"{field.name} set {_value(describer, each.source, field)}", False
    if isinstance(each, headers.ExtensionHeaderSet):
        name = _TCP_OPTIONS.get(each.kind, str(each.kind))
        if each.source is None:
            return f"reset tcp option {name}", False
        field = Field(f"tcp option {name} {_TCP_FIELDS.get((each.kind, each.offset, each.length), '')}", _fields.number, each.length)
        return f"{field.name} set {_value(describer, each.source, field)}", True
    if isinstance(each, lookups.Dynset):
        return _dynset(describer, each), True
    if isinstance(each, lookups.ObjectReference):
        what = _OBJECTS.get(each.kind, "object") if each.name else "object"
        return f'{what} {"name " if each.kind in (1, 2, 4, 5, 10) and each.name else ""}"{each.name or each.set}"', True
    if isinstance(each, endings.Xtables):
        return f"xt {each.kind} {each.name}", each.kind == "match"
    if isinstance(each, endings.Unknown):
        return f"({each.why})", True
    names = {
        ct.Notrack: "notrack",
        ct.FlowOffload: "flow add",
        endings.Synproxy: "synproxy",
        endings.Forward: "fwd",
        endings.Duplicate: "dup",
    }
    return names.get(type(each), ""), isinstance(each, ct.FlowOffload)


def _reject(each: endings.Reject) -> str:
    if each.kind == endings.TCP_RESET:
        return "reject with tcp reset"
    names = ("no-route", "port-unreachable", "host-unreachable", "admin-prohibited")
    if each.kind == endings.ICMPX:
        return f"reject with icmpx {names[each.code] if each.code < len(names) else each.code}"
    return f"reject with icmp code {each.code}"


def _value(describer: Describer, source: int, field: Field) -> str:
    if source in describer.values:
        return field.form(describer.values[source][: field.length], describer.table.links)
    fields, _loads, _layers = describer.fields(source, 4)
    return fields[0].name if fields else "a register"


def _translation(describer: Describer, each: t.Any) -> str:
    kinds = {nat.Masquerade: "masquerade", nat.Redirect: "redirect", nat.Tproxy: "tproxy"}
    what = ("snat", "dnat")[each.kind & 1] if isinstance(each, nat.Nat) else kinds[type(each)]
    number = Field("", _fields.number, 2)
    if isinstance(each, nat.Tproxy):
        where = "" if each.address is None else _value(describer, each.address, Field("", _fields.address, 16))
        port = "" if each.port is None else f":{_value(describer, each.port, number)}"
        return f"{what} to {where}{port}"
    size = 16 if isinstance(each, nat.Nat) and each.family == 10 else 4
    address = ""
    if isinstance(each, nat.Nat) and each.addresses:
        ends = [_value(describer, end, Field("", _fields.address, size)) for end in dict.fromkeys(each.addresses)]
        address = "-".join(ends)
    ports = "-".join(_value(describer, end, number) for end in dict.fromkeys(each.ports)) if each.ports else ""
    from_map = bool(each.ports and address and each.ports[0] not in describer.values)
    goal = address + (f":{ports}" if ports and not from_map else "")
    return f"{what} to {goal}" if goal else what


def _dynset(describer: Describer, each: lookups.Dynset) -> str:
    fields, _loads, _layers = describer.fields(each.key, 64)
    limits = [
        expression.text() for expression in each.expressions if isinstance(expression, (_limits.Limit, _limits.Quota, _limits.ConnLimit))
    ]
    key = " . ".join(field.name for field in fields)
    return f"{_DYNSET[each.operation] if each.operation < 3 else 'change'} @{each.name} {{ {' '.join([key, *limits])} }}"

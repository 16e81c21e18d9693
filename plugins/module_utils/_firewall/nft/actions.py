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
        what = f"({field.name})" if " & " in field.name or " | " in field.name else field.name
        return field._replace(name=f"{what} {sign} {each.shift}")
    return field._replace(name=f"{field.name} {'&|^'[each.operation - operations.BITWISE_AND]} ...")


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
        return _reject(describer, each), False
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
        return _object(describer, each), True
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


def _object(describer: Describer, each: lookups.ObjectReference) -> str:
    kind, which = each.kind, f'"{each.name}"'
    if each.set is not None:
        fields, _loads, _layers = describer.fields(each.source, 64)
        which = f"{' . '.join(field.name for field in fields)} map {describer.members(each.set, fields)[0]}"
        kind = describer.objects(each.set)
    return f"{_OBJECTS.get(kind, 'object')} {'name ' if kind in (1, 2, 4, 5, 10) else ''}{which}"


_ICMP = {0: "net-unreachable", 1: "host-unreachable", 2: "prot-unreachable", 9: "net-prohibited", 10: "host-prohibited",
         13: "admin-prohibited"}  # fmt: skip
_ICMP6 = {0: "no-route", 1: "admin-prohibited", 3: "addr-unreachable", 5: "policy-fail", 6: "reject-route"}
_ICMPX = {0: "no-route", 2: "host-unreachable", 3: "admin-prohibited"}
_PORT_UNREACHABLE = {"icmp": 3, "icmpv6": 4, "icmpx": 1}  # which nft does not say


def _reject(describer: Describer, each: endings.Reject) -> str:
    if each.kind == endings.TCP_RESET:
        return "reject with tcp reset"
    message = "icmpx" if each.kind == endings.ICMPX else "icmpv6" if describer.network == "ip6" else "icmp"
    if each.code == _PORT_UNREACHABLE[message]:
        return "reject"
    names = {"icmp": _ICMP, "icmpv6": _ICMP6, "icmpx": _ICMPX}[message]
    return f"reject with {message} {names.get(each.code, each.code)}"


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
    address, flags, mapped = "", getattr(each, "flags", 0), False
    if isinstance(each, nat.Nat) and each.addresses:
        mapped = each.addresses[0] not in describer.values
        ends = list(dict.fromkeys(each.addresses))[: 1 if mapped else 2]
        address = "-".join(_value(describer, end, Field("", _fields.address, size)) for end in ends)
    from_map = mapped and ((each.ports is not None and each.ports[0] not in describer.values) or len(set(each.addresses)) > 1)
    ports = "-".join(_value(describer, end, number) for end in dict.fromkeys(each.ports)) if each.ports and not from_map else ""
    bracketed = f"[{address.replace('-', ']-[')}]" if size == 16 and ports and not mapped else address
    goal = bracketed + (f":{ports}" if ports else "")
    family = {2: " ip", 10: " ip6"}.get(getattr(each, "family", 0), "") if describer.table.family == "inet" or from_map else ""
    kept = "".join(f" {word}" for bit, word in _FLAGS if flags & bit and (bit != nat.RANDOM or not flags & nat.RANDOM_FULLY))
    return f"{what}{family}{' prefix' if flags & nat.NETMAP else ''} to {goal}{kept}" if goal else what + kept


_FLAGS = ((nat.RANDOM, "random"), (nat.RANDOM_FULLY, "fully-random"), (nat.PERSISTENT, "persistent"))


def _dynset(describer: Describer, each: lookups.Dynset) -> str:
    fields, _loads, _layers = describer.fields(each.key, 64)
    done = [
        "counter" if isinstance(expression, _limits.Counter) else expression.text()
        for expression in each.expressions
        if isinstance(expression, (_limits.Limit, _limits.Quota, _limits.ConnLimit, _limits.Counter))
    ]
    key = " . ".join(field.name or _constant(describer, each.key, at, fields) for at, field in enumerate(fields))
    ages = [f"timeout {age(each.timeout)}"] if each.timeout else []
    return f"{_DYNSET[each.operation] if each.operation < 3 else 'change'} @{each.name} {{ {' '.join([key, *ages, *done])} }}"


def _constant(describer: Describer, register: int, at: int, fields: t.Sequence[Field]) -> str:
    """A constant that is a field of a key."""
    register += sum(max((field.length + 3) & ~3, 4) for field in fields[:at])
    data = describer.values.get(register, b"")
    return str(ipaddress.ip_address(data)) if len(data) in (4, 16) else str(int.from_bytes(data, "big"))


def age(milliseconds: int) -> str:
    """As nft writes times: 1d2h3m4s5ms."""
    words, rest = "", milliseconds
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, length)
        words += f"{count}{unit}" if count else ""
    return words

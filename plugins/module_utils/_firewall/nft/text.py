# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Render rules from their expressions, close to the output of `nft list ruleset`.

The registers are followed through the rule: what they were loaded with is named where it is tested. Conditions become parts, each of one or
more expressions; a test that only makes sure of the protocol for the next one is told with that, as nft does.
"""

from __future__ import annotations

import sys
import typing as t

from ..evaluation import UnsupportedError
from . import actions, ct, endings, headers, host, limits, lookups, meta, operations
from . import fields as _fields
from .described import Described
from .elements import elements
from .fields import Field
from .operations import Expression

if t.TYPE_CHECKING:
    from .tables import Table

_COMPARISONS = ("", "!= ", "< ", "<= ", "> ", ">= ")
_MOST_ELEMENTS = 16
_OF_BITS = (" state", " status", " flags")  # fields whose bits have names
_COMMENT = 0  # NFTNL_UDATA_RULE_COMMENT


class _Part:
    def __init__(self, text: str, expressions: set[int]) -> None:
        self.text, self.expressions = text, expressions
        self.condition = True
        self.told = True  # by itself, not as a part of what follows
        self.into: _Part | None = None  # the part that tells this one's protocol


class _Register(t.NamedTuple):
    field: Field
    loads: frozenset[int]
    layer: str | None = None  # network | transport: what must be made sure of before
    whole: tuple[Field, Expression, bytes] | None = None  # of a masked one: the field, what loaded it, and the mask


class Describer:
    """One rule, expression by expression."""

    def __init__(self, expressions: t.Sequence[Expression], table: Table) -> None:
        self.expressions, self.table = expressions, table
        self.wholes: dict[int, tuple[Field, Expression, bytes]] = {}  # of masked tests
        self.registers: dict[int, _Register] = {}
        self.values: dict[int, bytes] = {}  # constants
        self.parts: list[_Part] = []
        self.tested: dict[int, list[Field]] = {}
        self.sure: dict[str, _Part | None] = {}  # layer -> the test that made sure of its protocol
        self.network = table.family if table.family in ("ip", "ip6") else None
        self.transport: str | None = None

    def add(self, at: int, each: Expression) -> None:
        if isinstance(each, (headers.Payload, headers.ExtensionHeader, meta.Meta, ct.ConnectionField, host.Fib, host.Route,
                             host.Socket, host.Fingerprint, limits.Number, endings.Absent)):  # fmt: skip
            field, layer = self._loaded(each)
            self._set(each.target, field, {at}, layer)
        elif isinstance(each, operations.Bitwise):
            self._bitwise(at, each)
        elif isinstance(each, operations.Byteorder):
            self._byteorder(at, each)
        elif isinstance(each, operations.Compare):
            self._compare(at, each)
        elif isinstance(each, operations.Range):
            first, last = (self._form(each.source, end) for end in (each.first, each.last))
            self._test(at, each.source, len(each.first), f"{'!= ' if each.negated else ''}{first}-{last}")
        elif isinstance(each, lookups.Lookup):
            self._lookup(at, each)
        elif isinstance(each, (limits.Limit, limits.Quota, limits.ConnLimit)):
            self.parts.append(_Part(each.text(), {at}))
        elif isinstance(each, operations.Immediate) and isinstance(each.data, bytes):
            self.values[each.target] = each.data
            self._set(each.target, Field("", _fields.hexadecimal, len(each.data)), {at})
        else:
            text, condition = actions.text(self, each)
            part = _Part(text, {at})
            if isinstance(each, lookups.Dynset) or (isinstance(each, lookups.ObjectReference) and each.name is None):
                _fields_of_key, loads, layers = self.fields(each.key if isinstance(each, lookups.Dynset) else each.source, 64)
                self._take(part, layers)
                part.expressions |= loads
            elif isinstance(each, endings.Reject) and each.kind == endings.ICMP:
                self._take(part, ["network"])
            elif isinstance(each, headers.PayloadSet):
                self._take(part, {headers.NETWORK: ["network"], headers.TRANSPORT: ["transport"]}.get(each.base, []))
            part.condition = condition
            self.parts.append(part)

    # -- registers

    def fields(self, source: int, length: int) -> tuple[list[Field], set[int], set[str]]:
        """What lies in the registers from `source` on, the expressions that put it there, and the layers that it is of."""
        found: list[Field] = []
        loads: set[int] = set()
        layers: set[str] = set()
        at = source
        while at < source + length:
            register = self.registers.get(at)
            if register is None:
                break
            found.append(register.field)
            loads |= register.loads
            layers |= {register.layer} if register.layer else set()
            at += max((register.field.length + 3) & ~3, 4)
        return found, loads, layers

    def _set(
        self,
        at: int,
        field: Field,
        loads: t.Iterable[int],
        layer: str | None = None,
        whole: tuple[Field, Expression, bytes] | None = None,
    ) -> None:
        self.registers[at] = _Register(field, frozenset(loads), layer, whole)

    def _loaded(self, each: t.Any) -> tuple[Field, str | None]:
        if isinstance(each, headers.Payload):
            layer = {headers.LINK: "link", headers.NETWORK: "network", headers.TRANSPORT: "transport"}.get(each.base)
            return _fields.payload(each.base, each.offset, each.length, self.network, self.transport), layer
        if isinstance(each, meta.Meta):
            return _fields.meta(each.key), None
        if isinstance(each, ct.ConnectionField):
            return _fields.connection(each.key, each.direction), None
        return actions.loaded(each), None

    def _bitwise(self, at: int, each: operations.Bitwise) -> None:
        register = self.registers.get(each.source)
        if register is None:
            return
        field, loads = register.field, register.loads | {at}
        if each.operation == operations.BITWISE_MASK_XOR and not any(each.turn):
            load = self.expressions[min(register.loads)] if len(register.loads) == 1 else None
            whole = (field, load, each.mask) if load is not None else None
            self._set(each.target, actions.masked(field, each.mask), loads, register.layer, whole)
        else:
            self._set(each.target, actions.turned(field, each), loads, register.layer)

    def _byteorder(self, at: int, each: operations.Byteorder) -> None:
        register = self.registers.get(each.source)
        if register is None:
            return
        form, size = register.field.form, each.size

        def back(data: bytes, links: _fields.Links) -> str:
            return form(b"".join(data[i : i + size][::-1] for i in range(0, len(data), size)), links)

        swapped = register.field._replace(form=back if sys.byteorder == "little" else form)
        self._set(each.target, swapped, register.loads | {at}, register.layer)

    # -- conditions

    def _form(self, source: int, data: bytes) -> str:
        register = self.registers.get(source)
        return (register.field.form if register else _fields.hexadecimal)(data, self.table.links)

    def _test(self, at: int, source: int, length: int, text: str) -> _Part:
        fields, loads, layers = self.fields(source, length)
        self.tested[at] = fields
        whole = self.registers[source].whole if source in self.registers else None
        if whole is not None and len(fields) == 1:
            self.wholes[at] = whole
        part = _Part(f"{' . '.join(field.name for field in fields) or 'register'} {text}", loads | {at})
        self._take(part, layers)
        self.parts.append(part)
        return part

    def _take(self, part: _Part, layers: t.Iterable[str]) -> None:
        """What made sure of the protocol for a part is told with it."""
        several = set(layers)
        if "transport" in several and self.transport in ("icmp", "icmpv6"):
            several.add("network")  # which that protocol tells
        for layer in several:
            before = self.sure.get(layer)
            if before is not None and before.into is None:
                before.into = part

    def _compare(self, at: int, each: operations.Compare) -> None:
        register = self.registers.get(each.source)
        written_as = self._form(each.source, each.data)
        last = self.parts[-1] if self.parts else None
        between = (
            each.operation == operations.CMP_LTE and last is not None and register is not None and not last.into
            and last.text.startswith(f"{register.field.name} >= ") and at - 1 in last.expressions
        )  # fmt: skip
        if between and last is not None:
            last.text = f"{last.text.replace('>= ', '', 1)}-{written_as}"
            last.expressions.add(at)
            self.tested[at] = self.tested.get(at - 1, [])
            return
        flags = register.whole if register is not None and each.operation in (0, 1) and not any(each.data) else None
        if flags is not None and flags[0].name.endswith(_OF_BITS):
            part = self._test(at, each.source, len(each.data), "")
            part.text = f"{flags[0].name} {'! ' if each.operation == 0 else ''}{flags[0].form(flags[2], self.table.links)}"
            return
        if register is not None and register.field.pieces and each.operation == operations.CMP_EQ:
            part = self._test(at, each.source, len(each.data), "")
            part.text = " ".join(f"{piece.name} {piece.form(data, self.table.links)}" for piece, data in register.field.each(each.data))
            return
        sign = "== " if register is not None and "&" in register.field.name and each.operation == 0 else _COMPARISONS[each.operation]
        part = self._test(at, each.source, len(each.data), f"{sign}{written_as}")
        if each.operation == operations.CMP_EQ and register is not None:
            self._made_sure(part, register.field.name, written_as)

    def _made_sure(self, part: _Part, name: str, value: str) -> None:
        if name in ("meta nfproto", "meta protocol", "ether type"):
            self.network = {"ipv4": "ip", "ipv6": "ip6"}.get(value, value)
            self.sure["network"] = part
        elif (name, value) == ("iiftype", "1"):
            self.sure["link"] = part
        elif name in ("meta l4proto", "ip protocol", "ip6 nexthdr"):
            self.transport = {"ipv6-icmp": "icmpv6"}.get(value, value)
            self.sure["transport"] = part

    def _lookup(self, at: int, each: lookups.Lookup) -> None:
        fields, _loads, _layers = self.fields(each.source, 64)
        members, width = self.members(each.name, fields)
        what = "!= " if each.inverted else ""
        if each.target is None:
            self._test(at, each.source, width, f"{what}{members}")
        elif each.target == -1:
            self._test(at, each.source, width, f"vmap {members}")
        else:
            part = self._test(at, each.source, width, f"map {members}")
            part.told = False
            self._set(each.target, Field(part.text, _fields.hexadecimal, 4), part.expressions)

    def members(self, name: str, fields: list[Field]) -> tuple[str, int]:
        """A set's name, or the elements of one without a name; and how long its keys are."""
        try:
            found = self.table.set(name)
        except UnsupportedError:
            return f"@{name}", 4
        width = found.about.key_length
        if not name.startswith("__"):
            return f"@{name}", width
        # Registers behind the key's may hold what earlier conditions loaded.
        ends = [sum((field.length + 3) & ~3 for field in fields[:at]) for at in range(len(fields))]
        return elements(found, [field for field, at in zip(fields, ends) if at < width], self.table.links, _MOST_ELEMENTS), width

    def objects(self, name: str) -> int:
        """Of which kind the objects of a map are."""
        try:
            return self.table.set(name).about.object_type
        except UnsupportedError:
            return 0


def describe(expressions: t.Sequence[Expression], userdata: bytes, table: Table) -> Described:
    """A rule in words."""
    describer = Describer(expressions, table)
    for at, each in enumerate(expressions):
        describer.add(at, each)
    told = [part for part in describer.parts if part.into is None]
    conditions = [part for part in told if part.condition]
    belongs = []
    for at in range(len(expressions)):
        part = next((part for part in describer.parts if at in part.expressions), None)
        while part is not None and part.into is not None:
            part = part.into
        belongs.append(conditions.index(part) if part is not None and part in conditions else -1)
    words = [part.text for part in told if part.text and part.told]
    said = comment(userdata)
    if said is not None:
        words.append(f'comment "{said}"')
    return Described(describer, " ".join(words), [part.text for part in conditions], belongs)


def comment(userdata: bytes) -> str | None:
    """The comment that nft keeps with a rule: type, length, text."""
    at = 0
    while at + 2 <= len(userdata):
        kind, length = userdata[at], userdata[at + 1]
        if kind == _COMMENT:
            return userdata[at + 2 : at + 2 + length].rstrip(b"\0").decode("utf-8", "replace")
        at += 2 + length
    return None

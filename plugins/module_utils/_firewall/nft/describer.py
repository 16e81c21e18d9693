# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Follow the registers through a rule, so that each test is described with the name of what was loaded.

Conditions become parts, each of one or more expressions; a test that only makes sure of the protocol for the next one is described with
that, as nft does.
"""

from __future__ import annotations

import typing as t

from ..._typing import Protocol
from ..evaluation import UnsupportedError
from . import fields as _fields
from .context import Context, Result, Table
from .elements import elements
from .fields import Field

_MOST_ELEMENTS = 16
_WIDEST = 64  # bytes of all registers
# As rules name protocols, from how values of the fields of a layer are written that show its protocol.
_PROTOCOLS = {"network": {"ipv4": "ip", "ipv6": "ip6"}, "transport": {"ipv6-icmp": "icmpv6"}}


class Loading(Protocol):
    """The expression that loaded a register."""

    @property
    def target(self) -> int | None: ...

    def run(self, at: Context) -> Result: ...


Whole = t.Tuple[Field, Loading, bytes]  # of a masked field: the field, what loaded it, and the mask


class Words:
    """A part of the rule, a condition or a statement."""

    def __init__(self, text: str, expressions: set[int], condition: bool) -> None:
        self.text, self.expressions, self.condition = text, expressions, condition
        self.shown = True  # by itself, not as a part of what follows
        self.into: Words | None = None  # the part that says this one's protocol


class Register(t.NamedTuple):
    """What is in a register, and the expressions that put it there."""

    field: Field
    loads: frozenset[int]
    layer: str | None = None  # link | network | transport: what must be made sure of before
    whole: Whole | None = None  # where some of its bits are masked out


class Describer:
    """One rule, to which its expressions add one after the other what they say."""

    def __init__(self, expressions: t.Sequence[Loading], table: Table) -> None:
        self.expressions, self.table = expressions, table
        self.registers: dict[int, Register] = {}
        self.values: dict[int, bytes] = {}  # constants
        self.parts: list[Words] = []
        self.tested: dict[int, list[Field]] = {}  # by the position of the test
        self.wholes: dict[int, Whole] = {}  # of masked tests
        self.network = table.family if table.family in ("ip", "ip6") else None
        self.transport: str | None = None
        self._sure: dict[str, Words | None] = {}  # layer -> the test that made sure of its protocol

    # -- what expressions say

    def load(self, target: int, field: Field, loads: t.Iterable[int], layer: str | None = None, whole: Whole | None = None) -> None:
        """A register was loaded."""
        self.registers[target] = Register(field, frozenset(loads), layer, whole)

    def test(self, at: int, source: int, length: int, text: str) -> Words:
        """A condition on so many bytes from a register on."""
        fields, loads, layers = self.fields(source, length)
        self.tested[at] = fields
        whole = self.registers[source].whole if source in self.registers else None
        if whole is not None and len(fields) == 1:
            self.wholes[at] = whole
        name = " . ".join(field.name for field in fields) or "register"
        return self.add(f"{name} {text}", loads | {at}, condition=True, layers=layers)

    def add(self, text: str, expressions: set[int], *, condition: bool, layers: t.Iterable[str] = ()) -> Words:
        """A part of the rule. What made sure of the protocols of `layers` is described with it."""
        part = Words(text, expressions, condition)
        several = set(layers)
        if "transport" in several and self.transport in ("icmp", "icmpv6"):
            several.add("network")  # which that protocol says
        for layer in several:
            before = self._sure.get(layer)
            if before is not None and before.into is None:
                before.into = part
        self.parts.append(part)
        return part

    def made_sure(self, part: Words, field: Field, value: str) -> None:
        """A field has that value, which may show the protocol of a layer."""
        if field.determines is None or (field.determines == "link" and value != "1"):  # ARPHRD_ETHER
            return
        self._sure[field.determines] = part
        protocol = _PROTOCOLS.get(field.determines, {}).get(value, value)
        if field.determines == "network":
            self.network = protocol
        elif field.determines == "transport":
            self.transport = protocol

    # -- what expressions ask for

    def fields(self, source: int, length: int = _WIDEST) -> tuple[list[Field], set[int], set[str]]:
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

    def form(self, source: int, data: bytes) -> str:
        """A constant as what is in a register is written."""
        register = self.registers.get(source)
        return (register.field.form if register else _fields.hexadecimal)(data, self.table.links)

    def value(self, source: int, field: Field) -> str:
        """What a statement takes from a register, written as a value of `field`."""
        if source in self.values:
            return field.form(self.values[source][: field.length], self.table.links)
        fields, _loads, _layers = self.fields(source, 4)
        return fields[0].name if fields else "a register"

    def members(self, name: str, fields: list[Field]) -> tuple[str, int]:
        """A set's name, or the elements of one without a name; and how long its keys are."""
        try:
            found = self.table.set(name)
        except UnsupportedError:
            return f"@{name}", 4
        width = found.about.key_length
        if not name.startswith("__"):
            return f"@{name}", width
        # Registers after the key's may hold what earlier conditions loaded.
        ends = [sum((field.length + 3) & ~3 for field in fields[:at]) for at in range(len(fields))]
        return elements(found, [field for field, at in zip(fields, ends) if at < width], self.table.links, _MOST_ELEMENTS), width

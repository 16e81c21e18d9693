# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Tables of nf_tables, and their base chains, which packets enter from the kernel's hooks."""

from __future__ import annotations

import contextlib
import typing as t

from ..._errors import ObserveError
from ..._typing import Protocol
from ..._wire.netlink import attribute_list, attributes
from ..effect import Compat
from ..evaluation import Action, Outcome, Reference, Step, UnsupportedError
from ..packet import Link, Packet
from .chain import Chain
from .context import Context
from .decode import decode, named_object
from .expr import objects
from .expression import Expression
from .sets import Set, about
from .wire import Attributes, number

NFTA_OBJ_TYPE, NFTA_OBJ_DATA = 3, 4
NFTA_SET_OBJ_TYPE, NFTA_SET_EXPR, NFTA_SET_EXPRESSIONS = 15, 17, 18
_MOST_JUMPS = 16  # NFT_JUMP_STACK_SIZE
_MOST_CHAINS = 10_000  # that one packet is followed through


class Source(Protocol):
    """Where what a packet meets is read from, when it meets it: the kernel, or a recording. Each answer is the body after nfgenmsg."""

    def rules(self, family: str, table: str, chain: str) -> t.Sequence[bytes]: ...

    def set(self, family: str, table: str, name: str) -> bytes: ...

    def elements(self, family: str, table: str, name: str) -> t.Sequence[bytes]:
        """The contents of NFTA_SET_ELEM_LIST_ELEMENTS of every message."""

    def object(self, family: str, table: str, name: str, kind: int) -> bytes: ...

    def objects(self, family: str, table: str) -> t.Sequence[bytes]:
        """All named objects of a table."""

    def sets(self, family: str, table: str) -> t.Sequence[bytes]:
        """All sets and maps of a table, without their elements."""


class Table:
    """A table, whose chains, sets and objects are read when a packet meets them."""

    def __init__(self, family: str, name: str, handle: int, dormant: bool, source: Source, links: t.Mapping[int, Link]) -> None:
        self.names: list[str] = []  # of its chains
        self.inline: set[str] = set()  # chains that a rule brought along (`jump { ... }`), which take no other rules
        self.family, self.name, self.handle, self.dormant = family, name, handle, dormant
        self.key = (family, name)
        self.links = links
        self.compat: Compat | None = None
        self._source = source
        self._chains: dict[str, Chain] = {}
        self._sets: dict[str, Set] = {}
        self._about: dict[str, bytes] = {}
        self._objects: dict[tuple[int, str], Expression] = {}

    def chain(self, name: str) -> Chain:
        if name not in self._chains:
            self._chains[name] = Chain(self, name, lambda: self._asked(f"chain {name}", lambda: self._source.rules(*self.key, name)))
        return self._chains[name]

    def set(self, name: str) -> Set:
        if name not in self._sets:
            self._sets[name] = self._asked(
                f"set {name}", lambda: Set(about(self._set(name)), self._source.elements(*self.key, name), decode)
            )
        return self._sets[name]

    def filled_by(self, name: str) -> Reference | None:
        """The rule that adds what it sees to a set; None where no rule does."""
        with contextlib.suppress(UnsupportedError):  # it is only shown
            rules = (self.chain(chain).filling(name) for chain in self.names)
            return next((rule.reference() for rule in rules if rule is not None), None)
        return None

    def object_kind(self, map_name: str) -> int:
        """Of what type the objects are that a map names."""
        return int(self._asked(f"map {map_name}", lambda: number(attributes(self._set(map_name)), NFTA_SET_OBJ_TYPE)))

    def object_words(self, kind: int) -> str:
        """What a rule says in front of the name of an object of that type."""
        known = objects().get(kind)
        return known.words if known else "object"

    def object(self, kind: int, name: str) -> Expression:
        if (kind, name) not in self._objects:
            self._objects[kind, name] = self._asked(
                f"the object {name}",
                lambda: named_object(kind, attributes(self._source.object(*self.key, name, kind)).get(NFTA_OBJ_DATA, b"")),
            )
        return self._objects[kind, name]

    def tracks(self, version: int) -> bool:
        """Whether a rule, an object or a set's own `ct count` has the kernel track connections of IPv4 or IPv6, awake or not."""
        if any(self.chain(name).tracks(version) for name in self.names):
            return True
        own = self._asked("its objects", lambda: self._source.objects(*self.key))
        kinds = {kind for kind, each in objects().items() if each.tracks}
        if any(number(attributes(each), NFTA_OBJ_TYPE) in kinds for each in own):
            return True
        carried = self._asked("its sets", lambda: [each for body in self._source.sets(*self.key) for each in _carried(attributes(body))])
        return any(each.tracks for each in carried)

    def _set(self, name: str) -> bytes:
        if name not in self._about:
            self._about[name] = self._source.set(*self.key, name)
        return self._about[name]

    def _asked(self, what: str, ask: t.Callable[[], t.Any]) -> t.Any:
        try:
            return ask()
        except ObserveError as error:
            raise UnsupportedError(f"{what} of table {self.family} {self.name} could not be read: {error}") from error


def _carried(about: Attributes) -> list[Expression]:
    """The expressions that new elements of a set get."""
    several = [each for _kind, each in attribute_list(about.get(NFTA_SET_EXPRESSIONS, b""))]
    return [decode(each) for each in (*several, *([about[NFTA_SET_EXPR]] if NFTA_SET_EXPR in about else ()))]


class NftBaseChain:
    """`BaseChain` of ruleset.py."""

    def __init__(
        self, table: Table, chain: str, kind: str, hook: str, priority: int, policy: str, devices: tuple[str, ...], handle: int, rules: int
    ) -> None:
        self.table, self.chain = table, table.chain(chain)
        self.family, self.kind, self.hook, self.priority, self.devices = table.family, kind, hook, priority, devices
        self.policy, self.handle, self.rules = policy, handle, rules
        self.idle = rules == 0 and policy == "accept"
        self.maker = f"table {table.family} {table.name}"
        self.reference: Reference = {
            "family": table.family, "table": table.name, "chain": chain, "hook": hook, "priority": priority, "manager": None,
        }  # fmt: skip

    def run(self, packet: Packet, evaluation: t.Any) -> Outcome:
        at = Context(packet, evaluation, self.table, self.hook)
        stack: list[tuple[Chain, int]] = []
        chain, position = self.chain, 0
        for _visit in range(_MOST_CHAINS):
            met = chain.next(at, position, self._reference(chain))
            if met is None or met[2] == "return":
                if not stack:
                    return self._end(evaluation)
                chain, position = stack.pop()
                continue
            index, rule, effect = met
            if isinstance(effect, Outcome):
                return effect._replace(rule=rule, chain=self._reference(chain))
            if isinstance(effect, str):
                return Outcome(effect, rule, self._reference(chain))
            how, name = effect
            if how == "jump":
                stack.append((chain, index + 1))
            if len(stack) > _MOST_JUMPS:
                break
            chain, position = self.table.chain(name), 0
        raise UnsupportedError(f"the chains of table {self.family} {self.table.name} lead in a circle")

    def _reference(self, chain: Chain) -> Reference:
        if chain is self.chain:
            return self.reference
        return {**self.reference, "chain": chain.name, "inline": chain.name in self.table.inline}

    def _end(self, evaluation: t.Any) -> Outcome:
        if any(each is self.reference for each in evaluation.opened):
            return Outcome("accept", None, self.reference)
        evaluation.step(Step(self.reference, None, True, None, (Action(self.policy),)))
        return Outcome(self.policy, None, self.reference)

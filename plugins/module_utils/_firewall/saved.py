# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A saved ruleset, evaluated as if it were loaded.

What iptables-save prints is evaluated as it is. Rulesets of nftables are loaded by `nft` into a network namespace that a child process
makes for itself and that ends with it, and are read back from the kernel: nothing but `nft` itself understands its language as it does.
The child's own questions about routes and addresses go through a netlink socket that was opened here, and so are answered by the host.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import struct
import typing as t

from .._commands import Run
from .._errors import ObserveError
from .._host.apart import in_namespace
from .._wire.netlink import NETLINK_ROUTE, Netlink, NetlinkError, attribute
from .describer import Answer, Describer
from .facts import LiveFacts
from .ipsec import Used
from .link_kinds import KINDS, registered
from .loaded import sets
from .named_links import names_in
from .nft import read as nftables
from .packet import Link
from .questions import Question, address_of
from .ruleset import BaseChain, Receiver, Ruleset
from .verdicts import judge
from .xt import read as xtables

RTM_NEWLINK, NLM_F_CREATE = 16, 0x400
IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND, NLA_F_NESTED = 3, 18, 1, 0x8000
MOST_BYTES = 64 << 20
FORWARDING = {4: "net.ipv4.ip_forward", 16: "net.ipv6.conf.all.forwarding"}  # by the length of addresses
BRIDGE_SYSCTLS = ("net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables")

_IFINFO = struct.Struct("=BxHiII")  # struct ifinfomsg

_SIGNS = {"ip": r"(?m)^[-[].* -[sd] \d+\.|-p icmp ", "ip6": r"(?m)^[-[].* -[sd] [0-9a-f]*:|icmpv6|icmp6"}


class SavedFacts(LiveFacts):
    """The host's facts, and what the ruleset and the questions say of the host that it was saved on: links, and own addresses.

    Files of /proc are read at once: where they are asked for, they are those of the new namespace.
    """

    def __init__(
        self, netlink: Netlink, members: t.Callable[[str], t.Any], names: t.Iterable[str], questions: t.Sequence[Question]
    ) -> None:
        super().__init__(netlink, members)
        asked = [question[field] for question in questions for field in ("interface", "out_interface") if question.get(field)]
        spare = max(link.index for link in self.links()) + 1000
        missing = [name for name in dict.fromkeys([*names, *asked]) if super(SavedFacts, self).link(name) is None]
        self._named = {name: Link(spare + number, name) for number, name in enumerate(missing)}
        self._sysctls = {name: super(SavedFacts, self).sysctl(name) for name in (*BRIDGE_SYSCTLS, *FORWARDING.values())}
        self._ends: set[bytes] = set()
        self._ends = _ends(questions, self)
        self._read = super().queue_read(0) is not None

    def sysctl(self, name: str) -> str | None:
        return self._sysctls.get(name)

    def tracks_unasked(self) -> bool | None:
        return False  # what else is on the host that it was saved on is unknown

    def receivers(self, family: int, port: int) -> list[Receiver] | None:
        return None  # what listens on the host that it was saved on is unknown

    def ipsec(self) -> Used:
        return Used(None, None)

    def queue_read(self, number: int) -> bool | None:
        return super().queue_read(number) if self._read else None

    def queue_reader(self, number: int) -> dict[str, t.Any] | None:
        return None  # likewise

    def addresses(self, link: str | None = None) -> list[tuple[bytes, int]]:
        there = [] if link and super().link(link) else [(end, len(end) * 8) for end in sorted(self._ends)]
        return [*super().addresses(link), *there]

    def route(
        self, destination: bytes, source: bytes | None = None, mark: int = 0, iif: str | None = None, oif: str | None = None
    ) -> dict[str, t.Any]:
        if destination in self._ends:
            return {"error": None, "type": "local", "interface": "lo", "gateway": None, "source": None}
        return super().route(destination, None if source in self._ends else source, mark, iif, oif)

    def link(self, name: str) -> Link | None:
        return super().link(name) or self._named.get(name)

    def link_by_index(self, index: int) -> Link | None:
        return super().link_by_index(index) or next((link for link in self._named.values() if link.index == index), None)


def observe_saved(questions: t.Sequence[Question], run: Run, saved: str) -> Answer:
    """As `verdicts.observe`, for the text of a ruleset or the path of its file."""
    text = _read_file(saved.strip()) if saved.strip().startswith("/") and "\n" not in saved.strip() else saved
    if len(text) > MOST_BYTES:
        raise ObserveError(f"the ruleset is larger than {MOST_BYTES} bytes")
    if "\0" in text:
        raise ObserveError("the ruleset is no text: there are zero bytes in it")
    with Netlink(NETLINK_ROUTE) as netlink:
        if re.search(r"^\*\w+\s*$", text, re.MULTILINE):
            iptables = xtables.from_text(_by_family(text))
            ruleset = Ruleset([*iptables.base_chains()], list(iptables.absent), iptables.tracks_marks, iptables.translates, iptables.tracks)
            return judge(questions, SavedFacts(netlink, sets(run), (), questions), ruleset, Describer(None))
        facts = SavedFacts(netlink, sets(run), names_in(text), questions)
        return in_namespace("load the ruleset", lambda: _judge_loaded(questions, run, text, _links(text, facts), facts))


def listed(run: Run, text: str) -> str:
    """A ruleset in nft's language as `nft --stateless --terse list ruleset` writes it once it is loaded. Raises ObserveError."""
    with Netlink(NETLINK_ROUTE) as netlink:
        links = _links(text, SavedFacts(netlink, sets(run), names_in(text), ()))

    def work() -> Answer:
        _load(run, text, links)
        code, output, complaint = run(["nft", "--stateless", "--terse", "list", "ruleset"])
        if code:
            raise ObserveError(f"nft does not list the ruleset: {' '.join(complaint.split())[:300]}")
        return {"text": output}

    return str(in_namespace("load the ruleset", work)["text"])


def _read_file(path: str) -> str:
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise ObserveError(f"the ruleset {path} cannot be read: it is no plain file")
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ObserveError(f"the ruleset {path[:200]} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _by_family(text: str) -> dict[str, str]:
    """What iptables-save and ip6tables-save printed, one after the other or alone; their first line says which it was.

    A part that does not say so is of the family of the addresses in it, and counts for both where it has none.
    """
    found = {"ip": "", "ip6": ""}
    for part in re.split(r"^(?=# Generated by ip6?tables(?:-\w+)?-save)", text, flags=re.MULTILINE):
        if part.startswith("# Generated by "):
            families = ["ip6" if part.startswith("# Generated by ip6") else "ip"]
        else:
            families = [family for family, sign in _SIGNS.items() if re.search(sign, part)] or list(found)
        for family in families:
            found[family] += part
    return {family: part for family, part in found.items() if part.strip()}


def _links(text: str, facts: SavedFacts) -> list[Link]:
    """The links that must exist for the ruleset to be loaded."""
    return [link for link in map(facts.link, names_in(text)) if link]


def _ends(questions: t.Sequence[Question], facts: LiveFacts) -> set[bytes]:
    """Addresses of another host, on which the ruleset was saved, as the questions have it.

    What passes a host that forwards nothing has an end there: packets come in at their destination; and where a SYN does so, its
    SYN-ACK goes out.
    """
    ends = set()
    for question in sorted(questions, key=lambda question: question.get("packet") == "syn_ack"):
        with contextlib.suppress(ObserveError):  # said of the one question, when it is put
            source, destination = address_of(question, "source"), address_of(question, "destination")
            direction = question.get("direction")
            elsewhere = not (facts.owns(source) or facts.owns(destination) or source in ends or _forwards(facts, destination))
            if direction == "out":
                ends.add(source)
            elif direction == "in" or (direction is None and elsewhere):
                ends.add(destination)
    return ends


def _forwards(facts: LiveFacts, destination: bytes) -> bool:
    return facts.sysctl(FORWARDING[len(destination)]) not in (None, "0")


def _load(run: Run, text: str, links: t.Sequence[Link]) -> None:
    """In the new namespace. Modules for links are loaded only where the kernel has no kind of link for it yet."""
    there = registered()
    with Netlink(NETLINK_ROUTE) as netlink:
        for link in links:
            make_link(netlink, link, sorted(KINDS, key=lambda kind: kind not in there))
    json_flag = ["-j"] if text.lstrip().startswith("{") else []
    if json_flag:  # nft takes what is no JSON for an empty ruleset
        try:
            json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ObserveError(f"the ruleset begins as JSON does and is none: {error}") from error
    code, _output, complaint = run(["nft", *json_flag, "-f", "-"], text)
    if code:
        raise ObserveError(f"nft does not load the ruleset: {' '.join(complaint.split())[:300]}")


def _judge_loaded(questions: t.Sequence[Question], run: Run, text: str, links: t.Sequence[Link], facts: SavedFacts) -> Answer:
    """In the new namespace: load, read back, evaluate."""
    _load(run, text, links)
    chains: list[BaseChain] = []
    tables = nftables.read({link.index: link for link in links})
    chains += tables.base_chains(lambda *_place: None)
    return judge(questions, facts, Ruleset(chains, [], True, tables.translates, tables.tracks), Describer(None))


def make_link(netlink: Netlink, link: Link, kinds: t.Iterable[str]) -> None:
    """A link of that name and index, so that rules that name it can be loaded; of the first kind that the kernel has."""
    refusal: object = "it would take a kernel module"
    for kind in kinds:
        info = attribute(IFLA_INFO_KIND, kind.encode() + b"\0")
        wanted = attribute(IFLA_IFNAME, link.name.encode() + b"\0") + attribute(IFLA_LINKINFO | NLA_F_NESTED, info)
        try:
            netlink.request(RTM_NEWLINK, NLM_F_CREATE, _IFINFO.pack(0, 0, link.index, 0, 0) + wanted)
            return
        except NetlinkError as error:
            refusal = error
    raise ObserveError(f"an interface {link.name}, which the ruleset names, cannot be made to load it: {refusal}")

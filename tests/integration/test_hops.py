# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far SYNs and SYN-ACKs get, held against traceroute, tcptraceroute, mtr and ping on the same ways, and against how these are made."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.reach import reach
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.probe_records import Hop
from tests.integration import ways
from tests.integration.ways import PORT, Way
from tests.lab._machines import HERE, collections_root
from tests.lab.fleet import Fleet

TOOLS = ("traceroute", "tcptraceroute", "mtr", "ping")
pytestmark = [pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is missing") for tool in TOOLS]

SEED, COUNT, AT_ONCE = 136, 22, 8
REST = 2.0  # seconds between two tools where routers limit their errors
SYN_ACKS = ("-O", "syn,ack", "--sport=40001")


class Said(NamedTuple):
    """The last TTL that is answered, by which router (the server is the one behind the last), and the first TTL behind it that is not."""

    last: int
    router: int
    silent: int


def said(way: Way, answers: dict[int, int], ended: bool) -> Said:
    last = max(answers, default=0)
    return Said(last, answers.get(last, 0), 0 if ended or last == way.most else last + 1)


class Asking:
    """What each tool says of a way: one after the other where routers limit their errors, so that none uses up what they allow."""

    def __init__(self, fleet: Fleet, way: Way) -> None:
        self.fleet, self.way = fleet, way
        self.limited = bool(way.limited) or way.end == "no route"

    def all(self) -> dict[str, Said]:
        tools = dict(self.tools())
        with ThreadPoolExecutor(1 if self.limited else len(tools)) as several:
            found = dict(zip(tools, several.map(lambda ask: ask(), tools.values()), strict=True))
        return {"as made": said(self.way, ways.answers(self.way), ways.ended(self.way)), **found}

    def tools(self) -> Iterator[tuple[str, Callable[[], Said]]]:
        yield "ours", self.ours
        yield "traceroute", self.traceroute
        if self.way.family == 4:
            yield "tcptraceroute", partial(self.lines, "tcptraceroute", "-n", "-w1", f"-m{self.way.most}", self.way.target, str(PORT))
        yield "mtr", self.mtr
        if self.way.all_packets:
            yield "ping", self.ping
        if self.way.end not in ("reset", *ways.BY_SERVER):
            yield "ours, of SYN-ACKs", partial(self.ours, self.way.client)
            yield "traceroute, of SYN-ACKs", partial(self.traceroute, *SYN_ACKS)

    def run(self, *argv: str) -> str:
        time.sleep(REST if self.limited else 0.0)
        return self.fleet.run(f"c{self.way.number}", argv, check=False, timeout=120).stdout

    def ours(self, *source: str) -> Said:
        script = (self.fleet.python, "-B", str(HERE / "ask_hops.py"), str(collections_root()))
        hops = json.loads(self.run(*script, self.way.target, str(PORT), *source))
        fields = ("address", "port", "ttl", "answer", "offender")
        found = reach([Hop(**{name: hop[name] for name in fields}) for hop in hops if hop["ttl"] <= self.way.most])
        assert found is not None
        return Said(found.last.ttl, self.way.router(str(found.last.offender)), found.silent) if found.last else Said(0, 0, found.silent)

    def traceroute(self, *how: str) -> Said:
        return self.lines("traceroute", "-T", *how, "-n", "-N1", "-w0.5", f"-m{self.way.most}", f"-p{PORT}", self.way.target)

    def lines(self, *argv: str) -> Said:
        """Of traceroute and those like it: `` 3  10.1.3.2  0.2 ms  *  0.1 ms !X``."""
        answers, ended = {}, False
        for ttl, rest in re.findall(r"^ *(\d+) (.*)$", self.run(*argv), re.MULTILINE):
            if who := re.search(r"\d+\.\d+\.\d+\.\d+|[0-9a-f:]*::[0-9a-f]+", rest):
                answers[int(ttl)] = self.way.router(who[0])
                ended = who[0] == self.way.target or "!" in rest
        return said(self.way, answers, ended)

    def mtr(self) -> Said:
        text = self.run(
            "mtr", "--tcp", "-n", f"-P{PORT}", "-c3", "-i1", "-Z1", f"-U{self.way.most}", f"-m{self.way.most}", "--json", self.way.target
        )
        hubs = json.loads(text)["report"]["hubs"]
        answers = {hub["count"]: self.way.router(hub["host"]) for hub in hubs if hub["host"] != "???"}
        return said(self.way, answers, bool(answers) and max(answers) == len(hubs))

    def ping(self) -> Said:
        answers: dict[int, int] = {}
        for ttl in range(1, self.way.most + 1):
            text = self.run("ping", "-n", "-c3", "-i0.3", "-W0.5", f"-t{ttl}", self.way.target)
            if error := re.search(r"^From (\S+?):? icmp_seq=\d+ (.*)$", text, re.MULTILINE):
                answers[ttl] = self.way.router(error[1])
            elif f" from {self.way.target}" in text:
                answers[ttl] = self.way.routers + 1
            if ttl in answers and not (error and "exceeded" in error[2]):
                return said(self.way, answers, True)
        return said(self.way, answers, False)


def apart(drawn: Sequence[Way]) -> list[str]:
    """Where not all say the same. What is lost at random may be all that a tool sends: these are asked once more."""
    with Fleet(ways.topology(drawn)) as fleet:
        for way in drawn:
            for host, command in ways.commands(way):
                fleet.run(host, ["sh", "-ec", command])
        with ThreadPoolExecutor(AT_ONCE) as several:
            return [text for text in several.map(lambda way: _apart(fleet, way), drawn) if text]


def _apart(fleet: Fleet, way: Way) -> str:
    for _attempt in range(2 if way.losing else 1):
        found = Asking(fleet, way).all()
        if len(set(found.values())) == 1:
            return ""
    return f"{way}: {found}"


def few() -> Iterator[Way]:
    """The first short one of some kinds of end."""
    kinds = {"drop", "rejection", "loop"}
    for way in ways.drawn(SEED, COUNT * 4):
        if way.end in kinds and way.routers <= 3 and not way.limited and not way.losing:
            kinds.remove(way.end)
            yield way


def test_the_last_hop_that_answers_is_the_one_of_other_tools_on_a_few_ways() -> None:
    assert apart(list(few())) == []


@pytest.mark.slow
def test_the_last_hop_that_answers_is_the_one_of_other_tools() -> None:
    assert apart(ways.drawn(SEED, COUNT)) == []

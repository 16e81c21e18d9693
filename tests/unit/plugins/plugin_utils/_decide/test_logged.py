# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of logs in the evidence of causes: which are about a flow, and what they decide. On recorded evidence, with lines put in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._logs.collect import record_of
from ansible_collections.threeway.handshake.plugins.module_utils._logs.line import KERNEL, Line
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils._decide.test_lies import flows
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.lies import Phases
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.patched import denied
from ansible_collections.threeway.handshake.tests.unit.plugins.plugin_utils.recordings import recorded

PREFIX = "denied: "


def snapshots(found: Phases, host: str) -> list[dict[str, Any]]:
    parts = (("open", "snapshot"), ("try", "before"), ("try", "after"), ("close", "after"))
    return [found[host][phase]["evidence"][part] for phase, part in parts if phase in found[host]]


def logging(found: Phases, host: str, *lines: Line) -> None:
    snapshots(found, host)[-1]["logs"] = [record_of(line) for line in lines]


def kernel(text: str, attested: bool = True) -> Line:
    return Line(1763697600.0, "kmsg" if attested else "/var/log/messages", attested, KERNEL, text)


def packet(
    found: Phases, prefix: str = PREFIX, port: int | None = None, flags: str = "SYN", ttl: int = 63, came: str = "eth0", left: str = ""
) -> str:
    """``ttl``: as it comes to db1, behind one router."""
    probe = found["web1"]["try"]["evidence"]["probes"][0]
    ends = f"SRC={probe['local_address']} DST={probe['address']} LEN=60 TTL={ttl} ID=1 DF PROTO=TCP"
    return f"{prefix}IN={came} OUT={left} {ends} SPT={port or probe['local_port']} DPT={probe['port']} WINDOW=64240 RES=0x00 {flags} URGP=0"


def first(name: str, change: Callable[[Phases], None]) -> dict[str, Any]:
    plan, found = recorded(name)
    change(found)
    cause: dict[str, Any] = flows(plan, found)[0]["causes"][0]
    return cause


def uncounted(found: Phases, *prefixes: str) -> None:
    """The rules on the way have no counter, and log with these prefixes, those that stop the packet first."""
    for snapshot in snapshots(found, "db1"):
        snapshot["firewall"]["generation"] = 1
        for verdict in snapshot["firewall"]["verdicts"]:
            rules = [verdict["rule"], *(step["rule"] for step in verdict["path"] if step["rule"])]
            for rule in filter(None, rules):
                rule.update(packets=None, log_prefix=prefixes[0])
    for snapshot in snapshots(found, "db1")[:1]:
        for verdict in snapshot["firewall"]["verdicts"][:1]:
            for prefix in prefixes[1:]:
                other = {**verdict["rule"], "handle": 999, "log_prefix": prefix}
                verdict["path"].append({**verdict["path"][-1], "rule": other, "effects": [], "matched": False})


def logged_by_the_rule() -> tuple[Plan, Phases]:
    """A rule without a counter, and the kernel's line about the packet that it stopped."""
    plan, found = recorded("firewall_drop.server-input")
    uncounted(found, PREFIX)
    logging(found, "db1", kernel(packet(found)))
    return plan, found


@pytest.mark.parametrize(
    ("line", "prefixes", "certainty"),
    [
        (lambda found: kernel(packet(found)), (PREFIX,), "proven"),
        (lambda found: kernel(packet(found), attested=False), (PREFIX,), "likely"),  # anybody may have written it
        (lambda found: kernel(packet(found, "another: ")), (PREFIX,), "likely"),
        (lambda found: kernel(packet(found, port=1)), (PREFIX,), "likely"),  # another connection
        (lambda found: kernel(packet(found, flags="ACK FIN")), (PREFIX,), "likely"),
        (lambda found: kernel(packet(found)), (PREFIX, PREFIX), "likely"),  # two rules write the same
        (lambda found: kernel(packet(found, ttl=64)), (PREFIX,), "likely"),  # the router did, which shares the log
        (lambda found: kernel(packet(found, left="eth1")), (PREFIX,), "likely"),  # it was forwarded there
        (lambda found: kernel(packet(found, came="eth7")), (PREFIX,), "likely"),
        (lambda found: kernel(packet(found, came="", left="eth0")), (PREFIX,), "likely"),  # it was sent there
        (lambda found: Line(1.0, "journal", True, "app", packet(found), unit="a.service", urgent=True), (PREFIX,), "likely"),
    ],
)
def test_a_rule_that_logged_the_very_packet_is_proven(line: Callable[[Phases], Line], prefixes: tuple[str, ...], certainty: str) -> None:
    def change(found: Phases) -> None:
        uncounted(found, *prefixes)
        logging(found, "db1", line(found))

    told = first("firewall_drop.server-input", change)
    assert (told["code"], told["certainty"]) == ("firewall_drop", certainty)


def test_a_rule_that_may_have_changed_since_is_not_proven() -> None:
    def change(found: Phases) -> None:
        uncounted(found, PREFIX)
        for snapshot in snapshots(found, "db1"):
            snapshot["firewall"].pop("generation")
        logging(found, "db1", kernel(packet(found)))

    assert first("firewall_drop.server-input", change)["certainty"] == "likely"


def test_the_first_line_to_read_stands_first() -> None:
    told = first("firewall_drop.server-input", lambda found: logging(found, "db1", kernel(packet(found))))
    assert told["evidence"][0]["observation"].startswith(PREFIX)
    assert told["evidence"][0]["source"] == "kmsg 04:00:00.000"


@pytest.mark.parametrize("other", [{"port": 1}, {"ttl": 64}])
def test_lines_of_others_are_not_told(other: dict[str, int]) -> None:
    told = first("firewall_drop.server-input", lambda found: logging(found, "db1", kernel(packet(found, **other))))  # type: ignore[arg-type]
    assert not [each for each in told["evidence"] if PREFIX in each["observation"]]


@pytest.mark.parametrize(("netns", "others", "certainty"), [("own", 5, "proven"), (1, 5, "likely"), ("own", -1, "likely")])
def test_a_full_table_belongs_to_its_namespace_and_drops_no_less_than_the_syns(netns: object, others: int, certainty: str) -> None:
    def change(found: Phases) -> None:
        own = snapshots(found, "db1")[-1]["netns"] if netns == "own" else netns
        text = f"nf_conntrack: nf_conntrack: table full in netns {own}, dropping packet"
        for each in snapshots(found, "db1")[-1:]:
            each["conntrack"]["stats"]["drop"] += others
        logging(found, "db1", kernel(text))

    told = first("conntrack_full", change)
    assert (told["code"], told["certainty"]) == ("conntrack_full", certainty)


def out_of_descriptors() -> tuple[Plan, Phases]:
    """A process that listens on the port says that it cannot accept, and so does another one."""
    plan, found = recorded("accept_queue_full")
    listener = next(each for each in snapshots(found, "db1")[-1]["listeners"] if each["port"] == 5432)
    pid, said = listener["processes"][0]["pid"], "accept: Too many open files"
    logging(found, "db1", Line(1763697600.0, "journal", True, "db", said, pid=pid), Line(1.0, "journal", True, "db", said, pid=1))
    return plan, found


def test_a_process_that_cannot_accept_says_so_itself() -> None:
    told = flows(*out_of_descriptors())[0]["causes"][0]
    assert told["code"] == "accept_queue_full"
    assert [each["observation"] for each in told["evidence"]].count("accept: Too many open files") == 1
    assert told["evidence"][0]["source"].startswith("journal ")


def test_denied_access_on_a_kernel_that_hosts_share_is_nobodys() -> None:
    plan, found = denied()
    for host in ("web1", "db1"):
        for snapshot in snapshots(found, host):
            snapshot["boot"] = "d41d8cd9-8f00-4204-a980-0998ecf8427e"
    assert flows(plan, found)[0]["causes"][0]["code"] == "no_listener"


def test_denied_access_that_was_only_logged_denies_nothing() -> None:
    def change(found: Phases) -> None:
        text = 'audit: type=1400 audit(1.1:1): avc:  denied  { name_bind } for  pid=8 comm="db" src=5432 tclass=tcp_socket permissive='
        logging(found, "db1", kernel(f"{text}1"))

    assert first("no_listener", change)["code"] == "no_listener"

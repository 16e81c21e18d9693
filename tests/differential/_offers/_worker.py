# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries rulesets in namespaces of its own: one JSON order a line on standard input, one JSON answer a line on standard output.

An order is {"name": ..., "alternatives": [[{"tool": ..., "text": ...}]]}, the answer has an entry for each flow that was tried. What is
typed is what a report prints (`_fix/firewall.py`), turn by turn as `remediate` does, whatever its rehearsal says: so that wrong refusals
show as well.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.iptables import FILES
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.nftables import ROOTS
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.verdicts import observe
from ansible_collections.threeway.handshake.plugins.module_utils._host.traversals import traversal
from ansible_collections.threeway.handshake.plugins.module_utils._work.rehearsal import rehearse
from ansible_collections.threeway.handshake.plugins.module_utils._work.rehearsed import read
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.case import Case
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.finding import Finding
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.firewall import stopped
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.firewall_records import Verdict
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.firewall_subjects import Stop
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.fixes import Fix
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host as Told
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.records import build
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.declared import Declared

from ._host import CLIENT, GUEST, HOST, Flow, Host, Load, LoadError

TURNS = 4
CLIENT_PORT = 40000  # that the packets are supposed to come from; connections come from any
MOST_PORTS, MOST_ADDRESSES = 8, 4
_DEFAULT_PORTS = (22, 80, 443, 5432)
_V4 = re.compile(r"(?<![\w.:])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])")
_V6 = re.compile(r"(?<![\w.:])(?:[0-9a-f]{1,4}:)+(?:[0-9a-f:]*)(?![\w.])")
_NUMBER = re.compile(r"(?<![\w.:/])\d{1,5}(?![\w.:])")
_ROLES = {"server": ("eth0", None, "eth0"), "via": ("eth0", "eth1", "eth0"), "client": (None, None, None)}


_FILES = (*(file for files in FILES.values() for file in files), *ROOTS)


def main() -> None:
    if len(sys.argv) > 1:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    os.close(os.open("/run/nothing", os.O_CREAT, 0o600))
    for file in filter(os.path.exists, _FILES):  # the rules are of no file of this machine, and none is to be changed
        subprocess.run(["mount", "--bind", "/run/nothing", file], check=True)
    with Host() as host:
        for line in sys.stdin:
            order = json.loads(line)
            try:
                answer = _tried(host, [[Load(**load) for load in loads] for loads in order["alternatives"]])
            except Exception:
                answer = {"failed": traceback.format_exc(limit=-8)}
            print(json.dumps({"name": order["name"], **answer}), flush=True)


def _tried(host: Host, alternatives: Sequence[Sequence[Load]]) -> dict[str, Any]:
    refused = ""
    for loads in alternatives:
        try:
            host.load(loads)
        except LoadError as error:
            refused = str(error)
            continue
        flows = list(_stopped_flows(" ".join(load.text for load in loads)))
        return {"flows": [told for flow in flows if (told := _flow(host, loads, flow))]}
    return {"refused": refused}


def _stopped_flows(text: str) -> Iterator[Flow]:
    """Flows that the ruleset is likely to stop, of each role at most one."""
    ports = [number for found in _NUMBER.findall(text) if 0 < (number := int(found)) < 65535]
    ports = list(dict.fromkeys([*ports[:MOST_PORTS], *_DEFAULT_PORTS]))
    named = [address for found in (*_V4.findall(text), *_V6.findall(text)) if (address := _usable(found))]
    asked: list[Flow] = []
    for six in (False, True):
        those = [each for each in dict.fromkeys(named) if (":" in each) is six][:MOST_ADDRESSES]
        own = [each for addresses in HOST.values() for each in addresses]
        away = [each for each in those if each not in own]
        client, server, guest = CLIENT[six], HOST["eth0"][2 * six], GUEST[six]
        for source in (client, *away):
            asked += [Flow("server", source, server, port) for port in ports]
        for source in (client, *away):
            asked += [Flow("via", source, end, port) for end in (guest, *away) for port in ports[:5] if end != source]
        asked += [Flow("client", HOST["eth1"][2 * six], end, port) for end in (guest, *away) for port in ports]
    verdicts = _verdicts(asked)
    stopping = [flow for flow in asked if any(each["verdict"] in ("drop", "reject") for each in verdicts[flow])]
    for role in _ROLES:
        yield from [flow for flow in stopping if flow.role == role][:1]


def _usable(text: str) -> str | None:
    """An address that a machine on a network may have, and so may the next one."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if address.is_multicast or address.is_loopback or address.is_unspecified or address.is_link_local or address.is_reserved:
        return None
    if getattr(address, "ipv4_mapped", None) or int(address) & 0xFF in (0, 0xFE, 0xFF) or text.startswith("0."):
        address = type(address)((int(address) & ~0xFF) | 7)
    return str(address) if not address.is_reserved and not address.is_unspecified and not str(address).startswith("0.") else None


def _questions(flow: Flow) -> list[dict[str, Any]]:
    asked = traversal(flow.role, (flow.source, CLIENT_PORT), (flow.destination, flow.port), 0)
    return [{**question, "interface": arrives} for question, arrives in zip(asked, _ROLES[flow.role], strict=True)]


def _verdicts(flows: Iterable[Flow]) -> dict[Flow, list[dict[str, Any]]]:
    """Of a SYN, SYN-ACK and ACK each."""
    several = list(flows)
    found = iter(observe([question for flow in several for question in _questions(flow)], _execute)["verdicts"])
    return {flow: [next(found), next(found), next(found)] for flow in several}


def _flow(host: Host, loads: Sequence[Load], flow: Flow) -> dict[str, Any] | None:
    """The outcome of a flow; None where connections are not stopped as its verdicts say, which other tests are about.

    Nor where the source is translated: the answers, which come to another address, are known to a diagnosis by its recordings alone.
    """
    host.load(loads)
    host.prepare(flow)
    if any(each["rewritten"] and each["rewritten"]["source"] != each["source"] for each in _verdicts([flow])[flow]):
        return None
    told: dict[str, Any] = {"flow": vars(flow), "turns": []}
    beside = flow.beside()
    with host.listening(flow):
        before = host.connect([flow, *beside.values()])
        if before[0]:
            return None
        after = before
        for _turn in range(TURNS):
            fix = _printed(flow)
            if fix is None:
                break
            told["turns"].append(_taken(fix))
            after = host.connect([flow, *beside.values()])
            if after[0] or not told["turns"][-1]["steps"]:
                break
    told["opened"] = after[0]
    told["changed"] = [name for name, then, now in zip(beside, before[1:], after[1:], strict=True) if then is not now]
    return told


def _printed(flow: Flow) -> Fix | None:
    """What the report prints for the flow; None where no rule stops it for sure."""
    returned = _verdicts([flow])[flow]
    first = next((each for each in returned if each["verdict"] != "accept"), None)
    if first is None or first["verdict"] not in ("drop", "reject") or first["queue"] is not None or first["zones"]:
        return None
    verdicts = [build(Verdict, each, "verdict") for each in returned[returned.index(first) :]]
    later = tuple(each for each in verdicts[1:] if each.stops)
    ends = {"client": Told("client"), "server": Told("server"), "via": Told("host")}
    ends[flow.role] = Told("host")
    addresses = {ends["client"].name: (flow.source,), ends["server"].name: (flow.destination,)}
    case = Case(
        flow="flow",
        client=ends["client"],
        server=ends["server"],
        vias=[ends["via"]] if flow.role == "via" else [],
        address=flow.destination,
        dialled=flow.destination,
        port=flow.port,
        timeout=1.0,
        source=flow.source,
        attempts=[],
        declared=Declared(addresses),
    )
    finding = Finding("proven", "host", "segment", "it is stopped", (), subject=Stop(verdicts[0], later))
    return stopped(case, finding)


def _taken(fix: Fix) -> dict[str, Any]:
    """Rehearse it, and type it whatever comes of that."""
    told: dict[str, Any] = {"summary": str(fix.summary), "commands": list(fix.commands), "steps": len(fix.steps), "rehearsed": None}
    if fix.steps:
        try:
            steps = [read(step.module, step.arguments) for step in fix.steps]
            (told["rehearsed"],) = rehearse(_execute, [(steps, [dict(packet) for packet in fix.packets])])
        except ObserveError as error:
            told["rehearsed"] = {"result": "not_rehearsed", "why": str(error)}
        told["typed"] = [said for command in fix.commands if (said := _typed(command))]
    return told


def _typed(command: str) -> str:
    """What it complains of, if it ends with an error."""
    code, output, error = _execute(["sh", "-ec", command])
    return f"{command}: {(error or output).strip()[:300]}" if code else ""


def _execute(command: Sequence[str], data: str | None = None) -> tuple[int, str, str]:
    try:
        done = subprocess.run(command, input=data, capture_output=True, text=True, check=False, timeout=60)
    except OSError as error:
        return 127, "", str(error)
    return done.returncode, done.stdout, done.stderr


if __name__ == "__main__":
    main()

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded evidence with lies in it, and everything that a run does with evidence: for tests of hosts that lie."""

from __future__ import annotations

import base64
import copy
import json
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import Frame, pack, unpack
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.answer import judge
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import Conclusion, decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.answers import complete, dialled
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.trace_orders import follow_up
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.policy import Limits, Policy
from ansible_collections.threeway.handshake.plugins.plugin_utils._remediate.run import Remediation, orders
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import fixes, terminal
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.forms import Forms
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.report_files import write
from tests import schemas

Json = dict[str, Any]
Phases = dict[str, dict[str, Json]]

LIES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**32,
    2**63,
    10**30,
    10**400,
    -(10**400),
    0.5,
    -1e308,
    1e308,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    " ",
    "²",
    "--5",
    "0x10",
    "4294967296",
    "9" * 5000,
    "10.0.2.21",
    "10.0.2.21%x",
    "::ffff:10.0.2.21",
    "fe80::1%eth0",
    "0.0.0.0",
    "::",
    "10.0.2.021",
    "10.0.0.0/8",
    "10.0.0.0/99",
    "\x1b[31m<script>alert(1)</script>",
    "a\r\nb\x00c\u202e\u2028\x9b1m",
    "\ud800",
    "{{ 1/0 }}",
    "'; reboot; '",
    "../../etc/passwd",
    "x" * 100_000,
    "path",
    [],
    {},
    [[]],
    [None],
    [""],
    [1],
    [{}],
    ["10.0.2.21"],
    {"a": 1},
    {"": None},
    {"\ud800": "\ud800"},
)
"""What may stand in the place of any value."""
NUMBERS = (0, 1, 2, 3, 4, 5, 6, 7, 0x28, 0x45, 0x60, 0x7F, 0x80, 0xFF, 0xFFFF, 0x0800, 0x0806, 0x86DD, 0x8100, 1 << 31, (1 << 32) - 1)
"""What may stand in the place of any number of a frame, as far as there is room."""
WIDTHS = {"ts_ns": 64, "ifindex": 32, "ethertype": 16, "vlan": 16, "pkttype": 8, "wire_length": 32}


def places(value: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Every place of a value in a tree: its field (without positions), what holds it, and its key there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in pairs:
        field = f"{name}.{key}" if isinstance(value, dict) else f"{name}[]"
        yield field, value, key
        yield from places(each, field)


def lie(evidence: Phases, dice: random.Random, times: int) -> None:
    """Replace values of a host's evidence, each field with the same probability, by any of `LIES` or by another field's value."""
    for _turn in range(times):
        answer = _any_answer(evidence, dice)
        fields: dict[str, list[tuple[Any, Any]]] = {}
        for field, holder, key in places(answer["evidence"]):
            fields.setdefault(field, []).append((holder, key))
        if not fields:
            answer["evidence"] = dice.choice(LIES)
            return
        holder, key = dice.choice(fields[dice.choice(sorted(fields))])
        match dice.randrange(6):
            case 0 if isinstance(holder, list):
                holder.append(holder[key])
            case 1:
                del holder[key]
            case 2:
                other, at = dice.choice(fields[dice.choice(sorted(fields))])
                holder[key] = copy.deepcopy(other[at])
            case 3 if isinstance(holder[key], (int, float)):
                holder[key] = holder[key] * dice.choice((-1, 2, 1000)) + dice.choice((-1, 0, 1))
            case _:
                holder[key] = dice.choice(LIES)


def _any_answer(evidence: Phases, dice: random.Random) -> Json:
    return dice.choice([answer for host in sorted(evidence) for _phase, answer in sorted(evidence[host].items())])


def lie_in_frames(evidence: Phases, dice: random.Random, times: int) -> None:
    """Change fields and bytes of recorded frames of any host."""
    recordings = [
        answer["evidence"]["recording"]
        for host in sorted(evidence)
        for _phase, answer in sorted(evidence[host].items())
        if isinstance(answer.get("evidence"), dict) and (answer["evidence"].get("recording") or {}).get("frames")
    ]
    if not recordings:
        return
    recording = dice.choice(recordings)
    frames = unpack(recording["frames"])
    for _turn in range(times):
        if not frames:
            break
        at = dice.randrange(len(frames))
        frames[at] = spoiled(frames[at], dice)
        match dice.randrange(12):
            case 0:
                del frames[at]
            case 1:
                frames.append(frames[at])
            case 2:
                dice.shuffle(frames)
    recording["frames"] = pack(frames)
    if dice.randrange(10) == 0:
        packed = bytearray(base64.b64decode(recording["frames"]))
        packed[dice.randrange(len(packed))] ^= 1 << dice.randrange(8)
        recording["frames"] = base64.b64encode(packed).decode()
    elif dice.randrange(10) == 0:
        raw = bytearray(zlib.decompress(base64.b64decode(recording["frames"])))
        if raw:
            raw[dice.randrange(len(raw))] ^= 1 << dice.randrange(8)
        recording["frames"] = base64.b64encode(zlib.compress(bytes(raw))).decode()


def spoiled(frame: Frame, dice: random.Random) -> Frame:
    """The frame with one lie in a field of its own or in its headers."""
    field = dice.choice((*WIDTHS, "lladdr", *["data"] * 6))
    if field in WIDTHS:
        most = (1 << WIDTHS[field]) - 1
        return frame._replace(**{field: dice.choice((*NUMBERS, most, most >> 1, dice.getrandbits(WIDTHS[field]))) & most})
    if field == "lladdr":
        return frame._replace(lladdr=dice.randbytes(dice.choice((0, 1, 6, 8, 20, 255))))
    data = bytearray(frame.data)
    match dice.randrange(4):
        case 0:
            del data[dice.randrange(len(data) + 1) :]
        case 1:
            data += dice.randbytes(dice.choice((1, 4, 40, 1000)))
        case _:
            for _turn in range(dice.choice((1, 1, 1, 2, 8))):
                if data:
                    data[dice.randrange(len(data))] = dice.choice((*NUMBERS, dice.getrandbits(8))) & 0xFF
    return frame._replace(data=bytes(data))


def used(plan: Plan, evidence: Phases, directory: Path) -> Conclusion:
    """Everything that a run makes of evidence: orders for more of it, a report in all its forms, and fixes."""
    order = {"host": "", "pairs": [], "addresses": [], "packets": [], "packets_left_out": 0, "recorder_seconds": 60, "settle": 0.25}
    told = {host: dialled((phases.get("try") or {}).get("evidence") or {}) for host, phases in evidence.items()}
    for host in evidence:
        complete({**order, "host": host}, plan, lambda client: told.get(client, []))
    follow_up(plan, judge(plan, evidence, short=True), {host: {**order, "host": host} for host in evidence})
    conclusion = decide(plan, evidence, "2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z")
    shown = Forms(conclusion.report, conclusion.captures)
    files = dict(shown)
    assert not shown.faults, shown.faults
    schemas.check("report", json.loads(b"".join(files["report.json"] or ())))
    write(directory, files.items(), conclusion.captures)
    told = json.dumps(conclusion.report, default=list)
    assert "fault of the collection" not in told, told[told.index("fault of the collection") :][:200]
    terminal.render(conclusion.report, width=100, style=terminal.ansi)
    remediation = Remediation("r", {host: Policy(apply=True) for host in evidence}, Limits())
    allowed, left = remediation.wanted(conclusion.report)
    remediation.begin_turn(conclusion.report)
    orders(remediation, remediation.batch)
    Remediation.from_json(remediation.to_json()).finished(conclusion.report)
    fixes.render(fixes.FixPlan(wanted=allowed, left=left, previews={}, only_planned=(), stopped=None), conclusion.report, width=100)
    return conclusion

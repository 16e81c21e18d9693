# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to decide large fleets, against reading their evidence with `json.loads`, in the same process.

    python tests/bench/decide.py [--quick]

The fleets are recordings of one flow, multiplied: each of 10 to 100 clients with each of as many servers, on 10 ports; or two of each, on
250. Times are of this process's CPU, the best of three.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from tests.unit.plugins.plugin_utils.multiplied import multiplied

TIMES = ("2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z")
FLEETS = (  # recording, at most this many times json.loads, (clients, servers, ports) ...
    ("healthy.twin", 3, ((10, 10, 10), (32, 32, 10), (100, 100, 10))),
    ("no_listener", 15, ((10, 10, 10), (32, 32, 10), (2, 2, 250))),
    *((broken, 15, ((10, 10, 10), (2, 2, 250))) for broken in ("accept_queue_full", "path_drop.syn", "firewall_drop.server-input")),
)


def least(action: Callable[[], object], runs: int) -> float:
    times = []
    for _run in range(runs):
        gc.collect()
        begun = time.process_time()
        action()
        times.append(time.process_time() - begun)
    return min(times)


def compare(quick: bool) -> Iterator[str]:
    yield f"{'recording':26}{'flows':>8} {'json.loads':>12} {'decide':>12} {'ratio':>7}"
    for recording, target, sizes in FLEETS:
        for size in sizes[:1] if quick else sizes:
            flows = size[0] * size[1] * size[2]
            plan, evidence = multiplied(recording, *size)
            texts = [json.dumps(answer) for phases in evidence.values() for answer in phases.values()]
            runs = 1 if flows > 50_000 else 3
            read = least(lambda texts=texts: [json.loads(text) for text in texts], runs)  # type: ignore[misc]
            decided = least(lambda plan=plan, evidence=evidence: decide(plan, evidence, *TIMES, keep_all=False), runs)  # type: ignore[misc]
            result = f"at most {target}: {'met' if decided <= target * read else 'missed'}"
            reading, deciding = (f"{seconds / flows * 1e6:>6.1f} us/flow" for seconds in (read, decided))
            yield f"{recording:26}{flows:>8} {reading} {deciding} {decided / read:>7.2f}   {result}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare deciding with reading.")
    parser.add_argument("--quick", action="store_true", help="1,000 flows of each kind")
    for line in compare(parser.parse_args().quick):
        print(line, flush=True)


if __name__ == "__main__":
    main()

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to decide large fleets, against reading their evidence with `json.loads`, in the same process; and the memory it takes.

    python tests/bench/decide.py [--quick]

The fleets are recordings of one flow, multiplied: each of 10 to 100 clients with each of as many servers, on 10 ports; or two of each, on
250. In the mixed fleets, one packet of one flow is missing. Times are of this process's CPU, the median of five runs in which reading and
deciding take turns. Memory is the most that a process has which reads a run's evidence from files, decides, and writes the reports.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[2]))

from ansible_collections.threeway.handshake.plugins.module_utils._wire.frames import pack, unpack
from ansible_collections.threeway.handshake.plugins.module_utils._wire.headers import ETH_P_IP
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.recording import INCOMING
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._show.forms import Forms
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.report_files import write
from tests.unit.plugins.plugin_utils.multiplied import Phases, multiplied

TIMES = ("2026-11-21T04:00:00Z", "2026-11-21T04:00:09Z")
Size = tuple[int, int, int]
MIXED = "mixed"
FLEETS: tuple[tuple[str, int, tuple[Size, ...]], ...] = (  # recording, at most this many times json.loads, (clients, servers, ports) ...
    ("healthy.twin", 3, ((10, 10, 10), (32, 32, 10), (100, 100, 10))),
    (MIXED, 3, ((10, 10, 10), (32, 32, 10))),
    ("no_listener", 15, ((10, 10, 10), (32, 32, 10), (2, 2, 250))),
    *((broken, 15, ((10, 10, 10), (2, 2, 250))) for broken in ("accept_queue_full", "path_drop.syn", "firewall_drop.server-input")),
)
MOST_MEMORY = 300  # MB, of 100,000 flows that are well
RUN = "bench"


def spent(action: Callable[[], object]) -> float:
    gc.collect()
    begun = time.process_time()
    action()
    return time.process_time() - begun


def compare(quick: bool) -> Iterator[str]:
    yield f"{'recording':26}{'flows':>8} {'json.loads':>14} {'decide':>14} {'ratio':>7}"
    for recording, target, sizes in FLEETS:
        for size in sizes[:1] if quick else sizes:
            flows = size[0] * size[1] * size[2]
            plan, evidence = multiplied(recording, *size) if recording != MIXED else mixed(size)
            texts = [json.dumps(answer) for phases in evidence.values() for answer in phases.values()]
            read, decided = [], []
            for _run in range(1 if flows > 50_000 else 5):
                read.append(spent(lambda texts=texts: [json.loads(text) for text in texts]))  # type: ignore[misc]
                decided.append(spent(lambda plan=plan, evidence=evidence: decide(plan, evidence, *TIMES, keep_all=False)))  # type: ignore[misc]
            ratio = median(one / other for one, other in zip(decided, read, strict=True))
            reading, deciding = (f"{median(seconds) / flows * 1e6:>6.1f} us/flow" for seconds in (read, decided))
            result = f"at most {target}: {'met' if ratio <= target else 'missed'}"
            yield f"{recording:26}{flows:>8} {reading} {deciding} {ratio:>7.2f}   {result}"


def mixed(size: Size) -> tuple[Plan, Phases]:
    """A fleet that is well, but for a SYN-ACK that does not come to its client."""
    plan, evidence = multiplied("healthy.twin", *size)
    recording = evidence["client0"]["try"]["evidence"]["recording"]
    frames = unpack(recording["frames"])
    lost = next(number for number, frame in enumerate(frames) if frame.ethertype == ETH_P_IP and frame.pkttype == INCOMING)
    recording["frames"] = pack(frames[:lost] + frames[lost + 1 :])
    return plan, evidence


def concluded(report_dir: str) -> int:
    """Conclude from the evidence of a directory as a run does, and return the most memory that this process had, in MB."""
    files = EvidenceFiles(report_dir, RUN)
    plan, started = files.plan()
    conclusion = decide(plan, files.answers(plan), started, TIMES[1], keep_all=False)
    write(report_dir, Forms(conclusion.report, conclusion.captures), conclusion.captures)
    status = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss is inherited from who started this process
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def written(report_dir: str, size: Size) -> None:
    """Write the evidence of a fleet as a run does."""
    plan, evidence = multiplied("healthy.twin", *size)
    files = EvidenceFiles(report_dir, RUN)
    files.begin(replace(plan, run=RUN), TIMES[0])
    _keep(files, evidence)


def _keep(files: EvidenceFiles, evidence: Phases) -> None:
    for host, phases in evidence.items():
        for phase, answer in phases.items():
            files.keep(host, phase, answer["evidence"])


def memory(quick: bool) -> Iterator[str]:
    apart = multiprocessing.get_context("spawn")
    for size in FLEETS[0][2][:1] if quick else FLEETS[0][2]:
        flows = size[0] * size[1] * size[2]
        with tempfile.TemporaryDirectory() as directory, apart.Pool(1, maxtasksperchild=1) as pool:
            report_dir = str(Path(directory) / "report")
            pool.apply(written, (report_dir, size))
            most = pool.apply(concluded, (report_dir,))
        result = f"   at most {MOST_MEMORY}: {'met' if most <= MOST_MEMORY else 'missed'}" if flows >= 100_000 else ""
        yield f"healthy.twin{flows:>22} {most:>6} MB{result}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare deciding with reading.")
    parser.add_argument("--quick", action="store_true", help="1,000 flows of each kind")
    quick = parser.parse_args().quick
    for line in chain(compare(quick), memory(quick)):
        print(line, flush=True)


if __name__ == "__main__":
    main()

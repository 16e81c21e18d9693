# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tshark sees in a capture, and what our reader sees, in the same terms."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from pathlib import Path

from ansible_collections.threeway.handshake.plugins.module_utils._capture.handshakes import observe
from ansible_collections.threeway.handshake.plugins.module_utils._capture.reader import Reader
from ansible_collections.threeway.handshake.plugins.module_utils._capture.segment import ACK, RST, SYN, Segment, read
from ansible_collections.threeway.handshake.plugins.module_utils._capture.source import Source
from ansible_collections.threeway.handshake.plugins.module_utils._capture.wanted import Wanted

# Without tunnels: only the outer packet is read.
_PLAIN = re.compile(r"(eth|sll|raw|null|loop|sll2)?(:?ethertype|:?vlan|:?ieee8021ad)*:?(ip|ipv6(:ipv6\.\w+)*):tcp(:|$)")
_OPTIONS = ("tcp.desegment_tcp_streams:FALSE", "ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.analyze_sequence_numbers:TRUE")


def fields(path: Path, wanted: str, *names: str) -> tuple[list[list[str]], bool]:
    """The fields of each packet that a display filter chooses, the values of a field separated by commas; and whether tshark was content.

    It reads twice, so that what a packet says of its connection is about all of it.
    """
    command = ["tshark", "-n", "-2", "-r", str(path), "-Y", wanted, "-T", "fields", *(word for name in names for word in ("-e", name))]
    command += [word for option in _OPTIONS for word in ("-o", option)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, errors="replace")
    return [line.split("\t") for line in done.stdout.splitlines()], done.returncode == 0


def _kind(flags: int) -> str | None:
    if flags & RST:
        return "rst"
    if flags & SYN:
        return "syn_ack" if flags & ACK else "syn"
    return None


def counted_by_tshark(path: Path) -> Counter[str]:
    """SYNs, SYN-ACKs and RSTs that are in no tunnel, and how many of them are retransmissions."""
    counts: Counter[str] = Counter()
    wanted = "tcp.flags & 6 != 0 && tcp.hdr_len >= 20"
    rows, _content = fields(path, wanted, "frame.protocols", "tcp.flags", "tcp.analysis.retransmission")
    for protocols, flags, *again in rows:
        if _PLAIN.match(protocols):
            kind = str(_kind(int(flags.split(",")[0], 16)))
            counts[kind] += 1
            counts[f"{kind} again"] += bool(again and again[0] and kind != "rst")
    return +counts


def counted(path: Path) -> Counter[str]:
    """The same by us."""
    counts: Counter[str] = Counter()
    with Source(str(path)) as source:
        for captured in Reader(source):
            found = read(captured)
            kind = _kind(found.flags) if isinstance(found, Segment) else None
            if kind:
                counts[kind] += 1
    counts.update({f"{kind} again": count for kind, count in observe(str(path), Wanted(limit=0))["retransmissions"].items()})
    return +counts

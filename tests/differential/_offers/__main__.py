# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Type what is offered for the rulesets of others' tests: python -m tests.differential._offers DIRECTORY [--some 500]

DIRECTORY has the unpacked sources of nftables and iptables (apt-get source nftables iptables).
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from ._figures import measure, told
from ._rulesets import rulesets


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.differential._offers", description=str(__doc__).splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--some", type=int, help="so many, drawn by --seed")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--only", default="", help="those whose name has this in it")
    parser.add_argument("--workers", type=int, default=None, help="processes at once, by default one for each CPU")
    arguments = parser.parse_args()
    found = [each for each in rulesets(arguments.directory) if arguments.only in each.name]
    if arguments.some:
        found = random.Random(arguments.seed).sample(found, min(arguments.some, len(found)))
    figures = measure(found, arguments.workers)
    for wrong in figures.wrong:
        print(told(wrong), end="\n\n")
    print(figures)
    return 1 if figures.wrong or not figures.offered else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Hand a packet to a program (net/netfilter/nft_queue.c)."""

from __future__ import annotations

from ... import queues
from ...evaluation import Outcome, UnsupportedError
from ..context import Context, Result, sure_number
from ..describer import Describer
from ..expression import Expression
from ..wire import Attributes, register

NFTA_QUEUE_NUM, NFTA_QUEUE_TOTAL, NFTA_QUEUE_FLAGS, NFTA_QUEUE_SREG_QNUM = range(1, 5)
NFT_QUEUE_FLAG_BYPASS = 1


class Queue(Expression):
    """To a program. Where none reads the queue, the packet is dropped, or with bypass leaves this base chain as accepted."""

    __slots__ = ("bypass", "first", "source", "total")

    def __init__(self, about: Attributes) -> None:
        self.first = int.from_bytes(about.get(NFTA_QUEUE_NUM, b"")[:2], "big")
        self.total = max(int.from_bytes(about.get(NFTA_QUEUE_TOTAL, b"")[:2], "big"), 1)
        self.bypass = bool(int.from_bytes(about.get(NFTA_QUEUE_FLAGS, b"")[:2], "big") & NFT_QUEUE_FLAG_BYPASS)
        self.source = register(about, NFTA_QUEUE_SREG_QNUM) if NFTA_QUEUE_SREG_QNUM in about else None

    def run(self, at: Context) -> Result:
        first = self.first
        if self.source is not None:
            chosen = sure_number(at.registers.get(self.source, 4))
            if chosen is None:
                raise UnsupportedError("it goes to a queue whose number cannot be known")
            first = chosen & 0xFFFF
        numbers = range(first, first + self.total)
        answers = {at.evaluation.facts.queue_read(each) for each in numbers}
        alike = answers.pop() if len(answers) == 1 else None
        read = at.choose(*queues.unsure(numbers, at.evaluation.facts.queue_read)) if alike is None else alike
        if self.bypass and not read:
            return "accept"
        return Outcome("queue" if read else "drop", queue=queues.known(numbers, read, alike is not None))

    def text(self, rule: Describer) -> str:
        numbers = str(self.first) if self.total == 1 else f"{self.first}-{self.first + self.total - 1}"
        return f"queue{' flags bypass' if self.bypass else ''} to {numbers if self.source is None else 'a number from a map'}"


EXPRESSIONS = {"queue": Queue}

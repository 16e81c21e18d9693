# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a run does with its report once it is written: keep it in the history, and post to the webhook what has changed."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from ..._history.errors import HistoryError
from . import news as _news
from . import record
from . import webhook as _webhook
from .database import Database

_DAY = 86400


@dataclass(frozen=True, slots=True)
class Keeping:
    """``history``: a path or a URL of a database. ``days``: how long to keep runs, 0 for ever. ``webhook``: its URL, empty for none.
    ``timeout``: seconds for each try. ``causes``: whether a change of the decisive cause alone is to be posted. ``posted`` makes what is
    posted of the document of changes; with ``standing`` that has in every run whatever is not ok.
    """

    history: str
    days: int
    webhook: str
    timeout: float
    causes: bool
    _keywords: KW_ONLY
    posted: Callable[[Mapping[str, Any]], object] = dict
    standing: bool = False


def keep(report: Mapping[str, object], wanted: Keeping) -> int:
    """Keep the report, then post its changes to the webhook; return how many. HistoryError.

    The webhook is called between two transactions: nobody waits for it. What was posted is kept only then, so that it may get the same
    twice if this process ends in between, but misses nothing.
    """
    if not wanted.history:
        raise HistoryError("The webhook is not called: set diagnose_history, because only a history shows what has changed.")
    database, controller = Database(wanted.history), socket.gethostname()
    run = record.run_id(report)
    with database.writing() as connection:
        record.record(connection, report, controller)
        if wanted.days:
            record.forget(connection, time.time() - wanted.days * _DAY)
        if not wanted.webhook:
            return 0
        states = _news.states(connection, wanted.webhook, run)
        news = [state for state in states if state.is_news(wanted.causes) or (wanted.standing and state.status != "ok")]
        _news.remember(connection, wanted.webhook, [state for state in states if state not in news])
        document = _news.document(connection, run, str(report.get("finished")), controller, news)
    if news:
        _webhook.post(wanted.webhook, wanted.posted(document), wanted.timeout)
        with database.writing() as connection:
            _news.remember(connection, wanted.webhook, news)
    return len(news)

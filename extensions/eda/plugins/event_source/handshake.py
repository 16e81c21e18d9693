# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An event source for Event-Driven Ansible: changes of handshakes, from the history that runs record (docs/eda.md)."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

DOCUMENTATION = r"""
---
module: handshake
short_description: Receive an event whenever a TCP handshake begins to break, is mended, or changes otherwise.
description:
  - Follows a history of the collection threeway.handshake, in SQLite or PostgreSQL, and emits an event for each change of a flow that a
    run has found, in the order of the runs.
  - An event has the key C(handshake), whose C(event) is V(first_bad), V(mended), V(changed), or with O(causes) V(cause_changed).
    The other fields are those of the webhook of the same collection, and C(id), C(run), C(finished).
  - It only reads the history. For PostgreSQL, the Python that runs ansible-rulebook needs SQLAlchemy 2.0 and psycopg 3.1 or later.
options:
  history:
    description:
      - The file of SQLite, or the URL C(postgresql://user:password@host/database).
    type: str
    required: true
  interval:
    description:
      - The seconds between two looks, from V(1) to V(86400).
    type: float
    default: 10
  state:
    description:
      - A file that keeps how far the history was followed, so that after a restart no change is missed or emitted again.
      - Without it, what changes while nothing follows is missed.
    type: str
    default: ""
  since:
    description:
      - Where to begin if there is no state yet, which is V(24h) or V(7d) ago, or a time in ISO 8601. Now by default.
    type: str
    default: 0s
  flow:
    description:
      - A pattern that names of flows must match, such as C(web*). Empty for all.
    type: str
    default: ""
  client:
    description:
      - The same for clients.
    type: str
    default: ""
  server:
    description:
      - The same for servers, or for the addresses that clients dial.
    type: str
    default: ""
  causes:
    description:
      - Whether another decisive cause is an event also where the status has not changed.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Changes of handshakes
  hosts: all
  sources:
    - threeway.handshake.handshake:
        history: /var/lib/handshake/history.db
        state: /var/lib/handshake/rulebook.json
  rules:
    - name: A database went away
      condition: event.handshake.event == "first_bad" and event.handshake.port == 5432
      action:
        debug:
"""

# ansible-rulebook runs this file by its path, and knows nothing of collections that import from each other.
_COLLECTIONS = str(Path(__file__).absolute().parents[7])
if _COLLECTIONS not in sys.path:
    sys.path.append(_COLLECTIONS)

from ansible_collections.threeway.handshake.plugins.plugin_utils._history import document as _document  # noqa: E402
from ansible_collections.threeway.handshake.plugins.plugin_utils._history.errors import HistoryError  # noqa: E402
from ansible_collections.threeway.handshake.plugins.plugin_utils._history.histories import Wanted  # noqa: E402
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import follow  # noqa: E402
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database  # noqa: E402
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError, JsonFiles  # noqa: E402

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """The arguments of the source, as DOCUMENTATION has them."""

    history: str = ""
    interval: float = 10.0
    state: str = ""
    since: str = "0s"
    flow: str = ""
    client: str = ""
    server: str = ""
    causes: bool = False


async def main(queue: asyncio.Queue[dict[str, Any]], args: Mapping[str, Any]) -> None:
    """Emit changes until cancelled. ValueError for arguments that cannot work; a history that cannot be read is tried again."""
    follower = Follower(options(args))
    said = ""
    while True:
        try:
            events = await asyncio.to_thread(follower.look)
        except HistoryError as error:
            if str(error) != said:
                log.warning("%s It is tried again every %g seconds.", error, follower.options.interval)
            events, said = [], str(error)
        else:
            said = ""
        try:
            for event in events:
                await queue.put({"handshake": event.document})
                follower.advance(event)
            follower.advance_all()
        finally:
            follower.keep()
        await asyncio.sleep(follower.options.interval)


def options(args: Mapping[str, Any]) -> Options:
    """ValueError with a sentence."""
    known = {field.name: field.default for field in fields(Options)}
    for name in args:
        if name not in known:
            raise ValueError(f"The event source threeway.handshake.handshake has no argument {name!r}: it has {', '.join(known)}.")
    found = {name: _typed(name, value, type(known[name])) for name, value in args.items() if value is not None}
    wanted = Options(**found)
    if not wanted.history:
        raise ValueError("The event source threeway.handshake.handshake needs history: the path of a file, or postgresql://host/database.")
    if not 1 <= wanted.interval <= 86400:
        raise ValueError(f"interval is {wanted.interval:g}: it goes from 1 to 86400 seconds.")
    return wanted


def _typed(name: str, value: object, kind: type) -> Any:
    """A value as it is wanted; templates make texts of numbers and truths."""
    if kind is bool:
        truth = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}.get(str(value).lower())
        if truth is None:
            raise ValueError(f"{name} is {value!r}: write true or false.")
        return truth
    if kind is float:
        try:
            return float(str(value))
        except ValueError:
            raise ValueError(f"{name} is {value!r}, which is no number of seconds.") from None
    return str(value)


class Follower:
    """A history, and how far it was followed."""

    def __init__(self, options: Options) -> None:
        """ValueError where there is no such kind of history, or no such time."""
        self.options = options
        self._state = Path(options.state).expanduser().absolute() if options.state else None
        try:
            self._database = Database(options.history)
            self._since = _document.ago(options.since, time.time(), "since")
            self._position = self._in_file = self._kept()
        except (HistoryError, EvidenceError) as error:
            raise ValueError(str(error)) from error
        self._next = self._position

    def look(self) -> list[follow.Event]:
        """What has changed. HistoryError."""
        wanted = Wanted(self.options.flow, self.options.client, self.options.server)
        with self._database.reading() as connection:
            if self._position is None:
                self._position = follow.start(connection, self._since)
            events, self._next = follow.look(connection, self._position, wanted, self.options.causes)
        return events

    def advance(self, event: follow.Event) -> None:
        if self._position is not None:
            self._position = self._position.after(event)

    def advance_all(self) -> None:
        self._position = self._next

    def keep(self) -> None:
        """Write how far one is; where that fails, the next start tells some changes again, and the log says why."""
        if self._state is None or self._position is None or self._position == self._in_file:
            return
        try:
            JsonFiles(self._state.parent, shared=True).write(self._state.name, follow.to_json(self._position))
            self._in_file = self._position
        except OSError as error:
            log.warning("%s cannot be written: %s.", self._state, error.strerror or error)

    def _kept(self) -> follow.Position | None:
        if self._state is None:
            return None
        try:
            document = JsonFiles(self._state.parent, shared=True).read_if_there(self._state.name)
            return None if document is None else follow.from_json(document)
        except HistoryError as error:
            raise HistoryError(f"{self._state} is not the state of an event source: {error} Remove it, or name another file.") from error
        except OSError as error:
            raise HistoryError(f"{self._state} cannot be read: {error.strerror or error}.") from error

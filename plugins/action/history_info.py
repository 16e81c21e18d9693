# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.history_info; see the documentation in plugins/modules/history_info.py."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from ansible.utils.display import Display

from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.screen import present
from ansible_collections.threeway.handshake.plugins.plugin_utils._history import document
from ansible_collections.threeway.handshake.plugins.plugin_utils._history.errors import HistoryError
from ansible_collections.threeway.handshake.plugins.plugin_utils._history.histories import Wanted
from ansible_collections.threeway.handshake.plugins.plugin_utils._show import history_table
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history import ask
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.history.database import Database
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain

display = Display()


class ActionModule(HandshakeAction):
    _requires_connection = False

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "history": {"type": "str", "required": True, "no_log": True},
                "flow": {"type": "str", "default": ""},
                "client": {"type": "str", "default": ""},
                "server": {"type": "str", "default": ""},
                "since": {"type": "str", "default": "30d"},
                "flap_window": {"type": "str", "default": "24h"},
                "flap_changes": {"type": "int", "default": 4},
                "show": {"type": "bool", "default": False},
            }
        )
        arguments = plain(arguments)
        try:
            answer = _answer(arguments)
        except HistoryError as error:
            return {**result, "failed": True, "msg": str(error)}
        if arguments["show"]:
            amiss = any(flow["status"] != "ok" for flow in answer["flows"])
            present(display, result, partial(history_table.render, answer["flows"], answer["since"]), attention=amiss)
        return {**result, "changed": False, **answer}


def _answer(arguments: dict[str, Any]) -> dict[str, Any]:
    now = time.time()
    since = document.ago(arguments["since"], now, "since")
    window = document.Window(since, document.ago(arguments["flap_window"], now, "flap_window"), max(arguments["flap_changes"], 1))
    with Database(arguments["history"]).reading() as connection:
        flows = ask.named(connection, Wanted(arguments["flow"], arguments["client"], arguments["server"]))
        histories = ask.histories(connection, flows)
        changes = ask.changes(connection, flows, since)
        not_held = ask.not_held(connection)
    names = {flow.key: document.name_document(flow) for flow in flows}
    return {
        "since": document.iso(int(since)),
        "flows": [document.flow_document(history, window) for history in histories],
        "changes": [document.change_document(change) for change in changes],
        "fixes_not_held": [
            {**names[key], "code": code, "host": host, "times": times} for (key, code, host), times in not_held.items() if key in names
        ],
    }

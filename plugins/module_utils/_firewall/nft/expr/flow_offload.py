# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Hand a connection to a flow table (net/netfilter/nft_flow_offload.c)."""

from __future__ import annotations

from ..context import BREAK, Context, Result
from ..describer import Describer
from ..expression import Expression


class FlowOffload(Expression):
    """Hands an established connection to the flow table; the rule does not go on before there is one."""

    __slots__ = ()
    tracks = condition = True

    def run(self, at: Context) -> Result:
        if at.tracking is None or at.tracking.state != "established" or at.packet.kind != "ack":
            return BREAK
        return None if at.choose("whether the connection goes into the flow table", "flow") else BREAK

    def text(self, rule: Describer) -> str:
        return "flow add"


EXPRESSIONS = {"flow_offload": FlowOffload}
MAY_TRACK = True

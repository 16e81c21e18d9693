# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""How long both ends try, from how long the answer took."""

from __future__ import annotations

import math

from ansible_collections.threeway.handshake.plugins.module_utils._connect.schedule import Schedule, syn, syn_ack
from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError

from .._decide.case import Case
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.network_subjects import Late
from .make import advice
from .sysctl import sysctls

_MOST_RETRIES, _MARGIN = 8, 1.5
_NAME = "net.ipv4.tcp_syn_retries"
_ANSWERS = "net.ipv4.tcp_synack_retries"


def syn_retries_too_low(case: Case, finding: Finding) -> Fix | None:
    """As many repetitions of the SYN as it takes to be there when the answer comes, with some margin."""
    answer, client = finding.about(Late), case.client
    if answer is None:
        return None
    seconds = answer.seconds
    known = dict((client.snapshot.sysctls if client.snapshot else None) or {})
    needed = next((count for count in range(1, _MOST_RETRIES) if _schedule(known, count).gives_up > _MARGIN * seconds), _MOST_RETRIES)
    now = client.sysctl(_NAME)
    if now is not None and now >= needed:
        return advice("timeout", client.name, f"let the application on {client.name} raise TCP_SYNCNT of its socket, which sets fewer SYNs")
    return sysctls(
        client,
        {_NAME: needed},
        f"raise {_NAME} on {client.name} to {needed} (the kernel's default is 6)",
        why=f"the answer takes {seconds:.1f} s, and the kernel gives up before",
    )


def synack_retries_too_low(case: Case, finding: Finding) -> Fix | None:
    """As many repetitions of the SYN-ACK as it takes to be there when the ACK comes, with some margin."""
    ack, server = finding.about(Late), case.server
    if ack is None or server is None:
        return None
    seconds = ack.seconds
    needed = next((count for count in range(1, _MOST_RETRIES) if syn_ack({}, count).gives_up > _MARGIN * seconds), _MOST_RETRIES)
    return sysctls(
        server,
        {_ANSWERS: needed},
        f"raise {_ANSWERS} on {server.name} to {needed} (the kernel's default is 5)",
        why=f"the final ACK takes {seconds:.1f} s, and the kernel gives up before",
    )


def connect_timeout_too_short(case: Case, finding: Finding) -> Fix | None:
    """The application's own timeout is the application's to change."""
    end = finding.about(Late)
    if end is None:
        return None
    seconds = math.ceil(_MARGIN * 10 * end.seconds) / 10
    client = case.client.name
    return advice(
        "timeout",
        client,
        f"let the application on {client} wait longer than {end.seconds:.1f} s for connect(), ideally {seconds:g} s (its connect timeout "
        f"is {case.timeout:g} s)",
        why=f"the handshake takes {end.seconds:.2f} s",
        check=f"the flow with timeout: {seconds:g} is ok",
    )


def _schedule(sysctls: dict[str, str], retries: int) -> Schedule:
    try:
        return syn(sysctls, retries)
    except DecodeError:
        return syn({}, retries)

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What a security module of the server's kernel denies: the service its port, or the listener its packets."""

from __future__ import annotations

from ..._model.host import Host
from ..._model.log_records import LogRecord
from ..case import Case
from ..finding import Finding
from ..logged import ours
from .catalogue import Cause
from .needs import SERVER, needs

_MODULES = {"selinux": "SELinux", "apparmor": "AppArmor"}
_LISTENING = frozenset(("name_bind", "node_bind", "bind", "listen", "create"))
_RECEIVING = frozenset(("recv", "recvfrom", "recv_msg", "recvmsg", "tcp_recv", "ingress"))


@needs(SERVER)
def _server_lsm_denied(case: Case, server: Host) -> Finding | None:
    """Nobody listens because the port was denied, or a SYN is not answered because the socket may not have it."""
    refused = case.outcome.kind == "reset"
    if refused and case.listeners_on_port() != []:
        return None
    found = [record for record in ours(case, server, "access_denied") if record.enforced]
    record = next((each for each in found if _operations(each) & (_LISTENING if refused else _RECEIVING)), None)
    if record is None or record.receiver_port != case.listening_port:
        return None
    if not refused and record.sender not in (None, case.client_address):
        return None
    module = _MODULES.get(record.module or "", "a security module")
    whom = f"{record.process} (pid {record.pid})" if record.process and record.pid else "the service"
    what = f"port {case.listening_port}, so that nothing listens there" if refused else f"what comes to port {case.listening_port}"
    return Finding(
        "likely",  # the order of events is not in the line
        server.name,
        "server.socket",
        f"{module} on {server.name} denies {whom} {what}",
        case.passage(),
        leg="syn",
        detail={"module": record.module, "operation": record.state, "process": record.process, "pid": record.pid},
        subject=record,
    )


def _operations(record: LogRecord) -> set[str]:
    return set((record.state or "").split())


CAUSES = (
    Cause(
        "server_lsm_denied",
        "A security module denies the service its port",
        ("server.socket",),
        ("reset", "unanswered"),
        "Not provable: the kernel or auditd logged during the attempts that SELinux or AppArmor denied a process the flow's port, and "
        "nothing listens there; or that it denied a socket what comes to that port, and SYNs are not answered.",
        "A socket listens on the port and answers, or the denial was only logged (permissive).",
        rule=_server_lsm_denied,
        precedes=("no_listener", "service_stopped"),
    ),
)

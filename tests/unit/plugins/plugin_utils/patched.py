# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of what the lab cannot bring about: recordings of faults that are alike, changed by hand."""

from __future__ import annotations

import errno
import gzip
import socket
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ansible_collections.threeway.handshake.plugins.module_utils._logs.collect import record_of
from ansible_collections.threeway.handshake.plugins.module_utils._logs.line import KERNEL, Line
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from tests.unit.plugins.plugin_utils.recordings import Phases, recorded

UNREPRODUCIBLE = {"tcp_ao_mismatch": "CONFIG_TCP_AO", "server_lsm_denied": "selinuxfs"}
"""Causes that no fault of the lab brings about, and the option that the kernel would need, or the file system that it offers then."""


def tcp_ao_mismatch() -> tuple[Plan, Phases]:
    """The server counts the SYNs that lack a TCP-MD5 signature as ones that lack one by TCP-AO, and its listener has no key for TCP-MD5."""
    plan, found = recorded("tcp_md5_mismatch")
    for phase, part in (("open", "snapshot"), ("close", "after")):
        snapshot = found["db1"][phase]["evidence"][part]
        counters = snapshot["counters"]["TcpExt"]
        counters["TCPAORequired"], counters["TCPMD5NotFound"] = counters["TCPMD5NotFound"], 0
        for listener in snapshot["listeners"]:
            listener["md5"] = []
    return plan, found


def no_descriptor_on_the_host() -> tuple[Plan, Phases]:
    """The limit is that of the whole host: lowered, it would stop all that works on the machine."""
    plan, found = recorded("descriptor_limit")
    for probe in found["web1"]["try"]["evidence"]["probes"]:
        probe["errno"] = "ENFILE"
    return plan, found


def not_evaluated() -> tuple[Plan, Phases]:
    """No rule was evaluated, as with one of a kind that the evaluation does not know."""
    plan, found = recorded("firewall_drop.server-input")
    for answer in (answer for phases in found.values() for answer in phases.values()):
        for part in ("snapshot", "before", "after"):
            (answer["evidence"].get(part) or {}).pop("firewall", None)
    return plan, found


def denied() -> tuple[Plan, Phases]:
    """The kernel logged during the attempts that SELinux denied the service its port. The line is one of RHEL 9."""
    plan, found = recorded("no_listener")
    text = 'audit: type=1400 audit(1763697600.123:45): avc:  denied  { name_bind } for  pid=812 comm="postgres" src=5432 scontext=system_u:'
    text += "system_r:postgresql_t:s0 tcontext=system_u:object_r:http_port_t:s0 tclass=tcp_socket permissive=0"
    after = found["db1"]["close"]["evidence"]["after"]
    after["logs"] = [record_of(Line(after["time"], "kmsg", True, KERNEL, text))]
    return plan, found


class Patched(NamedTuple):
    """The cause that must be found first, its certainty, and the evidence."""

    code: str
    certainty: str
    make: Callable[[], tuple[Plan, Phases]]


PATCHED = {
    "tcp_ao_mismatch": Patched("tcp_ao_mismatch", "likely", tcp_ao_mismatch),  # nobody has seen it
    "server_lsm_denied": Patched("server_lsm_denied", "likely", denied),
    "descriptor_limit/host": Patched("descriptor_limit", "likely", no_descriptor_on_the_host),
    "firewall_drop/not-evaluated": Patched("firewall_drop", "likely", not_evaluated),
}


def kernel_has(option: str) -> bool:
    """Whether the kernel on which the tests run was built with an option."""
    if not option.startswith("CONFIG_"):
        return option in Path("/proc/filesystems").read_text().split()
    release = Path("/proc/sys/kernel/osrelease").read_text().strip()
    for path in (Path("/proc/config.gz"), Path(f"/boot/config-{release}")):
        if path.exists():
            text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            return any(line in (f"{option}=y", f"{option}=m") for line in text.decode().splitlines())
    return TRIED[option]()


def _has_tcp_ao() -> bool:
    tcp_ao_info = 40  # linux/tcp.h
    with socket.socket() as tried:
        try:
            tried.getsockopt(socket.IPPROTO_TCP, tcp_ao_info, 256)
        except OSError as error:
            return error.errno != errno.ENOPROTOOPT
    return True


TRIED: dict[str, Callable[[], bool]] = {"CONFIG_TCP_AO": _has_tcp_ao}

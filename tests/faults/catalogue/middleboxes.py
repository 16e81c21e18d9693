# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of what rewrites or spoils packets on the way, and of ways of which one is bad."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import DB1, Flow, fault, twin
from tests.faults.catalogue.firewall import chain
from tests.lab._machines import Machines
from tests.lab.topologies import asymmetric

IF_TCP = """
def alter(frame):
    at = 14 + (frame[14] & 15) * 4
    if frame[12:14] != b"\\x08\\x00" or frame[23] != 6 or len(frame) < at + 20:
        return [frame]
    changed = bytearray(frame)
    rewrite(changed, at)
    return [bytes(changed)]
"""
ADD = """
def rewrite(frame, at):
    number = int.from_bytes(frame[at + {offset} : at + {offset} + 4], "big")
    if {offset} == 4 or frame[at + 13] & 0x10:
        frame[at + {offset} : at + {offset} + 4] = ((number + {by}) % 2**32).to_bytes(4, "big")
"""
SPOIL = """
def rewrite(frame, at):
    frame[at + 16] ^= 0x55
"""
WHOLE_CHECKSUMS = """
import fcntl, socket, struct
ETHTOOL_STXCSUM, SIOCETHTOOL = 0x17, 0x8946
import ctypes
off = ctypes.create_string_buffer(struct.pack("=II", ETHTOOL_STXCSUM, 0))
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), SIOCETHTOOL, struct.pack("16sP16x", b"eth0", ctypes.addressof(off)))
"""


@fault("sequence_rewritten", "connected", status="degraded", code="sequence_rewritten", host="path", segment="path.forward")
def other_sequence_numbers(fleet: Machines) -> None:
    """As firewalls do that choose initial sequence numbers for the hosts behind them."""
    fleet.listen("db1", "::", fleet.port)
    shifted, back = ADD.format(offset=4, by=1_000_000), ADD.format(offset=8, by=-1_000_000)
    fleet.relay("web1", "eth0", outbound={"alter": IF_TCP + shifted}, inbound={"alter": IF_TCP + back})


@fault(
    "sequence_rewritten/named",
    "connected",
    status="degraded",
    code="sequence_rewritten",
    host="path",
    segment="path.forward",
    flow=Flow(via=("r1",)),
    slow=True,
)
def other_sequence_numbers_ahead_of_a_managed_router(fleet: Machines) -> None:
    """Which sees the other ones twice."""
    other_sequence_numbers(fleet)


@fault("bad_checksum", "timeout", code="bad_checksum", host="db1", leg="syn", segment="server.ingress", says=("is wrong",))
def spoiled_checksums(fleet: Machines) -> None:
    """The client's own kernel computes them, which otherwise nobody does between containers."""
    fleet.listen("db1", "::", fleet.port)
    fleet.run("web1", [fleet.python, "-c", WHOLE_CHECKSUMS])
    fleet.relay("web1", "eth0", outbound={"alter": IF_TCP + SPOIL})


MANY: dict[str, Any] = {"diagnose_attempts": 16, "diagnose_interval": 0.05, "diagnose_patience": 0.5}


@fault(
    "ecmp_member_bad",
    "",
    status="degraded",
    code="ecmp_member_bad",
    host="path",
    leg="syn",
    segment="path.forward",
    certainties=("likely",),
    topology=asymmetric,
    flow=Flow(timeout=2.5),
    options=MANY,
)
def one_of_two_ways_is_bad(fleet: Machines) -> None:
    two_ways(fleet)
    fleet.nft("r2", chain("forward", "tcp dport $port drop"))
    assert set(fleet.connects("web1", DB1, fleet.port, 16, 1.5)) == {"connected", "timeout"}


@twin("ecmp_member_bad", topology=asymmetric, options=MANY, slow=True)
def both_ways_are_good(fleet: Machines) -> None:
    two_ways(fleet)


def two_ways(fleet: Machines) -> None:
    """The client's kernel chooses by ports."""
    fleet.listen("db1", "::", fleet.port)
    fleet.sysctl("web1", "net.ipv4.fib_multipath_hash_policy", 1)
    ways = [part for gateway in ("10.0.1.1", "10.0.1.2") for part in ("nexthop", "via", gateway)]
    fleet.run("web1", ["ip", "route", "replace", "10.0.2.0/24", *ways])

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where VLAN tags are when the kernel shows a packet to the recorder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

COLLECTIONS = Path(__file__).parents[5] / "build" / "collections"
# Frames with tags of their own are what a device without the offload gets to send.
SCRIPT = """
import json, socket, sys
from ansible_collections.threeway.handshake.plugins.module_utils._wire.describe import describe
from ansible_collections.threeway.handshake.plugins.module_utils._record.recorder import Recording
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.packets import ipv4, ipv6, tcp
seen = {}
for tags in ("", "81000064", "88a80064", "88a80064810000c8"):
    recording = Recording([5432], [])
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sender:
        for ethertype, packet in ("0800", ipv4(tcp())), ("86dd", ipv6(tcp())):
            link = bytes.fromhex("02005e10002102005e100011" + tags + ethertype)
            sender.sendto(link + packet, ("va", int((tags or ethertype)[:4], 16)))
    seen[tags] = [[told["interface"], told["direction"], told["vlan"], told["source"]]
                  for told in describe(recording.finish()) if told["protocol"] == "tcp"]
print(json.dumps(seen))
"""


def test_tags() -> None:
    with Rootless() as net:
        net.sh(
            "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1\n"
            "ip link add va type veth peer name vb address 02:00:5e:10:00:21; ip link set va up; ip link set vb up"
        )
        seen = json.loads(net.sh(f"export PYTHONPATH={COLLECTIONS}\n{sys.executable} - <<'PYTHON'\n{SCRIPT}\nPYTHON"))
    families = ("192.0.2.11", "2001:db8::11")
    assert seen[""] == [[*place, None, family] for family in families for place in (("va", "out"), ("vb", "in"))]
    for single in ("81000064", "88a80064"):
        places = [[*place[:2], place[3]] for place in seen[single]]
        assert places == [[*place, family] for family in families for place in (("va", "out"), ("vb", "in"))]
        assert {place[2] for place in seen[single] if place[1] == "in"} == {100}
        assert {place[2] for place in seen[single] if place[1] == "out"} <= {100, None}, "before Linux 6.11 tags going out are not told"
    assert {place[0] for place in seen["88a80064810000c8"]} == {"va"}, "on reception the inner tag stands before the packet"

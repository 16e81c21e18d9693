# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask how far SYNs to an address and port get, as a client does, or SYN-ACKs from an address of ours: COLLECTIONS ADDRESS PORT [SOURCE]."""

from __future__ import annotations

import json
import socket
import sys

sys.path.insert(0, sys.argv[1])

from ansible_collections.threeway.handshake.plugins.module_utils._connect.hops import Destination, locate
from ansible_collections.threeway.handshake.plugins.module_utils._connect.way_back import HalfOpen, locate_back

address, port, *source = sys.argv[2:]
if source:
    hops = locate_back([HalfOpen(source[0], 40000, address, int(port), seq=7, ack=9)])
else:
    hops = locate([Destination(socket.AF_INET6 if ":" in address else socket.AF_INET, (address, int(port)))])[0]
print(json.dumps(hops))

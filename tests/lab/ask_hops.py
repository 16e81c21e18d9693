# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask how far SYNs to an address and port get, as a client does: COLLECTIONS ADDRESS PORT."""

from __future__ import annotations

import json
import socket
import sys

sys.path.insert(0, sys.argv[1])

from ansible_collections.threeway.handshake.plugins.module_utils._connect.hops import Destination, locate

family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
print(json.dumps(locate([Destination(family, (sys.argv[2], int(sys.argv[3])))])[0]))

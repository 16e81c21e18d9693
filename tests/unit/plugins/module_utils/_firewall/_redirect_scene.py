# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `test_redirect.py` runs on its host: our verdict, and where the kernel accepts the connection. Without pytest, whose import takes
longer than all of it.
"""

from __future__ import annotations

import json
import subprocess
import sys


def _main(other: str, dialled: str, source: str) -> None:
    import ctypes
    import socket
    import threading

    from ansible_collections.threeway.handshake.plugins.module_utils._firewall import facts as _facts
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall import loaded, verdicts
    from ansible_collections.threeway.handshake.plugins.module_utils._wire.netlink import NETLINK_ROUTE, Netlink

    def run(command: list[str], data: str | None = None) -> tuple[int, str, str]:
        done = subprocess.run(command, input=data, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    question = {"packet": "syn", "direction": "in", "source": source, "source_port": 40000, "destination": dialled, "port": 81}
    with Netlink(NETLINK_ROUTE) as netlink:
        facts = _facts.LiveFacts(netlink, loaded.sets(run))
        ruleset = loaded.load(run, facts)
        verdict = verdicts.judge([{**question, "interface": "v0", "state": "new"}], facts, ruleset, verdicts.Describer(None))["verdicts"][0]

    server = socket.socket(socket.AF_INET6)  # Python 3.7 has no create_server
    server.bind(("::", 80))
    server.listen()
    server.settimeout(3)

    def dial() -> None:
        with open(f"/proc/{other}/ns/net", encoding="ascii") as namespace:
            ctypes.CDLL(None).setns(namespace.fileno(), 0)  # of this thread only
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as client:
            client.settimeout(2)
            client.connect_ex((dialled, 81, 0, socket.if_nametoindex("v1")))

    thread = threading.Thread(target=dial)
    thread.start()
    try:
        reached: str | None = server.accept()[0].getsockname()[0].split("%")[0]
    except socket.timeout:
        reached = None
    thread.join()
    end = verdict["rewritten"]["destination"] if verdict["verdict"] == "accept" else None
    print(json.dumps({"verdict": [verdict["verdict"], end], "kernel": reached}))


if __name__ == "__main__":
    _main(*sys.argv[1:])

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless


def test_connections_are_counted() -> None:
    with Rootless() as namespace:
        namespace.sh("nft 'table ip t { chain c { type filter hook input priority 0; ct state new accept; }; }'")
        before = namespace.python("_host.conntrack", "conntrack.read()")
        namespace.send("127.0.0.1")
        namespace.send("127.0.0.2")
        after = namespace.python("_host.conntrack", "conntrack.read()")
        shown = namespace.sh("cat /proc/sys/net/netfilter/nf_conntrack_count /proc/sys/net/netfilter/nf_conntrack_max").split()
    assert before["count"] == 0
    assert [str(after["count"]), str(after["max"])] == shown
    assert after["count"] == 2
    assert after["stats"]["insert_failed"] == after["stats"]["drop"] == after["stats"]["early_drop"] == 0
    assert "entries" not in after["stats"]

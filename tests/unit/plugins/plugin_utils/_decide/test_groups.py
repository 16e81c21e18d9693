# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the report says that failures have in common."""

from __future__ import annotations

from typing import Any

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.groups import groups, isolated

CAUSE = {"code": "path_drop", "host": "path", "title": "The packet is lost on the path", "summary": "the SYN is lost"}


def flow(client: int, server: int, port: int, status: str, **more: Any) -> dict[str, Any]:
    return {
        "name": f"{port}",
        "id": f"{client}-{server}-{port}",
        "client": f"web{client}",
        "server": f"db{server}",
        "address": f"10.0.2.{server}",
        "resolved": [],
        "port": port,
        "expect": "open",
        "status": status,
        "causes": [] if status == "ok" else [CAUSE],
        "probes": {"attempts": 3},
        **more,
    }


def test_one_port_of_ten_between_all_hosts() -> None:
    flows = [
        flow(client, server, 7000 + port, "broken" if port == 1 else "ok")
        for client in range(10)
        for server in range(10)
        for port in range(10)
    ]
    (group,) = groups(flows, {})
    assert group["common"] == {"clients": "all", "servers": "all", "ports": [7001], "families": "all"}
    assert "100 handshakes (port 7001, every client to every server)" in group["summary"]
    (found,) = isolated(flows, {})
    assert found["summary"] == "port 7001, every client to every server: 100 of 100 fail; 900 others connect"
    assert (found["causes"], len(found["entries"])) == ([("path_drop", "path")], 100)


def test_a_group_of_the_inventory() -> None:
    flows = [flow(client, server, 5432, "broken" if client < 3 and server == 1 else "ok") for client in range(6) for server in range(3)]
    (found,) = isolated(flows, {f"web{client}": [("group", "edge")] for client in range(3)})
    assert found["clients"] == ["web0", "web1", "web2"]
    assert found["summary"] == "port 5432, the clients of group edge to db1: 3 of 3 fail; 15 others connect"


def test_what_was_not_tried_is_no_failure() -> None:
    dead = flow(1, 1, 5432, "undetermined", causes=[], probes={"attempts": 0})
    (found,) = isolated([dead, flow(2, 1, 5432, "broken"), flow(2, 2, 5432, "ok")], {})
    assert found["entries"] == ["2-1-5432"]


def test_what_is_blocked_as_it_must_be_does_not_connect() -> None:
    failing = [flow(1, 1, 5432, "broken"), flow(2, 2, 5432, "ok")]
    open_ = [{**CAUSE, "code": "unexpectedly_open"}]
    blocked = [
        flow(1, 1, 22, "ok", expect="blocked"),
        flow(2, 1, 5432, "ok", expect="blocked"),
        flow(3, 1, 22, "broken", expect="blocked", causes=open_),
    ]
    assert isolated([*failing, *blocked], {}) == isolated(failing, {})
    (group, other) = groups([*failing, *blocked], {})
    assert (group["entries"], group["common"]["clients"]) == (["1-1-5432"], ["web1"])
    assert other["entries"] == ["3-1-22"]


def test_where_one_address_of_a_server_connects_and_another_does_not_not_all_fail() -> None:
    virtual = flow(1, 1, 5432, "ok", id="virtual", address="10.0.2.200")
    (found,) = isolated([flow(1, 1, 5432, "broken"), virtual, flow(2, 2, 5432, "ok")], {})
    assert "1 of 2 fail; 1 others connect" in found["summary"]


def test_several_reasons_in_one_group_have_no_common_part_but_all_of_theirs() -> None:
    flows = [flow(client, server, 5432, "broken" if client == 1 or server == 2 else "ok") for client in range(4) for server in range(4)]
    (group,) = groups(flows, {})
    assert group["common"] == {"clients": "all", "servers": "all", "ports": "all", "families": "all"}
    assert "(port 5432, web1 to every server; port 5432, every client to db2)" in group["summary"]


def test_failures_without_a_pattern_have_none() -> None:
    flows = [flow(client, server, 5432, "broken" if client == server else "ok") for client in range(12) for server in range(12)]
    assert isolated(flows, {}) == []

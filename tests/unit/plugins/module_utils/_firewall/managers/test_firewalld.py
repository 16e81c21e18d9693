# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people would type to let a flow through firewalld."""

from __future__ import annotations

import pathlib
from typing import Any, cast

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.firewalld import Firewalld
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.flow import Flow
from tests.unit.plugins.module_utils._firewall.managers.test_managers import QUESTION, change, rule

PUBLIC = rule("inet firewalld filter_IN_public", "reject with icmpx admin-prohibited", 9)
NARROW = 'rule family="ipv4" source address="10.0.1.11" destination address="10.0.2.21" port port="5432" protocol="tcp" accept'


def test_firewalld() -> None:
    told = change(PUBLIC)
    assert told == {
        "manager": "firewalld",
        "summary": "accept TCP from 10.0.1.11 to 10.0.2.21 port 5432 in zone public, now and permanently",
        "commands": [
            f"firewall-cmd --zone=public --add-rich-rule='{NARROW}'",
            f"firewall-cmd --permanent --zone=public --add-rich-rule='{NARROW}'",
        ],
        "simple": "firewall-cmd --zone=public --add-port=5432/tcp",
    }


@pytest.mark.parametrize(
    ("chain", "option", "priority"),
    [
        ("filter_IN_public_deny", "--zone=public", ' priority="-1"'),
        ("filter_IN_public_pre", "--zone=public", ' priority="-32768"'),
        ("filter_OUT_policy_outgoing_deny", "--policy=outgoing", ' priority="-1"'),
        ("filter_FWD_policy_inward", "--policy=inward", ""),
        ("filter_IN_my_zone_deny", "--zone=my_zone", ' priority="-1"'),
    ],
)
def test_firewalld_precedes_the_rule_that_stops_it(chain: str, option: str, priority: str) -> None:
    told = change(rule(f"inet firewalld {chain}", "tcp dport 5432 reject"), direction="out" if "OUT" in chain else "in")
    assert told and told["commands"][0].startswith(f"firewall-cmd {option} --add-rich-rule='rule{priority} family=")


NEW = "firewall-cmd --permanent --info-policy=internal-any > /dev/null 2>&1 || firewall-cmd --permanent --new-policy=internal-any"
BETWEEN = rule("inet firewalld filter_FWD_internal", "reject with icmpx admin-prohibited")


def test_firewalld_forwards_by_a_policy() -> None:
    told = change(BETWEEN, direction="forward")
    assert told and told["commands"][:3] == [
        NEW,
        "firewall-cmd --permanent --policy=internal-any --add-ingress-zone=internal",
        "firewall-cmd --permanent --policy=internal-any --add-egress-zone=ANY",
    ]


def test_firewalld_does_not_forget_what_is_not_permanent() -> None:
    """No command reloads where it is not known what that drops of what others have set at runtime."""
    told = change(BETWEEN, direction="forward")
    assert told and not any("--reload" in command for command in told["commands"])
    assert "--reload, which forgets all that is not permanent" in told["summary"]


LISTED = "internal (active)\n  target: default\n  ports: %s\n\nwork\n  services: %s\n"


@pytest.mark.parametrize(
    ("now", "permanently", "summary"),
    [
        (("80/tcp", ""), ("80/tcp", ""), "which changes nothing else now"),
        (
            ("80/tcp 81/tcp", ""),
            ("80/tcp", "ssh"),
            "which would also change: zone internal loses ports: 81/tcp, zone work gets services: ssh",
        ),
        (None, ("", ""), "and it is not known what else that changes: firewall-cmd --list-all-zones failed: not running"),
    ],
)
def test_firewalld_reloads_only_where_that_changes_nothing_else(
    tmp_path: pathlib.Path, now: tuple[str, str] | None, permanently: tuple[str, str], summary: str
) -> None:
    def run(words: list[str]) -> tuple[int, str, str]:
        if words[-1] != "--list-all-zones":
            return 0, "", ""
        listed = permanently if "--permanent" in words else now
        return (0, LISTED % listed, "") if listed else (1, "", "not running")

    (tmp_path / "zones").mkdir()
    flow = Flow({**QUESTION, "direction": "forward", "out_interface": "eth1"})
    told = Firewalld(True, [str(tmp_path)], run).change(BETWEEN, flow)
    assert told and told["summary"].endswith(f"It takes effect with firewall-cmd --reload, {summary}")
    assert (told["commands"][-1] == "firewall-cmd --reload") is (now == permanently)
    bound = [command for command in told["commands"] if "--add-interface" in command]
    assert bound == [
        "firewall-cmd --permanent --zone=internal --add-interface=eth0",
        "firewall-cmd --permanent --zone=public --add-interface=eth1",
    ], "a policy is in force between interfaces that are bound"


POLICY = '<policy><ingress-zone name="internal"/><egress-zone name="%s"/></policy>'


def forwarded(directory: pathlib.Path) -> dict[str, Any]:
    """What is advised for eth1, which is bound to no zone and so belongs to the default one."""
    flow = Flow({**QUESTION, "direction": "forward", "out_interface": "eth1"})
    return cast("dict[str, Any]", Firewalld(True, [str(directory)]).change(BETWEEN, flow))


def test_firewalld_adds_a_second_flow_to_its_policy(tmp_path: pathlib.Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "zones").mkdir()
    (tmp_path / "firewalld.conf").write_text("DefaultZone=dmz\n")
    (tmp_path / "policies/internal-dmz.xml").write_text(POLICY % "dmz")
    assert [command for command in forwarded(tmp_path)["commands"] if "--add-interface" not in command] == [
        f"firewall-cmd --policy=internal-dmz --add-rich-rule='{NARROW}'",
        f"firewall-cmd --permanent --policy=internal-dmz --add-rich-rule='{NARROW}'",
    ]
    (tmp_path / "policies/internal-dmz.xml").write_text(POLICY % "public")
    assert forwarded(tmp_path)["commands"][0].endswith("firewall-cmd --permanent --new-policy=internal-dmz2")


def test_firewalld_lets_replies_through_by_itself() -> None:
    assert change(PUBLIC, packet="syn_ack", state="invalid") is None

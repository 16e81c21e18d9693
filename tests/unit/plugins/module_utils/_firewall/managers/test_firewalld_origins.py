# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where firewalld keeps its rules: files as firewall-cmd --permanent wrote them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.firewalld import Firewalld

from .test_managers import rule

ZONE = """<?xml version="1.0" encoding="utf-8"?>
<zone target="DROP">
  <short>Public</short>
  <interface name="eth0"/>
  <service name="ssh"/>
  <service name="both"/>
  <port port="8000-8010" protocol="tcp"/>
  <rule family="ipv4">
    <source address="10.0.1.0/24"/>
    <port port="5432" protocol="tcp"/>
    <reject type="tcp-reset"/>
  </rule>
  <rule family="ipv6" priority="-10">
    <port port="5433" protocol="tcp"/>
    <drop/>
  </rule>
</zone>
"""


@pytest.fixture
def firewalld(tmp_path: Path) -> Firewalld:
    for folder in ("etc/zones", "etc/policies", "lib/services"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "etc/zones/public.xml").write_text(ZONE)
    (tmp_path / "etc/policies/inward.xml").write_text('<policy target="REJECT"><service name="ssh"/></policy>')
    (tmp_path / "lib/services/ssh.xml").write_text('<service><port protocol="tcp" port="22"/></service>')
    (tmp_path / "lib/services/both.xml").write_text(
        '<service><include service="ssh"/><include service="both"/><port protocol="tcp" port="443"/></service>'
    )
    (tmp_path / "etc/zones/bomb.xml").write_text('<!DOCTYPE z [<!ENTITY a "aaaa">]><zone target="&a;"/>')
    (tmp_path / "etc/zones/broken.xml").write_text("<zone")
    return Firewalld(True, [str(tmp_path / "etc"), str(tmp_path / "lib")])


@pytest.mark.parametrize(
    ("chain", "text", "item", "permanent"),
    [
        ("filter_IN_public_allow", "tcp dport 22 accept", "service ssh", True),
        ("filter_IN_public_allow", "tcp dport 22 ct state { new, untracked } accept", "service ssh", True),
        ("filter_IN_public_allow", "tcp dport 443 accept", "service both", True),
        ("filter_IN_public_allow", "tcp dport 8000-8010 accept", "port 8000-8010/tcp", True),
        ("filter_IN_public_allow", "tcp dport 9999 accept", None, False),
        (
            "filter_IN_public_deny",
            "ip saddr 10.0.1.0/24 tcp dport 5432 reject with tcp reset",
            'rich rule family="ipv4" source address="10.0.1.0/24" port port="5432" protocol="tcp" reject type="tcp-reset"',
            True,
        ),
        ("filter_IN_public_deny", "ip saddr 10.0.1.0/24 tcp dport 5433 drop", None, False),
        (
            "filter_IN_public_pre",
            "meta nfproto ipv6 tcp dport 5433 drop",
            'rich rule priority="-10" family="ipv6" port port="5433" protocol="tcp" drop',
            True,
        ),
        ("filter_IN_public", "drop", "target DROP", True),
        ("filter_IN_public", "reject with icmpx admin-prohibited", "target DROP", False),
        ("filter_IN_absent_allow", "tcp dport 22 accept", None, False),
        ("filter_IN_bomb_allow", "tcp dport 22 accept", None, False),
        ("filter_IN_broken_allow", "tcp dport 22 accept", None, False),
        ("filter_FWD_policy_inward_allow", "tcp dport 22 accept", "service ssh", True),
        ("filter_FWD_policy_inward", "reject with icmpx admin-prohibited", "target REJECT", True),
        ("FWD_inward", "-A FWD_inward -j REJECT --reject-with icmp-port-unreachable", "target REJECT", True),
        (
            "IN_public_allow",
            "-A IN_public_allow -p tcp -m tcp --dport 8000:8010 -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT",
            "port 8000-8010/tcp",
            True,
        ),
    ],
)
def test_firewalld(firewalld: Firewalld, chain: str, text: str, item: str | None, permanent: bool) -> None:
    origin = firewalld.origin(rule(f"inet firewalld {chain}", text))
    assert origin
    assert (origin["item"], origin["permanent"]) == (item, permanent)
    assert origin["policy" if "inward" in chain else "zone"] == chain.replace("filter_", "").replace("policy_", "").split("_")[1]


@pytest.mark.parametrize(
    ("chain", "port", "waiting"),
    [
        ("filter_IN_public", 8005, "port 8000-8010/tcp"),
        ("filter_IN_public", 443, "service both"),
        ("filter_IN_public", 5432, None),  # rejected for some sources, and accepted for nobody
        ("filter_IN_public", 9999, None),
        ("filter_IN_public_deny", 8005, None),  # what denies it stands before what would let it in
    ],
)
def test_what_firewalld_was_not_told_to_load(firewalld: Firewalld, chain: str, port: int, waiting: str | None) -> None:
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.flow import Flow

    from .test_managers import QUESTION

    stopped = rule(f"inet firewalld {chain}", "reject with icmpx admin-prohibited")
    told = firewalld.change({**stopped, "origin": None}, Flow({**QUESTION, "port": port}, True)) or {}
    assert (f"has {waiting} already, which is not loaded: firewall-cmd --reload loads it" in told["summary"]) is (waiting is not None)
    assert ("which is not loaded" in told["summary"]) is (waiting is not None)


def test_firewalld_knows_the_zone_of_the_interface_behind(firewalld: Firewalld) -> None:
    from .test_managers import QUESTION, change  # a policy to the zone of the interface that it leaves by

    assert change(rule("inet firewalld filter_FWD_work", "drop"), direction="forward")
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.flow import Flow

    told = firewalld.change(
        rule("inet firewalld filter_FWD_work", "drop"), Flow({**QUESTION, "direction": "forward", "out_interface": "eth0"})
    )
    assert told and "firewall-cmd --permanent --policy=work-public --add-egress-zone=public" in told["commands"]


def test_without_its_files_firewalld_is_unknown(tmp_path: Path) -> None:
    origin = Firewalld(True, [str(tmp_path / "nowhere")]).origin(rule("inet firewalld filter_IN_public_allow", "tcp dport 22 accept"))
    assert origin and origin["permanent"] is None

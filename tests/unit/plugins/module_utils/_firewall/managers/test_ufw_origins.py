# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where ufw keeps its rules: files that ufw 0.36.2 wrote for the commands that are expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.ufw import Ufw

from .test_managers import policy, rule

USER = """*filter
### RULES ###

### tuple ### deny any any 0.0.0.0/0 any 10.0.1.13 in
-A ufw-user-input -s 10.0.1.13 -j DROP

### tuple ### allow tcp 5432 0.0.0.0/0 any 10.0.1.0/24 in_eth0 comment=746865207765622073657276657273
-A ufw-user-input -i eth0 -p tcp --dport 5432 -s 10.0.1.0/24 -j ACCEPT

### tuple ### limit tcp 2222 0.0.0.0/0 any 0.0.0.0/0 in
-A ufw-user-input -p tcp --dport 2222 -m conntrack --ctstate NEW -m recent --set
-A ufw-user-input -p tcp --dport 2222 -m conntrack --ctstate NEW -m recent --update --seconds 30 --hitcount 6 -j ufw-user-limit
-A ufw-user-input -p tcp --dport 2222 -j ufw-user-limit-accept

### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 OpenSSH - in
-A ufw-user-input -p tcp --dport 22 -j ACCEPT -m comment --comment 'dapp_OpenSSH'

### tuple ### deny tcp 9200 10.0.2.12 any 0.0.0.0/0 out
-A ufw-user-output -p tcp -d 10.0.2.12 --dport 9200 -j DROP

### tuple ### route:reject tcp 81 10.0.2.11 any 0.0.0.0/0 in_eth0!out_eth1
-A ufw-user-forward -i eth0 -o eth1 -p tcp -d 10.0.2.11 --dport 81 -j REJECT --reject-with tcp-reset

### END RULES ###
-A ufw-user-limit -j REJECT
COMMIT
"""
USER6 = """### tuple ### deny tcp 5433 ::/0 any ::/0 in
-A ufw6-user-input -p tcp --dport 5433 -j DROP
"""
BEFORE = """*filter
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate INVALID -j ufw-logging-deny
-A ufw-before-input -m conntrack --ctstate INVALID -j DROP
COMMIT
"""


@pytest.fixture
def ufw(tmp_path: Path) -> Ufw:
    for name, text in {
        "user.rules": USER,
        "user6.rules": USER6,
        "before.rules": BEFORE,
        "default": 'DEFAULT_INPUT_POLICY="DROP"\n',
    }.items():
        (tmp_path / name).write_text(text)
    return Ufw(True, str(tmp_path), str(tmp_path / "default"))


@pytest.mark.parametrize(
    ("chain", "number", "text", "place", "command"),
    [
        ("ufw-user-input", 1, "-s 10.0.1.13/32 -j DROP", 1, "ufw deny from 10.0.1.13 to any"),
        (
            "ufw-user-input",
            2,
            "-s 10.0.1.0/24 -i eth0 -p tcp -m tcp --dport 5432 -j ACCEPT",
            2,
            "ufw allow in on eth0 proto tcp from 10.0.1.0/24 to any port 5432",
        ),
        (
            "ufw-user-input",
            4,
            "-p tcp -m tcp --dport 2222 -m recent --update -j ufw-user-limit",
            3,
            "ufw limit proto tcp from any to any port 2222",
        ),
        ("ufw-user-input", 6, "-p tcp -m tcp --dport 22 -j ACCEPT", 4, "ufw allow from any to any app OpenSSH"),
        (
            "ufw-user-output",
            1,
            "-d 10.0.2.12/32 -p tcp -m tcp --dport 9200 -j DROP",
            5,
            "ufw deny out proto tcp from any to 10.0.2.12 port 9200",
        ),
        (
            "ufw-user-forward",
            1,
            "-d 10.0.2.11/32 -i eth0 -o eth1 -p tcp -m tcp --dport 81 -j REJECT",
            6,
            "ufw route reject in on eth0 out on eth1 proto tcp from any to 10.0.2.11 port 81",
        ),
        ("ufw6-user-input", 1, "-p tcp -m tcp --dport 5433 -j DROP", 7, "ufw deny proto tcp from any to any port 5433"),
        ("ufw-user-input", 2, "-p tcp -m tcp --dport 9 -j ACCEPT", None, None),  # the file is not what was loaded
        ("ufw-user-input", 99, "-j DROP", None, None),
    ],
)
def test_ufw(ufw: Ufw, chain: str, number: int, text: str, place: int | None, command: str | None) -> None:
    origin = ufw.origin(rule(f"{'ip6' if '6' in chain else 'ip'} filter {chain}", f"-A {chain} {text}", number)) or {}
    assert (origin.get("number"), origin.get("command")) == (place, command)


def test_the_frame_of_ufw(ufw: Ufw, tmp_path: Path) -> None:
    dropped = ufw.origin(rule("ip filter ufw-before-input", "-A ufw-before-input -m conntrack --ctstate INVALID -j DROP", 3))
    assert dropped == {"number": None, "command": None, "file": str(tmp_path / "before.rules"), "line": 4}
    assert ufw.origin(policy("ip filter INPUT")) == {"number": None, "command": None, "file": str(tmp_path / "default"), "line": 1}


@pytest.mark.parametrize(("setting", "shut"), [("IPV6=no", True), ('IPV6="no"', True), ("IPV6=yes", False), ("#IPV6=no", False)])
def test_ufw_may_leave_ipv6_alone(ufw: Ufw, tmp_path: Path, setting: str, shut: bool) -> None:
    from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers.flow import Flow

    from .test_managers import QUESTION

    (tmp_path / "default").write_text(f'DEFAULT_INPUT_POLICY="DROP"\n{setting}\n')
    assert not ufw.shuts_ipv6()  # it is not on
    (tmp_path / "ufw.conf").write_text("ENABLED=yes\n")
    assert ufw.shuts_ipv6() is shut
    dropped = policy("ip6 filter INPUT")
    origin = ufw.origin(dropped) or {}
    assert (origin["line"], "ipv6" in origin) == ((2, True) if shut else (1, False))
    question = {**QUESTION, "source": "2001:db8::1", "destination": "2001:db8::2"}
    told = ufw.change({**dropped, "origin": origin}, Flow({**question, "asked": question, "entered": []}, True)) or {}
    assert [command.partition(" ")[0] for command in told["commands"]] == (["sed"] if shut else [])
    assert ("not known what else" in str(told)) is shut

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What managers advise for packets that were translated on their way in and are forwarded, and for rules that only look like theirs."""

from __future__ import annotations

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.answers import met_at
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers import Managers
from tests.unit.plugins.module_utils._firewall.managers.test_managers import QUESTION, rule
from tests.unit.plugins.module_utils._firewall.test_walk import FORWARD, walk

DENIED = rule("ip filter ufw-docker-logging-deny", "-A ufw-docker-logging-deny -j DROP")
CONTAINER = {"destination": "172.17.0.2", "port": 80, "direction": "forward", "interface": "eth0", "out_interface": "docker0"}
ROUTED = "ufw route allow from 10.0.1.11 to 172.17.0.2 port 80 proto tcp comment threeway.handshake"


def test_ufw_docker_is_not_ufw() -> None:
    managers = Managers(None)
    owner = managers.owner(DENIED)
    change = managers.change({**DENIED, **owner}, {**QUESTION, **CONTAINER, "asked": QUESTION})
    assert owner["manager"] == "ufw-docker"
    assert change and change["commands"] == [ROUTED]


def test_what_a_rule_meets_is_told_as_it_went() -> None:
    _outcome, packet = walk(dict(FORWARD))
    assert met_at(packet)["direction"] == "forward" and met_at(packet)["out_interface"] == "eth1"


def test_tailscale_is_not_opened() -> None:
    managers = Managers(None)
    dropped = rule("ip filter ts-input", "-A ts-input -s 100.64.0.0/10 ! -i tailscale0 -j DROP")
    change = managers.change({**dropped, **managers.owner(dropped)}, QUESTION)
    assert change and not change["commands"]

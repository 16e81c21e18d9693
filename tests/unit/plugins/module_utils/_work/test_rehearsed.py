# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of ufw and firewalld are rehearsed in a copy; what is called good is then typed, and real connections try it."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.accept.ufw_words import allowing
from ansible_collections.threeway.handshake.plugins.module_utils._work.rehearsed import NotRehearsedError, Ufw, read
from tests.unit.plugins.module_utils._work._scene import BEHIND, CLIENT, FIREWALLD, GUEST, HERE, IPV6, OTHER, SERVER, observed

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="makes its changes with the controller's code")
TRANSLATED = """nft 'table ip nat { chain pre { type nat hook prerouting priority -100;
ip daddr 10.9.0.1 tcp dport 5432 dnat to 10.8.0.2:80; ip daddr 10.9.0.1 tcp dport 5433 dnat to 10.8.0.2:81;
ip daddr 10.9.0.5 tcp dport 5432 dnat to 10.8.0.3:80; }; }'; """
ENABLE = "ufw --force enable > /dev/null; "
SCENES = {
    "default": ENABLE,
    "default, other rules": f"{ENABLE} ufw allow 80/tcp; ufw allow from {OTHER} to any port 5433 proto tcp",
    "deny": f"{ENABLE} ufw allow 5433/tcp; ufw deny 5432/tcp; ufw allow 22/tcp",
    "reject a client": f"{ENABLE} ufw reject from {CLIENT}; ufw allow 5433/tcp",
    "reject, default allow": f"ufw default allow; {ENABLE} ufw reject from {CLIENT}",
    "ipv6": f"{ENABLE} ufw deny 5432/tcp",
    "translated": f"{TRANSLATED} {ENABLE}",
    "translated, denied": f"{TRANSLATED} {ENABLE} ufw route allow to {GUEST} port 81 proto tcp; "
    f"ufw route deny to {GUEST} port 80 proto tcp",
}
QUICK = ("default", "translated, denied", "bound", "forwarded, unbound")


def scenes(several: dict[str, str]) -> list[Any]:
    return [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in several]


@pytest.mark.parametrize("scene", scenes(SCENES))
def test_the_printed_command_opens_in_the_copy_and_on_the_host_exactly_its_flow(scene: str) -> None:
    told = observed(SCENES[scene], IPV6 if scene == "ipv6" else HERE)
    assert told["rehearsed"]["result"] == "opens", told
    assert set(told["legs"]) >= {"syn", "syn_ack"}
    assert told["untouched"], "the rehearsal changes neither the rules nor the files of ufw"
    assert told["before"]["flow"] is False and told["after"] == {**told["before"], "flow": True}, told
    if scene.startswith("translated"):
        assert told["command"].startswith("ufw route ") and f" to {GUEST} port 80 " in told["command"]
    assert [told["command"]] == told["advised"]["commands"], "what is printed for people is what the step does"
    assert told["undone"]["flow"] is False, "its undo takes it back"


def test_a_rule_for_which_ufw_forgets_those_of_others_fails() -> None:
    """To insert a rule ufw loads its chains again, and typed it takes away what others have put there."""
    theirs = "-A ufw-user-input -p tcp -m tcp --dport 8080 -j ACCEPT"
    told = observed(f"{ENABLE} ufw deny 5432/tcp; iptables {theirs}", HERE)
    assert told["rehearsed"]["result"] == "fails" and theirs in told["rehearsed"]["why"], told["rehearsed"]
    assert told["untouched"] and theirs in told["saved"][0] and theirs not in told["saved"][1]


DOCKER = """for each in "-N DOCKER-USER" "-A DOCKER-USER -j RETURN" "-N DOCKER" "-A FORWARD -j DOCKER-USER" \\
    "-A FORWARD -o g0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT" "-A FORWARD -o g0 -j DOCKER" \\
    "-A FORWARD -i g0 ! -o g0 -j ACCEPT" "-P FORWARD DROP"; do iptables-%s $each; done; """
LATER = "nft 'table ip later { chain f { type filter hook forward priority 10; ip daddr 10.8.0.2 tcp dport 80 drop; }; }'"


@pytest.mark.parametrize(("variant", "later"), [("nft", ""), ("legacy", LATER)])
def test_what_is_advised_for_docker_opens_exactly_its_flow(variant: str, later: str) -> None:
    told = observed(f"{TRANSLATED} {DOCKER % variant} {later}", HERE)
    assert all("-I DOCKER-USER 1" in command for command in told["advised"]["commands"]) and len(told["advised"]["commands"]) == 2
    assert bool(told["then"]) is bool(later), "what stops it next is told as well"
    assert told["before"]["flow"] is False and told["after"] == {**told["before"], "flow": True}, told


AHEAD = "sed -i '/^# End required lines/a -A ufw-before-input -p tcp --dport 5432 -j DROP' /etc/ufw/before.rules; "


def test_what_ufw_stops_ahead_of_its_own_rules_is_opened_without_a_reload() -> None:
    """A reload would take away what others have put into ufw's chains; the rule lasts all the same."""
    told = observed(f"{AHEAD} {ENABLE} iptables -A ufw-before-input -p tcp --dport 8080 -j ACCEPT", HERE)
    assert "rehearsed" not in told, "it is left to people"
    assert len(told["advised"]["commands"]) == 2 and not any("reload" in command for command in told["advised"]["commands"])
    assert told["before"]["flow"] is False and told["after"] == {**told["before"], "flow": True}, told
    assert told["second"] == {**told["after"], "source": True}
    assert told["kept"] == told["second"], "ufw loads it the next time"


def test_a_rule_that_comes_too_late_fails_and_leaves_the_copy_as_it_was() -> None:
    told = observed(SCENES["deny"], HERE, late={"insert": 3})
    assert told["late"]["result"] == "fails" and "would still be dropped" in told["late"]["why"]
    assert told["rehearsed"]["result"] == "opens"


@pytest.mark.slow
def test_what_ufw_refuses_fails_in_its_own_words() -> None:
    told = observed(SCENES["default"], HERE, late={"insert": 77})
    assert told["late"]["result"] == "fails" and "Invalid position" in told["late"]["why"]


def test_without_root_ufw_is_not_rehearsed() -> None:
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.seteuid(65534)
            Ufw({"rule": "allow"}).take(lambda *_words: (0, "", ""))
        except NotRehearsedError:
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    "wrong",
    [{"to_port": "80; reboot"}, {"from_ip": "any"}, {"rule": "deny"}, {"direction": "sideways"}, {"log": True}, {"insert": "x"}],
)
def test_only_what_we_make_of_ufw_becomes_a_command(wrong: dict[str, Any]) -> None:
    good = allowing(CLIENT, SERVER, 5432, "in", 3)
    assert read("community.general.ufw", good).take
    with pytest.raises((ValueError, KeyError)):
        read("community.general.ufw", {**good, **wrong})
    with pytest.raises(ValueError, match="give one of"):
        read("ansible.builtin.command", good)


def test_only_what_we_make_of_firewalld_is_rehearsed() -> None:
    with pytest.raises(ValueError, match="only a rich rule that accepts TCP"):
        read("ansible.posix.firewalld", {"zone": "public", "rich_rule": 'rule family="ipv4" accept'})


BIND = "firewall-cmd --permanent --zone=public --add-interface=v0; firewall-cmd --permanent --zone=internal --add-interface=g0; "
RELOAD = "firewall-cmd --reload; "
RUNTIME = "firewall-cmd --zone=public --add-port=8080/tcp"
RULE = "firewall-cmd --zone=public --add-rich-rule='rule %s family=ipv4 port port=5432 protocol=tcp %s'; "
ZONES = {
    "unbound": RUNTIME,
    "bound": f"firewall-cmd --zone=public --add-interface=v0; {RUNTIME}",
    "denied": f"{RULE % ('', 'drop')} firewall-cmd --zone=public --add-port=5433/tcp",
    "denied first": RULE % ("priority=-200", "reject"),
    "denied behind another first": f"{RULE % ('priority=-32768', 'log')} firewall-cmd --runtime-to-permanent; "
    f"{RULE % ('priority=-200', 'reject')}",
    "dropped": "firewall-cmd --zone=drop --change-interface=v0",
    "by source": "firewall-cmd --zone=work --add-source=10.9.0.0/24",
    "ipv6": "firewall-cmd --zone=public --add-port=5433/tcp",
}
FORWARDED = {
    "forwarded": f"{BIND} {RELOAD}",
    "forwarded, unbound": f"firewall-cmd --permanent --zone=internal --add-interface=g0; {RELOAD}",
    "forwarded, name taken": f"{BIND} firewall-cmd --permanent --new-policy=public-intern; {RELOAD}",
}
firewalld = pytest.mark.skipif(not shutil.which("firewalld") or not shutil.which("dbus-daemon"), reason="firewalld is not installed")


@firewalld
@pytest.mark.parametrize("scene", scenes(ZONES))
def test_firewalld_does_what_was_rehearsed_and_keeps_what_is_set_at_runtime(scene: str) -> None:
    told = observed(FIREWALLD + ZONES[scene], IPV6 if scene == "ipv6" else HERE)
    assert told["rehearsed"]["result"] == "opens", told
    assert told["untouched"]
    assert told["before"]["flow"] is False and told["after"] == {**told["before"], "flow": True}, told
    assert told["command"] == " && ".join(told["advised"]["commands"]) and "--reload" not in told["command"]
    assert ("8080/tcp" in told["ports"]) == (RUNTIME in ZONES[scene])
    if scene not in ("dropped", "by source"):  # whose zone is that of the flow at runtime only
        assert told["reloaded"]["flow"] is True
    assert told["undone"]["flow"] is (scene == "by source" and told["reloaded"]["flow"])


@firewalld
@pytest.mark.parametrize("scene", scenes(FORWARDED))
def test_what_is_advised_between_zones_opens_a_first_and_a_second_flow(scene: str) -> None:
    told = observed(FIREWALLD + FORWARDED[scene], BEHIND)
    assert "which changes nothing else now" in told["advised"]["summary"]
    assert told["advised"]["commands"][-1] == "firewall-cmd --reload"
    assert told["before"]["flow"] is False and told["after"] == {**told["before"], "flow": True}, told
    assert told["second"] == {**told["after"], "source": True}, "what was advised for both at once works for the other flow, too"


@firewalld
@pytest.mark.slow
def test_a_reload_that_would_forget_something_is_left_to_people_with_what_it_forgets() -> None:
    told = observed(f"{FIREWALLD} {FORWARDED['forwarded']} {RUNTIME}", BEHIND)
    assert not any("--reload" in command for command in told["advised"]["commands"])
    assert told["advised"]["summary"].endswith("firewall-cmd --reload, which would also change: zone public loses ports: 8080/tcp")
    assert "8080/tcp" in told["ports"]


@firewalld
@pytest.mark.slow
def test_a_zone_that_is_not_permanent_fails() -> None:
    told = observed(FIREWALLD + ZONES["bound"], HERE, late={"zone": "elsewhere"})
    assert told["late"]["result"] == "fails" and "exists at runtime alone" in told["late"]["why"]


SHUT = "sed -i s/IPV6=yes/IPV6=no/ /etc/default/ufw; "


@pytest.mark.parametrize("theirs", [pytest.param("", marks=pytest.mark.slow), "-A ufw-user-input -p tcp -m tcp --dport 8080 -j ACCEPT"])
def test_a_reload_of_ufw_is_advised_only_where_it_takes_nothing_of_others_away(theirs: str) -> None:
    told = observed(f"{SHUT} {ENABLE} ufw allow 5433/tcp; {f'iptables {theirs}' if theirs else ''}", IPV6)
    commands, summary = told["advised"]["commands"], told["advised"]["summary"]
    assert told["before"]["flow"] is False
    if theirs:
        assert "ufw reload" not in commands and "rules of others: 1 in ufw-user-input; then ufw allow " in summary
        assert theirs in told["saved"][1], "and so they keep it"
    else:
        assert "ufw reload, which changes nothing else now" in summary and commands[1] == "ufw reload"
        assert told["after"]["flow"] is True and told["after"]["source"] is told["after"]["destination"] is False, told

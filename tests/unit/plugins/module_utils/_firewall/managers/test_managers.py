# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who made a rule, and what they would type to let a flow through."""

from __future__ import annotations

import pathlib
import shlex
import subprocess
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.managers import Managers

QUESTION: dict[str, t.Any] = {
    "packet": "syn",
    "direction": "in",
    "source": "10.0.1.11",
    "source_port": None,
    "destination": "10.0.2.21",
    "port": 5432,
    "interface": "eth0",
    "out_interface": None,
    "state": "new",
    "mark": 0,
    "uid": None,
}
SAVED = None  # no file of this host is about it


def rule(place: str, text: str, number: int | None = 1, handle: int | None = 7) -> dict[str, t.Any]:
    family, table, chain = place.split()
    return {"family": family, "table": table, "chain": chain, "handle": handle, "number": number, "text": text, "packets": None}


def policy(place: str) -> dict[str, t.Any]:
    return rule(place, "policy drop", None, None)


def change(reference: dict[str, t.Any], here: bool = False, **question: t.Any) -> dict[str, t.Any] | None:
    managers = Managers((lambda *_words: (1, "", "")) if here else SAVED)
    return managers.change({**reference, **managers.owner(reference)}, {**QUESTION, **question})


@pytest.mark.parametrize(
    ("place", "text", "manager"),
    [
        ("inet firewalld filter_IN_public", "reject with icmpx admin-prohibited", "firewalld"),
        ("ip firewalld nat_POST_public_allow", "masquerade", "firewalld"),
        ("inet firewalld_policy_drop filter_input", "ct state established accept", "firewalld"),
        ("ip filter IN_public_allow", "-A IN_public_allow -p tcp -m tcp --dport 22 -j ACCEPT", "firewalld"),
        ("ip filter INPUT", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT", "firewalld"),
        ("ip filter ufw-user-input", "-A ufw-user-input -s 10.0.1.13/32 -j DROP", "ufw"),
        ("ip6 filter ufw6-before-input", "-A ufw6-before-input -i lo -j ACCEPT", "ufw"),
        ("ip filter INPUT", "-A INPUT -j ufw-before-input", "ufw"),
        ("ip nat DOCKER", "-A DOCKER -p tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80", "docker"),
        ("ip docker-bridges filter-forward__docker0", "drop", "docker"),
        ("ip raw PREROUTING", "-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP", "docker"),
        ("ip nat POSTROUTING", "-A POSTROUTING -s 172.18.0.0/16 ! -o br-0123456789ab -j MASQUERADE", "docker"),
        ("ip filter KUBE-FIREWALL", "-A KUBE-FIREWALL -j DROP", "kube-proxy"),
        ("ip kube-proxy services", "drop", "kube-proxy"),
        ("ip filter KUBE-POD-FW-DLC6L55ASRWKLM7O", "-A KUBE-POD-FW-DLC6L55ASRWKLM7O -j REJECT", "kube-router"),
        ("ip filter KUBE-ROUTER-FORWARD", "-A KUBE-ROUTER-FORWARD -j ACCEPT", "kube-router"),
        ("ip filter KUBE-NWPLCY-DEFAULT", "-A KUBE-NWPLCY-DEFAULT -j ACCEPT", "kube-router"),
        ("ip keepalived in", "ip daddr @vips drop", "keepalived"),
        ("ip filter cali-FORWARD", "-A cali-FORWARD -j DROP", "calico"),
        ("ip filter CILIUM_FORWARD", "-A CILIUM_FORWARD -j ACCEPT", "cilium"),
        ("ip filter FLANNEL-FWD", "-A FLANNEL-FWD -s 10.244.0.0/16 -j ACCEPT", "flannel"),
        ("ip filter f2b-sshd", "-A f2b-sshd -s 10.0.1.13/32 -j REJECT", "fail2ban"),
        ("inet f2b-table f2b-chain", "tcp dport 22 ip saddr @addr-set-sshd reject", "fail2ban"),
        ("inet filter input", "ip saddr @addr-set-sshd reject", "fail2ban"),
        ("ip filter INPUT", "-A INPUT -p tcp -m multiport --dports 22 -m set --match-set f2b-sshd src -j REJECT", "fail2ban"),
        ("ip filter LIBVIRT_FWI", "-A LIBVIRT_FWI -o virbr0 -j REJECT", "libvirt"),
        ("inet netavark NETAVARK-ISOLATION-3", "drop", "podman"),
        ("ip filter NETAVARK_FORWARD", "-A NETAVARK_FORWARD -j ACCEPT", "podman"),
        ("ip filter ts-input", "-A ts-input -s 100.64.0.0/10 ! -i tailscale0 -j DROP", "tailscale"),
        ("ip wg-quick-wg0 preraw", "drop", "wireguard"),
        ("ip crowdsec crowdsec-chain", "drop", "crowdsec"),
        ("inet sshguard blacklist", "drop", "sshguard"),
        ("inet mullvad output", "reject", "mullvad"),
        ("ip filter tap100i0-OUT", "-A tap100i0-OUT -m mac ! --mac-source BC:24:11:00:00:01 -j DROP", "proxmox"),
        ("ip filter PVEFW-FORWARD", "-A PVEFW-FORWARD -m conntrack --ctstate INVALID -j DROP", "proxmox"),
        ("bridge proxmox-firewall-guests guest-100-out", "drop", "proxmox"),
        ("ip filter net2fw", "-A net2fw -j DROP", "shorewall"),
        ("ip filter DENYIN", "-A DENYIN -s 10.0.1.13/32 -j DROP", "csf"),
        ("inet filter input", "tcp dport 5432 drop", "nftables"),
        ("ip filter INPUT", "tcp dport 5432 drop", "nftables"),
        ("inet filter dynamic", "drop", "nftables"),
        ("ip filter INPUT", "-A INPUT -p tcp -m tcp --dport 5432 -j DROP", "iptables"),
        ("ip6 filter mine", "-A mine -j DROP", "iptables"),
    ],
)
def test_names_tell_the_manager(place: str, text: str, manager: str) -> None:
    assert Managers(SAVED).owner(rule(place, text))["manager"] == manager


def test_a_policy_belongs_to_the_program_that_sets_it() -> None:
    managers = Managers(SAVED)
    assert managers.owner(policy("ip filter INPUT"))["manager"] == "iptables"
    managers.owner(rule("ip filter INPUT", "-A INPUT -j ufw-before-input"))
    managers.owner(rule("ip filter INPUT", "-A INPUT -p tcp -j f2b-sshd"))
    assert managers.owner(policy("ip filter INPUT"))["manager"] == "ufw"
    assert managers.owner(policy("ip6 filter INPUT"))["manager"] == "iptables"
    managers.owner(rule("ip filter FORWARD", "-A FORWARD -j DOCKER-USER"))
    assert managers.owner(policy("ip filter FORWARD"))["manager"] == "docker"
    managers.owner(rule("ip filter FORWARD", "-A FORWARD -j ufw-before-forward"))
    assert managers.owner(policy("ip filter FORWARD"))["manager"] == "ufw"


def test_a_comment_jumps_nowhere() -> None:
    managers = Managers(SAVED)
    said = '-A INPUT -s 10.0.0.0/8 -m comment --comment "not with \\"ufw\\" -j ufw-before-input" -j ACCEPT'
    assert managers.owner(rule("ip filter INPUT", said))["manager"] == "iptables"
    assert managers.owner(policy("ip filter INPUT"))["manager"] == "iptables"
    assert managers.owner(rule("ip filter INPUT", 'tcp dport 5432 drop comment "no counter"'))["manager"] == "nftables"


def test_rules_of_people_among_jumps_of_programs_are_theirs() -> None:
    managers = Managers(SAVED)
    managers.owner(rule("ip filter INPUT", "-A INPUT -j ufw-before-input"))
    assert managers.owner(rule("ip filter INPUT", "-A INPUT -p tcp -m tcp --dport 5432 -j DROP", 9))["manager"] == "iptables"


def test_the_frame_of_firewalld_is_its_own() -> None:
    managers = Managers(SAVED)
    managers.owner(rule("ip filter INPUT", "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT"))
    assert managers.owner(rule("ip filter INPUT", "-A INPUT -j REJECT --reject-with icmp-host-prohibited", 6))["manager"] == "firewalld"


def test_kube_router_is_told_of_the_pod() -> None:
    said = "rule to REJECT traffic destined for POD name:web-0 namespace: shop"
    text = f'-A KUBE-POD-FW-DLC6L55ASRWKLM7O -m comment --comment "{said}" -m mark ! --mark 0x10000/0x10000 -j REJECT'
    stopped = rule("ip filter KUBE-POD-FW-DLC6L55ASRWKLM7O", text)
    assert Managers(SAVED).owner(stopped) == {"manager": "kube-router", "origin": {"namespace": "shop", "pod": "web-0"}}
    told = change(stopped, direction="forward") or {}
    assert "one of namespace shop selects pod web-0" in told["summary"]
    assert told["commands"][0] == "kubectl -n shop get networkpolicies -o yaml"
    assert change(rule("ip filter KUBE-ROUTER-FORWARD", "-A KUBE-ROUTER-FORWARD -j DROP")) is None


WAY = [["ip", "filter", "FORWARD"]]


@pytest.mark.parametrize(("entered", "commands"), [(WAY, 0), ([*WAY, ["ip", "filter", "DOCKER-USER"]], 2)])
def test_docker_user_is_advised_where_the_packet_comes_to_it(entered: list[list[str]], commands: int) -> None:
    dropped = rule("ip filter DOCKER-ISOLATION-STAGE-2", "-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP")
    told = change(dropped, direction="forward", entered=entered)
    assert told and len(told["commands"]) == commands
    assert not commands or ("--ctdir ORIGINAL" in told["commands"][0] and "--ctdir REPLY" in told["commands"][1])


def test_ufw_is_advised_where_the_packet_comes_to_its_rules() -> None:
    stopped = rule("ip filter ufw-reject-input", "-A ufw-reject-input -j REJECT")
    without = change(stopped, entered=[["ip", "filter", "ufw-reject-input"]])
    assert without and not without["commands"]
    told = change(stopped, entered=[["ip", "filter", "ufw-user-input"]])
    assert told and told["commands"] == ["ufw allow in from 10.0.1.11 to 10.0.2.21 port 5432 proto tcp comment threeway.handshake"]


@pytest.mark.parametrize(
    ("reference", "manager"),
    [
        (rule("ip filter ufw-user-input", "-A ufw-user-input -j DROP"), "ufw"),
        (rule("ip6 filter ufw6-skip-to-policy-input", "-A ufw6-skip-to-policy-input -j DROP"), "ufw"),
        (rule("ip filter ufw-docker-logging-deny", "-A ufw-docker-logging-deny -j DROP"), "ufw-docker"),
        (rule("ip filter ufw-blocklist-input", "-A ufw-blocklist-input -j DROP"), "iptables"),
        (rule("ip raw PREROUTING", "-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP"), "docker"),
        (rule("ip raw PREROUTING", 'ip daddr 172.17.0.2 iifname != "docker0" counter drop'), "docker"),
    ],
)
def test_a_name_that_resembles_is_no_owner(reference: dict[str, t.Any], manager: str) -> None:
    assert Managers(SAVED).owner(reference)["manager"] == manager


def test_mullvad_takes_connections_of_others_only_with_its_mark() -> None:
    refused = rule("inet mullvad input", "drop")
    begun, answered = change(refused), change(refused, packet="syn_ack")
    assert begun and "ct mark set 0x00000f41" in begun["summary"]
    assert answered and "ct mark" not in answered["summary"]


def test_docker_drops_what_dials_a_container_past_the_host() -> None:
    direct = rule("ip raw PREROUTING", "-A PREROUTING -d 172.17.0.2/32 ! -i docker0 -j DROP")
    told = change(direct, entered=[["ip", "filter", "DOCKER-USER"]])
    assert told and "gateway_mode_ipv4 nat-unprotected" in told["summary"] and not told["commands"]


def test_policies_of_legacy_tables_are_changed_with_their_tool() -> None:
    for legacy, tool in ((True, "iptables-legacy"), (False, "iptables-nft")):
        told = change({**policy("ip filter INPUT"), "legacy": legacy}, here=True)
        assert told and told["commands"][0].startswith(f"{tool} -A INPUT ")


@pytest.mark.parametrize(
    ("reference", "question", "command"),
    [
        (policy("ip filter INPUT"), {}, "ufw allow in from 10.0.1.11 to 10.0.2.21 port 5432 proto tcp comment threeway.handshake"),
        (
            rule("ip filter ufw-user-input", "-A ufw-user-input -j DROP"),
            {},
            "ufw prepend allow in from 10.0.1.11 to 10.0.2.21 port 5432 proto tcp comment threeway.handshake",
        ),
        (
            policy("ip filter OUTPUT"),
            {"direction": "out"},
            "ufw allow out from 10.0.1.11 to 10.0.2.21 port 5432 proto tcp comment threeway.handshake",
        ),
        (
            policy("ip filter FORWARD"),
            {"direction": "forward", "out_interface": "eth1"},
            "ufw route allow from 10.0.1.11 to 10.0.2.21 port 5432 proto tcp comment threeway.handshake",
        ),
    ],
)
def test_ufw(reference: dict[str, t.Any], question: dict[str, t.Any], command: str) -> None:
    managers = Managers(SAVED)
    managers.owner(rule(f"ip filter {reference['chain']}", f"-A {reference['chain']} -j ufw-before-input"))
    told = managers.change({**reference, **managers.owner(reference)}, {**QUESTION, **question})
    assert told and (told["manager"], told["commands"]) == ("ufw", [command])


def test_nftables() -> None:
    told = change(rule("inet filter input", "tcp dport 5432 drop", 3, 12))
    assert told and told["commands"] == [
        "nft insert rule inet filter input position 12 ip saddr 10.0.1.11 ip daddr 10.0.2.21 tcp dport 5432 accept"
    ]
    assert told["simple"] == "nft insert rule inet filter input position 12 tcp dport 5432 accept"
    told = change(policy("inet filter input"), source="fd00:1::11", destination="fd00:2::21")
    assert told and told["commands"] == ["nft add rule inet filter input ip6 saddr fd00:1::11 ip6 daddr fd00:2::21 tcp dport 5432 accept"]


def test_a_dropped_reply_wants_its_connection_accepted() -> None:
    reply = {"packet": "syn_ack", "direction": "out", "source": "10.0.2.21", "source_port": 5432, "destination": "10.0.1.11", "port": 40001}
    told = change(policy("inet filter output"), **reply, state="established")
    assert told and told["commands"] == [
        "nft add rule inet filter output ip saddr 10.0.2.21 ip daddr 10.0.1.11 tcp sport 5432 ct state established accept"
    ]
    assert told["simple"] == "nft insert rule inet filter output ct state established,related accept"
    told = change(rule("ip filter OUTPUT", "-A OUTPUT -j DROP", 2, None), **reply, state="established")
    assert told and shlex.split(told["commands"][0])[1:] == shlex.split(
        "-I OUTPUT 2 -s 10.0.2.21 -d 10.0.1.11 -p tcp --sport 5432 -m conntrack --ctstate ESTABLISHED -j ACCEPT"
    )


@pytest.mark.parametrize(
    ("reference", "origin", "summary", "commands"),
    [
        (
            rule(
                "ip filter KUBE-SERVICES",
                '-A KUBE-SERVICES -d 10.96.0.20/32 -m comment --comment "default/api:https has no endpoints" -j REJECT',
            ),
            {"namespace": "default", "service": "api", "port": "https", "comment": "default/api:https has no endpoints"},
            "service default/api has no endpoints: are its pods ready, and does its selector name them?",
            ["kubectl -n default get endpointslices -l kubernetes.io/service-name=api"],
        ),
        (
            rule("ip filter f2b-sshd", "-A f2b-sshd -s 10.0.1.11/32 -j REJECT --reject-with icmp-port-unreachable"),
            {"jail": "sshd", "address": "10.0.1.11"},
            "end the ban of 10.0.1.11 in jail sshd",
            ["fail2ban-client set sshd unbanip 10.0.1.11"],
        ),
        (
            rule("inet f2b-table f2b-chain", "tcp dport 22 ip saddr @addr-set-sshd reject with icmp port-unreachable"),
            {"jail": "sshd", "address": None},
            "end the ban of 10.0.1.11 in jail sshd",
            ["fail2ban-client set sshd unbanip 10.0.1.11"],
        ),
        (
            rule("ip filter DOCKER", "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j DROP"),
            {"container": "172.17.0.2", "container_port": 80, "published_port": None, "bridge": "docker0"},
            "accept TCP from 10.0.1.11 to 10.0.2.21 port 5432 and what answers it in chain DOCKER-USER, which precedes docker's own rules",
            None,
        ),
    ],
)
def test_programs_for_a_purpose(reference: dict[str, t.Any], origin: object, summary: str, commands: list[str] | None) -> None:
    managers = Managers(SAVED)
    owner = managers.owner(reference)
    assert owner["origin"] == origin
    told = managers.change({**reference, **owner}, QUESTION)
    assert told and told["summary"] == summary
    assert commands is None or told["commands"] == commands


def test_kube_proxys_nftables_mode_tells_the_service_by_the_chain() -> None:
    reference = rule("ip kube-proxy external-ULMVA6XW-default/web/tcp/http", "reject")
    assert Managers(SAVED).owner(reference)["origin"] == {"namespace": "default", "service": "web", "port": "http", "comment": ""}


WORDS = st.lists(
    st.sampled_from(
        [
            "-A",
            "-j",
            "-s",
            "--dport",
            "tcp",
            "dport",
            "ip saddr",
            "::/0",
            "10.0.1.1",
            '"',
            "{",
            "}",
            "--comment",
            "a/b:c",
            "@addr-set-x",
            "$(x)",
        ]
    )
    | st.text(max_size=5)
).map(" ".join)
CHAINS = st.sampled_from(
    ["INPUT", "ufw-user-input", "filter_IN_x_deny", "f2b-x", "DOCKER", "KUBE-X", "net2fw", "ts-input", "LIBVIRT_FWI"]
) | st.text(max_size=20)


@given(
    place=st.tuples(st.sampled_from(["ip", "ip6", "inet", "netdev"]), st.sampled_from(["filter", "raw", "firewalld", "x"]), CHAINS),
    text=WORDS,
    number=st.none() | st.integers(1, 9),
    direction=st.sampled_from(["in", "out", "forward"]),
    port=st.integers(1, 65535),
)
def test_nothing_that_a_host_writes_makes_it_stumble(
    place: tuple[str, str, str], text: str, number: int | None, direction: str, port: int
) -> None:
    family, table, chain = place
    reference = {"family": family, "table": table, "chain": chain, "handle": number, "number": number, "text": text, "packets": None}
    for run in (None, lambda *_words: (1, "", "")):
        managers = Managers(run)
        told = managers.change({**reference, **managers.owner(reference)}, {**QUESTION, "direction": direction, "port": port})
        assert told is None or (told["summary"] and "None" not in " ".join(told["commands"]))


HOSTILE = "$(touch it);touch it;`touch it`'\"&|\ntouch it\n"


@pytest.mark.parametrize(
    "reference",
    [
        {**rule("inet filter input", "drop"), "table": HOSTILE, "chain": HOSTILE},
        {**policy("inet filter input"), "chain": HOSTILE},
        {**rule("ip filter mine", "-A x -j DROP"), "chain": HOSTILE},
        {**rule("inet firewalld x", "drop"), "chain": f"filter_IN_{HOSTILE}_deny"},
        {**rule("inet firewalld x", "drop"), "chain": f"filter_FWD_{HOSTILE}"},
        {**rule("ip filter f2b-x", "drop"), "chain": f"f2b-{HOSTILE}"},
        {**rule("ip filter KUBE-X", f'-m comment --comment "{HOSTILE}/x has no endpoints" -j REJECT')},
    ],
)
def test_a_shell_runs_nothing_that_hosts_wrote(reference: dict[str, t.Any], tmp_path: pathlib.Path) -> None:
    for direction in ("in", "forward"):
        told = change(reference, direction=direction, interface=HOSTILE, out_interface=HOSTILE) or {"commands": [], "simple": None}
        for command in filter(None, [*told["commands"], told["simple"]]):
            subprocess.run(["sh", "-c", f"printf %s {command}"], cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert list(tmp_path.iterdir()) == []

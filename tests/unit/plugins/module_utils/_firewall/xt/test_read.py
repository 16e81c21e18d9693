# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.evaluation import UnsupportedError
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.packet import Packet, packed
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.ruleset import Absence
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.xt import ipset, read
from tests.unit.plugins.module_utils._firewall.host import Host

FILTER = (
    "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n[0:0] -A INPUT -p tcp -m quota --quota 5 -j DROP\nCOMMIT\n"
)


Answers = t.Dict[str, t.Tuple[int, str, str]]


class Tools:
    """A host with some of the tools, which answer as they are told; `ran` is what was run."""

    def __init__(self, where: Path, monkeypatch: pytest.MonkeyPatch, answers: Answers, tables: dict[str, str]) -> None:
        self.answers, self.ran = answers, []
        for name in {command.split()[0] for command in answers}:
            (where / name).write_text("")
            (where / name).chmod(0o755)
        for family, names in tables.items():
            (where / family).write_text(names)
        monkeypatch.setattr(read, "_DIRECTORIES", (str(where),))
        monkeypatch.setattr(read, "_NAMES", {family: str(where / family) for family in ("ip", "ip6")})

    def __call__(self, command: list[str]) -> tuple[int, str, str]:
        line = " ".join([Path(command[0]).name, *command[1:]])
        self.ran.append(line)
        return self.answers[line]


def test_legacy_tools_do_not_run_where_no_legacy_table_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(tmp_path, monkeypatch, {"iptables-legacy-save -c": (0, "", "")}, {"ip": ""})
    xtables = read.read(tools)
    assert (xtables.absent, xtables.base_chains(), tools.ran) == ([], [], [])


def test_legacy_chains_that_may_do_something(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"iptables-legacy-save -c": (0, FILTER, "# Warning: something")}
    xtables = read.read(Tools(tmp_path, monkeypatch, answers, {"ip": "filter\n"}))
    assert [(base.family, base.hook, base.priority, base.kind) for base in xtables.base_chains()] == [("ip", "input", 0, "filter")]
    assert xtables.absent == []


def test_the_tool_without_a_variant_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"ip6tables-save --version": (0, "ip6tables-save v1.6.1\n", ""), "ip6tables-save -c": (0, FILTER, "")}
    xtables = read.read(Tools(tmp_path, monkeypatch, answers, {"ip6": "filter\n"}))
    assert [base.family for base in xtables.base_chains()] == ["ip6"]


def test_a_tool_of_the_other_variant_is_no_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"iptables-save --version": (0, "iptables-save v1.8.9 (nf_tables)\n", "")}
    xtables = read.read(Tools(tmp_path, monkeypatch, answers, {"ip": "filter\n"}))
    assert xtables.absent == [Absence("legacy iptables rules", "there is no iptables-save of the variant legacy on this host")]


def test_a_tool_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"iptables-legacy-save -c": (4, "", "Another app is currently holding the xtables lock.\n")}
    xtables = read.read(Tools(tmp_path, monkeypatch, answers, {"ip": "filter\n"}))
    tool = tmp_path / "iptables-legacy-save"
    why = f"{tool} -c failed with exit code 4: Another app is currently holding the xtables lock."
    assert xtables.absent == [Absence("legacy iptables rules", why)]


def test_a_table_that_the_tool_does_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    xtables = read.read(Tools(tmp_path, monkeypatch, {"iptables-legacy-save -c": (0, FILTER, "")}, {"ip": "filter\nnat\n"}))
    assert xtables.absent == [Absence("legacy iptables table nat", "the kernel has a table nat, which iptables-save did not write")]


def test_rules_of_iptables_nft_are_read_when_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tools = Tools(tmp_path, monkeypatch, {"iptables-nft-save -c": (0, FILTER, "")}, {})
    xtables = read.read(tools)
    assert tools.ran == []
    rule = xtables.compat("ip", "filter", "INPUT", 0)
    assert rule is not None and rule.parts() == ["-p tcp", "-m quota --quota 5"]
    assert xtables.compat("ip", "filter", "INPUT", 1) is None
    assert xtables.compat("ip", "nat", "INPUT", 0) is None
    assert tools.ran == ["iptables-nft-save -c"]


def test_a_table_that_iptables_nft_cannot_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "# Table `filter' is incompatible, use 'nft' tool.\n"
    xtables = read.read(Tools(tmp_path, monkeypatch, {"iptables-nft-save -c": (0, text, "")}, {}))
    assert xtables.compat("ip", "filter", "INPUT", 0) is None
    assert xtables.absent == [
        Absence("a part of the iptables rules of nf_tables", "Table `filter' is incompatible, use 'nft' tool.", False)
    ]


def test_what_rules_do_besides() -> None:
    def having(rule: str) -> tuple[bool, bool]:
        xtables = read.from_text({"ip": f"*mangle\n:OUTPUT ACCEPT\n-A OUTPUT {rule}\nCOMMIT\n"})
        return xtables.tracks_marks, xtables.translates

    assert having("-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff") == (True, False)
    assert having("-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff") == (False, False)
    assert having("-o eth0 -j MASQUERADE") == (False, True)


# -- ipsets


def test_sets_that_are_not_there_or_cannot_be_read() -> None:
    assert ipset.read(lambda command: (1, "", "ipset v7.17: The set with the given name does not exist\n"), "web") is None
    with pytest.raises(UnsupportedError, match=r"failed with exit code 1: ipset v7.17: Kernel error received: Operation not permitted"):
        ipset.read(lambda command: (1, "", "ipset v7.17: Kernel error received: Operation not permitted\n"), "web")
    with pytest.raises(UnsupportedError, match="'rubbish' is no line of `ipset save`"):
        ipset.read(lambda command: (0, "rubbish\n", ""), "web")


def test_what_is_not_known_of_a_packet_is_not_known_of_a_set() -> None:
    sets = ipset.parse("create web hash:ip,port family inet\nadd web 192.0.2.9,tcp:40001\ncreate none hash:ip,port family inet\n")
    packet = Packet("syn", packed("192.0.2.9"), packed("192.0.2.1"))
    assert sets["web"].search(packet, ("src", "src"), False, Host()).answer is None
    assert sets["none"].search(packet, ("src", "src"), False, Host()).answer is False
    packet.rewrite(source_port=40001)
    assert sets["web"].search(packet, ("src", "src"), False, Host()).answer is True

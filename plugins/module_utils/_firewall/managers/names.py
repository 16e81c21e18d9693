# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Recognise the program that made a rule by its names of tables, chains and sets, and by its comments."""

from __future__ import annotations

import re
import typing as t

_BUILTIN = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")
_IPTABLES_TABLES = ("filter", "nat", "mangle", "raw", "security")
_TABLES = {
    "firewalld": r"firewalld(_.*)?",
    "docker": r"docker-bridges",
    "kube-proxy": r"kube-proxy",
    "fail2ban": r"f2b-.*",
    "libvirt": r"libvirt_network",
    "podman": r"netavark",
    "wireguard": r"wg-quick-.*",
    "crowdsec": r"crowdsec6?",
    "sshguard": r"sshguard",
    "calico": r"calico",
    "keepalived": r"keepalived(_.*)?",
    "mullvad": r"mullvad(_.*)?",
    "proxmox": r"proxmox-firewall(-guests)?",
}
_CHAINS = {
    "ufw-docker": r"ufw6?-docker-.*",
    "ufw": r"ufw6?-((before|after|user|track|reject|skip-to-policy|(before|after|user)-logging)-(input|output|forward)"
    r"|logging-(deny|allow)|not-local|user-limit(-accept)?)",  # what ufw itself makes, and nothing that is merely named like it
    "docker": r"DOCKER(-.*)?",
    "kube-router": r"KUBE-(ROUTER|POD-FW|NWPLCY)-.*",
    "kube-proxy": r"KUBE-.*",
    "calico": r"cali-.*",
    "cilium": r"(OLD_)?CILIUM_.*",
    "flannel": r"FLANNEL-.*",
    "weave": r"WEAVE(-.*)?",
    "fail2ban": r"f2b-.*",
    "libvirt": r"LIBVIRT_.*",
    "podman": r"NETAVARK[_-].*|CNI-.*",
    "tailscale": r"ts-.*",
    "crowdsec": r"CROWDSEC_.*",
    "sshguard": r"sshguard",
    "proxmox": r"PVEFW-.*|(tap|veth)\d+i\d+-(IN|OUT)",
    "csf": r"LOCALINPUT|LOCALOUTPUT|DENYIN|DENYOUT|ALLOWIN|ALLOWOUT|LOGDROPIN|LOGDROPOUT|INVDROP",
    "shorewall": r"(?!FORWARD)\w+(2fw|2all)|fw2\w+|smurfs|sfilter|shorewall|reject|dynamic|\w+_(in|fwd|out|ofwd)",
    "firewalld": r"(PREROUTING|INPUT|FORWARD|OUTPUT|POSTROUTING)_(direct|ZONES|POLICIES_pre|POLICIES_post|IN_ZONES|OUT_ZONES)"
    r"|(PRE|POST|IN|OUT|FWD|FWDI|FWDO)_[\w-]+",
}
# What a rule says, wherever it stands: jails of fail2ban are sets, too; the last is firewalld's first rule in the chains of the kernel.
_TEXTS = {
    "fail2ban": re.compile(r"@addr6?-set-|--match-set f2b-"),
    "docker": re.compile(r"(-[io]|[io]ifname)( !=)? \"?(docker0|docker_gwbridge|br-[0-9a-f]{12})\b"),
    "crowdsec": re.compile(r"@crowdsec6?-blacklists|--match-set crowdsec"),
    "wireguard": re.compile(r'comment "?wg-quick\(8\) rule for '),
    "kube-proxy": re.compile(r'comment "?kubernetes '),
    "calico": re.compile(r'comment "?cali:'),
    "firewalld": re.compile(r"--ctstate RELATED,ESTABLISHED,DNAT "),
}
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')  # comments, prefixes of logs: what people write there is none of a rule's own words
_JUMP = re.compile(r"(?:^|\s)(?:-[jg]|jump|goto) ([\w.:-]{1,64})")
_BY_TABLE = {name: re.compile(pattern) for name, pattern in _TABLES.items()}
_BY_CHAIN = {name: re.compile(pattern) for name, pattern in _CHAINS.items()}


def maker(reference: t.Mapping[str, t.Any]) -> str:
    """The program; `iptables` or `nftables` where nothing shows another."""
    table, chain, text = str(reference["table"]), str(reference["chain"]), str(reference["text"])
    for name, pattern in _BY_TABLE.items():
        if pattern.fullmatch(table):
            return name
    compat = of_iptables(reference)
    for name, pattern in _BY_CHAIN.items():
        if (compat or name not in ("shorewall", "csf", "firewalld")) and pattern.fullmatch(chain):
            return name
    for name, pattern in _TEXTS.items():
        if pattern.search(text):
            return name
    return "iptables" if compat else "nftables"


def builtin(chain: str) -> bool:
    """Whether it is a chain of the kernel as iptables names them, which several programs share."""
    return chain in _BUILTIN


def of_iptables(reference: t.Mapping[str, t.Any]) -> bool:
    """Whether iptables made it, of either variant, and not the tool nft: iptables counts in every rule and writes hooks in capitals."""
    if reference["table"] not in _IPTABLES_TABLES or reference["family"] not in ("ip", "ip6"):
        return False
    text, chain = _unquoted(str(reference["text"])), str(reference["chain"])
    theirs = builtin(chain) or chain.upper() not in _BUILTIN
    return text.startswith("-") or (theirs and re.search(r"\bcounter\b|^policy ", text) is not None)


def jumps_to(text: str) -> str | None:
    """The chain that the rule continues in."""
    found = _JUMP.search(_unquoted(text))
    return found.group(1) if found else None


def _unquoted(text: str) -> str:
    return _QUOTED.sub('""', text)

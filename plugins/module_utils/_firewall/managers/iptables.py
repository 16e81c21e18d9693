# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rules of plain iptables and ip6tables: where they are in the files that are loaded at start, and how to change them."""

from __future__ import annotations

import re
import shlex
import shutil
import typing as t

from .files import lines
from .flow import Flow, quoted

FILES = {
    "ip": (
        "/etc/iptables/rules.v4",
        "/etc/sysconfig/iptables",
        "/etc/iptables/iptables.rules",
        "/etc/iptables.rules",
        "/etc/iptables.up.rules",
    ),
    "ip6": ("/etc/iptables/rules.v6", "/etc/sysconfig/ip6tables", "/etc/iptables/ip6tables.rules", "/etc/ip6tables.rules"),
}
_CLOSEST_MASK = re.compile(r"/(32|128)$")
_SAME = {
    "-g": "--goto",
    "-j": "--jump",
    "-s": "--source",
    "-d": "--destination",
    "-i": "--in-interface",
    "-o": "--out-interface",
    "-p": "--protocol",
}
_MODULES_OF_PROTOCOLS = ("tcp", "udp", "icmp", "icmp6", "icmpv6")


class Iptables:
    def __init__(self, here: bool, files: t.Mapping[str, t.Sequence[str]] | None = None) -> None:
        self._files = (FILES if files is None else files) if here else {}

    def origin(self, reference: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
        """{file, line, because}: where the rule is kept, or null and why that was not found. None for a saved ruleset."""
        if not self._files:
            return None
        family, table, chain = (str(reference[name]) for name in ("family", "table", "chain"))
        text, number = str(reference["text"]), reference["number"]
        read = []
        for file in self._files.get(family, ()):
            text_of_file = lines(file)
            if text_of_file is None:
                continue
            read.append(file)
            line = policy_line(text_of_file, table, chain) if number is None else rule_line(text_of_file, table, chain, text, number)
            if line is not None:
                return {"file": file, "line": line, "because": None}
        looked = ", ".join(read or self._files.get(family, ())[:2])
        why = "it was not recognised in" if read else "there is no"
        return {"file": None, "line": None, "because": f"{why} {looked}: whether it outlasts the next start is not known"}

    def change(self, reference: t.Mapping[str, t.Any], flow: Flow) -> dict[str, t.Any]:
        tool = binary(reference, flow)
        origin = reference.get("origin") or {}
        kept = f", and write it before line {origin['line']} of {origin['file']} to keep it" if origin.get("file") else ""
        command, where = inserted(tool, reference, flow)
        simple = None
        if flow.tracked:
            simple = f"{quoted(tool)} -I {quoted(str(reference['chain']))} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        return {"summary": f"accept {flow.words()} {where}{kept}", "commands": [command], "simple": simple}


def inserted(tool: str, reference: t.Mapping[str, t.Any], flow: Flow) -> tuple[str, str]:
    """The command that accepts the flow before a rule, or before a policy applies, and the place in words."""
    table, chain, number = str(reference["table"]), str(reference["chain"]), reference["number"]
    place = [tool, *([] if table == "filter" else ["-t", table])]
    place += ["-A", chain] if number is None else ["-I", chain, str(int(number))]
    where = f"at the end of chain {chain}" if number is None else f"before rule {number} of chain {chain}"
    return f"{quoted(*place)} {flow.iptables()} -j ACCEPT", where


def binary(reference: t.Mapping[str, t.Any], flow: Flow) -> str:
    """The tool of the very variant that has the rule: the other one's rules are others. Those of a saved ruleset do not name theirs."""
    name = "ip6tables" if flow.ipv6 else "iptables"
    legacy = reference.get("legacy")
    if legacy is None and reference["number"] is not None:
        legacy = reference["handle"] is None
    if legacy is None or not flow.here:
        return name
    variant = f"{name}-{'legacy' if legacy else 'nft'}"
    return variant if shutil.which(variant, path="/usr/sbin:/sbin:/usr/bin:/bin:/usr/local/sbin") else name


def policy_line(text: t.Sequence[str], table: str, chain: str) -> int | None:
    """The line of `:CHAIN POLICY`, counted from 1."""
    return next((number for number, line in _in_table(text, table) if line.startswith(f":{chain} ")), None)


def rule_line(text: t.Sequence[str], table: str, chain: str, rule: str, number: int) -> int | None:
    """The line of a rule, counted from 1: of several that are equal the one at the place closest to the rule's."""
    if not rule.startswith("-"):
        return _nth_line(text, table, chain, rule, number)
    wanted, place, found = spelled(rule), 0, []
    for at, line in _in_table(text, table):
        match = re.match(r"(?:\[\d+:\d+\] )?(-[AI]|--append|--insert) (\S+)\s?(.*)", line)
        if match and match.group(2) == chain:
            place += 1
            if spelled(match.group(3)) == wanted:
                found.append((abs(place - number), at))
    return min(found)[1] if found else None


def _nth_line(text: t.Sequence[str], table: str, chain: str, rule: str, number: int) -> int | None:
    """The line of a rule of iptables-nft that is given in nft's words: that of its number, if it is for the same ports and ends alike."""
    lines = [(at, line) for at, line in _in_table(text, table) if re.match(rf"(?:\[\d+:\d+\] )?-A {re.escape(chain)} ", line)]
    at, line = lines[number - 1] if 0 < number <= len(lines) else (0, "")
    ending = re.search(r" -[jg] (\w+)", line)
    same = ending is not None and ports_of(line) == ports_of(rule) and re.search(rf"\b{ending[1]}\b", rule, re.IGNORECASE)
    return at if same else None


def ports_of(rule: str) -> str | None:
    """The destination ports of a rule, of iptables or in the words of nft."""
    match = re.search(r"(?:--dports?|dport) \{? ?([\d:,-]+)", rule)
    return match[1].replace(":", "-") if match else None


def _in_table(text: t.Sequence[str], table: str) -> t.Iterator[tuple[int, str]]:
    current = ""
    for number, line in enumerate(text, 1):
        line = line.strip()
        if line.startswith("*"):
            current = line[1:]
        elif current == table:
            yield number, line


def spelled(rule: str) -> tuple[str, ...]:
    """What two spellings of a rule have in common, whatever the order of its options."""
    try:
        words = shlex.split(re.sub(r"^(?:\[\d+:\d+\] )?-A \S+ ?", "", rule))
    except ValueError:
        words = rule.split()
    options: list[str] = []
    for word in words:
        word = _CLOSEST_MASK.sub("", _SAME.get(word, word))
        if word.startswith("-") or not options or word == "!":
            options.append(word)
        else:
            options[-1] += f" {word}"
    return tuple(sorted(option for option in options if option not in [f"-m {name}" for name in _MODULES_OF_PROTOCOLS]))

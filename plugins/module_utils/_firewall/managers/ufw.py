# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rules of ufw: their number in `ufw status numbered` and their line, from the files in which ufw stores them.

See ufw(8) and ufw-framework(8): user.rules has a comment for each rule of `ufw`, and below it what iptables is given for it.
"""

from __future__ import annotations

import collections
import re
import typing as t

from ..._commands import Run
from ..accept.ufw_words import allowing, words
from .files import lines
from .flow import Flow, quoted
from .iptables import binary, inserted, ports_of, rule_line

DIRECTORY, DEFAULTS = "/etc/ufw", "/etc/default/ufw"
_CHAIN = re.compile(r"(-A |:)(ufw-\S+)")
_ANYWHERE = ("0.0.0.0/0", "::/0")


class Tuple(t.NamedTuple):
    """One rule of `ufw`."""

    number: int  # in `ufw status numbered`
    line: str  # what people type
    at: int  # the line in its file, from 1
    rules: list[str]  # of iptables: "-A CHAIN ..."


class Ufw:
    def __init__(self, here: bool, directory: str = DIRECTORY, defaults: str = DEFAULTS, run: Run | None = None) -> None:
        self._directory, self._defaults = (directory, defaults) if here else ("", "")
        self._run = run
        self._tuples: dict[str, list[Tuple]] | None = None

    def origin(self, reference: t.Mapping[str, t.Any]) -> dict[str, t.Any] | None:
        """{number, command, file, line}: number and command for rules of `ufw`; of ufw's frame only the place, where it has one."""
        if not self._directory:
            return None
        chain, number = str(reference["chain"]), reference["number"]
        six = "6" if reference["family"] == "ip6" else ""
        if number is None:
            return self._ipv6() if six and self.shuts_ipv6() else self._default(chain)
        if re.fullmatch(r"ufw6?-user-(input|output|forward)", chain):
            rule = self._user_rule(six, chain, number, str(reference["text"]))
            if rule:
                return {"number": rule.number, "command": rule.line, "file": f"{self._directory}/user{six}.rules", "line": rule.at}
            return None
        part = re.fullmatch(r"ufw6?-(before|after|not-local).*", chain)
        if part is None:
            return None
        file = f"{self._directory}/{'after' if part[1] == 'after' else 'before'}{six}.rules"
        line = rule_line(lines(file) or [], str(reference["table"]), chain, str(reference["text"]), number)
        return None if line is None else {"number": None, "command": None, "file": file, "line": line}

    def change(self, reference: t.Mapping[str, t.Any], flow: Flow) -> dict[str, t.Any] | None:
        if not flow.opens:  # ufw lets through what belongs to a connection before anything else
            return None
        rules = {"in": "input", "out": "output", "forward": "forward"}[flow.direction]
        if flow.ipv6 and self.shuts_ipv6():
            return self._with_ipv6(flow)
        ahead_of_rules = not flow.met(f"{'ufw6' if flow.ipv6 else 'ufw'}-user-{rules}")
        chain = str(reference["chain"])
        origin = reference.get("origin") or {}
        ahead = re.fullmatch(r"ufw6?-(before|not-local|logging).*", chain)
        if ahead:
            return _ahead(reference, flow)
        if ahead_of_rules:
            return {"summary": f"let {flow.words()} through ahead of ufw, whose own rules it does not come to", "commands": []}
        routed = flow.direction == "forward"
        number = origin.get("number") or None
        start = ["prepend"] if not number and re.fullmatch(r"ufw6?-user-.*", chain) else []
        narrow = words(allowing(flow.source, flow.destination, flow.port, flow.direction, number), start)
        begin = ["insert", str(number)] if number else start
        simple = ["ufw", *begin, "allow", *(["out"] if flow.direction == "out" else []), f"{flow.port}/tcp"]
        where = f" before rule {origin['number']}" if origin.get("number") else ""
        return {
            "summary": f"allow {flow.words()}{where}",
            "commands": [quoted(*narrow)],
            "simple": None if routed else quoted(*simple),
        }

    def shuts_ipv6(self) -> bool:
        """Whether ufw is on and leaves IPv6 alone, which it then lets nothing of through, whatever its rules are."""
        on = any(line.strip() == "ENABLED=yes" for line in lines(f"{self._directory}/ufw.conf") or []) if self._directory else False
        return on and self._ipv6() is not None

    def _ipv6(self) -> dict[str, t.Any] | None:
        """Where it is said that ufw leaves IPv6 alone."""
        for number, line in enumerate(lines(self._defaults) or [], 1):
            if re.fullmatch(r"""IPV6=["']?no["']?""", line.strip()):
                return {"number": None, "command": None, "file": self._defaults, "line": number, "ipv6": False}
        return None

    def _with_ipv6(self, flow: Flow) -> dict[str, t.Any]:
        """Its rules are for IPv4 alone then, and have to be made for IPv6 as well."""
        allow = quoted(*words(allowing(flow.source, flow.destination, flow.port, flow.direction, None), []))
        summary = f"have ufw manage IPv6 (IPV6=yes in {self._defaults}), which it shuts now, and allow {flow.words()}"
        switch, forgets = quoted("sed", "-i", "s/^IPV6=.*/IPV6=yes/", self._defaults), self._forgotten()
        if forgets:
            then = f"It takes effect with ufw reload, {forgets}; then {allow}"
            return {"summary": f"{summary}. {then}", "commands": [switch]}
        taken = "It takes effect with ufw reload, which changes nothing else now"
        return {"summary": f"{summary}. {taken}", "commands": [switch, quoted("ufw", "reload"), allow]}

    def _forgotten(self) -> str:
        """What else a reload would change, as half a sentence; empty where that is nothing.

        Of the chains that its files fill, ufw loads what these have; a rule more in one of them is somebody else's.
        """
        code, running, _error = self._run(["iptables-save", "-t", "filter"]) if self._run else (127, "", "")
        if code != 0:
            return "of which it is not known what else it would change"
        kept: collections.Counter[str] = collections.Counter()
        for name in ("before", "after", "user"):
            kept.update(_chains(lines(f"{self._directory}/{name}.rules") or []))
        now = _chains(running.splitlines())
        more = [f"{now[chain] - number} in {chain}" for chain, number in sorted(kept.items()) if now[chain] > number]
        return f"which would also take away rules of others: {', '.join(more)}" if more else ""

    def _default(self, chain: str) -> dict[str, t.Any] | None:
        """Where the policy of a chain of the kernel is set."""
        for number, line in enumerate(lines(self._defaults) or [], 1):
            if line.startswith(f"DEFAULT_{chain}_POLICY="):
                return {"number": None, "command": None, "file": self._defaults, "line": number}
        return None

    def _user_rule(self, six: str, chain: str, number: int, text: str) -> Tuple | None:
        """The nth rule of a chain is the nth of the file, unless the file has changed since it was loaded."""
        if self._tuples is None:
            four = read_tuples(lines(f"{self._directory}/user.rules") or [], 0)
            self._tuples = {"": four, "6": read_tuples(lines(f"{self._directory}/user6.rules") or [], four[-1].number if four else 0)}
        place = 0
        for each in self._tuples[six]:
            for rule in each.rules:
                place += rule.startswith(f"-A {chain} ")
                if place == number and rule.startswith(f"-A {chain} "):
                    return each if ports_of(rule) == ports_of(text) else None
        return None


def _chains(rules: t.Sequence[str]) -> collections.Counter[str]:
    """How many rules each chain has, without those that ufw makes by itself: its log, and jumps between its chains.

    A chain that is declared, as `:ufw-user-input - [0:0]` is, counts with none.
    """
    found: collections.Counter[str] = collections.Counter()
    for line in rules:
        chain = _CHAIN.match(line)
        if chain and "-logging-" not in chain[2]:
            found[chain[2]] += chain[1] == "-A " and " -j ufw-" not in line
    return found


def _ahead(reference: t.Mapping[str, t.Any], flow: Flow) -> dict[str, t.Any]:
    """In the running rules and in ufw's file. No reload: that would take from ufw's chains what others have put into them without ufw."""
    origin = reference.get("origin") or {}
    now, where = inserted(binary(reference, flow), reference, flow)
    rule, file = f"-A {reference['chain']} {flow.iptables()} -j ACCEPT", origin.get("file")
    kept = [quoted("sed", "-i", f"{int(origin['line'])}i {rule}", str(file))] if file else []
    lasts = (
        f" and before line {origin['line']} of {file}"
        if file
        else "; the rule that stops it was not recognised in ufw's files: a reload drops this one"
    )
    return {"summary": f"ufw stops it before its own rules: accept {flow.words()} {where}{lasts}", "commands": [now, *kept]}


def read_tuples(text: t.Sequence[str], before: int) -> list[Tuple]:
    """The rules of a user.rules; those of one application, which have one number, are one. `before`: how many are numbered already."""
    found: list[Tuple] = []
    fields: list[str] | None = None
    application: list[str] | None = None
    for at, line in enumerate(text, 1):
        if line.startswith("### tuple ### "):
            fields = [word for word in line.split()[3:] if not word.startswith("comment=")]
            named = len(fields) >= 8
            same = [*fields[:1], fields[3], *fields[5:]] if named else None
            if not (named and same == application):
                before += 1
                found.append(Tuple(before, command(fields), at, []))
            application = same
        elif line.startswith("### END RULES"):
            break
        elif fields is not None and line.startswith("-A ") and found:
            found[-1].rules.append(line)
    return found


def command(fields: t.Sequence[str]) -> str:
    """`action protocol dport destination sport source [dapp sapp] way` as the command that makes such a rule."""
    if len(fields) not in (7, 9):
        return " ".join(fields)[:200]
    action, protocol, dport, destination, sport, source = fields[:6]
    dapp, sapp = (fields[6], fields[7]) if len(fields) == 9 else ("-", "-")
    words = ["ufw"]
    if action.startswith("route:"):
        words, action = ["ufw", "route"], action[6:]
    words.append(action.replace("_", " "))
    for way in fields[-1].split("!"):
        direction, _underscore, interface = way.partition("_")
        words += [direction, "on", interface] if interface else [] if direction == "in" else [direction]
    words += ["proto", protocol] if protocol != "any" and dapp == sapp == "-" else []
    words += _end("from", source, sport, sapp) + _end("to", destination, dport, dapp)
    if words[-4:] == ["from", "any", "to", "any"]:
        del words[-4:]
    return quoted(*" ".join(words).split())


def _end(word: str, address: str, port: str, application: str) -> list[str]:
    end = [word, "any" if address in _ANYWHERE else address]
    if application != "-":
        return [*end, "app", application.replace("%20", " ")]
    return end + (["port", port] if port != "any" else [])

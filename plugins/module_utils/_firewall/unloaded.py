# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rules in files that let a stopped SYN through where it is stopped, and are not loaded there.

The files are only read: to load them anywhere has the kernel load modules. What is not understood is left out. Named is a rule that is
reached, in its file, from the same hook of the same table, and is not among the loaded rules of its chain.
"""

from __future__ import annotations

import os
import shutil
import time
import typing as t

from .._commands import Run
from .._errors import ObserveError
from .._wire.netlink import NETLINK_ROUTE, Netlink, attribute
from .describer import Describer
from .evaluation import UnsupportedError
from .facts import LiveFacts
from .loaded import sets
from .managers.files import content
from .managers.flow import quoted
from .managers.iptables import FILES, rule_line
from .managers.nft_files import Chain, Rules, Statement, read_rules
from .managers.nft_statements import ACCEPT, read
from .managers.nft_words import tokens, words_of
from .managers.nftables import ROOTS
from .managers.ufw import DIRECTORY as UFW
from .managers.ufw import Ufw
from .nft.read import read as loaded_tables
from .ruleset import Ruleset
from .saved import SavedFacts
from .verdicts import judge
from .xt import read as xtables

Json = t.Dict[str, t.Any]
Absent = t.List[t.Dict[str, str]]

LARGEST = 128 * 1024  # characters of a file, with what it includes
SECONDS = 2.0  # for all SYNs together
_ASKED = ("packet", "direction", "source", "source_port", "destination", "port", "interface", "out_interface", "state", "uid", "gid")
_MET = ("source", "source_port", "destination", "port", "direction")
_TOOL = {"ip": "iptables", "ip6": "ip6tables"}
_ACCEPTS = attribute(1, (1).to_bytes(4, "big"))  # NFTA_VERDICT_CODE: NF_ACCEPT
_MOST_JUMPS = 16  # NFT_JUMP_STACK_SIZE


class _Unclear(Exception):
    """What happens to the SYN in a file cannot be said."""


def find(verdicts: t.Sequence[Json], run: Run, seconds: float = SECONDS) -> tuple[list[Json | None], Absent]:
    """{manager, file, line, text, command, replaces} for each SYN that is stopped; None where no file has a rule that is known to help.

    `command` loads the file; `replaces`: whether that empties first what it fills. A file that cannot be read costs itself.
    """
    files, whys = _Files(run, seconds), t.cast("list[str]", [])
    found: list[Json | None] = []
    for verdict in verdicts:
        look = {"nftables": files.nft, "iptables": files.iptables, "ufw": files.ufw}.get(str((verdict["rule"] or {}).get("manager")))
        one = None
        try:
            files.check_time()
            one = look(verdict) if look else None
        except (_Unclear, UnsupportedError):
            pass
        except ObserveError as error:
            whys.append(str(error))
        except Exception as error:  # a file unlike all that we know, and a mistake of ours
            whys.append(f"{type(error).__name__}: {error}")
        found.append(one)
    return found, [{"what": "firewall: rules in files that are not loaded", "why": why} for why in dict.fromkeys(whys)]


class _Files:
    """Each is read once."""

    def __init__(self, run: Run, seconds: float) -> None:
        self._run, self._seconds, self._until = run, seconds, time.monotonic() + seconds
        self._nft: tuple[str, Rules] | None = None
        self._texts: dict[str, str | None] = {}
        self._rules: dict[str, Ruleset] = {}
        self._accepting: dict[Chain, list[str]] = {}
        self._listed: dict[tuple[str, ...], list[str]] = {}

    def check_time(self) -> None:
        if time.monotonic() > self._until:
            raise ObserveError(f"it takes longer than {self._seconds:g} s to look for all of them")

    def nft(self, verdict: Json) -> Json | None:
        rule, packet = verdict["rule"], _as_met(verdict)
        if self._nft is None:
            root = next((path for path in ROOTS if os.path.isfile(path)), "")
            self._nft = root, read_rules(root, LARGEST) if root else Rules([], [], True)
        root, (statements, flushes, complete) = self._nft
        family, table = rule["family"], rule["table"]
        mine = [each for each in statements if each.chain[:2] == (family, table) and each.number]
        begun = next((number for number, each in enumerate(statements) if each in mine[:1]), 0)
        emptying = [each for each in flushes if each.meets(family, table)]
        if not complete:
            raise ObserveError(f"{root} has more than {LARGEST} characters with what it includes, or not all of it can be read")
        if not mine or any(each.behind > begun for each in emptying):
            return None
        chains: dict[str, list[Statement]] = {}
        for each in mine:
            chains.setdefault(each.chain[2], []).append(each)
        accepting = _accepting(chains, _base_chain(verdict), packet, self.check_time)
        if accepting is None or self._is_loaded(accepting, packet):
            return None
        replaces = any(each.kind in ("ruleset", "table") for each in emptying)
        text = " ".join(accepting.said).replace(" ,", ",")
        return _found("nftables", accepting.file, accepting.line, text, ["nft", "-f", root], replaces)

    def iptables(self, verdict: Json) -> Json | None:
        rule = verdict["rule"]
        family, table = rule["family"], rule["table"]
        file = next((path for path in FILES.get(family, ()) if os.path.isfile(path)), None)
        text = self._text(file) if file else None
        if file is None or text is None:
            return None
        accepting = self._accepted_by(verdict, file, text, {name: verdict[name] for name in _ASKED})
        if accepting is None or self._is_saved(accepting, rule):
            return None
        line = rule_line(text.splitlines(), table, accepting["chain"], accepting["text"], accepting["number"])
        return _found("iptables", file, line, accepting["text"], [f"{_variant(rule)}-restore", file], True)

    def ufw(self, verdict: Json) -> Json | None:
        """A rule of ufw's own, which it has written and not given to the kernel."""
        rule, packet = verdict["rule"], _as_met(verdict)
        family, way = rule["family"], {"in": "INPUT", "out": "OUTPUT", "forward": "FORWARD"}[packet["direction"]]
        name = f"{'ufw6' if family == 'ip6' else 'ufw'}-user-{way.lower()}"
        file = f"{UFW}/user{'6' if family == 'ip6' else ''}.rules"
        text = self._text(file)
        entered = [rule["chain"], *(each["target"] for step in verdict["path"] for each in step["effects"])]
        if text is None or name not in entered:  # it is stopped ahead of them
            return None
        lines = [line for line in text.splitlines() if line.startswith(f"-A {name} ")]
        alone = "\n".join(["*filter", f":{way} DROP [0:0]", f":{name} - [0:0]", f"-A {way} -j {name}", *lines, "COMMIT", ""])
        accepting = self._accepted_by(verdict, f"{file} {name}", alone, packet)
        if accepting is None or self._is_saved(accepting, rule):
            return None
        origin = Ufw(True).origin(accepting) or {}
        return _found("ufw", file, origin.get("line"), origin.get("command") or accepting["text"], ["ufw", "reload"], True)

    def _accepted_by(self, verdict: Json, name: str, text: str, question: Json) -> Json | None:
        """The rule of saved iptables rules that accepts the SYN, where the table of the one that stops it now has it."""
        if name not in self._rules:
            saved = xtables.from_text({verdict["rule"]["family"]: text})
            self._rules[name] = Ruleset([*saved.base_chains()], saved.absent, saved.tracks_marks, saved.translates, saved.tracks)
        with Netlink(NETLINK_ROUTE) as netlink:
            facts = SavedFacts(netlink, sets(_no_tools), (), [question])
            (there,) = judge([question], facts, self._rules[name], Describer(None))["verdicts"]
        wanted = _hook(verdict["path"][-1])
        accepting = [step["rule"] for step in there["path"] if _hook(step) == wanted and _accepts(step)]
        rule = accepting[-1] if there["verdict"] == "accept" and accepting else None
        return rule if rule and rule["number"] is not None else None

    def _text(self, file: str) -> str | None:
        if file not in self._texts:
            self._texts[file] = content(file)
        text = self._texts[file]
        if text is not None and len(text) > LARGEST:
            raise ObserveError(f"{file} has more than {LARGEST} characters")
        return text

    def _is_loaded(self, written: Statement, packet: Json) -> bool:
        """Whether its chain has a rule of the same words, or another one that accepts the SYN."""
        if written.chain not in self._accepting:
            self._accepting[written.chain] = list(self._loaded(*written.chain))
        loaded = self._accepting[written.chain]
        return any(words_of(text) == written.words or read(tokens(text), packet)[:2] == (True, ACCEPT) for text in loaded)

    def _loaded(self, family: str, table: str, chain: str) -> t.Iterator[str]:
        """The rules of a loaded chain that may accept something."""
        with Netlink(NETLINK_ROUTE) as netlink:
            links = {link.index: link for link in LiveFacts(netlink, sets(_no_tools)).links()}
        there = loaded_tables(links).tables.get((family, table))
        if there is None or chain not in there.names:
            return
        for number, body in enumerate(there.chain(chain).bodies):
            self.check_time()
            if _ACCEPTS in body or b"lookup" in body:
                yield there.chain(chain).rule(number).reference()["text"]

    def _is_saved(self, written: Json, stopping: Json) -> bool:
        """The same of a chain of iptables, as its own tool lists it."""
        command = (f"{_variant(stopping)}-save", "-t", str(stopping["table"]))
        if command not in self._listed:
            code, output, complaint = self._run(list(command))
            if code:
                raise ObserveError(f"{quoted(*command)} fails: {' '.join(complaint.split())[:300]}")
            self._listed[command] = output.splitlines()
        target = written["text"].rpartition(" -j ")[2].split()[:1]
        same = [line for line in self._listed[command] if line.startswith("*") or {"-j", *target}.issubset(line.split())]
        return rule_line(same, str(stopping["table"]), written["chain"], written["text"], 1) is not None


def _found(manager: str, file: str, line: int | None, text: str, command: list[str], replaces: bool) -> Json:
    return {"manager": manager, "file": file, "line": line, "text": text, "command": quoted(*command), "replaces": replaces}


def _as_met(verdict: Json) -> Json:
    """The SYN's question as the rule that stops it met it: its ends may have been translated before."""
    met = verdict["rewritten"] or {}
    return {**{name: verdict[name] for name in _ASKED}, **{name: met[name] for name in _MET if name in met}}


def _hook(step: Json) -> tuple[t.Any, ...]:
    return tuple(step["chain"][name] for name in ("family", "table", "hook"))


def _base_chain(verdict: Json) -> str:
    """The chain by which the SYN came into the table that stops it."""
    last = verdict["path"][-1]
    same = (step["chain"] for step in verdict["path"] if _hook(step) == _hook(last))
    return str(next(chain["chain"] for chain in same if chain["priority"] == last["chain"]["priority"]))


def _accepting(
    chains: t.Mapping[str, t.Sequence[Statement]], name: str, packet: Json, check_time: t.Callable[[], None], jumps: int = 0
) -> Statement | None:
    """The rule of a file that accepts the SYN; None where none ends its way. Raises _Unclear, and what `check_time` does."""
    check_time()  # jumps into chains that jump on are many soon
    rules = chains.get(name, ())
    if jumps > _MOST_JUMPS or not all(each.said for each in rules):
        raise _Unclear
    for each in rules:
        matches, end, target = read(each.said, packet)
        if matches is False or end is None or (matches is None and end == ACCEPT):
            continue
        if matches and end == ACCEPT:
            return each
        if matches and end == "return":
            return None
        if not matches or end not in ("jump", "goto"):
            raise _Unclear  # it is stopped, or may be
        found = _accepting(chains, target, packet, check_time, jumps + 1)
        if found or end == "goto":
            return found
    return None


def _accepts(step: Json) -> bool:
    return bool(step["rule"] and step["matched"] and step["effects"] and step["effects"][-1]["kind"] == "accept")


def _no_tools(_command: t.Sequence[str], _data: str | None = None) -> tuple[int, str, str]:
    """Sets that a file asks for stay unknown: to list them may have the kernel load a module."""
    return 127, "", "not asked"


def _variant(rule: Json) -> str:
    """The tool of the variant that has the rule."""
    tool = _TOOL[rule["family"]]
    own = f"{tool}-{'legacy' if rule.get('legacy') else 'nft'}"
    return own if shutil.which(f"{own}-save", path="/usr/sbin:/sbin:/usr/bin") else tool

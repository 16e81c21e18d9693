# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The interfaces that a saved ruleset of nftables names by their index (iif, oif, device), which must exist for nft to load it."""

from __future__ import annotations

import json
import re
import typing as t

MOST_LINKS = 500

_KEYS = ("iif", "oif", "ibrname", "obrname")
_COMMENT = re.compile(r'#[^\n]*|\bcomment "[^"\n]*"')
_FIB = re.compile(r"\bfib [^;\n]*")  # where iif and oif are words of their own
_DEFINE = re.compile(r"^\s*(?:re)?define\s+([\w/.-]+)\s*=\s*(\{[^{}]*\}|[^\n;]*)", re.MULTILINE)
_SET = re.compile(r"\b(?:set|map)\s+\S+\s*\{[^{}]*\biface_index\b[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
_GROUP = re.compile(r"\b(?:iif|oif|ibrname|obrname|devices)\b[^{}\n;]*\{([^{}]*)\}")
_ONE = re.compile(r'\b(?:iif|oif|ibrname|obrname|device)\s+(?:[!=]=\s*)?("[^"\n]*"|\$?[\w.@:-]+)')
_WORD = re.compile(r'"([^"\n]*)"|(\$?[A-Za-z_][\w.@/-]*)')
_VERDICT = re.compile(r":\s*(?:(?:jump|goto)\s+\S+|[a-z]+)")
_NO_NAMES = ("vmap", "map", "elements", "type", "typeof", "flags", "iface_index", "iif", "oif", "meta", "tcp", "udp", "ip", "ip6", "dport")


def names_in(text: str) -> list[str]:
    """Names of interfaces, in the order of the text, which is in nft's language or its JSON."""
    found = _of_json(text) if text.lstrip().startswith("{") else _of_text(text)
    return [name for name in dict.fromkeys(found) if name and name != "lo" and len(name) < 16 and "/" not in name][:MOST_LINKS]


def _of_text(text: str) -> t.Iterator[str]:
    text = _FIB.sub("", _COMMENT.sub("", text))
    defined = dict(_DEFINE.findall(text))
    places = [(found.start(), found[1]) for pattern in (_ONE, _GROUP) for found in pattern.finditer(text)]
    places += [(found.start(), found[0].partition("{")[2]) for found in _SET.finditer(text)]
    for _place, words in sorted(places):
        yield from _words(words, defined, 0)


def _words(text: str, defined: t.Mapping[str, str], depth: int) -> t.Iterator[str]:
    """Names in what is compared with an interface, those that variables stand for included; the verdicts of a map are none."""
    for quoted, word in _WORD.findall(_VERDICT.sub(" ", text)):
        if word.startswith("$"):
            yield from _words(defined.get(word[1:], ""), defined, depth + 1) if depth < 8 else ()
        elif quoted or word not in _NO_NAMES:
            yield quoted or word


def _of_json(text: str) -> t.Iterator[str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return  # it is said where it is loaded
    yield from _within(document)


def _within(node: t.Any) -> t.Iterator[str]:
    """What stands beside an expression that is an interface's index: the right side of a match, the keys of a map, elements of a set."""
    if isinstance(node, dict):
        yield from _strings(_beside(node))
    for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _within(each)


def _beside(node: t.Mapping[str, t.Any]) -> list[t.Any]:
    found = [node.get("dev")]
    if _by_index(node.get("left")):
        found.append(node.get("right"))
    data = node.get("data")
    if _by_index(node.get("key")) and isinstance(data, dict):
        found += [pair[0] if isinstance(pair, list) and pair else None for pair in data.get("set") or ()]
    if "iface_index" in _strings([node.get("type")]):
        found.append(node.get("elem"))
    return found


def _by_index(node: t.Any) -> bool:
    if isinstance(node, dict) and isinstance(node.get("concat"), list):
        return any(map(_by_index, node["concat"]))
    meta = node.get("meta") if isinstance(node, dict) else None
    return isinstance(meta, dict) and meta.get("key") in _KEYS


def _strings(nodes: t.Iterable[t.Any]) -> list[str]:
    found: list[str] = []
    for node in nodes:
        if isinstance(node, str):
            found.append(node)
        elif isinstance(node, (list, dict)):
            found += _strings(node.values() if isinstance(node, dict) else node)
    return found

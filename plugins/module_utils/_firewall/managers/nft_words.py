# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rules of nft as words: what two spellings of one rule have in common. See nft(8)."""

from __future__ import annotations

import re
import socket
import typing as t

MOST_WORDS = 2_000
Words = t.Tuple[str, ...]
_TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|\\\n|\n|[{};,]|[^\s{};,"#\\]+|["\\]')
# `meta iifname`, `icmpx type port-unreachable`: older versions of nft write such words, newer ones do not. Counts change.
_MASKED = re.compile(r"flags & ?\(([\w| ]+)\) == ([\w|]+)")
_IMPLIED = re.compile(r"\b(meta )?(l4proto (tcp|6)|nfproto ipv[46])(?= |$)")  # which nft adds where a later condition needs it
_IGNORED = ("meta", "type", "(", ")", ",", "=")
# What files call by its name is a number in the kernel, and `reject` alone is port-unreachable (nft(8), REJECT STATEMENT).
_REASONS = {
    "icmp": {"net-unreachable": "0", "host-unreachable": "1", "prot-unreachable": "2", "net-prohibited": "9", "host-prohibited": "10",
             "admin-prohibited": "13"},
    "icmpv6": {"no-route": "0", "admin-prohibited": "1", "addr-unreachable": "3", "policy-fail": "5", "reject-route": "6"},
}  # fmt: skip
_UNSAID = ("port-unreachable", "3", "4")  # the numbers are IPv4's and IPv6's
_USUAL_BURST = re.compile(r"(?<=\S) burst 5 packets(?= |$)")  # nft 1.1 lists it, 1.0 does not


def words_of(text: str) -> Words:
    """What two spellings of a rule have in common."""
    text = re.sub(r"\s+# handle \d+\s*$", "", text)
    text = _MASKED.sub(lambda found: f"flags {found[2]} / {found[1]}".replace("|", ","), text)
    return _common(_TOKEN.findall(_USUAL_BURST.sub("", _IMPLIED.sub(" ", text))))


def tokens(text: str) -> list[str]:
    """The words of a rule as it is written."""
    return _TOKEN.findall(text)


def _common(said: t.Sequence[str]) -> Words:
    words: list[str] = []
    opened: list[int] = []
    for token in said[:MOST_WORDS]:
        if token == "{":
            opened.append(len(words))
        elif token == "}":
            start = opened.pop() if opened else len(words)
            words[start:] = sorted(words[start:])
        elif token.isdigit() and words and words[-1] in ("packets", "bytes"):
            words.pop()
        elif token not in _IGNORED and not token.startswith("#"):
            words.append(_plain(token.strip('"'), words[opened[0] - 1] if opened and opened[0] else words[-1] if words else ""))
    return tuple(_answer(words))


def _answer(words: list[str]) -> list[str]:
    """With what the rule rejects, in one spelling."""
    at = words.index("reject") + 1 if "reject" in words else len(words)
    said = [word for word in words[at : at + 4] if word != "code"][:3]  # with icmp admin-prohibited, with icmp code 13
    if len(said) < 3 or said[0] != "with" or said[1] == "tcp":
        return words
    reason = _REASONS.get(said[1], {}).get(said[2], said[2])
    return words[:at] + ([] if reason in _UNSAID else ["with", reason]) + words[words.index(said[2], at) + 1 :]


def _plain(word: str, before: str) -> str:
    """One word as nft lists it: ports are numbers."""
    if before in ("dport", "sport") and re.fullmatch(r"[a-z][a-z0-9-]+", word):
        try:
            return str(socket.getservbyname(word))
        except OSError:
            return word
    return word

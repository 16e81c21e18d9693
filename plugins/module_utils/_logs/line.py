# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""One line of a log, whoever wrote it, and what of its text may leave the host."""

from __future__ import annotations

import re
import typing as t

KERNEL = "kernel"
LONGEST = 2048  # of a line, as it is read; the rest is not looked at
WIDTH = 300  # of its text, as it leaves the host

_VALUE = r"(\"[^\"]*(?:\"|$)|'[^']*(?:'|$)|[^\s,;&]+)"
_NAMED = re.compile(
    r"([\w.-]{0,40}(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|private[_-]?key|credential|cookie|session[_-]?id)[\w.-]{0,40}"
    r"[\"']?\s*[:=]\s*)" + _VALUE,
    re.IGNORECASE,
)
_AUTHORIZED = re.compile(r"(\b(?:authorization[\"']?\s*[:=]\s*(?:\w+\s+)?|bearer\s+|basic\s+))" + _VALUE, re.IGNORECASE)
_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{0,100}:)[^\s/@]{1,200}@", re.IGNORECASE)
_OPAQUE = re.compile(
    r"(?<![\w/+.-])(?:eyJ[\w.-]{20,}|AKIA[0-9A-Z]{16}|(?=[\w/+-]*\d)(?=[\w/+-]*[A-Za-z])[\w+-][\w/+-]{31,}={0,2})(?![\w/+.-])"
)
_UNSEEN = re.compile(r"[^\x20-\x7e\u00a1-\u200a\u2010-\u2027\u2030-\u205f\u2070-\ud7ff\ue000-\ufffd]")


class Line(t.NamedTuple):
    """`attested`: the kernel or the journal vouches for who wrote it; in a text file, anybody may have written any name.

    `unit` is that of the process; `subject` the unit that systemd writes about, and `event` the identity of such a message.
    """

    time: float
    source: str
    attested: bool
    program: str | None  # KERNEL for the kernel's own
    text: str
    pid: int | None = None
    unit: str | None = None
    urgent: bool = False  # an error or worse
    subject: str | None = None
    event: str | None = None


class Lines(t.NamedTuple):
    """Lines of a time; `missing`: why there may be more of it."""

    lines: list[Line]
    missing: str | None = None


def redacted(text: str) -> str:
    """What of a text may leave the host: bounded, in one line, and without what looks like a secret."""
    text = _UNSEEN.sub("?", text[:LONGEST])  # more than is returned: a quoted secret is known by its end
    for pattern, kept in ((_AUTHORIZED, r"\1[cut]"), (_NAMED, r"\1[cut]"), (_IN_URL, r"\1[cut]@"), (_OPAQUE, "[cut]")):
        text = pattern.sub(kept, text)
    return text[:WIDTH]

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What nameservers did with queries for a name, in words, and which of them are to blame."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.threeway.handshake.plugins.module_utils._connect.resolve import SLOW_MS

from ..._model.probe_records import Nameserver, OverlookedLine, Resolution, Unconfigured
from ..._values.words import plural
from ..case import Case
from .accepting import stopped_by

DROPPED, PROHIBITED = "EPERM", "EACCES"  # what the kernel says where a rule drops the query on its way out, or a route has no way for it


def refused(failed: Resolution, error: str) -> tuple[str, ...]:
    return tuple(entry.address for entry in failed.nameservers or () if entry.error == error)


def and_why(dropped: Sequence[str], prohibited: Sequence[str]) -> str:
    why = []
    if dropped:
        why.append(f"{', '.join(dropped)} ({DROPPED}): a rule of its firewall drops it, or a filter of a control group")
    if prohibited:
        why.append(f"{', '.join(prohibited)} ({PROHIBITED}): a route of type prohibit, or a security module, forbids it")
    return "; nor to ".join(why)


def own_program(case: Case, entry: Nameserver) -> str:
    """Who is to answer where the nameserver's address is a loopback one."""
    process = entry.process
    named = f"{process.name} (pid {process.pid}) of {case.client.name} itself" if process else case.client.name
    stopped = f", which is stopped {stopped_by(process)}" if process and process.stopped else ", which does not answer"
    return f"nameserver {entry.address} is {named}{stopped}"


def unconfigured(found: Unconfigured) -> str:
    """Whom the C library asks then is no server of anybody's choice (resolv.conf(5))."""
    leads = f"/etc/resolv.conf leads to {found.link}, which" if found.link else "/etc/resolv.conf"
    wrong = (
        "names no nameserver" if found.error is None else "does not exist" if found.error == "ENOENT" else f"cannot be read ({found.error})"
    )
    return f"{leads} {wrong}, so that only a nameserver on this host itself is asked"


_OVERLOOKED = {
    "beyond": "the C library asks the first three alone",
    "indented": "a line counts only if it begins with nameserver",
    "line_end": "it ends with a carriage return, as lines of Windows do, which for the C library belongs to the address",
    "malformed": "nothing but an address may follow nameserver, and no port",
}


def overlooked(failed: Resolution) -> OverlookedLine | None:
    """A line for a nameserver that has the name, and is not asked; or for any, where none is."""
    known = failed.passed_over or ()
    return next((each for each in known if each.holds), next(iter(known), None) if failed.unconfigured else None)


def in_vain(entry: OverlookedLine) -> str:
    """What is the matter with a line that the C library does not heed."""
    named = f"names {entry.address}" if entry.address else "names a nameserver"
    has = ", which has records of it," if entry.holds else ""
    return f"line {entry.line} of /etc/resolv.conf {named}{has} in vain: {_OVERLOOKED[entry.why]}"


def to_blame(nameservers: Sequence[Nameserver], name: str) -> tuple[list[Nameserver], str]:
    """Those that do not answer the resolver, and half a sentence on them or on the one that takes long itself.

    It asks them in their order: a silent one after one that answers is not waited for, nor is one that refuses at once.
    """
    dead: list[Nameserver] = []
    for entry in nameservers:
        if entry.answer_ms is not None:
            if dead:
                return dead, f"nameserver {', '.join(each.address for each in dead)} does not answer"
            return dead, _ill_answered(entry, name)
        if entry.silent:
            dead.append(entry)
    return [], ""


def _ill_answered(entry: Nameserver, name: str) -> str:
    """What a nameserver that answers is slow or silent about, of what the resolver must wait for before it has the name's addresses."""
    silent = [query for query in entry.queries if query.answer_ms is None]
    searched = list(dict.fromkeys(query.name for query in silent if query.name != name))
    answered = {query.type for query in entry.queries if query.name == name and query.answer_ms is not None}
    types = [query.type for query in silent if query.name == name]
    if searched and entry.queries[0].name in searched:
        return f"nameserver {entry.address} does not answer for {', '.join(searched)}, which the search list has it asked for first"
    if types and answered:
        return f"nameserver {entry.address} answers {' and '.join(sorted(answered))} queries for it and no {' or '.join(types)} queries"
    slow = max((query.answer_ms or 0.0 for query in entry.queries), default=entry.answer_ms or 0.0)
    return f"nameserver {entry.address} takes {slow / 1000:.1f} s" if slow >= SLOW_MS / 2 else ""


def result(entry: Nameserver) -> str:
    """The outcome of the queries to a nameserver."""
    if not entry.queries or entry.error:
        return f"answers in {entry.answer_ms:.0f} ms" if entry.answer_ms is not None else entry.error or "no answer"
    if entry.silent:
        return "no answer"
    parts = [
        f"{query.type} {query.name}: "
        + (f"answers in {query.answer_ms:.0f} ms" if query.answer_ms is not None else "no answer")
        + (f", {plural(query.answers, 'record')}" if query.answers is not None else "")
        + (" and more, cut off" if query.truncated else "")
        for query in entry.queries
    ]
    return "; ".join([*parts, *([f"TCP port 53: {entry.tcp}"] if entry.tcp else [])])


CONNECTED = "connected"

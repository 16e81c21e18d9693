# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Rules of a host that would lead the SYN to somebody who may listen, and miss it by one condition: its address, its interface ..."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from ..._model.firewall_subjects import MissedTranslation
from ..._model.host import Host
from ..._model.opening_records import MissedRule
from ..._values.words import endpoint
from ..case import Case
from ..finding import Evidence
from .hidden import OF_CLUSTERS
from .rules import kept_by
from .traversals import Place, judged
from .why_stopped import by_what


def just_missed(case: Case, host: Host) -> MissedTranslation | None:
    """The first such rule, and the network that both who dials and who is translated to are on, whose answers would not come back."""
    verdict = judged(case, Place(host, "syn", "in", "server.firewall"))
    led = [each for each in (verdict.missed if verdict else ()) if not _for_service_addresses(each)]
    if verdict is None or len({(each.destination, each.port) for each in led}) != 1:
        return None  # of rules that lead to several ends nobody knows which one is meant
    missed = led[0]
    return MissedTranslation(missed, verdict.source, verdict.destination, verdict.interface, _shared(host, verdict.source, missed))


def _for_service_addresses(missed: MissedRule) -> bool:
    """Whether what made the rules made them for addresses of services, which are no host's: a host's own port is not meant."""
    return any(rule is not None and rule.manager in OF_CLUSTERS for rule in (missed.rule, missed.translating))


def _shared(host: Host, source: str, missed: MissedRule) -> str | None:
    for entry in (host.snapshot.addresses if host.snapshot else None) or ():
        if all(ipaddress.ip_address(each) in entry.network for each in (source, missed.destination)):
            return str(entry.network)
    return None


def in_words(found: MissedTranslation, host: Host) -> str:
    """``, and rule '...' on r1, which translates to 10.0.1.12:5432, misses the SYN by '-i eth1' (the SYN: interface eth0)``"""
    missed, end = found.missed, _end(found)
    leads = missed.translating is not None and missed.translating.identity != missed.rule.identity
    does = f"leads to a translation to {end}" if leads else f"translates to {end}"
    return f", and {missed.rule.name} on {host.name}, which {does}, misses the SYN by {by_what(missed)}"


def shown(case: Case, found: MissedTranslation, host: Host) -> Iterator[Evidence]:
    missed = found.missed
    yield case.saw(host, "firewall", f"evaluated: but for '{missed.condition.text}' of {missed.rule.tag} the SYN would go to {_end(found)}")
    yield from kept_by(host, missed.rule)


def _end(found: MissedTranslation) -> str:
    return endpoint(found.missed.destination, found.missed.port or 0)

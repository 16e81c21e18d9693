# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Save the nf_tables ruleset as the kernel's own messages, and restore it at once: only what differs, or else all of it.

No text is in between: iptables-nft's matches, which nft prints and cannot read again, come back as they were, and so do counters, the
elements of sets with what is left of their time, and objects.
"""

from __future__ import annotations

import time
import typing as t

from .._commands import Run
from .base import Blobs, ChangedMeanwhileError, GuardError, Json, packed
from .merge import Entry, merge_lists, merge_maps, without_marked
from .nftables_edits import edits
from .nftables_essence import NEWCHAIN, NEWSET, NEWTABLE, element_says, essence_of
from .nftables_messages import packed_messages, read_messages, send
from .nftables_ruleset import Elements, Place, Ruleset, by_packets, current, expires, of_ranges

_CHANGED = "the ruleset of nf_tables was changed by somebody else at the same time"

Marked = t.Callable[[bytes], bool]


class Nftables:
    """State: the messages that make the ruleset, and when. Tables that a running program owns are that program's, not ours."""

    def save(self, blobs: Blobs, run: Run) -> Json:
        """Everything but owned tables, which are named in `owned`."""
        at = time.monotonic()
        ruleset, owned, generation = current()
        return {**_record(ruleset, at, blobs), "text": blobs.put(_text(run)), "owned": owned, "generation": generation.hex()}

    def target(self, saved: Json, made: Json, now: Json, blobs: Blobs, marked: Marked | None) -> Json:
        """What is to be restored. With `marked`, ours are the rules of which it is true, whatever else has changed."""
        at = now["at"]
        old, present = _read(saved, blobs, at), _read(now, blobs, at)
        if marked:
            merged = present._replace(rules=_with_ours_undone(old, present, marked))
        else:
            merged = _merged(old, _read(made, blobs, at) if made else None, present)
        mixed = bool(saved.get("mixed")) or merged.essence() != old.essence()
        return {**_record(merged, at, blobs), "text": now["text"], "owned": now["owned"], "generation": now["generation"], "mixed": mixed}

    def restore(self, record: Json, blobs: Blobs) -> None:
        """Make the ruleset what it was: no packet sees less than the old one or the new one. ChangedMeanwhileError, GuardError.

        A target is for one generation of the kernel's ruleset: what others have changed since then is not in it.
        """
        wanted = _read(record, blobs, time.monotonic())
        now, _owned, generation = current()
        if "mixed" in record and record["generation"] != generation.hex():
            raise ChangedMeanwhileError(_CHANGED)
        if _is_same(now, wanted, record):
            return
        try:
            send(packed_messages(edits(now, wanted)), generation=generation)
            ours = (generation, _next(generation))
            now, _owned, generation = current()
            if _is_same(now, wanted, record):
                return
            if "mixed" in record and generation not in ours:
                raise ChangedMeanwhileError(_CHANGED)
        except ChangedMeanwhileError:
            raise
        except GuardError:  # it takes more: all of it is recreated
            pass
        send(packed_messages(wanted.messages()), replace=True, generation=generation)

    def lines(self, record: Json, blobs: Blobs) -> list[str]:
        """As nft prints it; where it is missing, a number that is the same for equal rulesets."""
        text = blobs.get(record["text"]).decode("utf-8", "replace").splitlines()
        return text if text or not blobs.get(record["messages"]) else [f"nf_tables ruleset {record['essence']}"]

    def check(self, record: Json, blobs: Blobs) -> None:
        """GuardError when the kernel would not take the saved ruleset; nothing changes."""
        send(blobs.get(record["messages"]), replace=True, commit=False)


def _next(generation: bytes) -> bytes:
    """The generation that one batch makes of another, see nf_tables_commit() in net/netfilter/nf_tables_api.c: it is never 0."""
    return (int.from_bytes(generation, "big") % 0xFFFFFFFF + 1).to_bytes(4, "big")


def _record(ruleset: Ruleset, at: float, blobs: Blobs) -> dict[str, t.Any]:
    return {"messages": blobs.put(packed_messages(ruleset.messages())), "at": at, "essence": ruleset.essence()}


def _read(record: Json, blobs: Blobs, at: float) -> Ruleset:
    """The ruleset as it is at that time by itself. Version 0.1.0 saved no time."""
    return Ruleset.read(read_messages(blobs.get(record["messages"]))).aged(int(1000 * (at - record.get("at", at))))


def _is_same(now: Ruleset, wanted: Ruleset, record: Json) -> bool:
    """Where others' changes are kept, too, tables need not have been made in a certain order."""
    in_order = not record.get("mixed")
    return now.essence(in_order) == wanted.essence(in_order)


def _merged(old: Ruleset, made: Ruleset | None, now: Ruleset) -> Ruleset:
    """`made`: None when nobody knows what is ours. Then all is, but for what packets put into sets."""
    new = now if made is None else made
    objects = merge_maps(old.objects, new.objects, now.objects, lambda message: essence_of(*message))
    rules = {}
    for place in {**now.rules, **old.rules}:
        rules[place] = merge_lists(*(ruleset.rules.get(place, []) for ruleset in (old, new, now)))
    elements = {key[1:]: _merged_elements(key[1:], old, new, now, made is not None) for key in objects if key[0] == NEWSET}
    for key in list(objects):  # a table that we made stays where others use it
        table = (NEWTABLE, key[1], key[2])
        if table not in objects:
            objects = {table: now.objects[table], **objects} if table in now.objects else objects
    return Ruleset(objects, elements, {place: entries for place, entries in rules.items() if entries})


def _merged_elements(place: Place, old: Ruleset, new: Ruleset, now: Ruleset, alone: bool) -> Elements:
    """`alone`: it is known what we have made, and it is nothing that expires."""
    key = (NEWSET, *place)
    saved, made, present = (ruleset.elements.get(place, {}) for ruleset in (old, new, now))
    there, message = now.objects.get(key), old.objects.get(key)
    if there is None or message is None:
        return present if message is None else saved
    if by_packets(there) and essence_of(*there) == essence_of(*message):
        return present
    if of_ranges(there):
        said = [sorted(map(element_says, part.values())) for part in (saved, made, present)]
        return present if said[0] in (said[1], said[2]) else saved
    if not alone:
        return merge_maps(saved, made, present, element_says)
    passing = {name: element for name, element in present.items() if expires(element)}
    first, second, third = ({name: element for name, element in part.items() if not expires(element)} for part in (saved, made, present))
    return {**merge_maps(first, second, third, element_says), **passing}


def _with_ours_undone(old: Ruleset, now: Ruleset, marked: Marked) -> dict[Place, list[Entry]]:
    chains = [place for place in {**now.rules, **old.rules} if (NEWCHAIN, *place) in now.objects]
    return {
        place: without_marked(old.rules.get(place, []), now.rules.get(place, []), lambda entry: marked(_said(entry))) for place in chains
    }


def _said(entry: Entry) -> bytes:
    return b"".join(value for _name, value in entry.content.about)


def _text(run: Run) -> bytes:
    """The ruleset as nft prints it, for people; empty where there is no nft."""
    code, output, _error = run(["nft", "-s", "list", "ruleset"])
    return packed(output) if code == 0 else b""

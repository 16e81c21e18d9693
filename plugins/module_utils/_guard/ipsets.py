# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Save ipsets, to which xtables rules refer, and restore them entry by entry."""

from __future__ import annotations

import os
import re
import socket
import struct
import time
import typing as t

from .._commands import Run
from .._errors import ObserveError
from .._wire.netlink import NETLINK_NETFILTER, NLM_F_DUMP, Netlink, NetlinkError, attribute, attributes
from .base import Blobs, Json, packed, succeed, unpacked
from .merge import Entry, merge_lists, merge_maps

_SPARE = "threeway-handshake"  # the name under which a set is filled; at most 31 characters
_MODULES = "/sys/module"
_LIST = 6 << 8 | 7  # NFNL_SUBSYS_IPSET, IPSET_CMD_LIST
_PROTOCOL, _SETNAME, _FLAGS = 1, 2, 6  # IPSET_ATTR_...
_LIST_SETNAME = 2  # IPSET_FLAG_LIST_SETNAME
_WITHOUT = ("EINVAL", "EOPNOTSUPP", "ENOPROTOOPT", "EPROTONOSUPPORT")  # a kernel without ipset
_PASSING = re.compile(r" (timeout|packets|bytes) \d+")
_EXPIRES = re.compile(r"(?<= timeout )([1-9]\d*)")


class IpSet(t.NamedTuple):
    """What follows the name in `create`, and in each `add`."""

    kind: str
    entries: list[str]

    @property
    def lasting_kind(self) -> str:
        """Without what the kernel chooses: a random number, and sizes that grow with the set."""
        return re.sub(r" (initval|bucketsize|hashsize) \S+", "", self.kind)

    @property
    def in_order(self) -> bool:
        """Whether the order of the entries means something."""
        return self.kind.startswith("list:")

    def members(self) -> dict[str, str]:
        """Member -> the whole entry."""
        return {entry.split(" ", 1)[0]: entry for entry in self.entries}


class Ipsets:
    """State: what `ipset save` prints and when, or None where that cannot be known."""

    def save(self, blobs: Blobs, run: Run) -> Json:
        """None when the kernel has sets, or cannot be asked for them, and there is no ipset to ask."""
        names = _names()
        text = ""
        if names is None or names:
            code, text, _error = run(["ipset", "save"])
            if code != 0:
                return None
        return {"text": blobs.put(packed(text)), "at": time.monotonic()}

    def not_saved(self, record: Json) -> list[str]:
        """Why sets of this host are not saved, if so."""
        if record is not None:
            return []
        names = _names()
        which = f"ipsets {', '.join(names[:10])}" if names else "ipsets, if there are any,"
        return [f"{which} are not saved: ipset is missing on this host, or cannot read them"]

    def target(self, saved: Json, made: Json, now: Json, blobs: Blobs, keep: bool) -> Json:
        """What is to be restored: `saved`, with what others have done since `made`. `keep`: none of it is ours.

        Entries that expire run on, and those that others made stay.
        """
        if saved is None or now is None:
            return saved
        at = now["at"]
        if keep:
            return now
        old, new, present = (_read(record, blobs, at) for record in (saved, made or now, now))
        merged = merge_maps(old, new, present, lambda which: which.lasting_kind)
        parts = {}
        for name, which in merged.items():
            sets = [source[name] for source in (old, new, present) if name in source]
            if len(sets) == 3 and all(each.lasting_kind == which.lasting_kind for each in sets):
                which = IpSet(which.kind, _merged(sets[0], sets[1], sets[2], made is not None))
            parts[name] = which
        return {"text": blobs.put(packed(_text(parts))), "at": at}

    def bring_back(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Create what is missing and make equal what differs. New sets stay: rules may still refer to them, see `remove_new`."""
        if record is None:
            return
        wanted, now = _read(record, blobs, time.monotonic()), _now(run)
        if _SPARE in now:
            succeed(run, ["ipset", "destroy", _SPARE])
        missing = [name for name in wanted if name not in now]
        _load(run, [f"create {name} {wanted[name].kind}" for name in missing])
        for name, which in sorted(wanted.items(), key=lambda item: item[1].in_order):
            there = IpSet(which.kind, []) if name in missing else now[name]
            if which.lasting_kind != there.lasting_kind or (which.in_order and which.entries != there.entries):
                filled = [f"create {_SPARE} {which.kind}", *(f"add {_SPARE} {entry}" for entry in which.entries)]
                _load(run, [*filled, f"swap {_SPARE} {name}", f"destroy {_SPARE}"])
            else:
                old, new = there.members(), which.members()
                gone = [f"del {name} {member}" for member in old if member not in new or _lasting(old[member]) != _lasting(new[member])]
                come = [member for member in new if member not in old or _lasting(old[member]) != _lasting(new[member])]
                _load(run, [*gone, *(f"add {name} {new[member]}" for member in come)])

    def remove_new(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Destroy the sets that are not wanted, once no rule refers to them, those that list others first."""
        if record is None:
            return
        wanted = _read(record, blobs, time.monotonic())
        new = [(not which.in_order, name) for name, which in _now(run).items() if name not in wanted]
        _load(run, [f"destroy {name}" for _order, name in sorted(new)])

    def essence(self, record: Json, blobs: Blobs) -> Json:
        """Sets without the counters and remaining times of their entries, entries in no order but that of lists."""
        if record is None:
            return {}
        return {
            name: [which.lasting_kind, *(map(_lasting, which.entries) if which.in_order else sorted(map(_lasting, which.entries)))]
            for name, which in sorted(_read(record, blobs).items())
        }


def _merged(old: IpSet, new: IpSet, now: IpSet, alone: bool) -> list[str]:
    """Entries. `alone`: it is known what we have made, and it is nothing that expires."""
    if now.in_order:
        saved, made, there = ([Entry(entry, entry) for entry in which.entries] for which in (old, new, now))
        return [entry.content for entry in merge_lists(saved, made, there)]
    if alone:
        passing = {member: entry for member, entry in now.members().items() if _EXPIRES.search(entry)}
        parts = ({member: entry for member, entry in which.members().items() if not _EXPIRES.search(entry)} for which in (old, new, now))
        first, second, third = parts
        return list({**merge_maps(first, second, third, _lasting), **passing}.values())
    return list(merge_maps(old.members(), new.members(), now.members(), _lasting).values())


def _names() -> list[str] | None:
    """The sets of this network namespace as the kernel lists them; None when it does not."""
    if os.path.isdir(_MODULES) and os.listdir(_MODULES) and not os.path.exists(f"{_MODULES}/ip_set"):
        return []  # to ask would load it
    asked = attribute(_PROTOCOL, bytes([6])) + attribute(_FLAGS | 0x4000, struct.pack("!I", _LIST_SETNAME))
    try:
        with Netlink(NETLINK_NETFILTER) as netlink:
            bodies = netlink.request(_LIST, NLM_F_DUMP, struct.pack("!BBH", socket.AF_INET, 0, 0) + asked)
    except NetlinkError as error:
        return [] if error.name in _WITHOUT else None
    except ObserveError:
        return None
    names = [attributes(body[4:]).get(_SETNAME, b"") for body in bodies]
    return sorted({name.rstrip(b"\0").decode("utf-8", "replace") for name in names if name})


def _now(run: Run) -> dict[str, IpSet]:
    return _parse(succeed(run, ["ipset", "save"])) if _names() != [] else {}


def _read(record: Json, blobs: Blobs, at: float | None = None) -> dict[str, IpSet]:
    """Sets as they are at that time by themselves: entries have less time left, or have expired. None: as they were saved."""
    if isinstance(record, str):  # of version 0.1.0, which saved no time
        record = {"text": record, "at": at}
    sets = _parse(unpacked(blobs.get(record["text"]))) if record else {}
    passed = int(at - record["at"]) if record and at is not None else 0
    return {name: IpSet(which.kind, [entry for each in which.entries for entry in _aged(each, passed)]) for name, which in sets.items()}


def _aged(entry: str, seconds: int) -> list[str]:
    """The entry after so many seconds; nothing when it has expired."""
    found = _EXPIRES.search(entry)
    if not found or seconds <= 0:
        return [entry]
    left = int(found.group()) - seconds
    return [f"{entry[: found.start()]}{left}{entry[found.end() :]}"] if left > 0 else []


def _parse(text: str) -> dict[str, IpSet]:
    sets: dict[str, IpSet] = {}
    for line in text.splitlines():
        verb, name, rest = line.split(" ", 2)
        if verb == "create":
            sets[name] = IpSet(rest, [])
        else:
            sets[name].entries.append(rest)
    return sets


def _text(sets: t.Mapping[str, IpSet]) -> str:
    created = [f"create {name} {which.kind}" for name, which in sets.items()]
    added = [f"add {name} {entry}" for name, which in sets.items() for entry in which.entries]
    return "".join(f"{line}\n" for line in (*created, *added))


def _load(run: Run, lines: t.Sequence[str]) -> None:
    if lines:
        succeed(run, ["ipset", "restore"], "".join(line + "\n" for line in lines))


def _lasting(entry: str) -> str:
    """What traffic and time do not change."""
    return _PASSING.sub("", entry)

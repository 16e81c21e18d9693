# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""A rule of ufw for one flow: as arguments of the module community.general.ufw, and as what that module types. Pure."""

from __future__ import annotations

import typing as t

from .words import OWNER

Arguments = t.Dict[str, t.Any]
MODULE = "community.general.ufw"
_ENDS = (("from_ip", "from"), ("to_ip", "to"), ("to_port", "port"), ("proto", "proto"), ("comment", "comment"))


def allowing(source: str, destination: str, port: int, direction: str, number: int | None = None) -> Arguments:
    """`direction`: in, out or forward, as the packet goes where ufw's rules meet it. `number`: of the rule that it goes before."""
    way = {"route": True} if direction == "forward" else {"direction": direction}
    place = {} if number is None else {"insert": number}
    ends = {"proto": "tcp", "from_ip": source, "to_ip": destination, "to_port": str(port)}
    return {"rule": "allow", **ends, **way, **place, "comment": OWNER}


def words(arguments: t.Mapping[str, t.Any], begin: t.Sequence[str] = (), delete: bool = False) -> list[str]:
    """What is typed; `begin`: words before the action, such as prepend."""
    said = ["ufw", *(["route"] if arguments.get("route") else []), *(["delete"] if delete else []), *begin]
    if arguments.get("insert") and not delete:
        said += ["insert", str(arguments["insert"])]
    said += [str(arguments["rule"]), *([str(arguments["direction"])] if arguments.get("direction") else [])]
    for name, word in _ENDS:
        if arguments.get(name) and not (delete and name == "comment"):
            said += [word, str(arguments[name])]
    return said

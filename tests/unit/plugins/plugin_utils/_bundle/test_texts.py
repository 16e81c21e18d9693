# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each text in a record is a vocabulary or a name on purpose, and what is compared with another text compares alike in a bundle."""

from __future__ import annotations

import dataclasses
import ipaddress
import types
import typing
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._bundle.evidence import PARTS
from ansible_collections.threeway.handshake.plugins.plugin_utils._bundle.pseudonyms import Pseudonyms
from ansible_collections.threeway.handshake.plugins.plugin_utils._bundle.texts import INTERFACES, NAMES, VOCABULARY, origin, written
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.causes.wrapped import _covers
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix import fit
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.programs import PROGRAMS
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.firewall_records import Firewall


def texts(kind: Any, seen: set[Any], record: str = "", name: str = "") -> Iterator[tuple[str, str]]:
    """The fields of records that hold plain texts."""
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        for field in dataclasses.fields(kind) if kind not in seen else ():
            seen.add(kind)
            yield from texts(hints[field.name], seen, kind.__name__, field.name)
    elif kind is str:
        yield record, name
    elif typing.get_origin(kind) not in (typing.Annotated, typing.Literal):
        for inner in typing.get_args(kind)[typing.get_origin(kind) is dict :]:
            if inner not in (types.NoneType, Ellipsis):
                yield from texts(inner, seen, record, name)


FOUND = {each for part in (*PARTS.values(), Firewall) for each in texts(part, set())}


@pytest.mark.parametrize(("record", "name"), sorted(FOUND))
def test_each_text_is_something_on_purpose(record: str, name: str) -> None:
    told = written("Customer-7", record, name, Pseudonyms(b"a"))
    assert (told == "Customer-7") is (name in VOCABULARY.get(record, ())), "a name that everybody has, or one that nobody may read"


def test_nothing_is_said_of_texts_that_there_are_none_of_or_twice() -> None:
    words, names = ({(record, name) for record, fields in known.items() for name in fields} for known in (VOCABULARY, NAMES))
    assert not (words | names) - FOUND and not words & names
    assert not {(record, name) for record, name in words | names if name in (*INTERFACES, "mac")}


PATTERNS = ("ALL", "10.0.1.", "10.", "10.0.0.0/255.255.0.0", "10.0.1.11", "[2001:db8:7::]/48", "2001:db8:7::21", "300.", "web1.example.org",
            ".example.org", "@admins", "/etc/friends", "EXCEPT")  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("client", ["10.0.1.11", "10.0.2.11", "192.168.7.7", "2001:db8:7::21", "2001:db8:8::21"])
def test_tcp_wrappers_fit_the_same_clients(pattern: str, client: str) -> None:
    pseudonyms = Pseudonyms(b"a")
    told = written(pattern, "WrapperRule", "clients", pseudonyms)
    assert _covers([told], pseudonyms.address(client)) == _covers([pattern], client), told
    assert "example" not in told and "10.0.1." not in told


def test_programs_services_and_units_are_called_alike() -> None:
    pseudonyms = Pseudonyms(b"a")
    program = written("orders", "Process", "name", pseudonyms)
    assert written("orders", "WrapperRule", "daemons", pseudonyms) == written("orders", "XinetdService", "service", pseudonyms) == program
    assert written("orders@10.0.1.11", "WrapperRule", "daemons", pseudonyms) == f"{program}@{pseudonyms.address('10.0.1.11')}"
    one, other = (written(f"orders@{name}.service", "Unit", "unit", pseudonyms) for name in "ab")
    assert one != other and one.partition("@")[0] == other.partition("@")[0] == program and fit.unit(one)
    assert written("orders.socket", "Relative", "unit", pseudonyms) == f"{program}.socket"
    for usual in ("sshd", "pihole-FTL", "docker", *PROGRAMS):  # the advice for these goes by their names
        assert written(usual, "Process", "name", pseudonyms) == usual
        assert written(f"{usual}.service", "Process", "unit", pseudonyms) == f"{usual}.service"


@pytest.mark.parametrize("address", ["10.0.2.21", "2001:db8:7::21", "::", "0.0.0.0"])
def test_a_socket_unit_listens_on_the_address_that_the_host_has(address: str) -> None:
    pseudonyms = Pseudonyms(b"a")
    assert written(address, "Stream", "address", pseudonyms) == pseudonyms.address(address)


def test_where_a_rule_comes_from_keeps_what_fixes_ask_for() -> None:
    told: Any = origin(
        {"zone": "customers", "part": "deny", "permanent": True, "file": "/etc/firewalld/zones/customers.xml", "number": 3, "more": [1]},
        Pseudonyms(b"a"),
    )
    assert (told["part"], told["permanent"], told["number"], told["more"]) == ("deny", True, 3, None)
    assert fit.zone(told["zone"]) and fit.file(told["file"]) and "customers" not in str(told)
    assert origin("customers", Pseudonyms(b"a")) is None


@pytest.mark.parametrize(("mac", "kept"), [("00:00:5e:00:01:07", 17), ("00:00:5e:00:02:07", 17), ("02:42:ac:11:00:02", 5)])
def test_link_addresses_that_several_machines_share_by_design_stay_so(mac: str, kept: int) -> None:
    told = Pseudonyms(b"a").mac(mac)
    assert told[:kept] == mac[:kept] and (told == mac) is (kept == 17)
    assert ipaddress.ip_address("172.17.0.2").packed.hex(":") not in told

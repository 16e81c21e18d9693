# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The addresses that the inventory has for hosts: as people spell them, by name where there is no other, and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.declared import Declared, declared
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.flows import PlanError


def read(spelled: Any, further: Any = None, **names: list[str]) -> tuple[str, ...]:
    return declared({"web1": spelled}, {"web1": further}, lambda asked: {name: names[name] for name in asked if name in names})["web1"]


@pytest.mark.parametrize(
    ("spelled", "further", "found"),
    [
        (["10.0.1.11", None], None, ("10.0.1.11",)),
        (["10.0.1.11", "192.0.2.11"], None, ("10.0.1.11", "192.0.2.11")),
        ([" 2001:DB8::1 ", "10.0.1.11"], ["10.9.0.0/16", "10.0.1.11"], ("2001:db8::1", "10.0.1.11", "10.9.0.0/16")),
        (["web1", None], None, ("192.0.2.7",)),
        (["web1", "10.0.1.11"], None, ("10.0.1.11",)),  # the name is Ansible's for it, and is not looked up
        (["unknown", None], "10.0.1.0/24", ("10.0.1.0/24",)),
        (["here", None], None, ()),  # a line of the controller's own /etc/hosts
        (["127.0.0.1", "127.0.0.1"], None, ()),  # a port of the controller is forwarded to it
        (["10.0.1.11", "::1"], None, ("10.0.1.11",)),
        ([5, None], None, ()),
    ],
)
def test_what_the_inventory_has(spelled: Any, further: Any, found: tuple[str, ...]) -> None:
    assert read(spelled, further, web1=["192.0.2.7"], here=["127.0.1.1"]) == found


@pytest.mark.parametrize("wrong", [5, ["10.0.1.300"], ["10.0.1.11/24"], [7], {"a": "b"}, ["web1"]])
def test_what_is_no_address_is_a_sentence(wrong: Any) -> None:
    with pytest.raises(PlanError, match="variable handshake_addresses of host web1"):
        read(["10.0.1.11"], wrong)


def test_networks_and_families() -> None:
    known = Declared({"web1": ("10.0.1.0/24", "2001:db8::1")})
    assert known.has("web1", "10.0.1.99") and known.has("web1", "2001:db8::1")
    assert not known.has("web1", "10.0.2.1") and not known.has("web2", "10.0.1.99") and not known.has("web1", "x")

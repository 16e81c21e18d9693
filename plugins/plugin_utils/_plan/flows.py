# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""handshake_flows as people write them, read strictly: every mistake is one sentence that names the flow, the field and the way out."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from ansible_collections.threeway.handshake.plugins.module_utils._wire.addresses import canonical_or_none

from .._values.words import quoted
from .fields import Port, ServicePort, address, ports_of, text_of, timeout, user_of, via_of

KEYS = ("name", "clients", "servers", "port", "address", "via", "timeout", "source", "user", "service", "expect", "greeting")
EXPECTATIONS = ("open", "blocked")
AD_HOC = {"clients": "handshake_client", "servers": "handshake_server", "port": "handshake_port", "address": "handshake_address"}
AD_HOC_LABEL = "The ad hoc flow"

_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]+")


class PlanError(Exception):
    """The input is wrong; the message is one sentence for the person who wrote it."""


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One flow, read but not yet resolved against the inventory. `label` is how error messages call it."""

    label: str
    name: str | None
    clients: str
    servers: str | None
    ports: tuple[Port, ...]
    address: str | None
    via: tuple[str, ...]
    timeout: float | None
    source: str | None
    service: str | None
    expect: str = "open"
    """One of EXPECTATIONS: whether the handshake must be possible, or must not be."""
    greeting: bool | None = None
    """Whether the server speaks first; None: as is usual on the port."""
    user: str | None = None
    """The client's user as whom to connect, by name or number; None: the one as whom Ansible runs there."""

    def wrong(self, field: str, sentence: str) -> NoReturn:
        """Raise the PlanError for one of this flow's fields."""
        _wrong(self.label, field, sentence)

    def spelled(self, field: str) -> str:
        """What the person who wrote the flow calls a field."""
        return _spelled(self.label, field)


def _wrong(label: str, field: str, sentence: str) -> NoReturn:
    raise PlanError(f"{label}, field '{_spelled(label, field)}': {sentence}")


def _spelled(label: str, field: str) -> str:
    return AD_HOC.get(field, field) if label == AD_HOC_LABEL else field


@dataclass(frozen=True)
class Held:
    """Flows as a variable gives them. ``host``: whose variable it is, None where all hosts of the inventory have the same."""

    flows: object
    variable: str = "handshake_flows"
    host: str | None = None


def read(flows: object, service_port: ServicePort) -> list[Flow]:
    """Flows as given by one variable: a list of mappings, or the same as JSON (C(-e) gives strings). PlanError."""
    return read_all([Held(flows)], service_port)


def read_all(several: Iterable[Held], service_port: ServicePort) -> list[Flow]:
    """The flows of several variables in their order, equal ones once. PlanError."""
    found: dict[Flow, Flow] = {}
    for held in several:
        for flow in _read(held, service_port):
            found.setdefault(replace(flow, label=""), flow)
    if not found:
        raise PlanError(
            "There are no flows: set handshake_flows to a list of flows, "
            "or give -e handshake_client=HOST -e handshake_server=HOST -e handshake_port=PORT."
        )
    return list(found.values())


def _read(held: Held, service_port: ServicePort) -> list[Flow]:
    flows, of_host = held.flows, f" of host {held.host}" if held.host else ""
    name = f"{held.variable}{of_host}"
    if isinstance(flows, str) and flows.strip():
        try:
            flows = json.loads(flows)
        except ValueError as error:
            raise PlanError(f"{name} is a string that is not JSON ({error}): give a list of flows.") from error
    if not flows or (isinstance(flows, str) and not flows.strip()):
        return []
    if isinstance(flows, Mapping):
        raise PlanError(f"{name} is a mapping: make it a list, each flow an item that begins with '- '.")
    if not isinstance(flows, Sequence) or isinstance(flows, str | bytes):
        raise PlanError(f"{name} is {quoted(flows)}: it must be a list of flows.")
    return [_flow(each, f"{held.variable}[{index}]{of_host}", service_port) for index, each in enumerate(flows)]


def read_ad_hoc(client: object, server: object, address: object, port: object, service_port: ServicePort) -> list[Flow]:
    """The flow of handshake_client, handshake_server or handshake_address, and handshake_port; none when these are not given. PlanError."""
    values = {"clients": client, "servers": server, "port": port, "address": address}
    given = {field: value for field, value in values.items() if value not in (None, "")}
    if not given.keys() - {"address"}:
        return []
    for field in ("clients", "port", *([] if "address" in given else ["servers"])):
        if field not in given:
            so_far = ", ".join(AD_HOC[each] for each in given)
            raise PlanError(f"{AD_HOC_LABEL} is not complete: there is {so_far}, but not {AD_HOC[field]}: add -e {AD_HOC[field]}=...")
    return [_flow(given, AD_HOC_LABEL, service_port)]


def _flow(raw: object, place: str, service_port: ServicePort) -> Flow:
    if not isinstance(raw, Mapping):
        raise PlanError(f"{place} is {quoted(raw)}: a flow is a mapping with 'clients', 'servers' or 'address', and 'port'.")
    name = raw.get("name")
    label = place if place == AD_HOC_LABEL else f"Flow {quoted(name)} ({place})" if isinstance(name, str) and name else f"Flow {place}"

    def wrong(field: str, sentence: str) -> NoReturn:
        _wrong(label, field, sentence)

    def text(field: str) -> str | None:
        return None if raw.get(field) is None else text_of(raw[field], field, wrong)

    _check_fields(raw, label)
    greeting = raw.get("greeting")
    if greeting is not None and not isinstance(greeting, bool):
        wrong("greeting", f"{quoted(greeting)} is neither true nor false: say whether the server speaks first.")
    source = text("source")
    if source is not None:
        source = canonical_or_none(source) or wrong("source", f"{quoted(source)} is not an IP address: give an address of the client.")
    target = address(raw["address"], lambda sentence: wrong("address", sentence)) if raw.get("address") is not None else None
    if source and canonical_or_none(target) and (":" in source) != (":" in str(canonical_or_none(target))):
        wrong("source", f"{source} and the address {target} are of different families: give a source of the address's family.")
    expect = text("expect") or EXPECTATIONS[0]
    if expect not in EXPECTATIONS:
        wrong("expect", f"{quoted(expect)} is not one of {', '.join(EXPECTATIONS)}: say what the handshake must be.")
    service = text("service")
    if service is not None and not _UNIT.fullmatch(service):
        wrong("service", f"{quoted(service)} is not the name of a systemd unit: give one such as 'postgresql.service'.")
    if raw.get("servers") is None:
        if target is None:
            raise PlanError(f"{label} has neither 'servers' nor 'address': name the servers, or the address to dial.")
        if service is not None:
            wrong("service", "it names a unit on the servers, but the flow has no 'servers': add them, or drop it.")
    return Flow(
        label=label,
        name=text("name"),
        clients=text("clients") or wrong("clients", "it is missing: every flow needs it."),
        servers=text("servers"),
        ports=ports_of(raw.get("port"), wrong, service_port),
        address=target,
        via=via_of(raw.get("via"), wrong),
        timeout=timeout(raw["timeout"], lambda sentence: wrong("timeout", sentence)) if raw.get("timeout") is not None else None,
        source=source,
        service=service if service is None or "." in service else f"{service}.service",
        expect=expect,
        greeting=greeting,
        user=user_of(raw.get("user"), wrong),
    )


def _check_fields(raw: Mapping[object, object], label: str) -> None:
    """That a flow has no field that flows do not know. PlanError."""
    for key in raw:
        if key not in KEYS:
            near = difflib.get_close_matches(str(key), KEYS, 1)
            hint = f"did you mean '{near[0]}'?" if near else f"flows know {', '.join(KEYS)}."
            raise PlanError(f"{label} has the field {quoted(key)}, which does not exist: {hint}")

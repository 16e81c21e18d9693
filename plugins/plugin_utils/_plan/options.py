# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The options of the roles: whose variable decides, and what an option must be beyond what argument_specs can say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum

from .._values.words import quoted
from .fields import MAX_TIMEOUT
from .flows import PlanError


class Whose(Enum):
    """Whose variable an option is read from."""

    HOST = "the host's own, which it is about"
    CLIENT = "the client's of each flow"
    PLAY = "one for the whole play: hosts must not differ"
    INVENTORY = "those of all hosts of the inventory together"


OPTIONS: Mapping[str, Mapping[str, Whose]] = {
    "diagnose": {
        "diagnose_flows": Whose.INVENTORY,
        "diagnose_client": Whose.PLAY,
        "diagnose_server": Whose.PLAY,
        "diagnose_port": Whose.PLAY,
        "diagnose_report_dir": Whose.PLAY,
        "diagnose_fail_on": Whose.PLAY,
        "diagnose_keep": Whose.PLAY,
        "diagnose_attempts": Whose.CLIENT,
        "diagnose_interval": Whose.CLIENT,
        "diagnose_timeout": Whose.CLIENT,
        "diagnose_patience": Whose.CLIENT,
        "diagnose_settle": Whose.CLIENT,
        "diagnose_hops": Whose.CLIENT,
        "diagnose_connects": Whose.PLAY,
        "diagnose_normal": Whose.PLAY,
        "diagnose_captures": Whose.PLAY,
        "diagnose_captures_only": Whose.PLAY,
        "diagnose_record": Whose.HOST,
        "diagnose_temporary_listener": Whose.HOST,
        "diagnose_without_python": Whose.HOST,
        "diagnose_depth": Whose.HOST,
        "diagnose_trace": Whose.HOST,
        "diagnose_host_timeout": Whose.PLAY,
        "diagnose_overlap": Whose.PLAY,
        "diagnose_isolate": Whose.PLAY,
        "diagnose_isolate_probes": Whose.PLAY,
        "diagnose_history": Whose.PLAY,
        "diagnose_history_days": Whose.PLAY,
        "diagnose_webhook": Whose.PLAY,
        "diagnose_webhook_format": Whose.PLAY,
        "diagnose_webhook_timeout": Whose.PLAY,
        "diagnose_webhook_causes": Whose.PLAY,
        "diagnose_metrics_file": Whose.PLAY,
        "diagnose_set_stats": Whose.PLAY,
    },
    "remediate": {
        "remediate_apply": Whose.HOST,
        "remediate_allow": Whose.HOST,
        "remediate_max_risk": Whose.HOST,
        "remediate_require": Whose.HOST,
        "remediate_confirm_timeout": Whose.HOST,
        "remediate_settle": Whose.HOST,
        "remediate_max_hosts": Whose.PLAY,
        "remediate_batch_hosts": Whose.PLAY,
        "remediate_flows": Whose.INVENTORY,
        "remediate_report_dir": Whose.PLAY,
        "remediate_fail_on": Whose.PLAY,
    },
    "drift": {
        "drift_flows": Whose.INVENTORY,
        "drift_client": Whose.PLAY,
        "drift_server": Whose.PLAY,
        "drift_port": Whose.PLAY,
        "drift_baseline_dir": Whose.PLAY,
        "drift_report_dir": Whose.PLAY,
        "drift_expect": Whose.HOST,
        "drift_fail_on": Whose.PLAY,
        "drift_remediate": Whose.HOST,
        "drift_host_timeout": Whose.HOST,
    },
}
"""By role. The options of the role `schedule` are those of the control host that it is applied to."""

DECLARED = (
    "handshake_flows",
    "handshake_client",
    "handshake_server",
    "handshake_port",
    "handshake_address",
    "handshake_addresses",
)
"""The variables of the inventory that no role has."""

LIMITS: Mapping[str, tuple[float, float]] = {
    "diagnose_attempts": (1, 1000),
    "diagnose_interval": (0, 60),
    "diagnose_timeout": (0.001, MAX_TIMEOUT),
    "diagnose_patience": (0, 60),
    "diagnose_settle": (0, 60),
    "diagnose_connects": (1, 1_000_000),
    "diagnose_host_timeout": (0, 86_400),
    "diagnose_overlap": (0, 300),
    "diagnose_isolate_probes": (1, 1000),
    "diagnose_history_days": (0, 36_500),
    "diagnose_webhook_timeout": (0.1, 300),
    "remediate_max_hosts": (0, 100_000),
    "remediate_batch_hosts": (1, 100_000),
    "remediate_confirm_timeout": (1, 86_400),
    "remediate_settle": (0, 86_400),
    "drift_host_timeout": (0, 86_400),
}

ALLOWED = ("connection", "conntrack", "firewall", "neighbour", "route", "service", "sysctl")
KINDS = (*ALLOWED, "network")
"""The kinds of fixes that may have steps; the others are advice. The last resort has to be asked for by name."""

ALTERATIONS: Mapping[str, str] = {
    "mss_lowered": "MSS, to what an MTU of 1280 or more leaves room for, as gateways of tunnels and of PPPoE do",
    "mss_changed": "MSS, to any other value",
    "window_scale_changed": "window scale",
    "sack_changed": "SACK",
    "timestamps_changed": "timestamps",
    "fast_open_changed": "Fast Open",
    "sequence_rewritten": "initial sequence numbers, as firewalls do for the hosts behind them",
}
"""What may be altered on the way of a SYN and its SYN-ACK and called normal: the values of `diagnose_normal`. Keys are no authentication's:
nothing on the way may take those out."""
NORMAL = ("mss_lowered",)

_DIRECTORIES = ("diagnose_report_dir", "remediate_report_dir", "drift_report_dir", "drift_baseline_dir")


def complaint(option: str, value: object) -> str | None:
    """Why a value of the right type will not do, as what follows the option's name in a sentence; None if it will."""
    if option in LIMITS and isinstance(value, int | float):
        least, most = LIMITS[option]
        if not least <= value <= most:  # also catches NaN
            return f"is {quoted(value)}: give a value from {least:g} to {most:g}"
    if option == "remediate_allow" and isinstance(value, list | tuple):
        for kind in value:
            if kind not in KINDS:
                return f"has {quoted(kind)}, which is no kind of fix: give some of {', '.join(KINDS)}"
    if option in _DIRECTORIES and (not isinstance(value, str) or not value.strip()):
        return f"is {quoted(value)}: give a directory on the controller"
    if option == "diagnose_metrics_file" and isinstance(value, str) and value and not (value.startswith("/") and value.endswith(".prom")):
        return f"is {quoted(value)}: give an absolute path that ends in .prom, as node_exporter reads no other files"
    return None


@dataclass(frozen=True, kw_only=True)
class Options:
    """How hard a client tries; times in seconds. The names are those of the role `diagnose`, without its prefix."""

    attempts: int = 3
    interval: float = 0.2
    timeout: float = 3.0
    patience: float = 2.0
    settle: float = 0.25
    hops: bool = True
    record: bool = True
    temporary_listener: bool = False
    without_python: str = "auto"
    connects: int = 100
    """To one listener at most, by all clients of the run together, as long as each of them makes one."""
    normal: list[str] = field(default_factory=lambda: list(NORMAL))
    host_timeout: float = 60.0
    overlap: float = 0.0
    """Seconds within which all slices of a diagnosis begin; 0: this is no slice."""
    within: float = 0.0
    """What the diagnosis may take, where somebody waits for it; 0: as long as recorders can live."""
    forks: int = 5
    sparing: bool = False
    """One attempt, and none to see where others differ: each may use up a limit on the server."""

    def __post_init__(self) -> None:
        if self.sparing:
            object.__setattr__(self, "attempts", 1)
        for name, value in asdict(self).items():
            if said := complaint(f"diagnose_{name}", value):
                raise PlanError(f"diagnose_{name} {said}.")

    @classmethod
    def slowest(cls, several: Iterable[Options]) -> Options:
        """What takes as long as any of these, of which there is one at least."""
        first, *others = several
        times = {name: max(getattr(each, name) for each in (first, *others)) for name in ("attempts", "interval", "patience", "settle")}
        return replace(first, **times)

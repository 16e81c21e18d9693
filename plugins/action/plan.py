# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of threeway.handshake.plan; see the documentation in plugins/modules/plan.py."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ansible.plugins.action import ActionBase
from ansible.utils.vars import load_extra_vars

from ansible_collections.threeway.handshake.plugins.module_utils._capture.source import CaptureError, Source
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.action import HandshakeAction, unusable
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.addresses import Addresses
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.depth import depth
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.host_variables import Found, HostVariables, VariableError
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.inventory import Inventory
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.play import at_a_time
from ansible_collections.threeway.handshake.plugins.plugin_utils._act.role_options import OptionError, RoleOptions
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.verdict import decide
from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.worth_trying import flows_of, worth_trying
from ansible_collections.threeway.handshake.plugins.plugin_utils._libraries import lacking
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.captures import read as captures_of
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.flows import Held, PlanError, read_ad_hoc, read_all
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.options import ALTERATIONS, NORMAL, OPTIONS, Options
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.orders import build
from ansible_collections.threeway.handshake.plugins.plugin_utils._plan.plan import Plan
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.evidence_files import EvidenceFiles
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.json_files import EvidenceError
from ansible_collections.threeway.handshake.plugins.plugin_utils._store.runs import Controller
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.plain import plain
from ansible_collections.threeway.handshake.plugins.plugin_utils._values.times import iso

_PASSWORDS = frozenset({"ansible_password", "ansible_ssh_pass", "ansible_ssh_password"})
HOW = (
    *("attempts", "interval", "timeout", "patience", "settle", "hops", "record", "temporary_listener", "without_python"),
    *("connects", "normal", "host_timeout", "overlap"),
)


class ActionModule(HandshakeAction):
    _takes_the_whole_play = True
    _requires_connection = False

    def answer(self, result: dict[str, Any], task_vars: dict[str, Any]) -> dict[str, Any]:
        _checked, arguments = self.validate_argument_spec(
            argument_spec={
                "flows": {"type": "raw"},
                "client": {"type": "raw"},
                "server": {"type": "raw"},
                "port": {"type": "raw"},
                "roles": {"type": "list", "elements": "str", "choices": list(OPTIONS), "default": []},
                "report_dir": {"type": "path", "required": True},
                "part_of": {"type": "str", "default": ""},
                "isolate_from": {"type": "path", "default": ""},
                "isolate_probes": {"type": "int", "default": 20},
                "attempts": {"type": "int", "default": 3},
                "interval": {"type": "float", "default": 0.2},
                "timeout": {"type": "float", "default": 3.0},
                "patience": {"type": "float", "default": 2.0},
                "settle": {"type": "float", "default": 0.25},
                "hops": {"type": "bool", "default": True},
                "record": {"type": "bool", "default": True},
                "temporary_listener": {"type": "bool", "default": False},
                "without_python": {"type": "str", "choices": ["auto", "never"], "default": "auto"},
                "connects": {"type": "int", "default": 100},
                "normal": {"type": "list", "elements": "str", "choices": list(ALTERATIONS), "default": list(NORMAL)},
                "host_timeout": {"type": "float", "default": 60.0},
                "captures": {"type": "raw", "default": []},
                "captures_only": {"type": "bool", "default": False},
                "overlap": {"type": "float", "default": 0.0},
                "within": {"type": "float", "default": 0.0},
                "sparing": {"type": "bool", "default": False},
            }
        )
        arguments = plain(arguments)
        try:
            probes = _probes(arguments) if arguments["isolate_from"] else None
            if probes == []:
                return {**result, "changed": False, "entries": 0, "msg": "no other handshake would show more"}
            plan, taking_part, asked = self._plan(arguments, task_vars, probes)
        except (PlanError, OptionError, VariableError, CaptureError) as error:
            return {**result, "failed": True, "msg": str(error)}
        except (EvidenceError, OSError) as error:
            return {**result, "failed": True, "msg": unusable(f"The report directory {arguments['report_dir']}", error)}
        phases = plan.phases()
        clients = sum("try" in each for each in phases.values())
        result.update(changed=False, entries=len(plan.entries), phases=phases, not_in_play=list(plan.not_in_play), lacking=asked.lacking)
        result["waits"] = plan.deadlines.waits() if plan.deadlines else {}
        result["msg"] = f"{len(plan.entries)} handshakes to try, {clients} clients"
        if probes:  # they are a part of the run, and change nothing that is known of it
            return {**result, "run": plan.run}
        facts = {
            "handshake_hosts": taking_part,
            "handshake_run": plan.run,
            "handshake_trace": asked.traces,
            "handshake_isolate": asked.isolates and not arguments["part_of"],
            "handshake_overlap": {"before": times.before, "after": times.after} if (times := plan.deadlines) else {},
            "handshake_controller": asdict(Controller.this()),
        }
        return {**result, "run": plan.run, "ansible_facts": facts}

    def _plan(
        self, arguments: dict[str, Any], task_vars: dict[str, Any], probes: list[dict[str, Any]] | None
    ) -> tuple[Plan, list[str], _Asked]:
        # Only an extra variable means the ad hoc flow: as a host variable, handshake_address is that host's own address.
        dialled = plain(load_extra_vars(self._loader)).get("handshake_address")
        started = time.time()
        common = {"forks": at_a_time(self._task, task_vars), "within": arguments["within"], "sparing": arguments["sparing"]}
        asked = _by_variables(self, arguments["roles"], task_vars, common) if arguments["roles"] else _by_arguments(arguments, common)
        flows = read_all([Held(probes)], _service_port) if probes else []
        flows = flows or read_ad_hoc(asked.client, asked.server, dialled, asked.port, _service_port)
        if not flows:
            flows = read_all(asked.flows(), _service_port)
            dialled = None
        inventory = Inventory(self._loader, task_vars["groups"])
        addresses = Addresses(HostVariables(self, task_vars, in_play=False), use_handshake_address=dialled is None)
        plan = build(
            flows,
            run=arguments["part_of"] or f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime(started))}-{secrets.token_hex(3)}",
            hosts=inventory.hosts,
            address_of=addresses.of,
            declared_of=addresses.declared,
            place_of=addresses.place,
            assumes=addresses.assumed,
            play_hosts=[str(host) for host in task_vars["ansible_play_hosts_all"]],
            options=asked.options,
        )
        others = addresses.literals(host for host in inventory.manager.hosts if host not in plan.addresses)
        plan = replace(plan, groups=inventory.groups(set(plan.parties())), addresses={**plan.addresses, **others})
        captures = [] if probes else captures_of(asked.captures, set(plan.orders).union(plan.not_in_play))
        for capture in captures:
            with Source(capture.path):
                pass
        if asked.captures_only:
            if not captures:
                raise PlanError("diagnose_captures_only is true, and diagnose_captures has no captures: give some.")
            plan = replace(plan, orders={host: {**order, "phases": []} for host, order in plan.orders.items()}, not_in_play=(), lowered=())
        for sentence in plan.lowered:
            self._display.warning(sentence)
        EvidenceFiles(arguments["report_dir"], plan.run).begin(plan, iso(started))
        return plan, inventory.patterns(list(plan.orders)), asked


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What is to be diagnosed, and how: the same from arguments of the task and from variables."""

    client: object
    server: object
    port: object
    flows: Callable[[], list[Held]]
    options: Callable[[str], Options]
    """Of a host of the play."""
    traces: bool = False
    """Whether some host may be asked to look deeper into what broke."""
    isolates: bool = False
    """Whether other handshakes may be tried, to find out what failures have in common."""
    captures: object = None
    captures_only: bool = False
    lacking: list[str] = field(default_factory=list)
    """What the controller lacks for it."""


def _probes(arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """The flows that tell most about what failures of the run have in common, by what its hosts have returned. EvidenceError, OSError."""
    files = EvidenceFiles(arguments["isolate_from"], arguments["part_of"])
    files.check()
    plan, _started = files.plan()
    found = decide(plan, files.answers(plan), "", "", keep_all=False)
    flows = found.report["flows"]
    return flows_of(worth_trying(flows, found.common, arguments["isolate_probes"]), plan.entries, flows)


def _by_arguments(arguments: dict[str, Any], common: dict[str, Any]) -> _Asked:
    options = Options(**common, **{name: arguments[name] for name in HOW})
    return _Asked(
        client=arguments["client"],
        server=arguments["server"],
        port=arguments["port"],
        flows=lambda: [Held(arguments["flows"])],
        options=lambda _host: options,
        captures=arguments["captures"],
        captures_only=arguments["captures_only"],
    )


def _by_variables(action: ActionBase, roles: list[str], task_vars: dict[str, Any], common: dict[str, Any]) -> _Asked:
    """Each option by the variables of whom it is about, all checked. OptionError, VariableError."""
    variables = HostVariables(action, task_vars)
    options = RoleOptions(variables, action._loader)
    for sentence in (*options.misspelt(*roles), *options.claimed()):
        action._display.warning(sentence)
    options.check(*roles)
    if "drift" in roles and any(options.of(host, "drift_remediate") for host in options.hosts):
        options.check("remediate")

    missing = _lacking(options)
    for sentence in missing:
        action._display.warning(f"{sentence}.")
    traces = any(depth(options, host) != "quick" for host in options.hosts)
    common["within"] /= 2 if traces else 1  # what broke is tried once more then, which takes as long again

    def of_host(host: str) -> Options:
        return Options(**common, **{name: options.of(host, f"diagnose_{name}") for name in HOW})

    client, server, port = (options.one(f"diagnose_{name}") for name in ("client", "server", "port"))
    captures = options.one("diagnose_captures") if roles == ["diagnose"] else []
    captures_only = bool(captures) and options.one("diagnose_captures_only")
    return _Asked(
        client=client,
        server=server,
        port=port,
        flows=lambda: _held(variables, "diagnose_flows"),
        options=of_host,
        traces=traces and not captures_only,
        isolates=options.one("diagnose_isolate") and options.one("diagnose_overlap") == 0 and not captures_only,
        captures=captures,
        captures_only=captures_only,
        lacking=[*missing, *_lacking_at_most(options, variables)],
    )


def _lacking(options: RoleOptions) -> list[str]:
    """The libraries without which a part of what is asked for fails. The diagnosis itself needs none."""
    history = options.one("diagnose_history")
    of_postgresql = history.startswith("postgres")  # a file needs nothing but Python
    return [said] if of_postgresql and (said := lacking("diagnose_history", "sqlalchemy", "psycopg")) else []


def _lacking_at_most(options: RoleOptions, variables: HostVariables) -> list[str]:
    """The same of those that are needed only if a host turns out to have no usable Python."""
    hosts = [
        host
        for host in options.hosts
        if not _PASSWORDS.isdisjoint(variables.names(host)) and options.of(host, "diagnose_without_python") == "auto"
    ]
    named = ", ".join(hosts[:3]) + (" ..." if len(hosts) > 3 else "")
    said = lacking(f"Logging in to {named} with a password, if no usable Python is there,", "paramiko") if hosts else None
    return [said] if said else []


def _held(variables: HostVariables, name: str) -> list[Held]:
    """What the variable is for each host of the inventory, equal values once. VariableError."""
    found = [(host, value) for host in variables.hosts if (value := variables.of(host, name)) is not None]
    distinct: dict[str, tuple[str, Found]] = {}
    known: set[int] = set()
    for host, each in found:
        if id(each.value) not in known:
            known.add(id(each.value))
            distinct.setdefault(repr(each.value), (host, each))
    everybody = len(distinct) == 1 and len(found) == len(variables.hosts)
    return [Held(each.value, each.variable, None if everybody else host) for host, each in distinct.values()]


def _service_port(name: str) -> int:
    return socket.getservbyname(name, "tcp")

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Find the systemd units that should listen on a port where nobody does, why they do not (state, result, log), and what they depend on."""

from __future__ import annotations

import fnmatch
import os
import re
import typing as t

from .._commands import Run
from .._errors import ObserveError
from . import plain_files
from .unit_states import Properties, count, described, is_young, names, not_listened_s, one, relatives, show

BOOTED = "/run/systemd/system"  # see sd_booted(3)
DIRECTORIES = (  # see systemd.unit(5)
    "/etc/systemd/system",
    "/run/systemd/system",
    "/run/systemd/generator",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
LARGEST_FILE = 64 * 1024
MOST_UNITS, MOST_LOGS, LOG_LINES, LOG_WIDTH = 8, 3, 5, 500
_TYPE = re.compile(r"\.(?:service|socket|target|path|timer|mount|automount|slice|scope|swap|device)$")
_SETTING = re.compile(r"^\s*(ExecStart|Environment|EnvironmentFile|ListenStream)\s*=(.*)$", re.MULTILINE)
_HOW = ("declared", "socket", "text", "wellknown")  # the surest first

WELL_KNOWN = {
    21: "vsftpd proftpd pure-ftpd",
    22: "ssh sshd ssh.socket sshd.socket",
    25: "postfix postfix@* exim4 exim sendmail",
    53: "named bind9 unbound dnsmasq pdns pdns-recursor",
    80: "nginx apache2 httpd haproxy caddy lighttpd traefik varnish",
    88: "krb5kdc krb5-kdc",
    111: "rpcbind rpcbind.socket",
    143: "dovecot",
    179: "frr bird",
    389: "slapd dirsrv@*",
    443: "nginx apache2 httpd haproxy caddy lighttpd traefik",
    445: "smbd smb",
    587: "postfix postfix@* exim4 exim",
    631: "cups cups.socket",
    636: "slapd dirsrv@*",
    993: "dovecot",
    1883: "mosquitto",
    2049: "nfs-server nfs-kernel-server",
    2379: "etcd",
    3000: "grafana-server",
    3128: "squid",
    3306: "mariadb mysql mysqld",
    5432: "postgresql@* postgresql-* postgresql",
    5601: "kibana",
    5672: "rabbitmq-server",
    6379: "redis-server redis redis@* valkey valkey-server",
    6443: "k3s rke2-server kubelet",
    8080: "tomcat tomcat9 tomcat10 jetty jenkins",
    8500: "consul",
    9090: "prometheus cockpit.socket",
    9092: "kafka",
    9100: "prometheus-node-exporter node_exporter node-exporter",
    9200: "elasticsearch opensearch",
    10050: "zabbix-agent zabbix-agent2",
    10051: "zabbix-server zabbix-server-mysql zabbix-server-pgsql zabbix-proxy",
    10250: "kubelet k3s",
    11211: "memcached",
    27017: "mongod mongodb",
}


def units_for_port(port: int, declared: str | None, run: Run, silent: bool = True) -> list[dict[str, t.Any]]:
    """The units that belong to a port, the surest first: `declared`, a socket unit's, by their text, by common knowledge.

    A declared unit is reported even when it does not exist (`load`: not-found), one found by its text only when it is not active, has
    been started again by itself, or only just. `silent` says that nobody listens on the port: only then the units with which these are
    tied are reported.
    `log` is None when the journal may not be read, or is not asked because the unit does what it should. Raises ObserveError where systemd
    does not run.
    """
    if not os.path.isdir(BOOTED):
        raise ObserveError("this host does not run systemd, so no unit is known for the port")
    candidates = dict.fromkeys(map(_full_name, WELL_KNOWN.get(port, "").split()), "wellknown")
    candidates.update(_by_text(port))
    if declared:
        candidates[_full_name(declared)] = "declared"
    if not candidates:
        return []
    found: dict[str, dict[str, t.Any]] = {}
    exist: dict[str, Properties] = {}
    for shown in show(candidates, run):
        how, name = _how(shown, candidates), one(shown, "Id")
        settled = one(shown, "ActiveState") == "active" and not count(shown, "NRestarts") and not is_young(shown)
        if how and name and not (how == "text" and settled):
            found[name] = {"port": port, "how": how, **described(shown)}
            if found[name]["load"] != "not-found":
                exist[name] = shown
    units = sorted(found.values(), key=lambda unit: (_HOW.index(unit["how"]), unit["active"] != "failed", unit["unit"]))[:MOST_UNITS]
    if silent and exist:
        tied = relatives(exist, run)
        for unit in units:
            unit["relatives"] = tied.get(unit["unit"], [])
    for unit in units:
        if unit["unit"].endswith(".socket") and unit["result"] == "resources":
            unit["ended_s"] = not_listened_s(unit["unit"], run)
    quiet = [unit for unit in units if unit["unit"] in exist and (unit["active"] != "active" or (silent and unit["how"] == "declared"))]
    ended = [other for unit in quiet for other in unit["relatives"] if other["active"] in ("failed", "inactive")]
    for each in [*quiet[:MOST_LOGS], *ended[:MOST_LOGS]]:
        each["log"] = _last_words(each["unit"], run)
    return units


def restless_units(run: Run) -> list[dict[str, t.Any]]:
    """Services that have failed, or were started again by themselves, those that ended last first: where no unit is known for a port, one
    of them may be meant. Jobs, which are to end, are left out."""
    found = [shown for shown in show(["*.service"], run) if one(shown, "Type") != "oneshot" and _is_restless(shown)]
    found.sort(key=lambda shown: (one(shown, "ActiveState") == "active", -count(shown, "ExecMainExitTimestampMonotonic")))
    units = [{"how": "restless", **described(shown)} for shown in found[:MOST_LOGS]]
    for unit in units:
        unit["log"] = _last_words(unit["unit"], run)
    return units


def _is_restless(shown: Properties) -> bool:
    failing = one(shown, "ActiveState") == "failed" or one(shown, "SubState") == "auto-restart"
    return failing or (one(shown, "ActiveState") != "inactive" and count(shown, "NRestarts") > 0)


def _by_text(port: int) -> dict[str, str]:
    """Names (or patterns, for templates) of units whose files say the port as a whole number, with how they say it."""
    number = re.compile(rf"(?<![\d.]){port}(?!\d|\.\d)")
    found: dict[str, str] = {}
    for name, path in _unit_files():
        for setting, value in _SETTING.findall(_read(path).replace("\\\n", " ")):
            if setting == "EnvironmentFile":
                value = _read(value.strip().lstrip("-"))
            if number.search(value):
                found[name.replace("@.", "@*.")] = "socket" if setting == "ListenStream" else "text"
    return found


def _unit_files() -> t.Iterator[tuple[str, str]]:
    """(unit, path) of every service and socket unit's file and drop-ins."""
    for directory in dict.fromkeys(map(os.path.realpath, DIRECTORIES)):  # /lib often is /usr/lib
        for name in os.listdir(directory) if os.path.isdir(directory) else ():
            path = f"{directory}/{name}"
            if name.endswith((".service", ".socket")):
                yield name, path
            elif name.endswith((".service.d", ".socket.d")) and os.path.isdir(path):
                yield from ((name[:-2], f"{path}/{part}") for part in os.listdir(path) if part.endswith(".conf"))


def _full_name(name: str) -> str:
    """Like systemctl: a name without a type is a service's."""
    return name if _TYPE.search(name) else f"{name}.service"


def _how(shown: Properties, candidates: dict[str, str]) -> str | None:
    """The surest way by which one of a unit's names became a candidate; None for what does not exist and was not declared."""
    ways = {way for pattern, way in candidates.items() if fnmatch.filter(names(shown), pattern)}
    if one(shown, "LoadState") == "not-found":
        ways &= {"declared"}
    return min(ways, key=_HOW.index) if ways else None


def _last_words(unit: str, run: Run) -> list[str] | None:
    """The last lines that a unit's processes logged, else what systemd logged about it: there is much of that after a few restarts.

    None when the journal may not be read, which for an ordinary user looks like an empty one.
    """
    for match in (f"_SYSTEMD_UNIT={unit}", f"--unit={unit}"):  # see systemd.journal-fields(7)
        code, output, _error = run(["journalctl", match, f"--lines={LOG_LINES}", "--boot", "--no-pager", "--output=cat", "--quiet"])
        lines = [line[:LOG_WIDTH] for line in output.splitlines()[-LOG_LINES:]]
        if code != 0 or lines:
            return lines if code == 0 else None
    return [] if os.geteuid() == 0 else None


def _read(path: str) -> str:
    """The beginning of a file; nothing of what is no file (a masked unit is a link to /dev/null)."""
    try:
        return plain_files.beginning(path, LARGEST_FILE)
    except OSError:
        return ""

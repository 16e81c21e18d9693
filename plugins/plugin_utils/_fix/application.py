# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What to change in the configuration of an application: advice, with the very line where the program is a known one."""

from __future__ import annotations

from .._decide.case import Case, literal_is_loopback
from .._decide.finding import Finding
from .._model.fixes import Fix
from .._model.host import Host
from .._model.program_records import WrapperRule
from .._model.socket_records import Process
from .._model.socket_subjects import Asking, HangsUp, Kept, ListenerApart, Published, RefusingService, Sharing, SocketOwner
from .._model.unit_records import Relative, SocketUnit
from .._values.words import endpoint
from . import fit
from .make import advice, shell
from .programs import by_name, known, other_address
from .service import displaced
from .socket_units import listening_at, taking_more
from .stopped import let_go_on

_SESSIONS = ("sshd-session",)
_REASONS = "access list, limit of connections, a dead backend"


def listening(server: Host, owner: str, process: Process | None, address: str, port: int) -> Fix:
    """Listen on the address that clients dial."""
    where = endpoint(address, port)
    line = other_address(process, address, where, port)
    summary = f"make {owner} listen on {address} (or on all addresses), port {port}{line}"
    return advice("application", server.name, summary, check=f"ss -ltn shows {where}, or the port on all addresses")


def listener_elsewhere(case: Case, finding: Finding) -> Fix | None:
    """Have it listen where the SYN comes, in the server itself or in another network namespace."""
    published, owner = finding.about(Published), finding.about(SocketOwner)
    if published:
        summary = (
            f"make {published.owner} listen on {published.address} (or on all addresses) inside its network namespace, port "
            f"{published.port}: a published port does not lead to its loopback address"
        )
        return advice("application", finding.host, summary)
    if owner is None or case.server is None:
        return None
    address, port = case.listening_end
    if owner.displaced:
        instead = "" if owner.surely_displaced else listening(case.server, owner.name, owner.process, address, port).summary
        return displaced(case.server, owner.displaced, owner.name, owner.process, address, port, instead)
    if owner.socket and fit.address(address):
        return listening_at(finding.host, owner.socket, address)
    if owner.process and owner.process.pid == 1:
        return _by_socket(case, finding.host)
    if forwarding := _forwarding(owner.process, port):
        return advice("application", finding.host, forwarding)
    if owner.names:
        summary = (
            f"make {owner.name} listen on {address} (or on all addresses), or, if it listens by the name {owner.names[0]}, put "
            f"{address} in its line of /etc/hosts and restart it"
        )
        return advice("application", finding.host, summary)
    if owner.setting:
        summary = (
            f"make {owner.name} listen on {address} (or on 0.0.0.0) as well, or set {owner.setting}=0 on {finding.host}, also "
            f"where it is set, and restart {owner.name}: it is asked when a socket is bound"
        )
        return advice("application", finding.host, summary)
    return listening(case.server, owner.name, owner.process, address, port)


def _by_socket(case: Case, host: str) -> Fix:
    """Where systemd listens, the socket unit says where: the service's own configuration does not count."""
    any_address, port = ("[::]" if case.family == 6 else "0.0.0.0"), case.listening_port
    summary = (
        f"it is systemd that listens: have the socket unit for port {port} of {host} listen on {any_address}:{port}, "
        f"too, by a further ListenStream= (BindIPv6Only=both, where it is for IPv6 alone), and restart it"
    )
    return advice("application", host, summary, [shell("systemctl", "list-sockets")])


def _forwarding(process: Process | None, port: int) -> str:
    """Where an ssh session, or its server's part of one, listens to pass connections on; empty for others."""
    if process is None or process.name not in (*_SESSIONS, "sshd", "ssh"):
        return ""
    if process.name == "ssh":
        return f"have ssh (pid {process.pid}) forward the port for other hosts, too: ssh -L '*:{port}:...', or -g"
    if process.name == "sshd" and (process.parent or 0) <= 1:  # the server itself; a session is its child
        return ""
    return (
        f"have the ssh client that forwards port {port} to here ask for all addresses (ssh -R '*:{port}:...'), and sshd let it: "
        "GatewayPorts clientspecified in sshd_config"
    )


def listener_other_namespace(case: Case, finding: Finding) -> Fix:
    apart = finding.about(ListenerApart)
    if apart and apart.unit:
        return advice(
            "service",
            finding.host,
            f"where {apart.unit} has a network namespace of its own (PrivateNetwork= or NetworkNamespacePath=), take that away, or have a "
            f"socket unit listen on port {case.listening_port} for it in the host's; where it runs containers, publish the port",
            [shell("systemctl", "show", "--property=PrivateNetwork,NetworkNamespacePath", apart.unit)],
        )
    publish = f"publish port {case.listening_port} from the container or namespace to the host"
    if apart and literal_is_loopback(apart.listener.address or ""):
        name = apart.listener.name or "it"
        return advice("application", finding.host, f"have {name} listen on an address of the namespace, or on all of them, and {publish}")
    return advice("application", finding.host, publish)


def listener_filtered(_case: Case, finding: Finding) -> Fix | None:
    owner = finding.about(SocketOwner)
    return advice("application", finding.host, f"look at the socket filter that {owner.name} attached") if owner else None


def tcp_md5_mismatch(_case: Case, finding: Finding) -> Fix:
    return advice("application", finding.host, "configure the same TCP-MD5 password for this peer on both sides")


def tcp_ao_mismatch(_case: Case, finding: Finding) -> Fix:
    return advice("application", finding.host, "configure the same TCP-AO keys on both sides")


def min_ttl_drop(_case: Case, finding: Finding) -> Fix:
    return advice("application", finding.host, "raise the client's TTL, or lower what the listener demands (GTSM)")


def defer_accept(_case: Case, finding: Finding) -> Fix:
    return advice("application", finding.host, "harmless where the client speaks first; otherwise switch deferred accept off")


def application_closes(_case: Case, finding: Finding) -> Fix:
    return _refusing(finding, "access list, TLS, limit of connections")


def application_hangs_up(case: Case, finding: Finding) -> Fix:
    if rule := finding.about(WrapperRule):
        return advice(
            "application",
            finding.host,
            f"let {case.client_address} in by a line of /etc/hosts.allow (DAEMON: {case.client_address}; the daemon is the name of its "
            f"program, under xinetd that of the server or service), or take it out of {rule.file}: they are read for each connection",
        )
    if (by := finding.about(SocketUnit)) and by.instances:
        return _of_instances(finding.host, by.instances)
    if sharing := finding.about(Sharing):
        return _left(finding.host, sharing)
    hangs_up = finding.about(HangsUp)
    if hangs_up is None:
        return _refusing(finding, _REASONS)
    if hangs_up.limit:
        return taking_more(finding.host, hangs_up.limit)
    name, program = hangs_up.process.name, known(hangs_up.process)
    if hangs_up.said and program.speaks_and_closes:
        summary = f"read what {name} says before it closes, and look at {program.speaks_and_closes}"
        return advice("application", finding.host, summary, [f"timeout 3 nc {shell(case.address, case.port)} </dev/null"])
    if program.closes:
        return advice("application", finding.host, f"look at what has {name} turn clients away: {program.closes}")
    return _refusing(finding, _REASONS)


def _left(host: str, sharing: Sharing) -> Fix:
    """Who is to be there is not known: the older one, after a restart; either, where two units are meant to be."""
    named = " or ".join(f"{each.name} (pid {each.pid})" for each in sharing.processes)
    pids = ",".join(str(each.pid) for each in sharing.processes)
    summary = f"find out whether {named} is left of an earlier start, as after a reload, and end it; else which of them closes connections"
    return advice("service", host, summary, [shell("ps", "-o", "pid,lstart,args", "-p", pids)])


def _of_instances(host: str, instances: str) -> Fix:
    """Whether systemd calls one failed is its unit's choice (ExecStart=-)."""
    pattern = instances.replace("@.", "@*.")
    look = f"find out why the instances of {instances} on {host} end at once: by their own configuration, in most cases"
    return advice("service", host, look, [shell("journalctl", "-u", pattern, "-n", 20), shell("systemctl", "cat", instances)])


def _refusing(finding: Finding, reasons: str) -> Fix:
    return advice("application", finding.host, f"see in the application's log why it refuses this client ({reasons})")


def xinetd_refuses(_case: Case, finding: Finding) -> Fix | None:
    refusing = finding.about(RefusingService)
    if refusing is None:
        return None
    let = f"let the client in by {refusing.attribute} in {refusing.service.file}"
    return advice("application", finding.host, f"{let}, and have xinetd read it again (systemctl reload xinetd)")


def _without_lookups(host: str, asking: Asking) -> Fix:
    """It looks up the client's name, most likely; what it has to say waits for that."""
    servers, own = ", ".join(asking.nameservers), by_name(asking.program).no_lookups
    return advice(
        "dns",
        host,
        f"have nameserver {servers} answer {host}, or take it out of /etc/resolv.conf there, and restart {asking.program}; or have "
        f"{asking.program} not look up the names of its clients" + (f": {own}" if own else ""),
        check="the server greets at once",
    )


_ENGINES = {"docker": "docker", "libpod": "podman"}
"""What a container's engine calls its scope, to its command that can thaw one; those of Kubernetes have none."""


def _engine(process: Process) -> list[str]:
    """The command of what runs a container, where its scope tells."""
    return [command for scope, command in _ENGINES.items() if process.unit == f"{scope}-{process.container}.scope"]


def thawed(host: str, process: Process, why: str = "") -> Fix:
    """Whoever froze the control group can thaw it; a signal does not reach a frozen process."""
    if process.container:
        summary = f"thaw the container of {process.name} (pid {process.pid}) on {host} by what runs it"
        commands = [shell(program, "unpause", process.container) for program in _engine(process)]
    elif fit.unit(process.unit):
        summary, commands = (
            f"thaw {process.unit} on {host}, which is frozen with {process.name}",
            [shell("systemctl", "thaw", process.unit)],
        )
    else:
        summary, commands = f"thaw the control group of {process.name} (pid {process.pid}) on {host}: 0 into its cgroup.freeze", []
    return advice("application", host, f"{summary}; see who froze it (a backup, docker pause, systemctl freeze)", commands, why=why)


def application_silent(case: Case, finding: Finding) -> Fix:
    process, asleep, asking = finding.about(Process), finding.about(Relative), finding.about(Asking)
    if asking:
        return _without_lookups(finding.host, asking)
    if kept := finding.about(Kept):
        return advice(
            "firewall",
            finding.host,
            f"have podman write its rules on {finding.host} again: whoever reloads or flushes the firewall, as firewalld does, takes them "
            "away (from podman 5 on, netavark-firewalld-reload.service brings them back)",
            [shell("podman", "network", "reload", kept.container or "--all")],
        )
    if asleep:
        looks = [shell("systemctl", "list-jobs"), shell("systemctl", "status", asleep.unit)] if fit.unit(asleep.unit) else []
        return advice("service", finding.host, f"see what the start of {asleep.unit} waits for, or why it fails, and get it started", looks)
    if process and process.frozen:
        return thawed(finding.host, process)
    if process and process.stopped:
        return let_go_on(finding.host, process)
    if process:
        summary = f"see why {process.name} (pid {process.pid}) on {finding.host} accepts no connection (stuck, or without a free worker)"
        return advice("application", finding.host, summary)
    listener = case.listener()
    waiting = next((each for each in (listener.processes if listener else None) or () if known(each).proxy_protocol), None)
    if waiting:
        option = known(waiting).proxy_protocol
        summary = f"check whether {waiting.name} waits for a header that clients do not send ({option}), and whether its backend is stuck"
        return advice("application", finding.host, summary)
    return advice(
        "application",
        finding.host,
        "check whether the application is stuck, has no worker left, or waits for a lookup of the client's name before it greets",
    )

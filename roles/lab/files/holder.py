# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that holds a lab: it is the first process of the lab's namespaces, and the lab is gone when it is.

Started by lab.py inside new user, network, mount and process namespaces with a socket on standard input. It reads the topology
there, forks one init per host, answers with their process ids, and then waits. A signal that ends other processes ends it as well,
and in an init its host.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from namespaces import HOST_NAMESPACES, mount, own_entries, private_mounts, unshare
from topology import AT_ONCE, Host, LabError, fabric_batch, host_batch, hosts_file, parse

ETC = "/run/_etc"  # no host can have such a name
ROOTS_HOME = "/run/root"  # the controller's may be out of reach for root of an ordinary user's lab, and is not the host's in any lab


def main() -> None:
    # The first process of a process namespace gets only those signals for which it has a handler, and its children inherit these.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda _number, _frame: os._exit(0))
    os.umask(0o022)  # whatever the user's: nobody but root may write to the /etc of a host
    control = socket.socket(fileno=0)
    with control.makefile("r") as requests:
        request = json.loads(requests.readline())
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            prepare()
            answer = {"hosts": build(parse(request["topology"]))}
        except LabError as error:
            control.sendall(json.dumps({"error": str(error)}).encode() + b"\n")
            return
        control.sendall(json.dumps(answer).encode() + b"\n")
        if request["tied"]:
            requests.read()  # returns when the process that wanted the lab has ended
            return
    control.close()
    while True:
        signal.pause()


class Channel:
    """A line of text at a time, between the holder and a host's init."""

    def __init__(self, end: socket.socket) -> None:
        self._end, self._lines = end, end.makefile("r")

    def say(self, line: str) -> None:
        self._end.sendall(f"{line}\n".encode())

    def hear(self) -> str:
        """The next line; raises LabError when it is an error, or when there is none any more."""
        line = self._lines.readline().rstrip("\n")
        if line.startswith("error ") or not line:
            raise LabError(line[6:] or "A host died while it was being made; the lab's log may say why.")
        return line

    def close(self) -> None:
        self._lines.close()
        self._end.close()


def prepare() -> None:
    """Mounts of the lab, and a copy of /etc: that itself may have mounts below which an overlay must not show, as in a container."""
    private_mounts()
    mount("proc", "/proc", "proc")
    mount("tmpfs", "/run", "tmpfs")
    subprocess.run(["cp", "--archive", "--no-target-directory", "/etc", ETC], capture_output=True, check=False)  # what may be read


def build(hosts: list[Host]) -> dict[str, int]:
    """Start every host and wire them; returns the process ids of their inits, as seen in the lab."""
    names = hosts_file(hosts)
    channels = {host.name: _start(host, names) for host in hosts}
    pids = {name: channel.hear() for name, channel in channels.items()}
    _in_step(channels.values(), "prepare")
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")  # switches have nothing to say themselves
    ip_batch(fabric_batch(hosts, pids), "the fabric")
    _in_step(channels.values(), "configure")
    for channel in channels.values():
        channel.close()
    return {name: int(pid) for name, pid in pids.items()}


def _in_step(channels: Collection[Channel], order: str) -> None:
    """Have all hosts do something side by side."""
    for channel in channels:
        channel.say(order)
    for channel in channels:
        channel.hear()


def _start(host: Host, names: str) -> Channel:
    """Fork a host's init, as process 1 of new namespaces. The first thing heard is its process id."""
    ours, theirs = socket.socketpair()
    if os.fork():
        theirs.close()
        return Channel(ours)
    ours.close()
    channel = Channel(theirs)
    try:
        unshare(HOST_NAMESPACES)
        if pid := os.fork():
            channel.say(str(pid))
        else:
            _init(host, names, channel)
    except LabError as error:
        with suppress(BrokenPipeError):  # another host failed first, and the holder ended
            channel.say(f"error {error}")
    os._exit(0)


def _init(host: Host, names: str, channel: Channel) -> NoReturn:
    """What runs as process 1 of a host. It reaps orphans; when it is killed, every process of the host is. Raises LabError."""
    channel.hear()
    _mounts(host.name, names)
    socket.sethostname(host.name)
    _sysctls(host.name, AT_ONCE)
    channel.say("prepared")
    channel.hear()
    _sysctls(host.name, host.sysctls)
    ip_batch(host_batch(host), f"host {host.name!r}")
    for port in host.listen:
        _listen(port)
    channel.say("configured")
    os.closerange(0, 1024)
    while True:
        signal.pause()


def _mounts(name: str, names: str) -> None:
    """A view of the file system in which /etc can be changed, and /run, /proc, /sys and what is new in /var/lib are the host's own."""
    private_mounts()
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    own = Path("/run", name)
    for directory in ("etc", "work", "lib"):
        (own / directory).mkdir(parents=True)
    (own / "etc/hosts").write_text(names)
    (own / "etc/passwd").write_text(with_home("root", ROOTS_HOME, Path(ETC, "passwd").read_text()))
    (own / "etc/resolv.conf").write_text("")
    mount("overlay", "/etc", "overlay", options=f"lowerdir={ETC},upperdir={own}/etc,workdir={own}/work,userxattr")
    own_entries("/var/lib", own / "lib", hidden="threeway-handshake")
    mount("tmpfs", "/run", "tmpfs", options="mode=755")
    Path(ROOTS_HOME).mkdir(mode=0o700)


def with_home(user: str, home: str, passwd: str) -> str:
    """A passwd(5) in which the user's home directory is another one."""
    entries = (line.split(":") for line in passwd.splitlines())
    return "".join(":".join([*entry[:5], home, *entry[6:]] if entry[0] == user else entry) + "\n" for entry in entries)


def _sysctls(name: str, values: Mapping[str, str]) -> None:
    for key, value in values.items():
        try:
            Path("/proc/sys", key.replace(".", "/")).write_text(value)
        except OSError as error:
            raise LabError(f"Host {name!r}: cannot set {key} to {value!r}: {error.strerror}.") from error


def _listen(port: int) -> None:
    """A service that accepts on all addresses and keeps each connection until the peer ends it."""
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=128)
    if os.fork():
        listener.close()
        return
    while True:
        connection, _peer = listener.accept()
        if os.fork() == 0:
            listener.close()
            with suppress(OSError):
                while connection.recv(65536):
                    pass
            os._exit(0)
        connection.close()


def ip_batch(lines: str, where: str) -> None:
    """Run `ip -batch` on `lines`; raises LabError with the line that failed."""
    try:
        done = subprocess.run(["ip", "-batch", "-"], input=lines, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise LabError("The program 'ip' is missing on this machine: install iproute2.") from error
    if done.stderr:
        raise LabError(f"ip refused the configuration of {where}: {' '.join(done.stderr.split())}")


if __name__ == "__main__":
    main()

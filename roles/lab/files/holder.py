# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that holds a lab: it is the first process of the lab's namespaces, and the lab is gone when it is.

Started by lab.py inside new user, network, mount and process namespaces with a socket on standard input. It reads the topology
there, forks one init per host, answers with their process ids, and then waits.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from namespaces import HOST_NAMESPACES, mount, private_mounts, unshare
from topology import AT_ONCE, Host, LabError, fabric_batch, host_batch, hosts_file, parse


def main() -> None:
    control = socket.socket(fileno=0)
    with control.makefile("r") as requests:
        request = json.loads(requests.readline())
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        private_mounts()
        mount("proc", "/proc", "proc")
        mount("tmpfs", "/run", "tmpfs")
        try:
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


def build(hosts: list[Host]) -> dict[str, int]:
    """Start every host and wire them; returns the process ids of their inits, as seen in the lab."""
    names = hosts_file(hosts)
    channels = {host.name: _start(host, names) for host in hosts}
    pids = {name: int(_answer(name, channel)) for name, channel in channels.items()}
    Path("/proc/sys/net/ipv6/conf/default/disable_ipv6").write_text("1")  # switches have nothing to say themselves
    ip_batch(fabric_batch(hosts, {name: str(pid) for name, pid in pids.items()}), "the fabric")
    for channel in channels.values():
        channel.sendall(b"wired\n")
    for name, channel in channels.items():
        _answer(name, channel)
        channel.close()
    return pids


def _start(host: Host, names: str) -> socket.socket:
    """Fork a host's init; the two processes talk over the socket, one line at a time."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        try:
            unshare(HOST_NAMESPACES)
            pid = os.fork()  # the first process of the new process namespace
            if pid:
                theirs.sendall(f"{pid}\n".encode())
            else:
                _init(host, names, theirs)
        except LabError as error:
            theirs.sendall(f"error {error}\n".encode())
        os._exit(0)
    theirs.close()
    return ours


def _answer(name: str, channel: socket.socket) -> str:
    line = channel.makefile("r").readline().strip()
    if line.startswith("error ") or not line:
        raise LabError(line[6:] or f"Host {name!r} died while it was being made.")
    return line


def _init(host: Host, names: str, channel: socket.socket) -> NoReturn:
    """What runs as process 1 of a host. It reaps orphans; when it is killed, every process of the host is."""
    try:
        _mounts(names)
        socket.sethostname(host.name)
        _sysctls(host.name, AT_ONCE)
        channel.makefile("r").readline()
        _sysctls(host.name, host.sysctls)
        ip_batch(host_batch(host), f"host {host.name!r}")
        for port in host.listen:
            _listen(port)
    except LabError as error:
        with suppress(BrokenPipeError):  # another host failed first, and the holder ended
            channel.sendall(f"error {error}\n".encode())
        os._exit(1)
    channel.sendall(b"up\n")
    os.closerange(0, 1024)
    while True:
        signal.pause()


def _mounts(names: str) -> None:
    """A view of the file system in which /etc can be changed and /run, /proc and /sys are the host's own."""
    private_mounts()
    mount("proc", "/proc", "proc")
    mount("sysfs", "/sys", "sysfs")
    mount("tmpfs", "/run", "tmpfs", options="mode=755")
    for directory in ("etc", "work"):
        Path("/run/.lab", directory).mkdir(parents=True)
    Path("/run/.lab/etc/hosts").write_text(names)
    Path("/run/.lab/etc/resolv.conf").write_text("")
    mount("overlay", "/etc", "overlay", options="lowerdir=/etc,upperdir=/run/.lab/etc,workdir=/run/.lab/work,userxattr")


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
        connection, _ = listener.accept()
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

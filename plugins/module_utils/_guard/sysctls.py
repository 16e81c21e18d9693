# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Save sysctls (Documentation/networking/ip-sysctl.rst), including those that the kernel changes along with them."""

from __future__ import annotations

import errno
import glob
import os
import re

from .._commands import Run
from .base import Blobs, GuardError, Json
from .merge import merge_maps

_ROOT = "/proc/sys"
_NAME = re.compile(r"[A-Za-z0-9_][^\s\0]*")
_PASSES = 4  # writing one may change another that was right before
# Writing the left ones changes the right ones (net/ipv4/devinet.c, inet_forward_change; net/ipv6/addrconf.c).
_FOLLOWERS = (
    (
        re.compile(r"net/ipv4/(ip_forward|conf/all/forwarding)"),
        ("net/ipv4/ip_forward", "net/ipv4/conf/*/forwarding", "net/ipv4/conf/all/accept_redirects"),
    ),
    (re.compile(r"net/(ipv4|ipv6)/conf/all/(?P<leaf>\w+)"), ("net/{0}/conf/*/{1}",)),
)


class Sysctls:
    """State: name -> value, or None where this kernel has no such sysctl now."""

    title = "sysctls"
    survives_reboot = False

    def save(self, wanted: list[str], blobs: Blobs, run: Run) -> Json:
        """Names as sysctl(8) takes them, with dots or, where an interface's name has dots, with slashes."""
        paths = {path for name in wanted for path in _with_followers(_path(name))}
        return {path: _read(path) for path in sorted(paths)}

    def target(self, saved: Json, made: Json, now: Json, blobs: Blobs) -> Json:
        """Sysctl by sysctl."""
        return saved if made is None else merge_maps(saved, made, now)

    def restore(self, record: Json, blobs: Blobs, run: Run) -> None:
        """Those for all interfaces first, because the kernel copies them to each."""
        order = sorted(record, key=lambda path: ("/conf/all/" not in path and "ip_forward" not in path, path))
        for _pass in range(_PASSES):
            wrong = [path for path in order if record[path] is not None and _read(path) not in (record[path], None)]
            if not wrong:
                return
            for path in wrong:
                _write(path, record[path])
        raise GuardError(f"sysctl {_name(wrong[0])} does not keep the value {record[wrong[0]]!r}")

    def essence(self, record: Json) -> Json:
        """All of it."""
        return record

    def lines(self, record: Json, blobs: Blobs) -> list[str]:
        """As sysctl(8) prints them."""
        return [f"{_name(path)} = {value}" if value is not None else f"{_name(path)} is absent" for path, value in sorted(record.items())]


def _path(name: str) -> str:
    """The path below /proc/sys; GuardError for what is no sysctl's name."""
    parts = name.split("/" if "/" in name else ".")
    if not _NAME.fullmatch(name) or not all(parts) or ".." in parts:
        raise GuardError(f"{name!r} is not the name of a sysctl: give one like net.ipv4.tcp_syncookies")
    path = "/".join(parts)
    if "/" in name or os.path.exists(f"{_ROOT}/{path}"):
        return path
    interface = re.fullmatch(r"(net)\.(ipv4|ipv6)\.(conf|neigh)\.(.+)\.(\w+)", name)  # whose name may have dots
    return "/".join(interface.groups()) if interface else path


def _with_followers(path: str) -> list[str]:
    for pattern, followers in _FOLLOWERS:
        match = pattern.fullmatch(path)
        if match:
            found = [entry for follower in followers for entry in glob.glob(f"{_ROOT}/{follower.format(*match.groups())}")]
            return [path, *(entry[len(_ROOT) + 1 :] for entry in found)]
    return [path]


def _read(path: str) -> str | None:
    try:
        with open(f"{_ROOT}/{path}", encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read().rstrip("\n")
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return None
        raise GuardError(f"sysctl {_name(path)} cannot be read: {error.strerror}") from error


def _write(path: str, value: str) -> None:
    try:
        with open(f"{_ROOT}/{path}", "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(value + "\n")
    except OSError as error:
        raise GuardError(f"sysctl {_name(path)} cannot be set to {value!r}: {error.strerror}") from error


def _name(path: str) -> str:
    return path if "." in path else path.replace("/", ".")

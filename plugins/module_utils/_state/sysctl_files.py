# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What the next boot sets sysctls to: the files of sysctl.d(5), in their order."""

from __future__ import annotations

import fnmatch
import os
import typing as t

from .._firewall.managers.files import lines

DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
MOST_FILES, MOST_SETTINGS = 1000, 20_000


class Setting(t.NamedTuple):
    """`value` None: the line only takes the sysctl out of what patterns match."""

    value: str | None
    file: str
    line: int


class Settings:
    """What files say, the later one prevailing; what names a sysctl itself prevails over patterns, wherever they stand."""

    def __init__(self, said: t.Mapping[str, Setting]) -> None:
        self._named = {name: setting for name, setting in said.items() if not _is_pattern(name)}
        self._patterns = [(name, setting) for name, setting in said.items() if _is_pattern(name)]

    def of(self, name: str) -> Setting | None:
        """The line that decides; `name` with slashes where its parts have dots."""
        named = self._named.get(name)
        if named is not None:
            return named if named.value is not None else None
        matching = [setting for pattern, setting in self._patterns if _matches(name, pattern)]
        return matching[-1] if matching else None


def read(directories: t.Sequence[str] = DIRECTORIES) -> Settings:
    """Files are taken in the order of their names; of files with one name that of the first directory counts."""
    files: dict[str, str] = {}
    for directory in directories:
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        for name in names[:MOST_FILES]:
            if name.endswith(".conf"):
                files.setdefault(name, os.path.join(directory, name))
    said: dict[str, Setting] = {}
    for name in sorted(files):
        for number, line in enumerate(lines(files[name]) or (), 1):
            setting = _setting(line)
            if setting and len(said) < MOST_SETTINGS:
                key, value = setting
                said.pop(key, None)
                said[key] = Setting(value, files[name], number)
    return Settings(said)


def path_of(name: str, interfaces: t.Collection[str] = ()) -> str:
    """A sysctl's name with slashes between its parts: an interface's name may have dots of its own."""
    for interface in sorted(interfaces, key=len, reverse=True):
        for stem in ("net.ipv4.conf.", "net.ipv6.conf."):
            if name.startswith(f"{stem}{interface}."):
                return f"{stem.replace('.', '/')}{interface}/{name[len(stem) + len(interface) + 1 :]}"
    return name.replace(".", "/")


def _setting(line: str) -> tuple[str, str | None] | None:
    line = line.strip()
    if not line or line[0] in "#;":
        return None
    key, equals, value = line.partition("=")
    key = key.strip()
    if key.startswith("-"):  # errors are to be ignored, or, without a value, patterns
        key = key[1:].strip()
    elif not equals:
        return None
    return _slashed(key), " ".join(value.split()) if equals else None


def _slashed(key: str) -> str:
    """The separator that comes first separates; where that is the dot, a slash stands for a dot."""
    dot, slash = key.find("."), key.find("/")
    if slash < 0 or 0 <= dot < slash:
        return key.translate(str.maketrans("./", "/."))
    return key


def _is_pattern(name: str) -> bool:
    return any(special in name for special in "*?[")


def _matches(name: str, pattern: str) -> bool:
    """glob(7) over the files of /proc/sys: no wildcard matches a slash."""
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))

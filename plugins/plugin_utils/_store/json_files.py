# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A directory of JSON documents on the controller, each replaced in one step, readable by their owner only."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from . import directories


class EvidenceError(Exception):
    """A file of the run that is not there or not what it should be; the message is a sentence."""


class JsonFiles:
    """Documents in one directory: that of a run is this user's alone, see `directories.private`."""

    def __init__(self, directory: Path, *, shared: bool = False) -> None:
        self.directory = directory
        self._opened = directories.any_owner if shared else directories.private

    def clear(self) -> None:
        """Make the directory ready for a run: no document of an earlier one stays. OSError."""
        with directories.private(self.directory, make=True) as directory:
            for name in os.listdir(directory):
                if name.endswith(".json"):
                    os.unlink(name, dir_fd=directory)

    def read(self, name: str) -> dict[str, Any]:
        """A document. EvidenceError, OSError."""
        try:
            with self._opened(self.directory) as directory:
                found = json.loads(directories.read(directory, name).decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise EvidenceError(f"{self.directory / name} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise EvidenceError(f"{self.directory / name} is not what this collection writes")
        return found

    def read_if_there(self, name: str) -> dict[str, Any] | None:
        """A document, None where there is none. EvidenceError."""
        try:
            return self.read(name)
        except FileNotFoundError:
            return None

    def remove(self, name: str) -> None:
        """OSError."""
        with self._opened(self.directory) as directory:
            os.unlink(name, dir_fd=directory)

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace a document. OSError."""
        self.replace(name, json.dumps(content))

    def replace(self, name: str, text: str) -> None:
        """Replace a file. OSError."""
        with self._opened(self.directory) as directory:
            directories.replace(directory, name, text.encode("utf-8"))


def host_file(host: str, what: str) -> str:
    """A file name for any inventory name: percent-encoded, with a digest where it would be too long."""
    safe = quote(host, safe="", errors="surrogatepass")
    if len(safe) > 180:
        safe = f"{safe[:150]}~{hashlib.sha256(safe.encode()).hexdigest()[:24]}"
    return f"{safe}.{what}.json"

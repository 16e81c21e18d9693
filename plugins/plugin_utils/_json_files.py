# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A directory of JSON documents on the controller, each replaced in one step, readable by their owner only."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote


class EvidenceError(Exception):
    """A file of the run that is not there or not what it should be; the message is a sentence."""


class JsonFiles:
    """The documents of a run in one directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def clear(self) -> None:
        """Make the directory ready for a run: no document of an earlier one stays. OSError."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        if not stat.S_ISDIR(os.lstat(self.directory).st_mode):
            raise NotADirectoryError(f"{self.directory} is a link: remove it")
        self.directory.chmod(0o700)
        for path in self.directory.iterdir():
            if path.suffix == ".json":
                path.unlink()

    def read(self, name: str) -> dict[str, Any]:
        """A document. EvidenceError, OSError."""
        try:
            found = json.loads((self.directory / name).read_text(encoding="utf-8"))
        except ValueError as error:
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

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace a document. OSError."""
        self.replace(name, json.dumps(content))

    def replace(self, name: str, text: str) -> None:
        """Replace a file. OSError."""
        handle, draft = tempfile.mkstemp(prefix=".", dir=self.directory)  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(draft, self.directory / name)
        except BaseException:
            os.unlink(draft)
            raise


def host_file(host: str, what: str) -> str:
    """A file name for any inventory name: percent-encoded, with a digest where it would be too long."""
    safe = quote(host, safe="", errors="surrogatepass")
    if len(safe) > 180:
        safe = f"{safe[:150]}~{hashlib.sha256(safe.encode()).hexdigest()[:24]}"
    return f"{safe}.{what}.json"

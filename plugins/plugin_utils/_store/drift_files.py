# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Where baselines and drift reports are kept on the controller."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from .._drift import DriftError
from .._drift.baseline import MOST_BYTES, Baseline, parse
from . import directories


def path_of(directory: str, host: str) -> Path:
    """A host's baseline; names of hosts that are no names of files are percent-encoded."""
    return Path(directory) / f"{quote(host, safe=' ', errors='surrogatepass').lstrip('.')[:200]}.yml"


def read(directory: str, hosts: Iterable[str]) -> dict[str, Baseline | str]:
    """Each host's baseline, or the sentence that says why there is none."""
    found: dict[str, Baseline | str] = {}
    for host in hosts:
        path = path_of(directory, host)
        try:
            found[host] = _read(path, host)
        except FileNotFoundError:
            found[host] = f"There is no baseline {path}: run the playbook threeway.handshake.baseline for {host} first."
        except OSError as error:
            found[host] = f"The baseline {path} cannot be read: {error.strerror}."
        except DriftError as error:
            found[host] = str(error)
    return found


def _read(path: Path, host: str) -> Baseline:
    if path.exists() and not path.is_file():
        raise DriftError(f"The baseline {path} is not a plain file: remove it, and write the baseline again.")
    with path.open("rb") as file:
        baseline = parse(file.read(MOST_BYTES + 1), str(path))
    if baseline.host != host:
        raise DriftError(f"The baseline {path} is of another host than {host}: write it again.")
    return baseline


def write_report(report_dir: Path, texts: Mapping[str, str]) -> None:
    """Write files of a report, each in one step, into a directory that is this user's alone. OSError."""
    with directories.private(report_dir, make=True) as directory:
        for name, text in texts.items():
            directories.replace(directory, name, text.encode("utf-8"), durable=True)


def make(directory: str) -> None:
    """Make the directory of baselines where it does not exist, and see that files can be written there. DriftError."""
    with _as_drift_error(directory):
        Path(directory).mkdir(mode=0o755, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(prefix=".", dir=directory):
            pass


def write_baselines(directory: str, texts: Mapping[str, str]) -> None:
    """Write hosts' baselines for git, each in one step. DriftError."""
    with _as_drift_error(directory):
        for host, text in texts.items():
            path = path_of(directory, host)
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            handle, draft = tempfile.mkstemp(prefix=".", dir=path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                os.chmod(draft, 0o644)
                os.replace(draft, path)
            except BaseException:
                os.unlink(draft)
                raise


@contextmanager
def _as_drift_error(directory: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DriftError(
            f"Baselines cannot be written into {directory}: {error.strerror}: fix that, or give another directory as drift_baseline_dir."
        ) from error

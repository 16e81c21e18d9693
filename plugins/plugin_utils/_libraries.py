# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""The Python libraries that some options need on the controller, and the command that installs those that are missing."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from collections.abc import Mapping

LIBRARIES: Mapping[str, str] = {
    "jmespath": "jmespath",
    "paramiko": "paramiko",
    "psycopg": "psycopg[binary]>=3.1",
    "sqlalchemy": "SQLAlchemy>=2.0",
}
"""What pip is asked for, by the name under which it is imported."""


def lacking(what: str, *names: str) -> str | None:
    """A sentence that says what ``what`` needs, as far as this Python lacks it, and how to install it; None where nothing is missing.

    >>> lacking("A history", "sqlalchemy")
    "A history needs the Python library SQLAlchemy on the controller: /usr/bin/python3 -m pip install 'SQLAlchemy>=2.0'"
    """
    missing = [LIBRARIES[name] for name in names if importlib.util.find_spec(name) is None]
    if not missing:
        return None
    listed = " and ".join(each.partition("[")[0].partition(">")[0] for each in missing)
    libraries = "libraries" if len(missing) > 1 else "library"
    return (
        f"{what} needs the Python {libraries} {listed} on the controller: {shlex.join([sys.executable, '-m', 'pip', 'install', *missing])}"
    )

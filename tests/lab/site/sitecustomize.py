# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps what Python compiles from zip files: a module's zip has a hundred sources, which a managed host compiles at each of its runs.

For hosts of a lab, which share a machine; those that run systemd only read it. Python imports it at its start where this directory is on
PYTHONPATH, or by handshake-lab.pth (systemd_tree.py). Compiled code depends on its source and the version of Python alone; its file name,
which tracebacks show, is that of the run that compiled it.
"""

import contextlib
import hashlib
import marshal
import os
import sys
import tempfile
import zipimport

_CACHE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "build", "bytecode", str(sys.implementation.cache_tag))


def _keep(path, code):  # type: (str, object) -> None
    os.makedirs(_CACHE, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=_CACHE)
    with open(descriptor, "wb") as file:
        marshal.dump(code, file)
    os.replace(unfinished, path)


def _compiled(pathname, source):  # type: (str, bytes) -> object
    path = os.path.join(_CACHE, hashlib.sha256(source).hexdigest())
    with contextlib.suppress(OSError, EOFError, ValueError, TypeError), open(path, "rb") as file:
        return marshal.loads(file.read())  # written by ourselves; load() reads piece by piece, which takes four times as long
    code = _compile(pathname, source)
    with contextlib.suppress(OSError):
        _keep(path, code)
    return code


if hasattr(zipimport, "_compile_source"):  # written in Python since 3.8
    _compile = zipimport._compile_source
    zipimport._compile_source = _compiled

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The restorer: a program on the host that needs Python and the host's own tools, and nothing of Ansible.

It is this package and what it imports, in one archive that Python runs. Usage: restore.pyz now | boot | watch DEADLINE DESCRIPTOR
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import io
import os
import pkgutil
import signal
import subprocess  # there is no AnsibleModule where this runs
import sys
import time
import typing as t
import zipfile

from ._alarm import WATCH
from ._base import GuardError, packed, unpacked
from ._journal import FAILED
from ._record import SAVED, SAVING
from ._restoring import carry_out

_GLANCE = 0.25  # seconds between looks whether there is still something to watch
_TOOL_SECONDS = 300.0
_ROOT = "ansible_collections.threeway.handshake.plugins.module_utils"
_SHARED = ("_errors", "_netlink")
_ENTRY = f"""import sys
from {_ROOT}._guard._restorer import main
main(sys.argv)
"""


def archive() -> bytes:
    """The restorer's file."""
    own = [f"_guard.{module.name}" for module in pkgutil.iter_modules(sys.modules[__package__].__path__)]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("__main__.py", _ENTRY)
        parts = f"{_ROOT}._guard".split(".")
        for depth in range(1, len(parts) + 1):
            written.writestr("/".join([*parts[:depth], "__init__.py"]), "")
        for name in (*_SHARED, *own):
            written.writestr(f"{_ROOT}.{name}".replace(".", "/") + ".py", _source(f"{_ROOT}.{name}"))
    return content.getvalue()


def _source(name: str) -> bytes:
    """A module's source, from a directory or from Ansible's archive."""
    spec = importlib.util.find_spec(name)
    read = getattr(spec and spec.loader, "get_data", None)
    if spec is None or read is None:
        raise GuardError(f"the source of {name} is missing")
    return bytes(read(spec.origin))


def main(argv: t.Sequence[str]) -> t.NoReturn:
    """Do as the first argument says, in the directory where the archive is; the process ends with 0 unless something is left undone."""
    directory = os.path.dirname(os.path.realpath(argv[0]))
    base, transaction = os.path.split(directory)
    code = 1
    try:
        if argv[1] == "watch":
            _leave_alone()
            if not _wait(directory, float(argv[2]), int(argv[3])):
                os._exit(0)
        state = carry_out(base, transaction, run, booting=argv[1] == "boot")
        code = int(state == FAILED)
    except Exception as error:  # systemd's journal is all that is left to say it
        sys.stderr.write(f"threeway.handshake: {error if isinstance(error, (GuardError, OSError)) else repr(error)}\n")
        sys.stderr.flush()
    finally:
        os._exit(code)


def run(argv: t.Sequence[str], data: str | None = None) -> tuple[int, str, str]:
    """As AnsibleModule.run_command: (return code, standard output, standard error)."""
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin", "LC_ALL": "C", "LANGUAGE": "C"}
    pipe = subprocess.PIPE
    try:
        done = subprocess.run(
            list(argv), input=packed(data or ""), stdout=pipe, stderr=pipe, env=environment, timeout=_TOOL_SECONDS, check=False
        )
    except FileNotFoundError:
        return 127, "", f"{argv[0]} is missing"
    except (OSError, subprocess.TimeoutExpired) as error:
        return 126, "", str(error)
    return done.returncode, unpacked(done.stdout), done.stderr.decode("utf-8", "replace")


def _leave_alone() -> None:
    """What ends sessions does not end this, and the kernel looks for memory elsewhere first."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    for path, text in (("/proc/self/comm", "handshake-guard"), ("/proc/self/oom_score_adj", "-900")):
        with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as stream:
            stream.write(text)


def _wait(directory: str, deadline: float, report: int) -> bool:
    """Wait for the deadline (seconds of CLOCK_BOOTTIME); whether there is something to restore then."""
    with open(os.open(os.path.join(directory, WATCH), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)  # it shows that somebody watches
        os.write(report, b".")
        os.close(report)
        while True:
            left = deadline - time.clock_gettime(time.CLOCK_BOOTTIME)
            if left <= 0:
                return True
            time.sleep(min(left, _GLANCE))
            if not any(os.path.lexists(os.path.join(directory, name)) for name in (SAVING, SAVED)):
                return False

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The restorer: a program on the host that needs Python and the host's own tools, but not Ansible.

It is this package and what it imports, in one archive that Python runs. Usage::

    restore.pyz now | boot                                the host is restored; while the alarm is tried out, all but that is done
    restore.pyz watch | beside DEADLINE DESCRIPTOR        the same at the deadline, alone or beside a timer
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
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

from .alarm import is_trial, report_trial
from .base import GuardError, packed, unpacked
from .disk import is_locked, remove, write_durably
from .journal import FAILED
from .programs import USUAL, search_path
from .record import FINAL, SAVED, SAVING, verify
from .restoring import carry_out
from .watchers import RESTORER, WATCH

_GLANCE = 0.25  # seconds between looks whether there is still something to watch
_TOOL_SECONDS = 300.0
_ROOT = "ansible_collections.threeway.handshake.plugins.module_utils"
_SHARED = ("_commands", "_errors", "_typing", "_wire.netlink")
_ENTRY = """import sys
from {root}._guard.restorer import main
main(sys.argv, {path!a})
"""


def archive() -> bytes:
    """The restorer's file."""
    own = [f"_guard.{module.name}" for module in pkgutil.iter_modules(sys.modules[__package__].__path__)]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr("__main__.py", _ENTRY.format(root=_ROOT, path=search_path()))
        names = (*_SHARED, *own)
        for package in sorted({above for name in names for above in _above(f"{_ROOT}.{name}")}):
            written.writestr(package.replace(".", "/") + "/__init__.py", "")
        for name in names:
            written.writestr(f"{_ROOT}.{name}".replace(".", "/") + ".py", _source(f"{_ROOT}.{name}"))
    return content.getvalue()


def _above(name: str) -> list[str]:
    """The packages that a module lies in."""
    parts = name.split(".")
    return [".".join(parts[:depth]) for depth in range(1, len(parts))]


def _source(name: str) -> bytes:
    """A module's source, from a directory or from Ansible's archive."""
    spec = importlib.util.find_spec(name)
    read = getattr(spec and spec.loader, "get_data", None)
    if spec is None or read is None:
        raise GuardError(f"the source of {name} is missing")
    return bytes(read(spec.origin))


def main(argv: t.Sequence[str], path: str) -> t.NoReturn:
    """Do as the first argument says, in the directory where the archive is; the process ends with 0 unless something is left undone.

    `path`: where programs were looked for when the transaction was armed.
    """
    directory = os.path.dirname(os.path.realpath(argv[0]))
    base, transaction = os.path.split(directory)
    how, code = argv[1], 1
    try:
        if how in ("now", "boot") and is_trial(directory) and is_locked(base):
            code = _try_out(directory, how)
        elif how in ("now", "boot") or _wait(directory, float(argv[2]), int(argv[3]), alone=how == "watch"):
            code = int(carry_out(base, transaction, functools.partial(run, path=path), booting=how == "boot") == FAILED)
        else:
            code = 0
    except Exception as error:  # systemd's journal is all that is left to say it
        _say(_sentence(error))
    finally:
        os._exit(code)


def _try_out(directory: str, how: str) -> int:
    try:
        verify(directory)
        sentence = ""
    except Exception as error:
        sentence = _sentence(error)
        _say(sentence)
    report_trial(directory, how, sentence)
    return int(bool(sentence))


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, (GuardError, OSError)) else repr(error)


def _say(sentence: str) -> None:
    sys.stderr.write(f"threeway.handshake: {sentence}\n")
    sys.stderr.flush()


def run(argv: t.Sequence[str], data: str | None = None, path: str = USUAL) -> tuple[int, str, str]:
    """As AnsibleModule.run_command: (return code, standard output, standard error)."""
    environment = {"PATH": path, "LC_ALL": "C", "LANGUAGE": "C"}
    pipe = subprocess.PIPE
    try:
        done = subprocess.run(  # pylint: disable=ansible-bad-function,useless-suppression  # known from ansible-core 2.21 on
            list(argv), input=packed(data or ""), stdout=pipe, stderr=pipe, env=environment, timeout=_TOOL_SECONDS, check=False
        )
    except FileNotFoundError:
        return 127, "", f"{argv[0]} is missing"
    except (OSError, subprocess.TimeoutExpired) as error:
        return 126, "", str(error)
    return done.returncode, unpacked(done.stdout), done.stderr.decode("utf-8", "replace")


def mend_archive(directory: str) -> None:
    """Rewrite the restorer's file where it is damaged or gone. Raises OSError."""
    path = os.path.join(directory, RESTORER)
    try:
        with zipfile.ZipFile(path) as written:
            whole = written.testzip() is None
    except Exception:  # whatever it is, no archive
        whole = False
    if not whole:
        remove(path)
        write_durably(path, archive())


def _leave_alone(alone: bool) -> None:
    """What ends sessions does not end this, and the kernel looks for memory elsewhere first.

    One that is alone does not let itself be terminated either. One beside a timer does: it must not delay a reboot.
    """
    ignored = [signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, *([signal.SIGTERM] if alone else [])]
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
    for path, text in (("/proc/self/comm", "handshake-guard"), ("/proc/self/oom_score_adj", "-900")):
        with contextlib.suppress(OSError), open(path, "w", encoding="ascii") as stream:
            stream.write(text)


def _wait(directory: str, deadline: float, report: int, alone: bool) -> bool:
    """Wait for the deadline (seconds of CLOCK_BOOTTIME); whether there is something to restore then."""
    _leave_alone(alone)
    with open(os.open(os.path.join(directory, WATCH), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)  # it shows that somebody watches
        try:
            if os.path.lexists(os.path.join(directory, SAVING)):  # it is being armed
                verify(directory)
        except Exception as error:
            os.write(report, b"!" + _sentence(error).encode("utf-8", "replace"))
            return False
        os.write(report, b".")
        os.close(report)
        while True:
            left = deadline - time.clock_gettime(time.CLOCK_BOOTTIME)
            if left <= 0:
                return True
            time.sleep(min(left, _GLANCE))
            if not any(os.path.lexists(os.path.join(directory, name)) for name in (SAVING, SAVED, *FINAL.values())):
                return False

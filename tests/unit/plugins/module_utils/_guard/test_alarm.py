# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that units run, with real shells; and processes that would not restore, which are refused. Units: tests/integration."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._guard import _alarm
from ansible_collections.threeway.handshake.plugins.module_utils._guard._base import GuardError
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils._guard.scene import BASE, COLLECTIONS, STEP, Scene

ODD = ["a b", "100%n%%", "$HOME${PATH}", 'it\'s "so"', "a\\x41\\\\n\\", "a\nb", "café", "caf\udce9\x01", "-c;$(exit 9)`exit 9`#&|<>*?"]
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("name", ODD)
def test_the_script_starts_whatever_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, shell: str) -> None:
    python = tmp_path / name / "python"
    python.parent.mkdir()
    python.symlink_to(Path(sys.executable).resolve())
    monkeypatch.setattr(sys, "executable", str(python))
    (tmp_path / "restore.pyz").write_text(
        "import sys; open(sys.argv[0] + '.done', 'a').write(repr((sys.executable, sys.argv[1:])) + '\\n')"
    )
    (tmp_path / "restore.sh").write_bytes(_alarm._script(str(tmp_path)))
    argv = [*([shell, "sh"] if shell == "busybox" else [shell]), str(tmp_path / "restore.sh"), "now"]
    assert subprocess.run(argv, check=False).returncode == 0
    assert (tmp_path / "restore.pyz.done").read_text().splitlines() == [repr((str(python), ["now"]))]


def test_the_script_tries_again_and_fails_when_the_restorer_does(tmp_path: Path) -> None:
    (tmp_path / "restore.pyz").write_text("import os; open(__file__ + '.done', 'a').write('x'); os.kill(os.getpid(), 9)")
    (tmp_path / "restore.sh").write_bytes(_alarm._script(str(tmp_path)))
    assert subprocess.run(["sh", str(tmp_path / "restore.sh"), "now"], check=False, stderr=subprocess.DEVNULL).returncode == 1
    assert (tmp_path / "restore.pyz.done").read_text() == "xxx"
    (tmp_path / "restore.pyz").unlink()
    assert subprocess.run(["sh", str(tmp_path / "restore.sh"), "now"], check=False).returncode == 0


def test_an_interpreter_without_a_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(GuardError, match="does not know its own path"):
        _alarm._script(str(tmp_path))


DAMAGE = """
import sys
from ansible_collections.threeway.handshake.plugins.module_utils._guard import {module}
real = {module}.{function}
def damaged(directory, *rest):
    {how}
    return real(directory, *rest)
{module}.{function} = damaged
sys.argv = sys.argv[1:]
exec(open(sys.argv[0]).read())
"""
# What is damaged between saving and arming: the module, the function before which it happens, how, and what is said.
BETWEEN = {
    "a content": (
        "open(next(p for p in __import__('glob').glob(directory + '/*') if len(p) > 90), 'w')",
        "its content does not match its name",
    ),
    "what was saved": ("open(directory + '/saving.json', 'w').write('{}')", "its content does not match its checksum"),
    "the restorer": ("open(directory + '/restore.pyz', 'w').write('x = (')", "the processes that are to restore this host do not start"),
    "the interpreter": ("sys.executable = '/missing/python'", "the processes that are to restore this host do not start: /missing/python"),
}


@pytest.mark.parametrize("what", BETWEEN)
def test_what_would_not_restore_is_not_armed(what: str) -> None:
    how, why = BETWEEN[what]
    with Scene() as host:
        before = host.dump()
        code = DAMAGE.format(module="_transaction", function="set_alarm", how=how)
        host.sh(f"cat > /run/damage.py << 'END'\n{code}\nEND")
        arguments = '0 arm t1 30 \'{"files": ["/run/etc"]}\''
        told = host.sh(f"PYTHONPATH={COLLECTIONS} {sys.executable} /run/damage.py {STEP} {arguments}")
        assert "transaction t1 cannot be armed, nothing has been changed" in told and why in told, told
        host.await_silence()
        assert host.sh(f"ls {BASE}") == "" and host.sh("rm /run/damage.py") == "" and host.dump() == before

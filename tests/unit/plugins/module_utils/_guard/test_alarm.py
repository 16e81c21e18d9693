# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that units run, with real shells; and processes that would not restore, which are refused. Units: tests/integration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._guard import alarm
from ansible_collections.threeway.handshake.plugins.module_utils._guard.base import GuardError
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
    (tmp_path / "restore.sh").write_bytes(alarm._script(str(tmp_path)))
    argv = [*([shell, "sh"] if shell == "busybox" else [shell]), str(tmp_path / "restore.sh"), "now"]
    assert subprocess.run(argv, check=False).returncode == 0
    assert (tmp_path / "restore.pyz.done").read_text().splitlines() == [repr((str(python), ["now"]))]


def test_the_script_tries_again_and_fails_when_the_restorer_does(tmp_path: Path) -> None:
    (tmp_path / "restore.pyz").write_text("import os; open(__file__ + '.done', 'a').write('x'); os.kill(os.getpid(), 9)")
    (tmp_path / "restore.sh").write_bytes(alarm._script(str(tmp_path)))
    assert subprocess.run(["sh", str(tmp_path / "restore.sh"), "now"], check=False, stderr=subprocess.DEVNULL).returncode == 1
    assert (tmp_path / "restore.pyz.done").read_text() == "xxx"
    (tmp_path / "restore.pyz").unlink()
    assert subprocess.run(["sh", str(tmp_path / "restore.sh"), "now"], check=False).returncode == 0


def test_an_interpreter_without_a_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(GuardError, match="does not know its own path"):
        alarm._script(str(tmp_path))


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
        code = DAMAGE.format(module="transaction", function="set_alarm", how=how)
        host.sh(f"cat > /run/damage.py << 'END'\n{code}\nEND")
        arguments = '0 arm t1 30 \'{"files": ["/run/etc"]}\''
        told = host.sh(f"PYTHONPATH={COLLECTIONS} {sys.executable} /run/damage.py {STEP} {arguments}")
        assert "transaction t1 cannot be armed, nothing has been changed" in told and why in told, told
        host.await_silence()
        assert host.sh(f"ls {BASE}") == "" and host.sh("rm /run/damage.py") == "" and host.dump() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="the guard makes units in directories of root's alone")
def test_a_session_that_lets_others_write_makes_no_such_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The directory for links to what is to run at a boot; systemd itself is not needed for it to be made."""
    place = Path(tempfile.mkdtemp(dir="/var/lib", prefix="handshake-alarm-"))
    for name in ("_PERMANENT", "_PASSING"):
        (place / name).mkdir()
        monkeypatch.setattr(alarm, name, str(place / name))
    monkeypatch.setattr(alarm, "_is_systemd_ours", lambda *_arguments: True)
    monkeypatch.setattr(alarm, "_systemd_runs_for", lambda *_arguments: 0.0)
    for name in ("_try_units", "watch"):
        monkeypatch.setattr(alarm, name, lambda *_arguments: None)
    before = os.umask(0)
    try:
        assert alarm.set_alarm(str(place), "t1", 60, lambda argv, data=None: (0, "", ""))[0] == "systemd"
        open_to_others = [path for path in place.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o022]
    finally:
        os.umask(before)
        shutil.rmtree(place)
    assert open_to_others == []


HIDE = "touch /run/none; mount --bind /run/none $(readlink -f $(command -v ipset)); "


def module(host: Scene, path: str, **arguments: object) -> dict[str, Any]:
    """The module itself, with the PATH of some session."""
    ansible = Path(pytest.importorskip("ansible").__file__).parents[1]
    command = f"PYTHONPATH={COLLECTIONS}:{ansible} {sys.executable} -m ansible_collections.threeway.handshake.plugins.modules.guard"
    words = json.dumps({"ANSIBLE_MODULE_ARGS": arguments})
    answer: dict[str, Any] = json.loads(host.sh(f"echo '{words}' | env PATH={path} {command}", check=False))
    return answer


@pytest.mark.parametrize("path", ["/usr/bin:/bin", "/run/tools:/usr/bin:/bin"])
def test_the_restorer_finds_the_programs_that_were_found_when_the_host_was_armed(path: str) -> None:
    """A session may have no directory of root's programs in its PATH, as behind su, or further ones, as on NixOS."""
    with Scene() as host:
        host.sh("ipset create banned hash:ip; ipset add banned 192.0.2.1")
        if "tools" in path:
            host.sh("mkdir /run/tools; cp $(readlink -f $(command -v ipset)) /run/tools/ipset; " + HIDE)
        before = host.sh("PATH=/run/tools:$PATH ipset save")
        armed = module(host, path, state="armed", transaction="t1", saves={"firewall": True})
        assert armed.get("not_saved") == [], armed
        host.sh("PATH=/run/tools:$PATH; ipset destroy banned; ipset create more hash:ip")
        restored = module(host, path, state="restored", transaction="t1")
        assert restored.get("state") == "restored", restored
        assert host.sh("PATH=/run/tools:$PATH ipset save") == before


def test_a_program_that_others_could_exchange_is_not_run() -> None:
    with Scene() as host:
        host.sh(f"mkdir -m 0777 /run/tools; cp $(readlink -f $(command -v ipset)) /run/tools/ipset; ipset create banned hash:ip; {HIDE}")
        (told,) = module(host, "/run/tools:/usr/bin:/bin", state="armed", transaction="t1", saves={"firewall": True})["not_saved"]
        assert "ipsets banned are not saved" in told

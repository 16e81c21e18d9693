# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units of a port, from unit files made here and from what systemd 252 answered for the same files (fixtures/systemd252.json)."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._host import units

RECORDED = json.loads(Path(__file__).with_name("fixtures").joinpath("systemd252.json").read_text(encoding="utf-8"))
FILES = {
    "shop.service": "[Service]\nExecStart=/bin/sh -c 'exit 3' \\\n    --listen 0.0.0.0:8081\n",
    "idle.service": "[Service]\nEnvironmentFile=-{root}/defaults\nExecStart=/bin/sleep 1000\n",
    "gate.socket": "[Socket]\nListenStream=[::]:8083\n",
    "gate.service": "[Service]\nExecStart=/bin/cat\n",
    "postgresql@.service": "[Service]\nExecStart=/bin/false\n",
    "running.service": "[Service]\nExecStart=/bin/sh -c 'echo 8084; exec /bin/sleep 1000'\n",
    "oomed.service": "[Service]\nExecStart=/bin/sh -c 'kill -KILL $$$$' 8085\n",
    "other.service": "[Service]\n# 8081\nDescription=8081\nExecStart=/bin/true 18081 8081.5 10.8081 80810\n",
    "notes.txt": "ExecStart=8081\n",
}


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Callable[..., list[dict[str, t.Any]]]:
    """`units_for_port` on a host whose systemd answers as recorded, and only what was recorded."""
    directory = tmp_path / "system"
    (directory / "shop.service.d").mkdir(parents=True)
    (directory / "shop.service.d" / "port.conf").write_text("[Service]\nEnvironment=ALSO=8086\n")
    (directory / "nginx.service").symlink_to("/dev/null")
    (directory / "lazy.service").symlink_to(directory / "idle.service")
    (tmp_path / "defaults").write_text("IDLE_PORT=8082\n")
    for name, text in FILES.items():
        (directory / name).write_text(text.format(root=tmp_path))
    monkeypatch.setattr(units, "BOOTED", str(directory))
    monkeypatch.setattr(units, "DIRECTORIES", (str(directory), str(tmp_path / "none")))
    monkeypatch.setattr(units.os, "geteuid", lambda: 0)

    def run(arguments: list[str]) -> tuple[int, str, str]:
        (answer,) = (call for call in RECORDED if call["args"] == arguments)
        return answer["rc"], answer["out"], answer["err"]

    def units_for_port(port: int, declared: str | None = None) -> list[dict[str, t.Any]]:
        return units.units_for_port(port, declared, run)

    return units_for_port


def test_a_failed_unit_is_told_with_its_result_and_last_words(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    assert ask(8081) == [
        {
            "port": 8081,
            "unit": "shop.service",
            "how": "text",
            "load": "loaded",
            "active": "failed",
            "sub": "failed",
            "result": "exit-code",
            "status": 3,
            "log": ["cannot read /etc/shop.conf: Permission denied"],
        }
    ]


def test_of_a_unit_that_said_nothing_itself_systemd_has_the_last_word(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    (unit,) = ask(8085)
    assert (unit["result"], unit["status"]) == ("signal", 9)
    assert unit["log"][-2:] == [
        "oomed.service: Main process exited, code=killed, status=9/KILL",
        "oomed.service: Failed with result 'signal'.",
    ]


def test_units_are_found_by_drop_ins_environment_files_and_sockets(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    assert [unit["unit"] for unit in ask(8086)] == ["shop.service"]
    assert [(unit["unit"], unit["how"], unit["active"]) for unit in ask(8082)] == [("idle.service", "text", "inactive")]
    assert [(unit["unit"], unit["how"], unit["status"]) for unit in ask(8083)] == [("gate.socket", "socket", None)]


def test_common_knowledge_finds_instances_and_masked_units_but_none_that_do_not_exist(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    assert [(unit["unit"], unit["how"], unit["active"]) for unit in ask(5432)] == [("postgresql@15-main.service", "wellknown", "failed")]
    assert [(unit["unit"], unit["how"], unit["load"]) for unit in ask(80, "nginx")] == [("nginx.service", "declared", "masked")]


def test_a_declared_unit_is_told_in_any_state_under_its_own_name(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    assert [(unit["unit"], unit["how"]) for unit in ask(8082, "lazy")] == [("idle.service", "declared")]
    assert [(unit["unit"], unit["load"], unit["log"]) for unit in ask(81, "nosuch")] == [("nosuch.service", "not-found", None)]
    assert [(unit["active"], unit["log"]) for unit in ask(8084, "running.service")] == [("active", None)]


def test_an_active_unit_is_not_told_for_its_text_alone(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    assert ask(8084) == []


def test_a_port_that_nothing_mentions_costs_no_command(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    assert ask(9) == []


def test_a_journal_that_looks_empty_to_an_ordinary_user_is_unknown(
    ask: t.Callable[..., list[dict[str, t.Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(8082)[0]["log"] == []
    monkeypatch.setattr(units.os, "geteuid", lambda: 1000)
    assert ask(8082)[0]["log"] is None


def test_a_systemctl_that_fails_is_told_with_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "BOOTED", str(tmp_path))
    with pytest.raises(ObserveError, match="systemctl show failed: Failed to connect to bus"):
        units.units_for_port(22, None, lambda _arguments: (1, "", "Failed to connect to bus: Host is down\n"))


def test_a_host_without_systemd_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "BOOTED", str(tmp_path / "none"))
    with pytest.raises(ObserveError, match="systemd does not run this host"):
        units.units_for_port(22, None, lambda _arguments: (0, "", ""))

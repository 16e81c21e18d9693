# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Units of a port, from unit files made here and from what systemd 252 answered for the same files (fixtures/systemd252.json).

Of Job and After, which are asked for since, the fixture has nothing: none of the units had a job.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._host import unit_states, units

RECORDED = json.loads(Path(__file__).with_name("fixtures").joinpath("systemd252.json").read_text(encoding="utf-8"))
FILES = {
    "shop.service": "[Service]\nExecStart=/bin/sh -c 'exit 3' \\\n    --listen 0.0.0.0:8081\n",
    "idle.service": "[Service]\nEnvironmentFile=-{root}/defaults\nExecStart=/bin/sleep 1000\n",
    "gate.socket": "[Socket]\nListenStream=[::]:8083\n",
    "gate.service": "[Service]\nExecStart=/bin/cat\n",
    "postgresql@.service": "[Service]\nExecStart=/bin/false\n",
    "running.service": "[Service]\nExecStart=/bin/sh -c 'echo 8084; exec /bin/sleep 1000'\n",
    "oomed.service": "[Service]\nExecStart=/bin/sh -c 'kill -KILL $$$$' 8085\n",
    "again.service": "[Service]\nExecStart=/bin/sh -c 'exit 3' 8087\nRestart=always\n",
    "lamp.socket": "[Socket]\nListenStream=0.0.0.0:8088\nListenStream=8089\n",
    "each.socket": "[Socket]\nListenStream=8090\nAccept=yes\n",
    "check.service": "[Service]\nExecStartPre=/bin/sh -c 'exit 2'\nExecStart=/bin/sleep 1000 8091\n",
    "unless.service": "[Unit]\nConditionPathExists=/srv/volume\n[Service]\nExecStart=/bin/sleep 1000 8092\n",
    "needs.service": "[Unit]\nRequires=check.service\n[Service]\nExecStart=/bin/sleep 1000 8093\n",
    "late.socket": "[Socket]\nListenStream=10.0.2.77:8095\n",
    "late.service": "[Service]\nExecStart=/bin/cat\n",
    "nightly.service": "[Service]\nType=oneshot\nExecStart=/bin/true 8094\n",
    "other.service": "[Service]\n# 8081\nDescription=8081\nExecStart=/bin/true 18081 8081.5 10.8081 80810\n",
    "notes.txt": "ExecStart=8081\n",
}
LATER = 10_000.0  # when it answered, in seconds of its clock: all has run for long then
STARTED = 2892.073451  # running.service


def recorded(arguments: list[str]) -> tuple[int, str, str]:
    (answer,) = (call for call in RECORDED if call["args"] == arguments)
    return answer["rc"], answer["out"], answer["err"]


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
    monkeypatch.setattr(unit_states, "time", SimpleNamespace(monotonic=lambda: LATER))
    monkeypatch.setattr(units.os, "geteuid", lambda: 0)

    def units_for_port(port: int, declared: str | None = None, silent: bool = True) -> list[dict[str, t.Any]]:
        return units.units_for_port(port, declared, recorded, silent)

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
            "code": "exited",
            "ran_s": 0.001,
            "ended_s": 2892.070236,
            "runs_s": None,
            "restarts": 0,
            "once": False,
            "unmet": False,
            "queued": False,
            "reload": "success",
            "outdated": False,
            "prepared": None,
            "confined": {"user": None, "capable": False, "families": None},
            "listens": [],
            "relatives": [],
            "log": ["cannot read /etc/shop.conf: Permission denied"],
        }
    ]


def test_a_unit_that_is_started_again_and_again_is_told_between_two_starts(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    (unit,) = ask(8087)
    assert (unit["active"], unit["sub"], unit["status"], unit["log"]) == ("activating", "auto-restart", 3, ["no such database"])


def test_a_declared_service_comes_with_the_socket_that_listens_for_it(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    (lamp,) = (unit for unit in ask(8088, "lamp") if unit["how"] == "declared")
    (socket,) = lamp["relatives"]
    assert (socket["unit"], socket["tie"], socket["active"]) == ("lamp.socket", "triggered_by", "active")
    assert socket["listens"] == [{"address": "0.0.0.0", "port": 8088}, {"address": "::", "port": 8089}]


def test_of_a_socket_with_an_instance_for_each_connection_the_last_one_that_failed_is_told(
    ask: t.Callable[..., list[dict[str, t.Any]]],
) -> None:
    (unit,) = ask(8090)
    (instance,) = unit["relatives"]
    assert (unit["result"], instance["unit"][:7], instance["tie"]) == ("trigger-limit-hit", "each@1-", "triggers")
    assert (instance["active"], instance["status"], instance["log"]) == ("failed", 4, ["no module named each"])


def test_it_is_told_when_a_socket_failed_to_listen(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    (unit,) = ask(8095)
    assert (unit["unit"], unit["result"], unit["ended_s"]) == ("late.socket", "resources", 7131.457035)
    assert unit["listens"] == [{"address": "10.0.2.77", "port": 8095}]


def test_what_fails_ahead_of_the_main_process_is_told_as_such(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    (unit,) = ask(8091)
    assert (unit["prepared"], unit["ran_s"], unit["code"]) == ({"command": "/bin/sh", "status": 2}, None, None)


def test_why_nothing_was_started_is_told(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    (unless,), (needs,), (nightly,) = ask(8092, "unless"), ask(8093), ask(8094)
    assert unless["unmet"] and not needs["unmet"]
    assert [(each["unit"], each["tie"], each["active"], each["log"][-1]) for each in needs["relatives"]] == [
        ("check.service", "requires", "failed", "line 3: unknown directive")
    ]
    assert nightly["once"] and [(each["unit"], each["tie"], each["active"]) for each in nightly["relatives"]] == [
        ("nightly.timer", "triggered_by", "active")
    ]


def test_a_file_that_changed_since_systemd_read_it_is_told(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    assert [unit["outdated"] for unit in ask(8084, "running.service")] == [True]


def test_of_a_port_where_somebody_listens_no_more_is_asked(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    assert [(unit["log"], unit["relatives"]) for unit in ask(8084, "running.service", silent=False)] == [(None, [])]


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
    assert [(unit["unit"], unit["how"], unit["load"]) for unit in ask(80, "nginx")][:1] == [("nginx.service", "declared", "masked")]


def test_a_declared_unit_is_told_in_any_state_under_its_own_name(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    assert [(unit["unit"], unit["how"]) for unit in ask(8082, "lazy")] == [("idle.service", "declared")]
    assert [(unit["unit"], unit["load"], unit["log"]) for unit in ask(81, "nosuch")] == [("nosuch.service", "not-found", None)]
    assert [(unit["active"], unit["log"]) for unit in ask(8084, "running.service")] == [("active", ["8084"])]


def test_an_active_unit_is_not_told_for_its_text_alone(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    assert ask(8084) == []


@pytest.mark.parametrize(("seconds", "known"), [(0.0, [0.0]), (299.0, [299.0]), (300.0, [])])
def test_a_unit_that_was_started_only_just_may_not_listen_yet(
    ask: t.Callable[..., list[dict[str, t.Any]]], monkeypatch: pytest.MonkeyPatch, seconds: float, known: list[float]
) -> None:
    monkeypatch.setattr(unit_states, "time", SimpleNamespace(monotonic=lambda: STARTED + seconds))
    assert [unit["runs_s"] for unit in ask(8084)] == known


def test_a_port_that_nothing_mentions_costs_no_command(ask: t.Callable[..., list[dict[str, t.Any]]]) -> None:
    assert ask(9) == []


def test_services_that_do_not_stay_are_told_without_a_port_the_one_that_runs_again_last(
    ask: t.Callable[..., list[dict[str, t.Any]]],
) -> None:
    told = [(unit["unit"], unit["how"], unit["sub"], unit["restarts"], unit["log"]) for unit in units.restless_units(recorded)]
    assert ask(1) == [] and told == [
        ("again.service", "restless", "auto-restart", 0, ["no such database"]),
        ("shop.service", "restless", "failed", 0, ["cannot read /etc/shop.conf: Permission denied"]),
        ("crashy.service", "restless", "running", 33, ["config error: no such database"]),
    ]


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
    with pytest.raises(ObserveError, match="this host does not run systemd"):
        units.units_for_port(22, None, lambda _arguments: (0, "", ""))


@pytest.mark.parametrize(
    ("shown", "confined"),  # as systemd 252 prints it for RestrictAddressFamilies=AF_UNIX, ~AF_INET with DynamicUser=yes, and none
    [
        ("AmbientCapabilities=cap_net_bind_service\nUser=nobody\nRestrictAddressFamilies=AF_UNIX", ("nobody", True, "AF_UNIX")),
        ("AmbientCapabilities=\nUser=c\nRestrictAddressFamilies=~AF_INET", ("c", False, "~AF_INET")),
        ("AmbientCapabilities=\nUser=root\nRestrictAddressFamilies=", (None, False, None)),
        ("", (None, False, None)),
    ],
)
def test_what_its_processes_may_not_do(shown: str, confined: tuple[str | None, bool, str | None]) -> None:
    (unit,) = unit_states.show(["orders.service"], lambda _arguments: (0, f"{shown}\nId=orders.service\n", ""))
    assert tuple(unit_states.described(unit)["confined"].values()) == confined

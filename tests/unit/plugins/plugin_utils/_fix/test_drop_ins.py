# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drop-ins that are advised stand beside those that people have, and after them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.allowed import allowed
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.drop_ins import drop_in
from ansible_collections.threeway.handshake.plugins.plugin_utils._fix.socket_units import listening_at, taking_more
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.fixes import Fix
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.host import Host
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.socket_subjects import FullUnit
from ansible_collections.threeway.handshake.plugins.plugin_utils._model.unit_records import SocketUnit, Unit

DROP_INS = "/etc/systemd/system/ssh.socket.d"
SSH = SocketUnit(port=22, address="127.0.0.1", unit="ssh.socket", service="ssh.service", most=64, files=(f"{DROP_INS}/listen.conf",))
BOUND = SocketUnit(port=22, address="0.0.0.0", unit="ssh.socket", service="ssh.service", device="eth1")
OLD = Unit(port=22, unit="ssh.socket", how="socket")


def written(fix: Fix) -> list[str]:
    return re.findall(r"> (\S+)", " ".join(map(str, fix.commands)))


def test_each_setting_has_a_file_of_its_own() -> None:
    fixes = [
        *(listening_at("db1", SSH, address) for address in ("10.0.2.21", "2001:db8:2::21")),
        listening_at("db1", BOUND, "10.0.2.21"),
        taking_more("db1", FullUnit(SSH, "MaxConnections", 64)),
        taking_more("db1", FullUnit(SSH, "MaxConnectionsPerSource", 2)),
        *(allowed(Host("db1"), OLD, forbidden) for forbidden in ("port", "family")),
    ]
    files = [file for fix in fixes for file in written(fix)]
    assert len(set(files)) == len(fixes) and all(file.startswith(f"{DROP_INS}/zz-handshake-") for file in files)


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    command = drop_in("ssh.socket", "Socket", "limit", ["MaxConnections=256"]).replace("/etc/systemd/system", str(tmp_path))
    theirs = tmp_path / "ssh.socket.d" / "listen.conf"
    theirs.parent.mkdir()
    theirs.write_text("[Socket]\nListenStream=\nListenStream=2222\n")
    for _time in range(2):
        subprocess.run(["sh", "-ec", command], check=True)
    ours = sorted(theirs.parent.iterdir())[-1]
    assert theirs.read_text().count("ListenStream") == 2 and ours.read_text() == "[Socket]\nMaxConnections=256\n"

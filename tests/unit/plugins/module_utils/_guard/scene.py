# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of a test's own on which transactions run: rulesets, sysctls, routes and files in namespaces, and dumps of all of it."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

SOON, NEVER = 5.0, 500.0  # seconds to a deadline: one that a test waits for, and one that no test on however slow a machine meets
COLLECTIONS = Path(__file__).parents[5] / "build" / "collections"
STEP = Path(__file__).with_name("step.py")
BASE = "/var/lib/threeway-handshake"
DUMP = r"""
nft list ruleset 2>&1
for family in iptables ip6tables; do $family-save -c 2>/dev/null | sed '/^#/d'; done
for family in ip ip6; do
    for table in $(cat /proc/net/${family}_tables_names 2>/dev/null); do ${family}tables-legacy-save -c -t $table | sed '/^#/d'; done
done
[ -z "$(ipset list -name)" ] || ipset save
find /run/etc -printf '%p %y %m %U %G %T@ %l\n' | sort
find /run/etc -type f -exec sha256sum {} + | sort
sysctl -a --pattern '^net[.]ipv[46][.](ip_|tcp_|conf)' 2>/dev/null || true
ip route show table all; ip -6 route show table all; ip rule; ip -6 rule; ip neighbour show nud permanent
"""
PREPARE = r"""
mount -t tmpfs none /var/lib
mkdir /run/etc /run/etc/conf.d
echo one > /run/etc/one; echo two > /run/etc/conf.d/two; ln -s ../one /run/etc/conf.d/link; chmod 0640 /run/etc/one
touch -d '2026-01-02 03:04:05.678' /run/etc/one /run/etc/conf.d/two
nft add table inet filter
nft add chain inet filter input '{ type filter hook input priority 0; policy accept; }'
nft add rule inet filter input tcp dport '{ 22, 5432 }' counter packets 3 bytes 180 accept
iptables -A INPUT -p tcp -m tcp --dport 22 -m limit --limit 5/min -j LOG
ip route add 198.51.100.0/24 dev lo
"""
SAVES = {
    "sysctls": ["net.ipv4.ip_forward", "net.ipv4.tcp_syncookies"],
    "files": ["/run/etc", "/run/new"],
    "firewall": True,
    "routes": True,
    "neighbours": True,
}
CHANGE = r"""
echo other > /run/etc/one; rm /run/etc/conf.d/two; echo new > /run/etc/new; mkdir /run/new; echo > /run/new/file
nft insert rule inet filter input drop
sysctl -qw net.ipv4.ip_forward=1
nft add table ip more
sysctl -qw net.ipv4.tcp_syncookies=0
ip route replace 198.51.100.0/24 dev lo metric 7
ip rule add from 203.0.113.1 table 7
"""


class Scene(Rootless):
    """A host on which transactions can run."""

    def __init__(self) -> None:
        super().__init__()
        self._steps: subprocess.Popen[str] | None = None

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        if self._steps is not None:
            self._steps.communicate()

    def __enter__(self) -> Scene:
        self.sh(PREPARE)
        return self

    def dump(self) -> str:
        """Everything that a test may change."""
        return self.sh(DUMP)

    def step(self, *arguments: object, kill_at: int = 0) -> dict[str, Any]:
        """One step in a process of its own, which may be killed when it does its so manieth thing (see step.py)."""
        if self._steps is None:
            command = [*self._enter, "env", f"PYTHONPATH={COLLECTIONS}", sys.executable, str(STEP)]
            self._steps = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._steps.stdin and self._steps.stdout
        words = [word if isinstance(word, str) else json.dumps(word) for word in arguments]
        self._steps.stdin.write(json.dumps([kill_at, *words]) + "\n")
        self._steps.stdin.flush()
        output = json.loads(self._steps.stdout.readline())
        answer: dict[str, Any] = json.loads(output) if output else {"killed": True}
        return answer

    def arm(self, transaction: str = "t1", timeout: float = NEVER, saves: dict[str, Any] | None = None, kill_at: int = 0) -> dict[str, Any]:
        """Arm a transaction."""
        return self.step("arm", transaction, timeout, SAVES if saves is None else saves, kill_at=kill_at)

    @contextlib.contextmanager
    def before_the_deadline(self) -> Iterator[None]:
        """What is done meanwhile is done before the alarm rings, however long it takes."""
        watchers = self.watchers()
        assert watchers, "the deadline has passed already"
        self.sh(f"kill -STOP {' '.join(watchers)}")
        yield
        self.sh(f"kill -CONT {' '.join(watchers)} 2> /dev/null || true")

    def steps(self, transaction: str = "t1") -> list[str]:
        """The steps in a transaction's journal."""
        text = self.sh(f"cat {BASE}/{transaction}/journal 2>/dev/null || true")
        return [json.loads(line)["step"] for line in text.splitlines()]

    def await_step(self, *wanted: str, transaction: str = "t1", patience: float = 60.0) -> None:
        """Wait until the journal's last step is one of these."""
        give_up = time.monotonic() + patience
        steps = self.steps(transaction)
        while not steps or steps[-1] not in wanted:
            assert time.monotonic() < give_up, f"{steps} does not become {wanted}"
            time.sleep(0.05)
            steps = self.steps(transaction)

    def watchers(self) -> list[str]:
        """Process ids of the processes that would restore the host."""
        return self.sh("pgrep -x handshake-guard | while read p; do [ $(ps -o state= -p $p) = Z ] || echo $p; done", check=False).split()

    def await_silence(self, patience: float = 60.0) -> None:
        """Wait until nothing watches any more."""
        give_up = time.monotonic() + patience
        left = self.watchers()
        while left:
            assert time.monotonic() < give_up, f"{left} still watch"
            time.sleep(0.05)
            left = self.watchers()

    def left(self) -> list[str]:
        """Files of transactions other than journals."""
        return self.sh(f"find {BASE} -type f ! -name journal 2> /dev/null || true").split()

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file system that every host of the systemd fleet boots from: Debian bookworm, made once and kept outside of the checkout.

It is kept in $HANDSHAKE_FLEET_CACHE, by default in threeway-handshake under $XDG_CACHE_HOME or ~/.cache. Removing it is always safe.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from ._handle import FleetError

PACKAGES = (
    "systemd,systemd-sysv,libpam-systemd,dbus,python3,openssh-server,sudo,iproute2,iputils-ping,nftables,iptables,ipset,conntrack,"
    "ethtool,tcpdump,firewalld,ufw,fail2ban,procps,netcat-openbsd"
)
# Firewalls and what bans do not start unless a test starts them; nothing else may speak on the wires or keep the disk busy.
PREPARE = """
set -e
useradd --create-home --shell /bin/bash ops
useradd --create-home --shell /bin/bash guest
echo 'ops ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/ops
chmod 0440 /etc/sudoers.d/ops
printf '%s\\n' 'AuthorizedKeysFile /etc/ssh/fleet_key.pub' 'UseDNS no' > /etc/ssh/sshd_config.d/fleet.conf
systemctl disable --quiet firewalld ufw fail2ban apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer
systemctl mask --quiet getty.target console-getty.service e2scrub_reap.service systemd-pstore.service
touch /etc/ssh/fleet_key.pub
mkdir -p /opt/handshake-lab
echo 'import sys; sys.path.insert(0, "/opt/handshake-lab/site"); import sitecustomize' > /usr/lib/python3/dist-packages/handshake-lab.pth
: > /etc/machine-id
rm -f /etc/hostname
"""


def tree() -> Path:
    """The tree, made now if need be (a minute or two, over the network); raises FleetError with debootstrap's last words."""
    cache = _cache_directory()
    cache.mkdir(parents=True, exist_ok=True)
    wanted = cache / f"bookworm-{hashlib.sha256((PACKAGES + PREPARE).encode()).hexdigest()[:12]}"
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not wanted.exists():
            unfinished = wanted.with_suffix(".unfinished")
            if unfinished.exists():
                shutil.rmtree(unfinished)
            _run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(unfinished)])
            _run(["chroot", str(unfinished), "sh", "-c", PREPARE])
            unfinished.rename(wanted)
    return wanted


def _cache_directory() -> Path:
    if chosen := os.environ.get("HANDSHAKE_FLEET_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "threeway-handshake"


def _run(argv: list[str]) -> None:
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise FleetError(f"{argv[0]} cannot make the tree for the systemd fleet:\n{done.stdout[-2000:]}")

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: netns
short_description: Run tasks on a host of the embedded lab
version_added: 0.1.0
description:
  - Runs commands and modules inside the namespaces of a process on this machine, like C(ansible.builtin.local) does on the controller.
  - It enters the user, mount, UTS, IPC, network, cgroup, and process namespaces of that process.
    The process is the first process of a host that P(threeway.handshake.lab#role) created. The inventory that this role writes
    contains every option.
  - It works for root, and for the ordinary user who created the lab.
author:
  - The threeway.handshake authors (@threeway)
options:
  pid:
    description:
      - The process id of the host's first process, as seen by the controller.
    type: int
    required: true
    vars:
      - name: ansible_netns_pid
  started:
    description:
      - When that process was started, in clock ticks since the boot of the machine (field 22 of C(/proc/PID/stat)).
      - The plugin does not enter a process with the same process id that was started at another time.
    type: int
    required: true
    vars:
      - name: ansible_netns_started
  remote_user:
    description:
      - The user to be inside the lab.
      - Users other than V(root) exist only in a lab that was created by root, or by a user who has further ids in C(/etc/subuid)
        and has C(newuidmap) installed.
    type: str
    default: root
    vars:
      - name: ansible_user
  become_success_timeout:
    description:
      - How many seconds to wait for privilege escalation to succeed.
    type: int
    default: 10
    vars:
      - name: ansible_netns_become_success_timeout
  become_strip_preamble:
    description:
      - Whether to remove what the privilege escalation itself prints, such as a prompt, from a task's output.
    type: bool
    default: true
    vars:
      - name: ansible_netns_become_strip_preamble
extends_documentation_fragment:
  - connection_pipelining
notes:
  - Needs C(nsenter) and C(setpriv) of util-linux on the controller.
  - The user inside is root already, so the inventory of a lab sets C(ansible_become=false).
    In a lab that was created by root, O(remote_user) with C(ansible_become=true) and V(ansible.builtin.sudo) work as elsewhere.
  - Hosts share the controller's file system, except for C(/etc), C(/run), C(/proc), C(/sys), and what is new in C(/var/lib).
    Root's home directory is the host's own.
    Whatever else root changes on a host of the lab, it changes on the controller.
seealso:
  - plugin: ansible.builtin.local
    plugin_type: connection
"""

EXAMPLES = r"""
# An inventory as P(threeway.handshake.lab#role) writes it
all:
  vars:
    ansible_connection: threeway.handshake.netns
    ansible_pipelining: true
    ansible_become: false
  hosts:
    web1:
      ansible_netns_pid: 4711
      ansible_netns_started: 150164
"""

import os
import pwd
import shlex
import shutil
from pathlib import Path

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.connection.local import Connection as LocalConnection

NAMESPACES = ("--user", "--mount", "--uts", "--ipc", "--net", "--cgroup", "--pid")


class Connection(LocalConnection):
    """Commands on a host of the lab: nsenter(1) in front of what the local connection would run."""

    transport = "threeway.handshake.netns"

    def _connect(self) -> Connection:
        pid, started = self.get_option("pid"), self.get_option("started")
        if _start_time(pid) != started:
            raise AnsibleConnectionFailure(f"The lab's process {pid} is gone, and this host with it: bring the lab up again.")
        self.default_user = self.get_option("remote_user")
        super()._connect()
        return self

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        self._connect()
        return super().exec_command(shlex.join([*self._enter(), "/bin/sh", "-c", self._login() + cmd]), in_data=in_data, sudoable=sudoable)

    def put_file(self, in_path: str, out_path: str) -> None:
        code, _output, errors = self.exec_command(f"cat > {shlex.quote(out_path)}", in_data=Path(in_path).read_bytes(), sudoable=False)
        if code != 0:
            raise AnsibleError(f"Cannot write {out_path} on the lab's host: {errors.decode(errors='replace').strip()}")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        code, content, errors = self.exec_command(f"cat < {shlex.quote(in_path)}", sudoable=False)
        if code != 0:
            raise AnsibleError(f"Cannot read {in_path} on the lab's host: {errors.decode(errors='replace').strip()}")
        Path(out_path).write_bytes(content)

    def _login(self) -> str:
        """The shell's words that give root the home directory of the host's /etc/passwd, and the PATH of a login."""
        if self.get_option("remote_user") != "root":
            return ""
        return 'HOME=~root; PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"; export HOME PATH; '

    def _enter(self) -> list[str]:
        missing = [tool for tool in ("nsenter", "setpriv") if shutil.which(tool) is None]
        if missing:
            raise AnsibleConnectionFailure(f"The program '{missing[0]}' is missing on the controller: install util-linux.")
        process = Path("/proc", str(self.get_option("pid")))
        # nsenter by itself would call setgroups(2), which the user namespace of an ordinary user does not allow.
        nsenter = ["nsenter", "--preserve-credentials", f"--target={process.name}", *NAMESPACES, "--"]
        become = ["setpriv", *_identity(self.get_option("remote_user"), process), "--pdeathsig=KILL", "--"]
        return [*_as_owner(process), *nsenter, *become]


def _as_owner(process: Path) -> list[str]:
    """Root enters another user's lab as that user: real root has no id in there, and would lose its capabilities at execve(2)."""
    owner = process.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return []
    return ["setpriv", f"--reuid={owner.st_uid}", f"--regid={owner.st_gid}", "--clear-groups", "--"]


def _identity(user: str, process: Path) -> list[str]:
    if user == "root":
        return ["--reuid=0", "--regid=0", "--keep-groups"]
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise AnsibleConnectionFailure(f"There is no user {user!r} on the controller, whose users the lab shares.") from None
    ranges = [[int(number) for number in line.split()] for line in (process / "uid_map").read_text().splitlines()]
    if not any(first <= entry.pw_uid < first + count for first, _outside, count in ranges):
        raise AnsibleConnectionFailure(
            f"The user {user!r} does not exist in this lab, which has no id but root's: make it as root, or give yourself ids "
            "in /etc/subuid and /etc/subgid and install newuidmap."
        )
    return [f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups"]


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat (proc_pid_stat(5)); None when there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        return None

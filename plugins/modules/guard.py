#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: guard
short_description: Change a host so that it restores itself unless the change is confirmed
version_added: 0.1.0
description:
  - Runs changes of a host as a transaction, as C(commit confirmed) of network equipment does. What is going to change is saved on the
    host, and the host is told to restore it after O(timeout) seconds. That it would do so is tried out. Then other tasks make their
    changes. When the host can still be reached and all is well, the transaction is confirmed and the changes stay.
  - In every other case, such as a change that cuts off the connection or the end of the controller, the host restores itself. The restore
    needs nothing but Python and the tools of the host.
  - One transaction at a time can be open on a host.
  - A reboot before the transaction is confirmed also restores the host, before its network comes up, when systemd is process 1 of the
    host. What a reboot forgets anyway, such as firewall rules that are in no file, is not put back behind a reboot.
  - The guard keeps its records below C(/var/lib/threeway-handshake), readable by root only. What was saved is removed when the
    transaction ends. Its journal stays, until twenty more transactions have ended.
author:
  - The threeway.handshake authors (@threeway)
requirements:
  - Linux, and root on the host, for example with C(become=true)
extends_documentation_fragment:
  - threeway.handshake.attributes
attributes:
  check_mode:
    support: full
    details:
      - In check mode O(state=armed) reads what it would save, so that it fails when that cannot be saved.
  diff_mode:
    support: full
    details:
      - With O(state=armed) the difference is what is saved. With O(state=confirmed) it is what is kept, with O(state=restored) what is
        undone, as far as it was in O(saves).
options:
  state:
    description:
      - V(armed) saves what O(saves) names and has it restored in O(timeout) seconds. Nothing must be changed before this task has
        succeeded. When it fails, nothing has been saved and nothing will be restored.
      - V(confirmed) keeps what has been changed since then. It fails when the restore has begun already, and it changes nothing when the
        transaction is confirmed already.
      - V(made) notes that the changes are complete. What is changed from then on is somebody else's doing, such as a ban by fail2ban or a
        table that Docker makes, and a restore keeps it. Call it again after further changes. Without it a restore undoes all that has
        changed in what O(saves) names, whoever changed it, and says so in RV(others).
      - V(restored) restores the host now and waits until that is done. It fails when the transaction has been confirmed, and when
        something cannot be put back, which it names. What can be put back is put back even so.
      - V(absent) removes the record of a transaction that has ended, or of one whose restore has failed and is given up. The host stays
        as it is.
      - V(queried) tells which transactions are open, without changing anything.
    type: str
    choices: [armed, made, confirmed, restored, absent, queried]
    default: queried
  transaction:
    description:
      - The name of the transaction, which no other transaction of this host has had, up to 64 letters, digits and dashes.
      - Required unless O(state=queried).
    type: str
  timeout:
    description:
      - After how many seconds the host restores itself, from the moment when this task has succeeded. From V(1) to V(86400).
    type: float
    default: 60.0
  marked:
    description:
      - Whether the only changes of the firewall in this transaction are those that M(threeway.handshake.firewall_rule) makes. It marks its
        rules, so that a restore undoes these and nothing else in the firewall, even when O(state=made) was never reached.
      - The firewall is saved completely all the same, for the case that this is not possible.
    type: bool
    default: false
  saves:
    description:
      - What may be changed in this transaction. Only what is named here is saved and restored. Required with O(state=armed).
      - Where it is empty, because nothing can bring back what is going to be changed, the transaction keeps others away and has a journal.
    type: dict
    suboptions:
      sysctls:
        description:
          - Names of sysctls. Sysctls that the kernel changes along with them, such as those of each interface with
            C(net.ipv4.conf.all.rp_filter), are saved with them.
          - In the name of a sysctl of an interface whose name has a dot, write slashes, as V(net/ipv4/conf/eth0.100/rp_filter).
        type: list
        elements: str
        default: []
      files:
        description:
          - Absolute paths of files and directories. Saved are content, mode, owner, time of modification and extended attributes. Of a
            directory, all that is in it is saved, up to 64 MiB.
          - A file that is not there when it is saved is removed by the restore. So is a file that is new in a directory.
          - No directory of a path may belong to another user than root, or may be written to by others, because they could have the
            restore write somewhere else. Symbolic links above a path are resolved when it is saved.
        type: list
        elements: str
        default: []
      firewall:
        description:
          - Whether to save the loaded rules of nftables (and with them those of iptables-nft), of iptables-legacy and the ipsets, with
            their counters. Rules of nftables are replaced at once, in one transaction of the kernel.
          - Tables of nftables that belong to a running program alone are left to that program, see RV(not_saved).
        type: bool
        default: false
      routes:
        description:
          - Whether to save the routes of all tables and the policy rules. Routes that came with an address or that a router
            announced are not saved.
        type: bool
        default: false
      neighbours:
        description:
          - Whether to save the permanent entries of the neighbour tables. Other entries are not saved, because the kernel learns them anew.
        type: bool
        default: false
      units:
        description:
          - Full names of systemd units. Saved are whether they run, and the links that enable or mask them.
          - A unit that runs and has been started anew in the meantime is started anew by the restore. When files have been put back,
            units that run read their configuration again, so name the services to which O(saves.files) belong, such as
            V(firewalld.service).
        type: list
        elements: str
        default: []
seealso:
  - module: community.general.iptables_state
"""

EXAMPLES = r"""
- name: Change the firewall, and keep the change only if the host can still be reached
  become: true
  block:
    - name: Save the firewall and arm its restore
      threeway.handshake.guard:
        state: armed
        transaction: "allow-db-{{ now(utc=true).strftime('%Y%m%dT%H%M%SZ') }}"
        timeout: 60
        saves:
          firewall: true
          files: [/etc/firewalld]
          units: [firewalld.service]
      register: armed

    - name: Allow the database
      ansible.posix.firewalld:
        port: 5432/tcp
        permanent: true
        immediate: true
        state: enabled

    - name: Let whatever others change from now on stay
      threeway.handshake.guard:
        state: made
        transaction: "{{ armed.transaction }}"

    - name: Connect to the host anew
      ansible.builtin.meta: reset_connection

    - name: Keep the change
      threeway.handshake.guard:
        state: confirmed
        transaction: "{{ armed.transaction }}"

  rescue:
    - name: Restore the host without waiting for the timeout
      threeway.handshake.guard:
        state: restored
        transaction: "{{ armed.transaction }}"
      when: armed.transaction is defined

- name: See whether somebody else is changing the host
  threeway.handshake.guard:
  become: true
  register: guard
"""

RETURN = r"""
transaction:
  description: The name of the transaction.
  returned: unless O(state=queried)
  type: str
  sample: allow-db-20261121T040000Z
state:
  description:
    - The state of the transaction after this task, V(planned) for one that would be armed in check mode, V(armed), V(confirmed),
      V(restored), or V(absent).
  returned: unless O(state=queried)
  type: str
  sample: armed
deadline:
  description: When the host restores itself, in seconds since the epoch, by the clock of the host.
  returned: for a transaction that has been armed
  type: float
  sample: 1795233660.0
guard:
  description:
    - What restores the host, V(systemd) for a timer, a unit for the next boot and a process beside them, V(process) for two processes
      of the guard. Processes do not outlive a reboot.
  returned: for a transaction that has been armed
  type: str
  sample: systemd
journal:
  description: The steps of the transaction, the oldest first. Fields other than these two belong to single steps.
  returned: for a transaction that has been armed
  type: list
  elements: dict
  contains:
    step:
      description:
        - V(planned), V(armed), V(made), V(changed), V(confirmed), V(restoring), V(restored), V(failed) or V(damaged).
        - The step V(changed) lists in C(what) the kinds of state that differed from what had been saved. The step V(restored) has
          RV(others). The step V(damaged) says in C(why) what was wrong with the journal that this one replaces.
      type: str
      sample: armed
    time:
      description: When the step was written, in seconds since the epoch.
      type: float
      sample: 1795233600.0
others:
  description:
    - What became of changes that others made while the transaction was open. By kind of state, lines that begin with V(+) for what is
      there now and with V(-) for what is not.
  returned: for a transaction that has been restored, when others changed something or may have
  type: dict
  contains:
    kept:
      description: Changes of others that are still there.
      type: dict
      sample: {"firewall": ["+ table inet f2b-table, set addr-set-sshd: 203.0.113.9"]}
    lost:
      description: Changes of others that were undone, because they changed the same as this transaction.
      type: dict
      sample: {}
    undone:
      description: All that was undone of kinds of state where it is not known what this transaction changed and what others did.
      type: dict
      sample: {}
differs:
  description: What is not as it was saved, as names of suboptions of O(saves). With O(state=armed), what is saved.
  returned: unless O(state=queried)
  type: list
  elements: str
  sample: [files, firewall]
not_saved:
  description: Sentences about what cannot be saved on this host, so that it will not be restored.
  returned: O(state=armed)
  type: list
  elements: str
  sample: []
transactions:
  description: The transactions of this host that are neither confirmed nor restored.
  returned: O(state=queried)
  type: list
  elements: dict
  contains:
    transaction:
      description: The name.
      type: str
      sample: allow-db-20261121T040000Z
    state:
      description: V(armed), V(restoring) or V(failed).
      type: str
      sample: armed
    armed:
      description: When it was armed, in seconds since the epoch.
      type: float
      sample: 1795233600.0
    deadline:
      description: When the host restores itself, in seconds since the epoch.
      type: float
      sample: 1795233660.0
    guard:
      description: As RV(guard).
      type: str
      sample: systemd
    damage:
      description: What is wrong with the journal, so that RV(transactions[].state) follows from what was saved, or null.
      type: str
      sample: null
    guarded:
      description: Whether something on the host is still going to restore it by itself.
      type: bool
      sample: true
    advice:
      description: What to do about it, and since when it has been armed, for a transaction that another run has left behind.
      type: str
      sample: "nothing is left that would restore it by itself: restore it; it was armed at 2026-11-21T04:00:00Z"
    journal:
      description: As RV(journal).
      type: list
      elements: dict
      sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._errors import ObserveError
from ansible_collections.threeway.handshake.plugins.module_utils._guard.firewall import MARKED
from ansible_collections.threeway.handshake.plugins.module_utils._guard.programs import search_path
from ansible_collections.threeway.handshake.plugins.module_utils._guard.transaction import Guard, Outcome

SAVES = {
    "sysctls": {"type": "list", "elements": "str", "default": []},
    "files": {"type": "list", "elements": "str", "default": []},
    "firewall": {"type": "bool", "default": False},
    "routes": {"type": "bool", "default": False},
    "neighbours": {"type": "bool", "default": False},
    "units": {"type": "list", "elements": "str", "default": []},
}


REQUIRED = [
    ("state", "armed", ["saves"]),
    *(("state", state, ["transaction"]) for state in ("armed", "made", "confirmed", "restored", "absent")),
]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["armed", "made", "confirmed", "restored", "absent", "queried"], "default": "queried"},
            "transaction": {"type": "str"},
            "timeout": {"type": "float", "default": 60.0},
            "marked": {"type": "bool", "default": False},
            "saves": {"type": "dict", "options": SAVES},
        },
        required_if=REQUIRED,
        supports_check_mode=True,
    )
    module.run_command_environ_update = {"LANGUAGE": "C", "LC_ALL": "C", "PATH": search_path()}

    def run(command: list[str], data: str | None = None) -> tuple[int, str, str]:
        try:
            code, output, error = module.run_command(command, data=data, binary_data=True, handle_exceptions=False)
        except OSError as missing:
            return 127, "", f"{command[0]}: {missing.strerror}"
        return code, output, error

    try:
        answer = work(module, Guard(run))
    except ObserveError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**answer)


def work(module: AnsibleModule, guard: Guard) -> dict[str, object]:
    """Do what is asked for."""
    state, transaction, check = module.params["state"], module.params["transaction"], module.check_mode
    if state == "queried":
        return {"changed": False, "transactions": guard.open()}
    if state == "armed":
        timeout = module.params["timeout"]
        if not 1 <= timeout <= 86400:
            raise ObserveError(f"timeout is {timeout}: give seconds from 1 to 86400")
        saves = module.params["saves"]
        if module.params["marked"] and saves["firewall"]:
            saves = {**saves, "firewall": MARKED}
        outcome = guard.arm(transaction, timeout, saves, check)
    else:
        steps = {"made": guard.made, "confirmed": guard.confirm, "restored": guard.restore, "absent": guard.forget}
        outcome = steps[state](transaction, check)
    about = {
        name: outcome.about[name] for name in ("deadline", "guard", "journal", "not_saved", "others") if outcome.about.get(name) is not None
    }
    answer = {**about, "changed": outcome.changed, "transaction": transaction, "state": outcome.state, "differs": sorted(outcome.after)}
    return {**answer, "diff": differences(outcome)} if module._diff else answer


def differences(outcome: Outcome) -> list[dict[str, str]]:
    """For --diff: what the task, or the transaction, changes, kind by kind."""

    def text(lines: list[str]) -> str:
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace").decode()

    return [
        {"before_header": kind, "after_header": kind, "before": text(outcome.before.get(kind, [])), "after": text(lines)}
        for kind, lines in sorted(outcome.after.items())
    ]


if __name__ == "__main__":
    main()

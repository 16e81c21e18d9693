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
  - Runs changes of a host as a transaction, like C(commit confirmed) on network equipment. The state that is about to change is saved on
    the host, and a restore is armed that runs after O(timeout) seconds. The module tests that it would run. Then other tasks make their
    changes. If the host can still be reached and all is well, the transaction is confirmed and the changes stay.
  - In every other case, for example if a change cuts off the connection or the controller dies, the host restores itself. The restore
    needs only Python and the tools of the host.
  - Only one transaction can be open on a host.
  - If systemd is process 1 of the host, a reboot before the transaction is confirmed also restores the host, before its network comes up.
    What a reboot clears anyway, such as firewall rules that are in no file, is not restored after a reboot.
  - The guard keeps its records below C(/var/lib/threeway-handshake), readable by root only. The saved state is removed when the
    transaction ends. Its journal stays until twenty more transactions have ended.
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
      - In check mode, O(state=armed) reads what it would save, and fails if that cannot be saved.
  diff_mode:
    support: full
    details:
      - With O(state=armed), the diff shows what is saved. With O(state=confirmed), it shows what is kept; with O(state=restored), what is
        undone, as far as it was in O(saves).
options:
  state:
    description:
      - V(armed) saves what O(saves) names and arms a restore in O(timeout) seconds. Change nothing before this task has succeeded. If it
        fails, nothing has been saved and nothing will be restored.
      - V(confirmed) keeps what has been changed since then. It fails if the restore has already begun, and changes nothing if the
        transaction is already confirmed.
      - V(made) notes that the changes are complete. Later changes are attributed to others, such as a ban by fail2ban or a table that
        Docker creates, and a restore keeps them. Call it again after further changes. Without it, a restore undoes everything that has
        changed in what O(saves) names, whoever changed it, and reports this in RV(others).
      - V(restored) restores the host now and waits until this is done. It fails if the transaction has been confirmed, or if something
        cannot be restored, which it names. Everything else is restored even then.
      - V(absent) removes the record of a transaction that has ended, or of one whose restore has failed and is given up. The host stays
        as it is.
      - V(queried) lists the open transactions, without changing anything.
    type: str
    choices: [armed, made, confirmed, restored, absent, queried]
    default: queried
  transaction:
    description:
      - The name of the transaction, which must be new on this host. Up to 64 letters, digits and dashes.
      - Required unless O(state=queried).
    type: str
  timeout:
    description:
      - The seconds until the host restores itself, counted from the moment when this task has succeeded. From V(1) to V(86400).
    type: float
    default: 60.0
  marked:
    description:
      - Whether the only changes of the firewall in this transaction are those that M(threeway.handshake.firewall_rule) makes. It marks its
        rules, so that a restore undoes only these in the firewall, even if O(state=made) was never reached.
      - The firewall is still saved completely, in case this is not possible.
    type: bool
    default: false
  saves:
    description:
      - What may be changed in this transaction. Only what is named here is saved and restored. Required with O(state=armed).
      - If it is empty, because nothing can bring back what will be changed, the transaction still excludes others and has a journal.
    type: dict
    suboptions:
      sysctls:
        description:
          - Names of sysctls. Sysctls that the kernel changes along with them, such as those of each interface with
            C(net.ipv4.conf.all.rp_filter), are saved with them.
          - If the name of an interface has a dot, write the sysctl with slashes, as in V(net/ipv4/conf/eth0.100/rp_filter).
        type: list
        elements: str
        default: []
      files:
        description:
          - Absolute paths of files and directories. Content, mode, owner, modification time and extended attributes are saved. For a
            directory, its whole content is saved, up to 64 MiB.
          - A file that does not exist when it is saved is removed by the restore. So is a file that is new in a directory.
          - Every directory of a path must belong to root and must not be writable by others, because they could make the
            restore write somewhere else. Symbolic links above a path are resolved when it is saved.
        type: list
        elements: str
        default: []
      firewall:
        description:
          - Whether to save the loaded rules of nftables (and with them those of iptables-nft), of iptables-legacy and the ipsets, with
            their counters. Rules of nftables are replaced at once, in one transaction of the kernel.
          - Tables of nftables that are owned by a running program are left to that program, see RV(not_saved).
        type: bool
        default: false
      routes:
        description:
          - Whether to save the routes of all tables and the policy rules. Routes that belong to an address or that a router
            announced are not saved.
        type: bool
        default: false
      neighbours:
        description:
          - Whether to save the permanent entries of the neighbour tables. The kernel learns other entries again, so they are not saved.
        type: bool
        default: false
      units:
        description:
          - Full names of systemd units. It is saved whether they run, and which links enable or mask them.
          - The restore also restarts a running unit that was restarted in the meantime. When files have been restored,
            running units read their configuration again, so name the services to which O(saves.files) belong, such as
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

    - name: Let a restore keep what others change from now on
      threeway.handshake.guard:
        state: made
        transaction: "{{ armed.transaction }}"

    - name: Open a new connection to the host
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
    - The state of the transaction after this task, V(planned) in check mode, if it would be armed, V(armed), V(confirmed),
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
    - What restores the host. V(systemd) is a timer, a unit for the next boot and also a process; V(process) is two processes
      of the guard. Processes do not survive a reboot.
  returned: for a transaction that has been armed
  type: str
  sample: systemd
journal:
  description: The steps of the transaction, oldest first. Other fields than these two occur only in certain steps.
  returned: for a transaction that has been armed
  type: list
  elements: dict
  contains:
    step:
      description:
        - V(planned), V(armed), V(made), V(changed), V(confirmed), V(restoring), V(restored), V(failed) or V(damaged).
        - In the step V(changed), C(what) lists the kinds of state that differed from the saved state. The step V(restored) has
          RV(others). In the step V(damaged), C(why) says what was wrong with the journal that this one replaces.
      type: str
      sample: armed
    time:
      description: When the step was written, in seconds since the epoch.
      type: float
      sample: 1795233600.0
others:
  description:
    - What happened to changes that others made while the transaction was open. For each kind of state, lines that begin with V(+) for
      what exists now and with V(-) for what does not.
  returned: for a transaction that has been restored, when others changed something or may have
  type: dict
  contains:
    kept:
      description: Changes of others that are still in place.
      type: dict
      sample: {"firewall": ["+ table inet f2b-table, set addr-set-sshd: 203.0.113.9"]}
    lost:
      description: Changes of others that were undone, because this transaction changed the same thing.
      type: dict
      sample: {}
    undone:
      description: Everything that was undone in kinds of state where it is unknown which changes were this transaction's.
      type: dict
      sample: {}
differs:
  description: What differs from the saved state, as names of suboptions of O(saves). With O(state=armed), what is saved.
  returned: unless O(state=queried)
  type: list
  elements: str
  sample: [files, firewall]
not_saved:
  description: Sentences about what cannot be saved on this host, and will therefore not be restored.
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
      description: What is wrong with the journal, or null. RV(transactions[].state) is then derived from the saved state.
      type: str
      sample: null
    guarded:
      description: Whether the host will still restore itself.
      type: bool
      sample: true
    advice:
      description: For a transaction that another run left behind, what to do about it, and since when it has been armed.
      type: str
      sample: "nothing is left that would restore it by itself: restore it; it was armed at 2026-11-21T04:00:00Z"
    journal:
      description: As RV(journal).
      type: list
      elements: dict
      sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.threeway.handshake.plugins.module_utils._commands import runner
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
    run = runner(module, path=search_path(), exact_input=True)
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

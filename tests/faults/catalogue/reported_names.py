# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults of the files by which names are resolved, as people reported them."""

from __future__ import annotations

from typing import Any

from tests.faults._fault import fault, twin
from tests.faults.catalogue.client import BY_NAME, service
from tests.faults.catalogue.names import nameserver
from tests.faults.catalogue.reported import shell
from tests.lab._machines import Machines

UNRESOLVED: dict[str, Any] = {
    **{"kernel": "", "code": "name_resolution_failed", "host": "web1", "segment": "client.resolve", "flow": BY_NAME, "slow": True},
}
OTHERS = ("10.0.2.31", "10.0.2.32", "10.0.2.33")


def several(fleet: Machines, *nameservers: str) -> None:
    """Nameservers on app1 that refuse to answer for the name, and db2's, which knows it."""
    shell(fleet, "app1", "ip addr add 10.0.2.32/24 dev eth0; ip addr add 10.0.2.33/24 dev eth0")
    listening = [f"--listen-address={','.join(OTHERS)}", "--user=root"]
    fleet.popen("app1", ["dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", *listening])
    fleet.run("app1", ["sh", "-c", "until ss -Hlun sport = :53 | grep -q .; do sleep 0.05; done"])
    nameserver(fleet, "".join(f"nameserver {address}\n" for address in nameservers))


@fault(
    "name_resolution_failed/fourth",
    says=("line 4 of /etc/resolv.conf names 10.0.2.22, which has records of it, in vain", "have 10.0.2.22 among the first three"),
    **UNRESOLVED,
)
def the_fourth_nameserver_knows_it(fleet: Machines) -> None:
    """https://github.com/openSUSE/wicked/issues/779, https://github.com/parrot/parrot/issues/1240"""
    several(fleet, *OTHERS, "10.0.2.22")


@twin("name_resolution_failed/fourth", flow=BY_NAME, slow=True)
def the_third_nameserver_knows_it(fleet: Machines) -> None:
    several(fleet, *OTHERS[:2], "10.0.2.22", OTHERS[2])


@fault(
    "name_resolution_failed/port",
    says=(
        "line 1 of /etc/resolv.conf names 10.0.2.22",
        "nothing but an address may follow nameserver",
        "write nameserver 10.0.2.22, without",
    ),
    **UNRESOLVED,
)
def its_nameserver_has_a_port(fleet: Machines) -> None:
    """https://github.com/mrlesmithjr/ansible-dnsmasq/issues/37"""
    nameserver(fleet, "nameserver 10.0.2.22:53\n")


@twin("name_resolution_failed/port", flow=BY_NAME, slow=True)
def its_nameserver_has_a_remark(fleet: Machines) -> None:
    nameserver(fleet, "nameserver 10.0.2.22 # ours\n")


@fault("name_resolution_failed/indented", says=("a line counts only if it begins with nameserver", "take the blanks"), **UNRESOLVED)
def its_nameserver_is_indented(fleet: Machines) -> None:
    nameserver(fleet, "  nameserver 10.0.2.22\n")


@fault("name_resolution_failed/line-end", says=("it ends with a carriage return", "take the carriage return off"), **UNRESOLVED)
def its_file_comes_from_windows(fleet: Machines) -> None:
    nameserver(fleet, "nameserver 10.0.2.22\r\n")


@fault(
    "name_resolves_elsewhere/joined",
    "",
    code="name_resolves_elsewhere",
    host="web1",
    leg="syn",
    segment="client.resolve",
    says=("10.0.2.21 stands at the end of another word of that line", "begin a line with 10.0.2.21 in /etc/hosts"),
    flow=BY_NAME,
    apart=True,  # no other name or address stands for a part of a word
    slow=True,
)
def two_lines_have_become_one(fleet: Machines) -> None:
    """https://github.com/TUTODECODE-FR/T2DECODE/pull/134, https://github.com/materliu/grunt-localhosts/issues/6"""
    service(fleet)
    fleet.write("web1", "/etc/hosts", "127.0.0.1 localhost\n127.0.0.1 front10.0.2.21 db.example.org\n")


@twin("name_resolves_elsewhere/joined", flow=BY_NAME, slow=True)
def two_lines_are_two(fleet: Machines) -> None:
    service(fleet)
    fleet.write("web1", "/etc/hosts", "127.0.0.1 localhost\n127.0.0.1 front\n10.0.2.21 db.example.org\n")

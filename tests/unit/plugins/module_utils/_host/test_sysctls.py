# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.threeway.handshake.plugins.module_utils._host import sysctls
from ansible_collections.threeway.handshake.plugins.module_utils._host.sysctl_meanings import MEANINGS


def test_every_sysctl_has_a_meaning_and_no_meaning_is_left_over() -> None:
    names = set(sysctls.HOST_WIDE.split())
    names |= {f"{stem}.INTERFACE.{leaf}" for stem, leaves in sysctls.PER_INTERFACE.items() for leaf in leaves.split()}
    assert names == set(MEANINGS)


def test_meanings_are_sentences_of_a_known_side() -> None:
    for name, meaning in MEANINGS.items():
        assert meaning.side in ("client", "server", "both", "router"), name
        assert meaning.text.endswith(".") and meaning.unit, name


def test_values_are_those_that_sysctl_prints() -> None:
    values, absent = sysctls.read(["lo"])
    assert absent == []
    assert "net.ipv4.conf.lo.rp_filter" in values
    for name in ("net.ipv4.tcp_mem", "net.ipv4.ip_local_port_range", "net.core.somaxconn", "net.ipv6.conf.lo.disable_ipv6"):
        shown = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, check=True).stdout
        assert values[name] == " ".join(shown.split())


def test_a_sysctl_that_the_kernel_lacks_is_missing_and_not_absent() -> None:
    values, absent = sysctls.read(["no-such-link"])
    assert not any("no-such-link" in name for name in values)
    assert absent == []


def test_what_not_even_root_can_set_is_read_only() -> None:
    """The release of the kernel stands for what belongs to the machine, seen in a container."""
    here = sysctls.read_only(["kernel.osrelease", "net.ipv4.ip_default_ttl", "net.ipv4.conf.lo.rp_filter"])
    assert here == ["kernel.osrelease"] if os.geteuid() == 0 else "kernel.osrelease" in here


def test_interfaces_may_have_dots_in_their_names() -> None:
    assert sysctls.pattern("net.ipv4.conf.eth0.100.rp_filter") == "net.ipv4.conf.INTERFACE.rp_filter"
    assert sysctls.pattern("net.ipv4.tcp_mem") == "net.ipv4.tcp_mem"


def test_the_kernel_here_has_nearly_all_of_them() -> None:
    values, _absent = sysctls.read([])
    missing = set(sysctls.HOST_WIDE.split()) - set(values)
    assert all(not Path("/proc/sys", *name.split(".")).exists() for name in missing)
    assert "net.ipv4.tcp_syn_retries" in values

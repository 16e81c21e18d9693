# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._errors import DecodeError
from ansible_collections.threeway.handshake.plugins.module_utils._host import counters as _counters
from ansible_collections.threeway.handshake.tests.unit.plugins.module_utils.rootless import Rootless

SNMP_4_18 = """\
Tcp: RtoAlgorithm MaxConn InSegs OutRsts
Tcp: 1 -1 5 0
Icmp: InMsgs InErrors
Icmp: 0 0
"""


def test_names_stand_above_their_values() -> None:
    assert _counters.parse_pairs(SNMP_4_18) == {
        "Tcp": {"RtoAlgorithm": 1, "MaxConn": -1, "InSegs": 5, "OutRsts": 0},
        "Icmp": {"InMsgs": 0, "InErrors": 0},
    }


@pytest.mark.parametrize("text", ["Tcp: A B\nTcp: 1\n", "Tcp: A\nUdp: 1\n", "Tcp: A\nTcp: x\n"])
def test_pairs_that_do_not_match_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        _counters.parse_pairs(text)


def test_ipv6_counters_are_grouped_by_the_beginning_of_their_names() -> None:
    text = "Ip6InReceives                   \t1\nIcmp6InMsgs                     \t2\nUdp6InDatagrams \t3\n"
    assert _counters.parse_names(text, "Ip6", "Icmp6") == {"Ip6": {"InReceives": 1}, "Icmp6": {"InMsgs": 2}}


def test_a_line_without_a_value_is_refused() -> None:
    with pytest.raises(DecodeError, match="Ip6InReceives"):
        _counters.parse_names("Ip6InReceives\n", "Ip6")


def test_softnet_columns_are_summed_over_the_cpus() -> None:
    cpu = "0000000e 00000002 00000001 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000003"
    assert _counters.parse_softnet(f"{cpu}\n{cpu}\n") == {"processed": 28, "dropped": 4, "time_squeeze": 2, "flow_limit_count": 6}


def test_softnet_columns_that_a_kernel_lacks_are_missing() -> None:
    assert _counters.parse_softnet("0000000e 00000002\n") == {"processed": 14, "dropped": 2}


def test_entries_of_a_table_are_the_same_on_all_cpus() -> None:
    text = "entries  allocs table_fulls\n0000000a 00000001 00000002\n0000000a 00000003 00000004\n"
    assert _counters.parse_table(text) == {"entries": 10, "allocs": 4, "table_fulls": 6}


def test_listed_counters_travel_when_zero_and_the_others_when_not() -> None:
    with Rootless() as namespace:
        counters = namespace.python("_host.counters", "counters.read()")
        assert counters["TcpExt"]["ListenDrops"] == 0
        assert "TCPHPHits" not in counters["TcpExt"]
        for group, names in _counters.LISTED.items():
            assert set(names.split()) <= set(counters[group]), group
        assert counters["Tcp"]["OutRsts"] == 0
        namespace.sh("bash -c 'exec 3<>/dev/tcp/127.0.0.1/9' || true")
        assert namespace.python("_host.counters", "counters.read()['Tcp']['OutRsts']") == 1

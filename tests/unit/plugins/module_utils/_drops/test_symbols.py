# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Functions by addresses within them, in a table as /proc/kallsyms has it."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.threeway.handshake.plugins.module_utils._drops.symbols import callers, functions

TABLE = """\
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000100 t tcp_drop.isra.0
ffffffff81000180 T tcp_v4_rcv
ffffffffc0000000 t nft_do_chain\t[nf_tables]
ffffffff81000200 T tcp_v4_rcv.cold
ffffffffc0000100 t bpf_prog_0123456789abcdef_name\t[bpf]
"""


def table(tmp_path: Path, text: str) -> str:
    path = tmp_path / "kallsyms"
    path.write_text(text, encoding="ascii")
    return str(path)


def test_the_function_that_began_last_is_it(tmp_path: Path) -> None:
    base, module = 0xFFFFFFFF81000000, 0xFFFFFFFFC0000000
    asked = [0, 5, base, base + 0xFF, base + 0x100, base + 0x1FF, base + 0x210, module + 4, module + 0x120, module + (1 << 24)]
    assert functions(asked, table(tmp_path, TABLE)) == {
        5: "fixed_percpu_data",
        base: "_stext",
        base + 0xFF: "_stext",
        base + 0x100: "tcp_drop",
        base + 0x1FF: "tcp_v4_rcv",
        base + 0x210: "tcp_v4_rcv",
        module + 4: "nft_do_chain",
        module + 0x120: "bpf_prog_0123456789abcdef_name",
    }


def test_a_kernel_that_hides_its_addresses_has_no_names(tmp_path: Path) -> None:
    hidden = "".join("0" * 16 + line[16:] + "\n" for line in TABLE.splitlines())
    assert functions([0xFFFFFFFF81000000], table(tmp_path, hidden)) == {}
    assert functions([0xFFFFFFFF81000000], str(tmp_path / "nowhere")) == {}


def test_what_was_interrupted_did_not_call(tmp_path: Path) -> None:
    assert callers(["ip_rcv", None, "__napi_poll", "net_rx_action", "do_softirq", "tcp_sendmsg"]) == ("ip_rcv", "__napi_poll")

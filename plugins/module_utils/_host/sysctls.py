# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Read the sysctls that affect a handshake from /proc/sys. Their meanings are in sysctl_meanings, which a snapshot need not import."""

from __future__ import annotations

import errno
import os
import typing as t

HOST_WIDE = """
fs.file-max fs.nr_open
net.bridge.bridge-nf-call-ip6tables net.bridge.bridge-nf-call-iptables
net.core.netdev_budget net.core.netdev_max_backlog net.core.somaxconn
net.ipv4.icmp_msgs_per_sec net.ipv4.icmp_ratelimit net.ipv4.icmp_ratemask
net.ipv4.ip_default_ttl net.ipv4.ip_forward net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports net.ipv4.ip_nonlocal_bind
net.ipv4.ip_unprivileged_port_start
net.ipv4.neigh.default.gc_thresh1 net.ipv4.neigh.default.gc_thresh2 net.ipv4.neigh.default.gc_thresh3
net.ipv4.tcp_abort_on_overflow net.ipv4.tcp_challenge_ack_limit net.ipv4.tcp_ecn net.ipv4.tcp_ecn_fallback net.ipv4.tcp_fastopen
net.ipv4.tcp_fin_timeout net.ipv4.tcp_fwmark_accept net.ipv4.tcp_invalid_ratelimit net.ipv4.tcp_l3mdev_accept
net.ipv4.tcp_max_syn_backlog net.ipv4.tcp_max_tw_buckets net.ipv4.tcp_mem net.ipv4.tcp_migrate_req net.ipv4.tcp_min_snd_mss
net.ipv4.tcp_mtu_probing net.ipv4.tcp_rfc1337 net.ipv4.tcp_rto_max_ms net.ipv4.tcp_rto_min_us net.ipv4.tcp_sack
net.ipv4.tcp_syn_linear_timeouts net.ipv4.tcp_syn_retries net.ipv4.tcp_synack_retries net.ipv4.tcp_syncookies
net.ipv4.tcp_timestamps net.ipv4.tcp_tw_reuse net.ipv4.tcp_tw_reuse_delay net.ipv4.tcp_window_scaling
net.ipv6.bindv6only net.ipv6.icmp.ratelimit net.ipv6.ip_nonlocal_bind
net.ipv6.neigh.default.gc_thresh1 net.ipv6.neigh.default.gc_thresh2 net.ipv6.neigh.default.gc_thresh3
net.netfilter.nf_conntrack_max net.netfilter.nf_conntrack_tcp_be_liberal net.netfilter.nf_conntrack_tcp_loose
net.netfilter.nf_conntrack_tcp_timeout_established net.netfilter.nf_conntrack_tcp_timeout_syn_recv
net.netfilter.nf_conntrack_tcp_timeout_syn_sent net.netfilter.nf_conntrack_tcp_timeout_time_wait
"""

# Below net.ipv4.conf.INTERFACE and net.ipv6.conf.INTERFACE, for `all` and each interface asked for.
PER_INTERFACE = {
    "net.ipv4.conf": "accept_local arp_announce arp_filter arp_ignore forwarding log_martians proxy_arp route_localnet rp_filter"
    " src_valid_mark",
    "net.ipv6.conf": "accept_dad accept_ra accept_ra_defrtr disable_ipv6 forwarding hop_limit proxy_ndp",
}


def read(interfaces: t.Iterable[str]) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Values by name, and what could not be read; a sysctl that this kernel does not have is in neither.

    An interface stands in a name as the kernel calls it, dots included: net.ipv4.conf.eth0.100.rp_filter.
    """
    values: dict[str, str] = {}
    absent: list[dict[str, str]] = []
    for name in _names(interfaces):
        try:
            values[name] = _value(_path(name))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR):
                absent.append({"what": f"sysctl {name}", "why": error.strerror or str(error)})
    return values, absent


def read_only(names: t.Iterable[str]) -> list[str]:
    """Those that this user cannot set. Root cannot where they are the machine's own, or where a container has /proc/sys read-only."""
    return [name for name in names if not os.access(_path(name), os.W_OK)]


def of_interface(stem: str, interface: str, leaf: str) -> str | None:
    """The value of one; None where it cannot be read."""
    try:
        return _value(_path(f"{stem}.{interface}.{leaf}"))
    except OSError:
        return None


def pattern(name: str) -> str:
    """The name with INTERFACE in the place of an interface: the key of sysctl_meanings.MEANINGS."""
    for stem in PER_INTERFACE:
        if name.startswith(stem + "."):
            return f"{stem}.INTERFACE.{name.rpartition('.')[2]}"
    return name


def _path(name: str) -> str:
    for stem in PER_INTERFACE:
        if name.startswith(stem + "."):
            interface, _dot, leaf = name[len(stem) + 1 :].rpartition(".")
            return f"/proc/sys/{stem.replace('.', '/')}/{interface}/{leaf}"
    return "/proc/sys/" + name.replace(".", "/")


def _names(interfaces: t.Iterable[str]) -> t.Iterator[str]:
    yield from HOST_WIDE.split()
    for interface in dict.fromkeys(["all", *interfaces]):
        for stem, leaves in PER_INTERFACE.items():
            for leaf in leaves.split():
                yield f"{stem}.{interface}.{leaf}"


def _value(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # half the time of open() for some 80 files
    try:
        return " ".join(os.read(descriptor, 65536).decode("ascii", "replace").split())
    finally:
        os.close(descriptor)

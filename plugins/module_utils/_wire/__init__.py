# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This package is private to threeway.handshake: its names may change without notice.
"""Bytes on the wire and from the kernel: netlink, packet headers, recorded frames, BPF."""

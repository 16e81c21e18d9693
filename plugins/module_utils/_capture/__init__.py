# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This package is private to threeway.handshake: its names may change without notice.
"""Read captures that people have: pcap and pcapng files of any size, from front to back, for their handshakes."""

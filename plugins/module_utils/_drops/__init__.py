# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The kernel's own reports about the packets that it drops, see docs/drops.md. `start.start` begins a trace."""

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""What the kernel itself says of the packets that it drops, see docs/drops.md. `start.start` begins."""

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This package is private to threeway.handshake: its names may change without notice.
"""Record packets: ring, filter, and a recorder that outlives the process that started it."""

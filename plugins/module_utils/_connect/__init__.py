# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This package is private to threeway.handshake: its names may change without notice.
"""TCP handshakes from this host: name resolution, connects, hop counts."""

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This package is private to threeway.handshake: its names may change without notice.
"""How flows change from run to run, and what that means: pure functions, see docs/history.md. The database is ``_store.history``."""

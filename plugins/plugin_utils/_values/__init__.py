# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This package is private to threeway.handshake: its names may change without notice.
"""Values from users and hosts: read, bounded and made fit to be shown."""

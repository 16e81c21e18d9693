# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This package is private to threeway.handshake: its names may change without notice.
"""What actions have in common: their base, Ansible's variables and plays, and what joins the store with what decides."""

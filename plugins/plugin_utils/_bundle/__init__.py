# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This package is private to threeway.handshake: its names may change without notice.
"""The document report.json: as it is written, and as it is read."""

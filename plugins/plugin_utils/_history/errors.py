# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What can go wrong with a history."""

from __future__ import annotations


class HistoryError(Exception):
    """The history cannot be kept, asked or sent; the message is a sentence, and holds no secret."""

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What handshakes depend on, kept as a baseline and compared with it: pure functions, see docs/drift.md."""


class DriftError(Exception):
    """Something of a baseline or an expectation is not as it must be; the message is a sentence."""

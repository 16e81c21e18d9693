# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What can be observed of a host without a usable Python: through its POSIX shell, and through the channels that its sshd opens. Pure."""

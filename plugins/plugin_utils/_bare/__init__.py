# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""What is learned of a host that has no usable Python: by its POSIX shell, and by the channels that its sshd opens. Pure."""

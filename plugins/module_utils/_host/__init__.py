# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This package is private to threeway.handshake: its names may change without notice.
"""The state of this host that TCP handshakes depend on."""

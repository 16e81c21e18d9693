# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Rules of ours that let a flow through, in front of one that stops it: the work of the module firewall_rule."""

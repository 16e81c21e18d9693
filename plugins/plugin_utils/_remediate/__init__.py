# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Mending as a pure matter: which fixes a report asks for, which of them the policy lets through, in which order, and whether they helped.

Nothing here touches a host, a file or a clock.
"""

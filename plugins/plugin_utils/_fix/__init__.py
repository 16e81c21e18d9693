# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Ways to mend causes: one file for each kind of fix. Pure functions from what a cause knows to a typed :class:`Fix`.

Values that come from hosts are data. Before one becomes an argument of a step it is parsed or held against a pattern (_fit); where it
does not fit, the fix has no steps and is for people only.
"""

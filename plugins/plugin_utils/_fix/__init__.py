# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""Ways to mend causes, one file for each kind of fix: pure functions from a case and a finding to a `Fix`. `catalogue` has them by code.

Values that come from hosts are data. Before one becomes an argument of a step it is parsed or held against a pattern (_fit); where it
does not fit, the fix has no steps and is for people only.
"""

# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This package is private to threeway.handshake: its names may change without notice.
"""The show room: one file per output format, each a pure function of the report.json document.

``_write.write`` puts all of them into a directory, ``_terminal.render`` is what a person sees first.
"""

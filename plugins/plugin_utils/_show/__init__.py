# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This package is private to threeway.handshake: its names may change without notice.
"""The show room: one file per form of a report, each a pure function of its document.

``forms.Forms`` makes all files of a report directory; ``terminal.render`` is what a person sees first.
"""

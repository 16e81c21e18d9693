# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This package is private to threeway.handshake: its names may change without notice.
"""A history in its database: kept, queried, followed, and posted to a webhook (docs/history.md).

``_keep.keep`` is what a run does with its report, ``_ask.histories`` what anybody wants to know later. The controller does both; no host
takes part. SQLAlchemy is imported where a database is opened, so that without it everything else of the collection works.
"""

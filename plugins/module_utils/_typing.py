# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""For type checkers only: Python 3.7 has no typing.Protocol."""

from __future__ import annotations

import typing as t

__all__ = ["Protocol"]

if t.TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object

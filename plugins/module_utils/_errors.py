# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""Errors of the observe layer: each is one sentence that says what failed, with the value."""

from __future__ import annotations


class ObserveError(Exception):
    """Something on this host could not be observed; the message is a sentence for people."""


class DecodeError(ObserveError):
    """Bytes that are not what they should be (a packet, a netlink message, a frame, a file of /proc)."""


class NotPermittedError(ObserveError):
    """The kernel refused for lack of a privilege; the message says which."""

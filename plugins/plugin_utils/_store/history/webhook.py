# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
# This module is private to threeway.handshake: its names may change without notice.
"""A JSON document to a webhook, in a bounded number of tries."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from ansible.module_utils.urls import open_url

from ..._history.errors import HistoryError
from ..._values.text import clean

TRIES = 3
_PAUSE = 1.0
"""Seconds before the second try; each further one waits twice as long."""
_TRY_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})


def post(url: str, document: object, timeout: float, pause: Callable[[float], None] = time.sleep) -> None:
    """POST it as JSON; any 2xx will do. Certificates are verified, redirects not followed. HistoryError, which names host and port only:
    the rest of the URL is often a secret.
    """
    shown = check(url)
    body = json.dumps(document, ensure_ascii=True, allow_nan=False).encode()
    headers = {"Content-Type": "application/json"}
    why = ""
    for number in range(TRIES):
        if number:
            pause(_PAUSE * 2 ** (number - 1))
        try:
            open_url(  # type: ignore[no-untyped-call]
                url,
                data=body,
                headers=headers,
                method="POST",
                timeout=timeout,
                validate_certs=True,
                http_agent="threeway.handshake",
                follow_redirects="none",
                use_netrc=False,
            ).close()
            return
        except HTTPError as error:
            error.close()
            if error.code not in _TRY_AGAIN:
                raise HistoryError(f"The webhook at {shown} answered {error.code}: see whether its URL is right.") from None
            why = f"it answered {error.code}"
        except (OSError, HTTPException, ValueError) as error:
            reason = error.reason if isinstance(error, URLError) else error
            why = clean(str(reason) or type(reason).__name__, 200)
    raise HistoryError(f"The webhook at {shown} could not be reached after {TRIES} tries: {why}.")


def check(url: str) -> str:
    """What of the URL may be shown: ``https://hooks.example.org:8443``. HistoryError where it is none."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in ("http", "https") or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise HistoryError("The URL of the webhook cannot be read: write https://host/path, without blanks.")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")

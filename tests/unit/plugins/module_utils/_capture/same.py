# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast path, which decodes only packets that somebody asks for, against the slow one, which decodes each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._capture.handshakes import Handshakes, observe
from ansible_collections.threeway.handshake.plugins.module_utils._capture.reader import Reader
from ansible_collections.threeway.handshake.plugins.module_utils._capture.source import CaptureError, Source
from ansible_collections.threeway.handshake.plugins.module_utils._capture.wanted import Wanted

LISTED = ("handshakes", "unlisted")


def decoded(path: Path, end: float | None) -> dict[str, Any]:
    """What `observe` says where each packet is decoded on its own. `end`: the time of the last packet, as it has it."""
    handshakes = Handshakes(Wanted(limit=1000))
    with Source(str(path)) as source:
        reader = Reader(source, handshakes.awaited.ports)
        for captured in reader:
            handshakes.take(captured)
    return {"packets": reader.packets, **handshakes.result(None if end is None else round(end * 1e9))}


def assert_the_same(path: Path) -> None:
    """Both say the same of a file; and the same is counted where no handshake is listed, so that packets are left out."""
    try:
        answer = observe(str(path), Wanted(limit=1000))
    except CaptureError:
        with pytest.raises(CaptureError):
            decoded(path, None)
        return
    told = decoded(path, answer["ends"])
    assert {key: answer[key] for key in told} == told
    counted = observe(str(path), Wanted(limit=0))
    assert {key: counted[key] for key in counted if key not in LISTED} == {key: answer[key] for key in answer if key not in LISTED}
    assert counted["unlisted"] == len(answer["handshakes"]) + answer["unlisted"]

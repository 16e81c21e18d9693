# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The counters that rise in healthy runs, by which others are told from them, are those of the recordings."""

from __future__ import annotations

import importlib.machinery
import importlib.util
from pathlib import Path

from ansible_collections.threeway.handshake.plugins.plugin_utils._decide.anomalies import envelope

GENERATOR = Path(__file__).parents[5] / "dev/envelope"


def test_the_envelope_is_that_of_the_recordings() -> None:
    loader = importlib.machinery.SourceFileLoader("generate_envelope", str(GENERATOR))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    generator = importlib.util.module_from_spec(spec)
    loader.exec_module(generator)
    assert Path(envelope.__file__).read_text(encoding="utf-8") == generator.render(), "run dev/envelope"

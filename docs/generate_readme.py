# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the links of README.md and of the guide absolute, by galaxy.yml's repository: both are shown without the files beside them.

``python docs/generate_readme.py`` rewrites what a link has in front of the path, so that a new one may be written as ``[x]: docs/x.md``.
"""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs/docsite/rst/guide.rst")
_LINK = re.compile(r"^(\[[\w-]+\]: )(?:https?://\S+?/blob/[\w.-]+/)?(?!https?:)(\S+)$", re.MULTILINE)
_INLINE = re.compile(r"<https?://[^\s<>]+?/blob/[\w.-]+/([^\s<>]+)>`__")


def base() -> str:
    """What is in front of a path of the repository."""
    repository = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["repository"]
    return f"{repository}/blob/main/"


def render(text: str) -> str:
    """A page of Markdown, with its links at its end, or of reStructuredText, with anonymous ones."""
    return _INLINE.sub(rf"<{base()}\1>`__", _LINK.sub(rf"\g<1>{base()}\2", text))


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(render(page.read_text(encoding="utf-8")), encoding="utf-8")

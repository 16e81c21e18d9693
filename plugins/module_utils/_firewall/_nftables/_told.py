# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: BSD-2-Clause
# This module is private to threeway.handshake: its names may change without notice.
"""The text of rules as `nft` itself writes it, asked of it for the chains that were on the way."""

from __future__ import annotations

import re
import typing as t

from ..._errors import ObserveError
from ..._netlink import attributes
from .._evaluation import Reference
from ._read import NFTA_CHAIN_NAME, NFTA_CHAIN_TABLE, NFTA_CHAIN_USE, Kernel
from ._wire import FAMILIES, NFT_MSG_GETCHAIN, name, number

MOST_RULES = 1000  # of a chain whose text is asked for
MOST_CHAINS = 20

Run = t.Callable[..., t.Tuple[int, str, str]]
_Chain = t.Tuple[str, str, str]

# nft joins its arguments and parses them as its language: only names that are words of it may be among them
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_HANDLE = re.compile(r"\s# handle (\d+)$")
_NO_RULE = ("table ", "chain ", "type ", "policy ", "comment ", "}")


def told_by_nft(run: Run, references: t.Iterable[Reference]) -> list[tuple[Reference, str]]:
    """Those of the rules for which nft has a text, with it. `run` is AnsibleModule.run_command with LC_ALL=C."""
    wanted: dict[_Chain, list[Reference]] = {}
    for reference in references:
        if reference["handle"] is not None:
            wanted.setdefault((reference["family"], reference["table"], reference["chain"]), []).append(reference)
    found = []
    small = _small_chains() if wanted else set()
    for chain in [chain for chain in wanted if chain in small and all(map(_WORD.match, chain))][:MOST_CHAINS]:
        texts = _texts(run, chain)
        found += [(reference, texts[reference["handle"]]) for reference in wanted[chain] if reference["handle"] in texts]
    return found


def parse(output: str) -> dict[int, str]:
    """Text by handle, from `nft -s -t -a list chain`."""
    texts: dict[int, str] = {}
    gathered: list[str] = []
    for line in output.splitlines():
        line = line.strip()
        if not gathered and (not line or line.startswith(_NO_RULE)):
            continue
        gathered.append(line)
        handle = _HANDLE.search(line)
        if handle:
            text = " ".join(gathered)
            texts[int(handle.group(1))] = text[: text.rindex(" # handle ")].rstrip()
            gathered = []
    return texts


def _texts(run: Run, chain: _Chain) -> dict[int, str]:
    try:
        code, output, _error = run(["nft", "-s", "-t", "-a", "list", "chain", *chain])
    except OSError:
        return {}
    return parse(output) if code == 0 else {}


def _small_chains() -> set[_Chain]:
    """Chains that are worth asking for: the kernel counts a chain's rules, and the jumps to it, as its users."""
    found = set()
    try:
        for body in Kernel().dump(NFT_MSG_GETCHAIN):
            about = attributes(body[4:])
            if number(about, NFTA_CHAIN_USE, 0) <= MOST_RULES:
                found.add((FAMILIES.get(body[0], ""), name(about, NFTA_CHAIN_TABLE), name(about, NFTA_CHAIN_NAME)))
    except ObserveError:
        return set()
    return found

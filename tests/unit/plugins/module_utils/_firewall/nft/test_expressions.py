# SPDX-FileCopyrightText: 2026 The threeway.handshake authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each expression is complete in its file of `nft/expr`, the registry has them all, and nothing else knows one by name."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from ansible_collections.threeway.handshake.plugins.module_utils._firewall.nft import expr
from ansible_collections.threeway.handshake.plugins.module_utils._firewall.nft.expression import Expression, Load
from ansible_collections.threeway.handshake.plugins.module_utils._guard import nftables_essence

PLACE = Path(expr.__file__).parent
FILES = sorted(path.stem for path in PLACE.glob("*.py") if path.stem != "__init__")
GENERIC = sorted(PLACE.parent.glob("*.py"))
HEADERS = [Path("/usr/include/linux/netfilter") / name for name in ("nf_tables.h", "nf_tables_compat.h", "nf_nat.h")]
OTHER_THINGS = {"nat"}  # a type of chains has that name too
FLAGS = ("condition", "fixed", "foreign", "harmless", "stateful", "tracks")


def module(name: str) -> ModuleType:
    return importlib.import_module(f"{expr.__name__}.{name}")


def classes(of: ModuleType) -> list[type[Expression]]:
    """The expressions that a file defines."""
    mine = [each for each in vars(of).values() if isinstance(each, type) and each.__module__ == of.__name__]
    return [each for each in mine if issubclass(each, Expression)]


def defines(each: type[Expression], *names: str) -> bool:
    """Whether it has one of these of its own, and not that of the base classes, which raise or know nothing."""
    return any(getattr(each, name, None) not in (None, getattr(Expression, name, None), getattr(Load, name, None)) for name in names)


@pytest.mark.parametrize("name", FILES)
def test_an_expression_is_complete(name: str) -> None:
    """Decode, evaluate, words, flags."""
    of = module(name)
    assert of.EXPRESSIONS and classes(of), "a file of an expression without one"
    for kernels_name, decoder in of.EXPRESSIONS.items():
        assert expr.decoder(kernels_name) is decoder, "the registry has another one"
    for kind, about in getattr(of, "OBJECTS", {}).items():
        assert expr.objects()[kind] is about
    for each in classes(of):
        assert "__slots__" in vars(each), each
        assert defines(each, "load") if issubclass(each, Load) else defines(each, "run"), each
        assert defines(each, "field") if issubclass(each, Load) else defines(each, "text", "describe"), each
        assert all(isinstance(getattr(each, flag), bool) or flag in each.__slots__ for flag in FLAGS), each
        contains = "raw" in each.__slots__  # others, each of which has a name of its own
        assert getattr(of, "MAY_TRACK", False) or contains or each.tracks is False, f"{each}: rules with it are found by MAY_TRACK"


def test_the_registry_has_every_file_once() -> None:
    assert sorted(file.__name__.rpartition(".")[2] for file in expr.files()) == FILES
    names = [name for file in expr.files() for name in file.EXPRESSIONS]
    kinds = [kind for file in expr.files() for kind in getattr(file, "OBJECTS", {})]
    assert kinds and set(kinds) == set(expr.objects())
    assert {name for file in expr.files() if getattr(file, "MAY_TRACK", False) for name in file.EXPRESSIONS} == expr.tracking()
    assert len(names) == len(set(names)) and len(kinds) == len(set(kinds)), "two files decode the same"


@pytest.mark.skipif(sys.version_info < (3, 9), reason="reads the sources, with the ast module of a newer Python")
@pytest.mark.parametrize("path", GENERIC, ids=lambda path: path.stem)
def test_nothing_else_knows_an_expression_by_name(path: Path) -> None:
    theirs = {each.__name__ for name in FILES for each in classes(module(name))}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not {alias.name for node in imports for alias in node.names} & theirs
    assert not [node.module for node in imports if (node.module or "").startswith("expr.")]
    slots = [node.value for node in ast.walk(tree) if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__"]
    own = {constant for each in slots for constant in ast.walk(each)}
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in own]
    names = {name for file in expr.files() for name in file.EXPRESSIONS} - OTHER_THINGS
    texts = {each if isinstance(each, str) else each.decode("latin-1") for each in constants if isinstance(each, (str, bytes))}
    assert not {text for text in texts if text.strip("\0") in names}


def test_attributes_have_the_kernels_numbers() -> None:
    """As in the headers of this machine, as far as they are there and have the name."""
    known: dict[str, int] = {}
    for header in HEADERS:
        if header.exists():
            known.update(_enumerations(header.read_text(encoding="utf-8")))
    if not known:
        pytest.skip("the kernel's headers are not here (linux-libc-dev)")
    compared, wrong = 0, []
    for name in FILES:
        for constant, value in vars(module(name)).items():
            if re.match(r"NFTA?_|NF_NAT_", constant) and constant in known:
                compared += 1
                if value != known[constant]:
                    wrong.append((name, constant, value, known[constant]))
    assert wrong == []
    assert compared > 100


def _enumerations(text: str) -> dict[str, int]:
    """name -> number, of the enumerations and simple definitions of a header."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    found: dict[str, int] = {}
    for body in re.findall(r"enum \w*\s*\{(.*?)\}", text, re.DOTALL):
        value = -1
        for entry in filter(None, (each.strip() for each in body.split(","))):
            name, _equals, given = (part.strip() for part in entry.partition("="))
            number = _number(given, found) if given else value + 1
            if number is None:
                break
            found[name] = value = number
    for name, given in re.findall(r"#define\s+(\w+)\s+(\S+|\(1 << \d+\))\s*$", text, re.MULTILINE):
        number = _number(given, found)
        if number is not None:
            found[name] = number
    return found


def _number(given: str, known: dict[str, int]) -> int | None:
    shift = re.fullmatch(r"\(?1 << (\d+)\)?", given)
    if shift:
        return 1 << int(shift[1])
    try:
        return int(given, 0)
    except ValueError:
        return known.get(given)


def test_the_guard_renames_the_sets_that_expressions_name() -> None:
    """It works on the kernel's bytes, without the evaluator, and has the attributes in a table of its own."""
    named = {
        name.encode(): value
        for file in expr.files()
        for name in file.EXPRESSIONS
        for constant, value in vars(file).items()
        if re.fullmatch(r"NFTA_[A-Z]+_SET(_NAME)?", constant)
    }
    assert named == nftables_essence._SET_NAMED_BY

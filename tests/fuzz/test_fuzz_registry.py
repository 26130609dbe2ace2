"""No parser without a target: the source is walked, and whatever looks like a parser must be in the registry."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from keygw_fuzz.registry import NOT_FUZZED, TARGETS

ROOMS = ("wire", "token", "crypto", "session")
PARSER = re.compile(
    r"(?:decode|open|verify|parse|split|check|from|read|receive|take|push|select|finish|agree|rotating_id"
    r"|only_item)(?:\d|_.*)?|(?:\w+_)?of"
)


def parsers(source: str, module: str) -> Iterator[str]:
    """Dotted names of the public functions and methods that are called like parsers."""

    def walk(body: list[ast.stmt], prefix: str) -> Iterator[str]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}.{node.name}")
            elif isinstance(node, ast.FunctionDef) and PARSER.fullmatch(node.name):
                yield f"{prefix}.{node.name}"

    return walk(ast.parse(source).body, module)


def in_the_source(repository: Path) -> set[str]:
    root = repository / "src" / "keygw"
    return {
        name
        for room in ROOMS
        for path in (root / room).rglob("*.py")
        for name in parsers(path.read_text("utf-8"), ".".join(path.relative_to(root).with_suffix("").parts))
    }


COVERED = {name for target in TARGETS.values() for name in target.covers}


def test_every_parser_has_a_target_or_a_reason(repository: Path) -> None:
    found = in_the_source(repository)
    assert len(found) > 60, "the search for parsers found next to nothing"
    assert sorted(found - COVERED - NOT_FUZZED.keys()) == [], "add a Target, or a reason to NOT_FUZZED"


def test_the_registry_names_only_what_is_there(repository: Path) -> None:
    """Else a renamed parser would leave its target, or its excuse, standing in the air."""
    found = in_the_source(repository)
    assert sorted((COVERED | NOT_FUZZED.keys()) - found) == []
    assert sorted(COVERED & NOT_FUZZED.keys()) == []
    assert all(len(reason) > 15 for reason in NOT_FUZZED.values())


@pytest.mark.parametrize(
    ("source", "seen"),
    [
        ("def decode_grant(data): ...", ["wire.x.decode_grant"]),
        ("class G:\n    def decode(cls, data): ...\n    def of(cls, value): ...", ["wire.x.G.decode", "wire.x.G.of"]),
        ("def _decode(data): ...\ndef encode(data): ...\ndef offer(): ...", []),
    ],
)  # fmt: skip
def test_a_new_parser_is_seen(source: str, seen: list[str]) -> None:
    assert list(parsers(source, "wire.x")) == seen


def test_names_are_unique_and_fit_the_corpus() -> None:
    assert all(re.fullmatch(r"[a-z][A-Za-z0-9_.]+", name) and name == target.name for name, target in TARGETS.items())
    assert all(target.refusal or target.write is None for target in TARGETS.values())

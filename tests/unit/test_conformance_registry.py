"""The registry of requirements, the pages of ``protocols/`` and the checks say the same."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from keygw_sim.conformance.bench import CHECKS
from keygw_sim.conformance.kit import checks_of
from keygw_sim.conformance.registry import PAGES, Role, asides, requirements

ROOT = Path(__file__).resolve().parents[2]
NORMATIVE = re.compile(r"\b(must|refuses|refused|never|breach)\b")
SPLITS = re.compile(r"\n\s*\n|\n(?=#)|\n(?=- )|\n(?=\d\. )|\n(?=\|)")
SENTENCES = re.compile(r"(?<=[.;:])\s+(?=[A-Z*`])")


def flat(text: str) -> str:
    return " ".join(text.split())


def prose(page: str) -> str:
    """Without the table of requirements, and without code."""
    text = (ROOT / "protocols" / page / "README.md").read_text("utf-8")
    return re.sub(r"<!-- requirements:.*<!-- end of requirements -->", "", text, flags=re.S)


def quoted(page: str) -> list[str]:
    """What the registry says that the page says."""
    required = [each.quote for each in requirements().values() if each.page == page]
    return [flat(quote) for quote in (*required, *(each.quote for each in asides() if each.page == page))]


def uncovered(page: str, text: str) -> list[str]:
    """Sentences that ask for something and are neither quoted by a requirement nor set aside."""
    quotes = quoted(page)
    plain = re.sub(r"```.*?```", "", text, flags=re.S)
    sentences = [each for block in SPLITS.split(plain) for each in SENTENCES.split(flat(block))]
    asking = [each for each in sentences if NORMATIVE.search(each)]
    return [each for each in asking if not any(quote in each or each in quote for quote in quotes)]


@pytest.mark.parametrize("page", PAGES.values())
def test_every_quote_is_in_its_page(page: str) -> None:
    text = flat(prose(page))
    assert [quote for quote in quoted(page) if quote not in text] == []


@pytest.mark.parametrize("page", PAGES.values())
def test_every_sentence_that_asks_for_something_has_a_number(page: str) -> None:
    assert uncovered(page, prose(page)) == []


def test_a_new_sentence_is_seen() -> None:
    assert uncovered("key_session", "A vehicle must sing.") == ["A vehicle must sing."]


def test_numbers_are_used_once_and_have_a_page() -> None:
    ids = [each.id for each in requirements().values()]
    assert len(ids) == len(set(ids)) > 150
    assert all(re.fullmatch(r"(KS|KT|OP)-\d{3}", each) for each in ids)


def test_every_requirement_of_a_vehicle_is_tried_or_says_why_not() -> None:
    mine = [each for each in requirements().values() if each.of(Role.VEHICLE)]
    assert [each.id for each in mine if bool(each.hidden) == bool(checks_of(each.id))] == []


def test_every_check_is_of_a_requirement_of_the_vehicle() -> None:
    known = {each.id for each in requirements().values() if each.of(Role.VEHICLE)}
    assert {entry.requirement for entry in CHECKS} - known == set()


def test_the_tables_of_the_pages_are_those_of_the_registry() -> None:
    line = [sys.executable, str(ROOT / "tools" / "make_requirements.py"), "--check"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

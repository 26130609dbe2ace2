"""The page for app authors knows every word that the code can say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keygw.api.document import MEANINGS
from keygw.api.problems import BY_CODE, CODES_BY_STATUS
from keygw.bridge.present import RETRYABLE_REASONS
from keygw.bridge.scopes import Scope
from keygw.model.command import Outcome
from keygw.model.signal import Quality

CODE = re.compile(r"""(?:code\s*=\s*|Refused\(|ApiError\(\d+,\s*)"([a-z_]+)\"""")
EVENT = re.compile(r'"(keygw\.[a-z]+\.?[a-z.]*)"')
TOLD = re.compile(
    r'"((?:transfer|device)\.(?:offered|accepted|cancelled|expired|lost|found)|key\.(?:issued|shared|suspended|resumed|renewed|revoking|revoked|pairing|met|expired)|vehicle\.epoch_ended|security\.alert)"'
)
INSIDE = {
    "app_exists",
    "audit_export_malformed",
    "illegal_step",
    "key_changed",
    "key_exists",
    "list_exists",
    "receipt_exists",
    "checkpoint_exists",
}
"""Codes of things that cannot happen through the API: two writers of one row, an impossible step."""
VEHICLE = {"receipt_conflict", "receipt_chain_broken"}
"""A vehicle that tells two stories: an alert, never an answer."""


@pytest.fixture
def page(repository: Path) -> str:
    return (repository / "protocols/bridge_api/README.md").read_text("utf-8")


def words(page: str) -> set[str]:
    return set(re.findall(r"`([\w.]+)`", page))


def test_every_code_is_in_the_catalog(repository: Path, page: str) -> None:
    said = set(BY_CODE) | set(CODES_BY_STATUS.values())
    for room in ("bridge", "api", "credentials", "model"):
        for path in (repository / "src/keygw" / room).rglob("*.py"):
            said |= set(CODE.findall(path.read_text("utf-8")))
    assert "out_of_range" in said
    assert "idempotency_mismatch" in said
    assert said - INSIDE - VEHICLE - words(page) == set()


def test_every_event_is_in_the_catalog(repository: Path, page: str) -> None:
    said: set[str] = set()
    for room in ("bridge", "events", "credentials"):
        for path in (repository / "src/keygw" / room).rglob("*.py"):
            text = path.read_text("utf-8")
            said |= {word for word in EVENT.findall(text) if not word.endswith(".")}
            said |= {f"keygw.{word}" for word in TOLD.findall(text)}
    assert {"keygw.command.updated", "keygw.gap", "keygw.key.revoked"} <= said
    assert said - words(page) == set()


def test_scopes_reasons_and_statuses_are_in_the_catalog(page: str) -> None:
    known = words(page)
    assert {scope.value for scope in Scope} <= known
    assert {outcome.label for outcome in Outcome if outcome is not Outcome.DONE} <= known
    assert known >= RETRYABLE_REASONS
    assert {quality.value for quality in Quality} <= known | {"unknown"}
    for status in (*MEANINGS, 405):
        assert f"\n| {status} |" in page

"""Take one rule away, and the attack that it is there for succeeds: an attack that cannot succeed shows nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from attack_mutants import MUTANTS, Mutant
from keygw_sim.attacker.attack import book, carry_out


@pytest.mark.parametrize(("attack", "mutant", "gets"), MUTANTS)
async def test_without_the_rule_the_attack_succeeds(
    attack: str, mutant: Mutant, gets: str | tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    verdict = await carry_out(book()[attack], tmp_path)
    assert not verdict.held
    assert verdict.got.startswith(gets)
    assert verdict.word == "BROKEN"

"""Rules of answers, receipts."""

from __future__ import annotations

import pytest

from attack_mutants.register import CAR, always, frees
from keygw_sim.vehicle.flash import Memory
from keygw_sim.vehicle.keeper import Keeper


@frees("lost-result-retried", "breach: it was done twice")
@frees("fast-answer-lost", "breach: it was done twice")
@frees("number-reused", CAR)
def no_answer_is_remembered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Memory, "answer_to", always(None))


@frees("friend-reads-the-log", "other people's receipts")
def everybody_reads_everything(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Keeper, "_readable", lambda self, claims: self.memory.receipts)

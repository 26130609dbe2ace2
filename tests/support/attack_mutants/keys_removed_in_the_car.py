"""Rules of keys removed in the car."""

from __future__ import annotations

from typing import Any

import pytest

from attack_mutants.register import CAR, always, frees
from keygw.credentials.service_lists import ListService
from keygw.model.command import Action
from keygw.model.digital_key import KeyState
from keygw.model.receipt import Receipt
from keygw.token.envelope import Envelope
from keygw_sim.vehicle import removal
from keygw_sim.vehicle.flash import Memory
from keygw_sim.vehicle.keeper import Keeper


@frees("removal-sent-by-a-device", "breach: a receipt says")
def any_receipt_of_that_action_removes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Receipt, "removes_key", property(lambda self: self.action is Action.REMOVE_KEY))


@frees("removed-key-brought-back", CAR)
def a_list_lifts_what_was_removed(patch: pytest.MonkeyPatch) -> None:
    real = Keeper.accept_list

    def accept(self: Keeper, signed: bytes) -> Any:
        self.memory.removed.clear()
        return real(self, signed)

    patch.setattr(Keeper, "accept_list", accept)


@frees("removed-key-brought-back", CAR)
def a_removal_is_not_written_down(patch: pytest.MonkeyPatch) -> None:
    real = Memory.to_json
    patch.setattr(Memory, "to_json", lambda self: real(self) | {"removed": []})


@frees("removal-of-the-last-owner", "breach: it was accepted")
def the_last_owner_may_go(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(removal, "_disown", lambda memory, entry: memory.owners.clear())


@frees("removal-forged", "breach: the owner's key has ended")
def receipts_are_taken_from_anybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Envelope, "verify", always(None))


@frees("removal-by-another-car", "breach: the owner's key has ended")
def a_car_speaks_for_every_key(patch: pytest.MonkeyPatch) -> None:
    async def removed(self: Any, tx: Any, receipt: Receipt) -> None:
        record = await tx.key(receipt.key_id)
        await tx.set_key_state(record.key, KeyState.REVOKED)

    patch.setattr(ListService, "_removed", removed)

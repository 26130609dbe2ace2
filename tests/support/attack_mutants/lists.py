"""Rules of revocation lists."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from attack_mutants.register import always, frees
from keygw.model.ids import ID_BYTES, format_id
from keygw.token.revocation import verify_list
from keygw_sim.vehicle import keeper
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.keeper import Keeper


@frees("list-rolled-back", "breach: the older list is in force again")
def any_list_will_do(patch: pytest.MonkeyPatch) -> None:
    real = Keeper.accept_list

    def accept(self: Keeper, signed: bytes) -> Any:
        self.memory.list_sequence = 0
        return real(self, signed)

    patch.setattr(Keeper, "accept_list", accept)


@frees("list-of-another-car", "list 9 in force")
def lists_are_for_every_car(patch: pytest.MonkeyPatch) -> None:
    def verify(signed: bytes, issuers: Any, vehicle_id: str) -> Any:
        at = signed.index(b"\x88\x4a") + 2  # an array of 8 that begins with a vehicle id, whosever it is
        named = format_id("veh", signed[at : at + ID_BYTES])
        return replace(verify_list(signed, issuers, named), vehicle_id=vehicle_id)

    patch.setattr(keeper, "verify_list", verify)


@frees("ack-of-another-list", "breach: the service says revoked")
def the_hash_of_the_list_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("keygw.credentials.revocation.constant_time_equal", always(True))


@frees("held-open-deaf", "key_revoked")
def sessions_are_not_ended(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Brain, "_end_concerned", always(None))

"""Rules of pairing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from attack_mutants.register import CAR, always, frees
from keygw.crypto.signer import thumbprint
from keygw.model.digital_key import Role
from keygw.token.ticket import PairingTicket, sign_ticket
from keygw_sim.vehicle import keeper, provisioning
from keygw_sim.vehicle.flash import Memory, PairingMemory
from keygw_sim.vehicle.pairing import PairingDesk


@frees("code-guessed", "breach: the thief is an owner")
@frees("code-guessed-in-parallel", "8 of 8 answered")
def tries_are_not_counted(patch: pytest.MonkeyPatch) -> None:
    real = PairingDesk.count

    def count(self: PairingDesk, salt: bytes) -> Any:
        record = real(self, salt)
        with self._durably() as draft:
            draft.pairing = replace(draft.pairing, tries=0)
        return record

    patch.setattr(PairingDesk, "count", count)


@frees("thief-in-an-unlocked-car", "breach: it was accepted")
def anybody_opens_pairing_mode(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PairingDesk, "_allowed", property(always(True)))


@frees("thief-with-an-old-permission", "breach: it was accepted")
def permissions_outlive_the_power(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PairingMemory, "after_reboot", lambda self: self)


@frees("friend-becomes-owner", "breach: it was accepted")
def an_entitlement_makes_an_owner(patch: pytest.MonkeyPatch) -> None:
    class Anybody:
        OWNER = Role.FRIEND

    patch.setattr(keeper, "Role", Anybody)


@frees("pairing-hijacked", "breach: the thief is an owner")
def a_code_serves_twice(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(PairingDesk, "shown", property(always(True)))
    patch.setattr(PairingDesk, "ticket", _ticket_again)


def _ticket_again(self: PairingDesk, salt: bytes, enrolled: Any) -> bytes:
    memory = self._memory()
    device = thumbprint(enrolled.device_key)
    with self._durably() as draft:
        draft.pairing = replace(draft.pairing, ticketed=device, approved=True)
    return sign_ticket(PairingTicket(memory.vehicle_id, device, enrolled.transcript, 1), memory.signer)


@frees("thief-with-the-factorys-file", CAR)
def the_file_is_believed(patch: pytest.MonkeyPatch) -> None:
    real = provisioning.take

    def take(folder: Path, memory: Memory) -> str | None:
        kept, memory.pairing = memory.pairing, replace(memory.pairing, counter=0)
        taken = real(folder, memory)
        memory.pairing = replace(kept)
        return taken

    patch.setattr(provisioning, "take", take)


@frees("ticket-stolen", "an owner key")
def tickets_are_for_everybody(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("keygw.credentials.pairing.check_ticket", always(None))

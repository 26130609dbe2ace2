"""A key removed in the car: dead there at once and for good, told by a receipt that nobody can send, keep or forge."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.errors import Conflict
from keygw.session.events import ReceiptsGiven, Responded
from keygw.session.states import State
from keygw_sim.garage import Garage
from keygw_sim.vehicle import keeper, removal
from keygw_sim.vehicle.flash import Removed


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    return Garage(tmp_path / "flash").enrol("owner", "friend", "grandchild")


def remove(garage: Garage, who: str) -> None:
    garage.brain.remove_key(garage.key(who))


def code_of(garage: Garage, key_id: str) -> str:
    with pytest.raises(Conflict) as refused:
        garage.brain.remove_key(key_id)
    return refused.value.code


def test_it_is_dead_at_once_and_after_a_power_cut_and_so_is_what_was_shared_from_it(garage: Garage) -> None:
    remove(garage, "friend")
    for _ in range(2):
        assert garage.tries("friend") is Outcome.KEY_REVOKED
        assert garage.tries("grandchild") is Outcome.PARENT_ENDED
        assert garage.tries("owner", Action.LOCK).ok
        garage.reboot()
        garage.trust()


def test_a_renewed_token_of_it_is_dead_too_and_another_key_of_its_device_is_not(garage: Garage) -> None:
    remove(garage, "friend")
    later = garage.claims("friend").issued_at + 30
    assert garage.tries("friend", issued_at=later) is Outcome.KEY_REVOKED
    other = garage.claims("friend", index=9)
    assert garage.tries("friend", index=9, key_id=f"key_{'b' * 16}", issued_at=other.issued_at) is Outcome.DONE


def test_its_open_session_and_its_fast_key_end(garage: Garage) -> None:
    visit = garage.visit("friend")
    visit.prove(Action.UNLOCK, number=1)
    assert garage.key("friend") in {key.key_id for key in garage.brain._usable_fast_keys()}
    remove(garage, "friend")
    visit.carry()
    assert visit.session.state is State.CLOSED
    assert garage.key("friend") not in {key.key_id for key in garage.brain._usable_fast_keys()}


def test_the_receipt_names_it_and_no_session(garage: Garage) -> None:
    before = garage.receipts()
    remove(garage, "friend")
    remove(garage, "friend")  # again changes nothing
    [said] = garage.receipts()[len(before) :]
    assert said.removes_key
    assert (said.key_id, said.action, said.outcome) == (garage.key("friend"), Action.REMOVE_KEY, Outcome.DONE)
    assert (said.number, said.session, said.before, said.after) == (0, bytes(8), None, None)


def test_any_key_may_read_that_one_and_nothing_else_of_others(garage: Garage) -> None:
    for who in ("owner", "friend", "grandchild"):
        garage.tries(who, Action.LOCK)
    remove(garage, "grandchild")
    garage.tries("owner", Action.LOCK)
    told = [(receipt.key_id, receipt.action) for receipt in garage.receipts("friend")]
    assert told == [(garage.key("friend"), Action.LOCK), (garage.key("grandchild"), Action.REMOVE_KEY)]


@pytest.mark.parametrize("number", [0, 5])
def test_no_device_can_ask_for_it(garage: Garage, number: int) -> None:
    visit = garage.visit("owner")
    visit.prove()
    visit.command(Action.REMOVE_KEY, number)
    assert visit.last(Responded).response.outcome is Outcome.UNKNOWN_ACTION
    visit.leave()
    assert not garage.stored().removed
    assert not any(receipt.removes_key for receipt in garage.receipts())
    assert garage.tries("owner").ok


def test_what_cannot_be_removed(garage: Garage) -> None:
    assert code_of(garage, f"key_{'a' * 16}") == "unknown_key"
    assert code_of(garage, garage.key("owner")) == "last_owner"
    garage.brain.set_body({"speed": 30.0})
    assert code_of(garage, garage.key("friend")) == "in_motion"
    assert garage.stored().removed == {}


def test_an_owner_is_none_any_more_and_takes_its_permission_along(garage: Garage) -> None:
    memory = garage.brain.memory
    memory.owners.append(thumbprint(garage.signers["stranger"].public_key))
    assert garage.tries("owner", Action.ALLOW_PAIRING) is Outcome.DONE
    remove(garage, "owner")
    assert garage.stored().owners == [thumbprint(garage.signers["stranger"].public_key)]
    assert garage.tries("owner") is Outcome.KEY_REVOKED
    assert garage.tries("owner", index=9, key_id=f"key_{'b' * 16}") is Outcome.NOT_ENROLLED, "it must pair again"
    assert garage.tries("friend") is not Outcome.DONE, "what it shared ends with it"
    with pytest.raises(Conflict) as refused:
        garage.brain.open_pairing()
    assert refused.value.code == "owner_exists"


def test_one_of_two_owner_keys_of_a_device_leaves_it_an_owner(garage: Garage) -> None:
    second: dict[str, Any] = {"index": 9, "key_id": f"key_{'b' * 16}"}
    assert garage.tries("owner", **second) is Outcome.DONE
    remove(garage, "owner")
    assert garage.tries("owner") is Outcome.KEY_REVOKED
    assert garage.tries("owner", Action.LOCK, **second) is Outcome.DONE
    assert code_of(garage, str(second["key_id"])) == "last_owner"


def test_no_acknowledgement_and_no_flood_takes_its_receipt_before_a_list_tells(
    garage: Garage, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove(garage, "grandchild")
    monkeypatch.setattr(keeper, "RECEIPTS_KEPT", 6)
    for _ in range(10):
        garage.tries("owner", Action.LOCK)
    visit = garage.visit("owner")
    visit.prove()

    def forget() -> list[str]:
        visit.session.ask_receipts(0)
        visit.carry()
        newest = garage.brain.memory.receipt_sequence
        visit.session.acknowledge_receipts(newest)
        visit.carry()
        assert visit.last(ReceiptsGiven).receipts.signed
        return [receipt.key_id for receipt in garage.stored().receipts]

    assert forget() == [garage.key("grandchild"), garage.key("owner")]
    garage.push(visit, garage.office.sign_list(garage.vehicle, 1, revoked=(3,)))
    assert forget() == [garage.key("owner")]
    assert garage.tries("grandchild") is Outcome.KEY_REVOKED


def test_a_list_that_forgets_it_does_not_bring_it_back_and_an_epoch_clears_it_away(garage: Garage) -> None:
    remove(garage, "friend")
    garage.bring(1, revoked=(2,))
    garage.bring(2)
    assert garage.tries("friend") is Outcome.KEY_REVOKED
    visit = garage.visit("owner", epoch=3)
    visit.prove()
    garage.push(visit, garage.office.sign_list(garage.vehicle, 3, min_epoch=3))
    visit.leave()
    assert garage.stored().removed == {}
    assert garage.tries("friend") is Outcome.KEY_REVOKED, "by its epoch"


def test_room_is_made_only_where_a_list_bars_as_well(garage: Garage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removal, "MAX_REMOVED", 2)
    memory = garage.brain.memory
    memory.removed.update({50: Removed(f"key_{'y' * 16}", 0, 1), 51: Removed(f"key_{'z' * 16}", 0, 2)})
    assert code_of(garage, garage.key("friend")) == "too_many_removed"
    garage.bring(1, revoked=(51,))
    remove(garage, "friend")
    assert sorted(garage.stored().removed) == [2, 50]


def test_a_full_flash_removes_nothing(garage: Garage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no space")

    before = garage.stored()
    monkeypatch.setattr("keygw_sim.vehicle.flash.Flash.save", full)
    with pytest.raises(OSError, match="no space"):
        remove(garage, "friend")
    assert replace(garage.stored(), signer=before.signer) == before
    assert garage.brain.memory.removed == {}

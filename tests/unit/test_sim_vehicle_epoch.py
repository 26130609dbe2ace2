"""What the car does when its epoch ends: old keys open nothing, and it belongs to nobody but whom it has met since."""

from __future__ import annotations

from pathlib import Path

import pytest

from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.errors import Conflict
from keygw_sim.garage import Garage


def push(garage: Garage, sequence: int, least: int, who: str = "owner", **changes: object) -> None:
    """That device carries a list of that epoch to the car."""
    visit = garage.visit(who, **changes)  # type: ignore[arg-type]  # claims only
    assert visit.prove().outcome is Outcome.DONE
    garage.push(visit, garage.office.sign_list(garage.vehicle, sequence, min_epoch=least))
    visit.leave()


def test_the_car_forgets_its_owners_and_every_old_key(tmp_path: Path) -> None:
    garage = Garage(tmp_path).enrol("owner", "friend")
    push(garage, 1, least=1)
    assert garage.brain.memory.owners == []
    for who in ("owner", "friend"):
        assert garage.tries(who) is Outcome.KEY_REVOKED
    assert garage.tries("owner", epoch=1) is Outcome.NOT_ENROLLED, "a token of the new epoch alone makes no owner"
    garage.reboot()
    assert garage.brain.memory.owners == []
    assert garage.tries("owner") is Outcome.KEY_REVOKED


def test_who_was_met_in_the_new_epoch_stays(tmp_path: Path) -> None:
    """The owner of a car that was found brings the list itself, with a key that was issued since."""
    garage = Garage(tmp_path).enrol("owner")
    garage.brain.memory.owners.append(thumbprint(garage.signers["stranger"].public_key))
    push(garage, 1, least=1, epoch=1)
    assert garage.brain.memory.owners == [thumbprint(garage.signers["owner"].public_key)]
    assert garage.tries("owner", epoch=1) is Outcome.DONE
    assert garage.tries("owner") is Outcome.KEY_REVOKED


def test_a_list_of_the_same_epoch_forgets_nobody(tmp_path: Path) -> None:
    garage = Garage(tmp_path)
    push(garage, 1, least=0)
    assert len(garage.brain.memory.owners) == 1
    assert garage.tries("owner") is Outcome.DONE


def test_an_owners_permission_to_pair_ends_with_the_owner(tmp_path: Path) -> None:
    """Nor does anybody need one: the car may be paired as a new one, on a token that only the issuer can give."""
    garage = Garage(tmp_path).enrol("owner")
    with pytest.raises(Conflict, match="owner"):
        garage.brain.open_pairing()
    assert garage.tries("owner", Action.ALLOW_PAIRING) is Outcome.DONE
    assert garage.brain.memory.pairing.allowed_until > 0
    push(garage, 1, least=1)
    pairing = garage.brain.memory.pairing
    assert (pairing.approved, pairing.allowed_until) == (False, 0)
    garage.brain.open_pairing()

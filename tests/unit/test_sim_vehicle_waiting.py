"""The waiting room: a key that is not good yet stays on the line for what may cure it, and gets nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from keygw.model.command import Action, Outcome
from keygw.session.events import Answered, ListAcknowledged, Read, ReceiptsGiven, Responded
from keygw.session.states import State
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import Visit


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    """A car whose only owner key is suspended."""
    made = Garage(tmp_path)
    made.enrol("owner")
    made.bring(1, suspended=(1,))
    return made


def waiting(garage: Garage, *, subscribe: bool = True) -> Visit:
    visit = garage.visit("owner", subscribe=subscribe)
    assert visit.prove(Action.UNLOCK).outcome is Outcome.KEY_SUSPENDED
    return visit


def test_a_suspended_key_waits_and_can_do_nothing(garage: Garage) -> None:
    visit = waiting(garage)
    assert (visit.session.waiting, visit.session.talking, visit.session.state) == (True, False, State.OPEN)
    assert visit.session.fast_key is None
    assert not garage.brain.authenticated(visit.conn), "a full car may drop it for a newcomer"
    visit.command(Action.UNLOCK, 2)
    assert visit.last(Responded).response.outcome is Outcome.KEY_SUSPENDED
    garage.brain.set_body({"driver_door_open": True})
    visit.session.ask_receipts(0)
    visit.carry()
    assert visit.last(ReceiptsGiven).receipts.signed == ()
    assert not [event for event in visit.heard if isinstance(event, Read)]
    assert garage.brain.body.locked is True
    garage.brain.tick()
    assert visit.session.waiting, "its time is not over"


def test_it_carries_the_list_that_resumes_it_and_is_told_at_once(garage: Garage) -> None:
    """Else the only owner key of a car, suspended once, could never come back."""
    visit = waiting(garage)
    garage.push(visit, garage.office.sign_list(garage.vehicle, 2))
    assert visit.last(ListAcknowledged).signed
    assert visit.last(Answered).result.outcome is Outcome.DONE
    assert visit.last(Answered).result.list_sequence == 2
    assert (visit.session.waiting, visit.session.talking) == (False, True)
    assert visit.last(Read).readings, "now it hears what it subscribed to"
    visit.command(Action.UNLOCK, 2)
    assert visit.last(Responded).response.outcome is Outcome.DONE
    assert garage.brain.body.locked is False


def test_another_list_with_the_same_verdict_changes_nothing(garage: Garage) -> None:
    visit = waiting(garage)
    garage.push(visit, garage.office.sign_list(garage.vehicle, 2, suspended=(1, 7)))
    assert visit.session.waiting
    assert len([event for event in visit.heard if isinstance(event, Answered)]) == 1


def test_a_revocation_ends_the_wait(garage: Garage) -> None:
    visit = waiting(garage)
    garage.push(visit, garage.office.sign_list(garage.vehicle, 2, revoked=(1,)))
    assert visit.last(Answered).result.outcome is Outcome.KEY_REVOKED
    assert visit.session.state is State.CLOSED
    assert garage.brain.finished == [visit.conn]


def test_the_fast_path_has_no_waiting_room(tmp_path: Path) -> None:
    garage = Garage(tmp_path)
    visit = garage.visit("owner")
    visit.prove()
    key = visit.session.fast_key
    assert key is not None
    visit.leave()
    waiter = garage.visit("owner")
    assert waiter.hurry(key, Action.UNLOCK).outcome is Outcome.DONE
    garage.push(waiter, garage.office.sign_list(garage.vehicle, 1, suspended=(1,)))
    assert waiter.session.state is State.CLOSED, "a list ends the sessions that it concerns"

"""What an old list costs: friends do not drive by it. Doors, owners, and whoever brings a fresh one are not held up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keygw.model.command import Action, Outcome
from keygw.model.entitlement import PROFILES
from keygw.session.events import ListGiven, Responded
from keygw.session.states import State
from keygw.wire.messages import MessageType
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import ISSUED_AT
from keygw_sim.vehicle.rules import LIST_SECONDS

LONG: dict[str, Any] = {"entitlements": PROFILES["driver"], "expires_at": ISSUED_AT + 30 * 86_400}


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    """A car with an owner and a friend who may drive; no list yet."""
    garage = Garage(tmp_path / "flash")
    for who in ("owner", "friend"):
        garage.tries(who, Action.LOCK, **drives(who))
    return garage


def drives(who: str) -> dict[str, Any]:
    return LONG if who == "friend" else {"expires_at": ISSUED_AT + 60 * 86_400}


def bring(garage: Garage, sequence: int, **changes: object) -> None:
    visit = garage.visit("owner", **drives("owner"))
    visit.prove()
    garage.push(visit, garage.office.sign_list(garage.vehicle, sequence, **changes))
    visit.leave()


def starts(garage: Garage, who: str) -> Outcome:
    return garage.tries(who, Action.START_ENGINE, **drives(who))


def test_without_any_list_a_friend_opens_and_an_owner_drives(garage: Garage) -> None:
    assert starts(garage, "friend") is Outcome.LIST_STALE
    assert garage.brain.body.engine_running is False
    assert garage.tries("friend", Action.UNLOCK, **drives("friend")) is Outcome.DONE
    assert starts(garage, "owner") is Outcome.DONE


def test_a_list_lets_friends_drive_for_seven_days(garage: Garage) -> None:
    listed_at = ISSUED_AT + 1
    bring(garage, 1)
    garage.time = float(listed_at + LIST_SECONDS)
    assert starts(garage, "friend") is Outcome.DONE
    garage.brain.set_body({"engine_running": False})
    garage.time += 1
    assert starts(garage, "friend") is Outcome.LIST_STALE
    assert garage.tries("friend", Action.UNLOCK, **drives("friend")) is Outcome.DONE
    assert starts(garage, "owner") is Outcome.DONE


def test_who_brings_a_fresh_list_asks_again_with_the_same_number(garage: Garage) -> None:
    garage.time += 30
    visit = garage.visit("friend", **drives("friend"))
    assert visit.prove(Action.START_ENGINE, number=77).outcome is Outcome.LIST_STALE
    visit.command(Action.FLASH_LIGHTS, 78)
    assert visit.last(Responded).response.outcome is Outcome.DONE, "the session goes on"
    garage.push(visit, garage.office.sign_list(garage.vehicle, 1))
    visit.command(Action.START_ENGINE, 77)
    assert visit.last(Responded).response.outcome is Outcome.DONE
    assert garage.brain.body.engine_running is True
    visit.leave()
    kept = [stored.ok for stored in garage.stored().receipts if stored.key_id == garage.key("friend")]
    assert kept == [True, False, True, True], "locked; refused as stale; lights; started"


def test_the_age_of_a_list_is_told_by_the_issuers_time(garage: Garage) -> None:
    bring(garage, 1)
    bring(garage, 2, issued_at=ISSUED_AT + 9 * 86_400, next_update=ISSUED_AT + 10 * 86_400)
    assert garage.brain.time.at == ISSUED_AT + 9 * 86_400
    assert starts(garage, "friend") is Outcome.DONE
    visit = garage.visit("owner", **drives("owner"))
    garage.bring_time(visit, visit.prove(), time=ISSUED_AT + 17 * 86_400)
    assert starts(garage, "friend") is Outcome.LIST_STALE


def test_it_is_judged_at_every_command_of_an_open_session(garage: Garage) -> None:
    bring(garage, 1, issued_at=int(garage.time) + 60 - LIST_SECONDS)
    visit = garage.visit("friend", **drives("friend"))
    visit.prove()
    garage.time += 61
    visit.command(Action.START_ENGINE, 5)
    assert visit.last(Responded).response.outcome is Outcome.LIST_STALE
    visit.command(Action.UNLOCK, 6)
    assert visit.last(Responded).response.outcome is Outcome.DONE


@pytest.mark.parametrize("who", ["owner", "friend"])
def test_a_device_may_ask_for_the_list_in_force(garage: Garage, who: str) -> None:
    visit = garage.visit(who, **drives(who))
    visit.prove()
    visit.session.ask_list()
    visit.carry()
    assert visit.last(ListGiven).signed == b""
    signed = garage.office.sign_list(garage.vehicle, 4, revoked=(7,))
    garage.push(visit, signed)
    visit.session.ask_list()
    visit.carry()
    assert visit.last(ListGiven).signed == signed


def test_a_request_for_the_list_that_says_something_is_a_breach(garage: Garage) -> None:
    visit = garage.visit("owner", **drives("owner"))
    visit.prove()
    visit.session._send_sealed(MessageType.RL_GET, b"\x00")
    visit.carry()
    assert visit.session.state is State.CLOSED
    assert garage.log[-1][0] == "refused"


def test_a_list_takes_effect_at_the_next_command_and_never_on_a_moving_car(garage: Garage) -> None:
    """The friend drives; the owner's phone brings the list that ends the friend's key."""
    bring(garage, 1)
    visit = garage.visit("friend", **drives("friend"))
    assert visit.prove(Action.START_ENGINE, number=1).outcome is Outcome.DONE
    garage.brain.set_body({"speed": 80.0})
    bring(garage, 2, revoked=(2,))
    assert garage.brain.body.engine_running is True, "nothing happens to a car that moves"
    assert visit.session.talking
    visit.command(Action.FLASH_LIGHTS, 2)
    assert visit.last(Responded).response.outcome is Outcome.KEY_REVOKED
    garage.brain.set_body({"speed": 0.0})
    garage.brain.tick()
    visit.carry()
    assert visit.session.state is State.CLOSED
    assert garage.brain.body.engine_running is True, "and none is switched off"
    assert starts(garage, "friend") is Outcome.KEY_REVOKED

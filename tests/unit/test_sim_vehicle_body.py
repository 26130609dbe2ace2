"""The body in a car that has sessions: what is told of it, what is on flash, and whose time it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from keygw.model.command import Action, Outcome
from keygw.model.errors import StoreError
from keygw.model.signal import SignalId
from keygw.session.events import Read, Responded
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import Visit
from keygw_sim.vehicle.body_signals import SIGNALS
from keygw_sim.vehicle.brain import READINGS_AN_EVENT
from keygw_sim.vehicle.drift import MAX_STEP_SECONDS, TELL_SECONDS, WRITE_SECONDS
from keygw_sim.vehicle.flash import Flash
from keygw_sim.vehicle.keeper import body_on_flash


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    return Garage(tmp_path / "flash")


def let_pass(garage: Garage, seconds: float, *visits: Visit) -> None:
    for _ in range(round(seconds * 2)):
        garage.monotonic += 0.5
        garage.brain.tick()
    for visit in visits:
        visit.carry()


def events(visit: Visit) -> list[Read]:
    return [event for event in visit.heard if isinstance(event, Read)]


def test_all_is_told_once_in_messages_of_a_sane_size_and_then_what_changes(garage: Garage) -> None:
    visit = garage.visit("owner", subscribe=True)
    visit.prove()
    assert set(visit.told()) == {*SIGNALS, SignalId.PAIRING_OPEN, SignalId.OWNER_DEVICES}
    at_first = events(visit)
    assert [len(event.readings) <= READINGS_AN_EVENT for event in at_first] == [True] * 3
    garage.brain.set_body({"horn": True, "bonnet_open": True})
    visit.carry()
    (news,) = events(visit)[len(at_first) :]
    assert [reading.signal for reading in news.readings] == [SignalId.BONNET_OPEN, SignalId.HORN]


def test_a_drive_is_told_now_and_then_and_its_end_at_once(garage: Garage) -> None:
    visit = garage.visit("owner", subscribe=True)
    visit.prove()
    garage.brain.set_body({"engine_running": True, "speed": 72.0, "battery": 0.5})
    visit.carry()
    before = len(events(visit))
    let_pass(garage, 20, visit)
    assert len(events(visit)) - before == 20 / TELL_SECONDS
    assert visit.told()[SignalId.TRIP] == 400
    garage.brain.warp = 1000
    let_pass(garage, 0.5, visit)
    assert (visit.told()[SignalId.SPEED], visit.told()[SignalId.MOVING]) == (0.0, False)
    assert ("body_changed", {"engine_running": False, "speed": 0.0}) in garage.log


def test_time_warp_is_the_body_s_alone(garage: Garage) -> None:
    garage.visit("owner").prove()
    at = garage.brain.time.at
    garage.brain.set_body({"engine_running": True, "speed": 36.0})
    garage.brain.warp = 60
    let_pass(garage, 10)
    assert garage.brain.body.trip == pytest.approx(10 * 60 * 10)
    assert garage.brain.time.at == pytest.approx(at + 10), "vehicle time goes as it went"
    for wrong in (-1, 10_001, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="0 to 10000"):
            garage.brain.warp = wrong
    assert garage.brain.warp == 60


def test_a_car_whose_process_slept_has_not_driven_on(garage: Garage) -> None:
    garage.brain.set_body({"engine_running": True, "speed": 36.0})
    garage.monotonic += 7 * 86_400
    garage.brain.tick()
    assert garage.brain.body.trip == pytest.approx(10 * MAX_STEP_SECONDS)


def test_what_drifts_is_written_now_and_then_and_when_the_car_is_switched_off(garage: Garage) -> None:
    garage.brain.set_body({"engine_running": True, "speed": 36.0})
    let_pass(garage, WRITE_SECONDS + 10)
    stored = body_on_flash(garage.stored())
    assert stored.trip == pytest.approx(10 * WRITE_SECONDS, abs=6)
    garage.brain.rest()
    assert body_on_flash(garage.stored()) == garage.brain.body
    garage.reboot()
    assert garage.brain.body.trip == pytest.approx(10 * (WRITE_SECONDS + 10))


def test_a_car_at_rest_writes_nothing(garage: Garage, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[object] = []
    monkeypatch.setattr(Flash, "save", lambda flash, memory: saved.append(memory))
    let_pass(garage, 100)
    garage.brain.rest()
    assert saved == []


def test_a_sleeping_car_wakes_for_a_key_and_then_obeys(garage: Garage) -> None:
    garage.enrol("owner")
    garage.brain.set_body({"asleep": True})
    visit = garage.visit("owner", subscribe=True)
    assert visit.prove(Action.UNLOCK, number=1).outcome is Outcome.VEHICLE_ASLEEP
    let_pass(garage, 2, visit)
    assert visit.told()[SignalId.ASLEEP] is False
    visit.command(Action.UNLOCK, 2)
    assert visit.last(Responded).response.outcome is Outcome.DONE
    outcomes = [receipt.outcome for receipt in garage.receipts()]
    assert outcomes == [Outcome.VEHICLE_ASLEEP, Outcome.DONE], "the refusal is signed as well"


def test_a_body_that_no_car_can_have_is_damage(garage: Garage) -> None:
    memory = garage.stored()
    memory.body = {"battery": 1000}
    with pytest.raises(StoreError, match="battery is 0 to 100 percent") as refused:
        body_on_flash(memory)
    assert refused.value.code == "flash_damaged"

"""RANGE in a session, and what the car makes of it: zones, hysteresis, passive entry, driving, locking behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from keygw.crypto import cbor
from keygw.model.command import Action, Outcome
from keygw.model.errors import ProtocolError
from keygw.model.signal import SignalId
from keygw.session.events import RangeAsked, Ranged, Read, Responded
from keygw.wire.messages import Cmd, LinkKind, MessageType
from keygw.wire.ranging import NOTHING_FOUND, Finding, Range, RangingMethod, Zone
from keygw_sim.garage import Garage
from keygw_sim.ranging.geometry import Point
from keygw_sim.ranging.space import Transponder
from keygw_sim.rehearsal import Stage, Visit
from keygw_sim.vehicle.proximity import AWAY_METRES, FRESH_SECONDS, GONE_SECONDS, KNOWN, NEAR_METRES

UWB = RangingMethod.UWB
DOOR, SEAT, FAR = Point(0.5, 1.9), Point(0.3, 0.4), Point(20.0, 0.0)
FOUND = Finding(Zone.NEAR, 120, 100, 1000)


def beside(metres: float) -> Point:
    """So far from the driver's door."""
    return Point(0.5, 0.9 + metres)


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    return Garage(tmp_path).fit_anchors().enrol("owner", "friend")


@pytest.fixture
def phone(garage: Garage) -> Transponder:
    phone = Transponder(DOOR)
    garage.space.add(phone)
    return phone


def came(garage: Garage, who: str = "owner", **how: LinkKind) -> Visit:
    visit = garage.visit(who, **how)  # type: ignore[arg-type]  # the link alone
    visit.prove()
    return visit


def asks(garage: Garage, visit: Visit, action: Action = Action.PASSIVE_UNLOCK) -> Outcome:
    garage.asked = number = getattr(garage, "asked", 1000) + 1  # type: ignore[attr-defined]  # the test's own count
    visit.command(action, number)
    return visit.last(Responded).response.outcome


# -- the session -----------------------------------------------------------------------------------------------------


def test_both_sides_have_the_rounds_key_and_no_other_round_or_session_has() -> None:
    keys, stage = set(), Stage()
    for seed in ("one", "two"):
        stage = Stage(seed).open()
        for method in (UWB, RangingMethod.CHANNEL_SOUNDING, UWB):
            key = stage.device.next_round(method)
            stage.device.ask_range(method)
            stage.carry()
            asked = [event for event in stage.heard_by_car if isinstance(event, RangeAsked)][-1]
            assert (asked.key, asked.method) == (key, method)
            assert key.hex() not in repr(asked)
            keys.add(key)
            stage.car.answer_range(FOUND)
            stage.carry()
    assert len(keys) == 6
    assert {len(key) for key in keys} == {16}
    told = [event for event in stage.heard_by_device if isinstance(event, Ranged)]
    assert told == [Ranged(1, UWB, FOUND), Ranged(2, RangingMethod.CHANNEL_SOUNDING, FOUND), Ranged(3, UWB, FOUND)]


@pytest.mark.parametrize(
    "body",
    [
        Range(1, UWB, FOUND).encode(),
        Range(0, UWB).encode(),
        cbor.encode([1, 1]),
        cbor.encode([True, 1, None]),
        cbor.encode([1, 256, None]),
        cbor.encode([2**32, 1, None]),
        cbor.encode([1, 1, None, None]),
        b"",
    ],
)
def test_what_a_device_may_not_say(body: bytes) -> None:
    stage = Stage().open()
    stage.device._send_sealed(MessageType.RANGE, body)
    with pytest.raises(ProtocolError):
        stage.carry()


@pytest.mark.parametrize("number", [2, 1])
def test_a_round_that_is_not_the_next_ends_the_session(number: int) -> None:
    stage = Stage().open()
    stage.device._round = 1
    stage.device.ask_range(UWB)
    stage.carry()
    stage.car.answer_range(NOTHING_FOUND)
    stage.carry()
    stage.device._send_sealed(MessageType.RANGE, Range(number, UWB).encode())
    with pytest.raises(ProtocolError, match="not the next"):
        stage.carry()


def test_one_round_at_a_time() -> None:
    stage = Stage().open()
    stage.device.ask_range(UWB)
    with pytest.raises(ProtocolError, match="under way"):
        stage.device.ask_range(UWB)
    stage.device._send_sealed(MessageType.RANGE, Range(2, UWB).encode())
    with pytest.raises(ProtocolError, match="not the next"):
        stage.carry()


@pytest.mark.parametrize(
    "told",
    [
        Range(1, UWB),
        Range(2, UWB, FOUND),
        Range(1, RangingMethod.CHANNEL_SOUNDING, FOUND),
    ],
)
def test_a_device_takes_the_answer_that_it_asked_for_and_no_other(told: Range) -> None:
    stage = Stage().open()
    stage.device.ask_range(UWB)
    stage.carry()
    stage.car._send_sealed(MessageType.RANGE, told.encode())
    with pytest.raises(ProtocolError, match="was not asked for"):
        stage.carry()


def test_a_car_tells_nothing_unasked() -> None:
    stage = Stage().open()
    with pytest.raises(ProtocolError, match="no ranging round"):
        stage.car.answer_range(FOUND)
    stage.car._send_sealed(MessageType.RANGE, Range(1, UWB, FOUND).encode())
    with pytest.raises(ProtocolError, match="was not asked for"):
        stage.carry()


def test_there_is_no_ranging_by_the_fast_path() -> None:
    stage = Stage().hurry(Cmd(1, Action.UNLOCK))
    with pytest.raises(ProtocolError, match="before the handshake"):
        stage.device.next_round(UWB)
    with pytest.raises(ProtocolError, match="has no place"):
        stage.device.ask_range(UWB)


# -- the car ---------------------------------------------------------------------------------------------------------


def test_who_comes_is_let_in(garage: Garage, phone: Transponder) -> None:
    visit = came(garage)
    phone.at = FAR
    assert visit.range(phone).zone is Zone.FAR
    assert asks(garage, visit) is Outcome.PROXIMITY_REQUIRED
    phone.at = DOOR
    found = visit.range(phone)
    assert (found.zone, found.quality, found.valid_ms) == (Zone.NEAR, 100, 1000)
    assert found.bound is not None
    assert 100 <= found.bound <= 140
    assert asks(garage, visit) is Outcome.DONE
    assert garage.brain.body.locked is False
    receipt = garage.receipts()[-1]
    assert (receipt.action, receipt.outcome) == (Action.PASSIVE_UNLOCK, Outcome.DONE)
    assert (receipt.before, receipt.after) == (True, False)


@pytest.mark.parametrize("kind", [LinkKind.RELAYED, LinkKind.HOSTED])
def test_a_device_that_is_not_direct_is_not_measured(garage: Garage, phone: Transponder, kind: LinkKind) -> None:
    visit = came(garage, link=kind)
    assert visit.range(phone) == NOTHING_FOUND
    assert asks(garage, visit) is Outcome.PROXIMITY_REQUIRED


def test_a_car_without_anchors_finds_nothing_and_drives_by_the_link(tmp_path: Path) -> None:
    garage = Garage(tmp_path).enrol("owner")
    phone = Transponder(SEAT)
    garage.space.add(phone)
    visit = came(garage)
    assert visit.range(phone) == NOTHING_FOUND
    assert asks(garage, visit) is Outcome.PROXIMITY_REQUIRED
    assert asks(garage, visit, Action.START_ENGINE) is Outcome.DONE


def test_who_drives_must_have_been_measured_inside(garage: Garage, phone: Transponder) -> None:
    visit = came(garage)
    assert asks(garage, visit, Action.START_ENGINE) is Outcome.PROXIMITY_REQUIRED
    visit.range(phone)
    assert asks(garage, visit, Action.START_ENGINE) is Outcome.PROXIMITY_REQUIRED
    phone.at = SEAT
    assert visit.range(phone, RangingMethod.CHANNEL_SOUNDING).zone is Zone.NEAR, "too coarse to tell inside"
    assert visit.range(phone).zone is Zone.INSIDE
    assert asks(garage, visit) is Outcome.PROXIMITY_REQUIRED, "a phone on the seat opens to nobody outside"
    assert asks(garage, visit, Action.START_ENGINE) is Outcome.DONE


def test_evidence_is_of_one_session_and_for_a_second(garage: Garage, phone: Transponder) -> None:
    visit = came(garage)
    visit.range(phone)
    garage.monotonic += FRESH_SECONDS
    assert asks(garage, visit) is Outcome.PROXIMITY_REQUIRED
    visit.range(phone)
    later = came(garage)
    assert asks(garage, later) is Outcome.PROXIMITY_REQUIRED
    friend = came(garage, "friend")
    later.range(phone)
    assert asks(garage, friend) is Outcome.PROXIMITY_REQUIRED
    garage.monotonic += FRESH_SECONDS - 0.01
    assert asks(garage, later) is Outcome.DONE


def test_a_round_that_nobody_answers_takes_back_what_was_found(garage: Garage, phone: Transponder) -> None:
    visit = came(garage)
    visit.range(phone)
    assert visit.range() == NOTHING_FOUND
    assert asks(garage, visit) is Outcome.PROXIMITY_REQUIRED


def test_near_and_away_have_a_gap_between_them(garage: Garage, phone: Transponder) -> None:
    visit, between = came(garage), beside((NEAR_METRES + AWAY_METRES) / 2)
    seen = []
    for at in (between, beside(1.0), between, beside(AWAY_METRES + 0.3), between):
        phone.at = at
        seen.append(visit.range(phone).zone)
    assert seen == [Zone.FAR, Zone.NEAR, Zone.NEAR, Zone.FAR, Zone.FAR]


@pytest.mark.parametrize("end", ["leaves", "is gone"])
def test_the_car_opens_once_for_each_coming(garage: Garage, phone: Transponder, end: str) -> None:
    visit = came(garage)
    visit.range(phone)
    assert asks(garage, visit) is Outcome.DONE
    assert asks(garage, visit, Action.LOCK) is Outcome.DONE
    visit.range(phone)
    assert asks(garage, visit) is Outcome.PROXIMITY_REQUIRED
    if end == "leaves":
        phone.at = FAR
        visit.range(phone)
        phone.at = DOOR
    else:
        garage.monotonic += GONE_SECONDS
    visit = came(garage)
    visit.range(phone)
    assert asks(garage, visit) is Outcome.DONE


def test_who_has_opened_by_tap_and_locked_is_not_let_in_again_by_standing_there(
    garage: Garage, phone: Transponder
) -> None:
    visit = came(garage)
    assert asks(garage, visit, Action.UNLOCK) is Outcome.DONE
    visit.range(phone)
    assert asks(garage, visit, Action.LOCK) is Outcome.DONE
    visit.range(phone)
    assert asks(garage, visit) is Outcome.PROXIMITY_REQUIRED


def test_it_locks_behind_the_last_who_leaves(garage: Garage, phone: Transponder) -> None:
    owner, other = garage.visit("owner", subscribe=True), Transponder(DOOR)
    owner.prove()
    garage.space.add(other)
    friend = came(garage, "friend")
    owner.range(phone)
    friend.range(other)
    assert asks(garage, owner) is Outcome.DONE
    phone.at = FAR
    owner.range(phone)
    assert garage.brain.body.locked is False, "the friend still stands there"
    other.at = FAR
    friend.range(other)
    assert garage.brain.body.locked is True
    assert [what for what, _ in garage.log if what == "locked_behind"] == ["locked_behind"]
    owner.carry()
    readings = owner.last(Read).readings
    assert (readings[0].signal, readings[0].value) == (SignalId.CENTRAL_LOCK, True)


def test_it_locks_behind_a_phone_that_is_simply_gone(garage: Garage, phone: Transponder) -> None:
    visit = came(garage)
    visit.range(phone)
    assert asks(garage, visit) is Outcome.DONE
    visit.leave()
    garage.monotonic += GONE_SECONDS - 0.1
    garage.brain.tick()
    assert garage.brain.body.locked is False
    garage.monotonic += 0.1
    garage.brain.tick()
    assert garage.brain.body.locked is True


@pytest.mark.parametrize(("held", "how"), [("driver_door_open", True), ("engine_running", True), ("speed", 1.0)])
def test_what_keeps_it_from_locking_behind(garage: Garage, phone: Transponder, held: str, how: bool | float) -> None:
    visit = came(garage)
    visit.range(phone)
    assert asks(garage, visit) is Outcome.DONE
    garage.brain.set_body({held: how})
    phone.at = FAR
    visit.range(phone)
    assert garage.brain.body.locked is False
    garage.brain.set_body({held: type(how)(0)})
    garage.brain.tick()
    assert garage.brain.body.locked is True


def test_who_opened_by_tap_and_was_never_measured_is_not_locked_out(garage: Garage) -> None:
    visit = came(garage)
    assert asks(garage, visit, Action.UNLOCK) is Outcome.DONE
    garage.monotonic += 10 * GONE_SECONDS
    garage.brain.tick()
    assert garage.brain.body.locked is False


def test_the_car_follows_no_more_devices_than_it_has_room_for(garage: Garage, phone: Transponder) -> None:
    near = garage.brain._proximity
    for number in range(KNOWN + 10):
        phone.arm(UWB, bytes(16))
        near.measure(f"key_{number}", UWB, bytes(16))
    assert len(near._visitors) == KNOWN
    assert near.leaving is False


def test_a_waiting_key_is_not_measured(tmp_path: Path) -> None:
    garage = Garage(tmp_path).fit_anchors().enrol("owner", "friend")
    phone = Transponder(DOOR)
    garage.space.add(phone)
    garage.bring(1, suspended=(2,))
    visit = garage.visit("friend")
    assert visit.prove().outcome is Outcome.KEY_SUSPENDED
    assert visit.range(phone) == NOTHING_FOUND


def test_ranges_are_spoken_of_as_they_are_written() -> None:
    for said in (Range(1, UWB), Range(2**32 - 1, RangingMethod(200), Finding(Zone(77), None, 0, 65535))):
        assert Range.decode(said.encode()) == said

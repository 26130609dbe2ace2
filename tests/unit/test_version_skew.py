"""An older car, phone or gateway and a newer peer: row by row of "Versions" in ``protocols/key_session``."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keygw.model.command import Action, AuthorizedCommand, CommandState, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import ProtocolError, StoreError
from keygw.model.signal import SignalId
from keygw.session.device import DeviceSession
from keygw.session.edhoc import Ead
from keygw.session.events import Answered, Ended, Responded
from keygw.session.states import Side, State
from keygw.session.vehicle import _intent
from keygw.wire import cbor
from keygw.wire.messages import Cmd, ErrorCode, Intent, LinkKind, MessageType, Reading, decode_event, encode_event
from keygw_sim.chance import chance
from keygw_sim.depot import World
from keygw_sim.garage import Garage
from keygw_sim.rehearsal import Stage, sent_before
from keygw_sim.vehicle.flash import Flash

NEWER = 2


@pytest.fixture
def garage(tmp_path: Path) -> Garage:
    return Garage(tmp_path)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, lambda command: AuthorizedCommand(command, "dev_" + "a" * 16))
    async with made.fleet:
        yield made


def info(*versions: int) -> bytes:
    return cbor.encode([list(versions), bytes(6)])


def meeting(vehicle_info: bytes, heard_info: bytes | None = None) -> Stage:
    """A vehicle with that INFO, and a device that has read ``heard_info`` (the same, unless somebody meddles)."""
    stage = Stage()
    stage.info = vehicle_info
    stage.car = stage.new_car(chance("skew", "car"))
    stage.device = DeviceSession(stage.vehicle, stage.hand, heard_info or vehicle_info, chance("skew", "me"), stage.now)
    return stage


# -- versions of the session ---------------------------------------------------------------------------------------


def test_a_vehicle_that_speaks_more_versions_is_met_in_the_common_one() -> None:
    stage = meeting(info(1, NEWER))
    stage.open(Cmd(1, Action.UNLOCK))
    assert stage.device.state is stage.car.state is State.OPEN


@pytest.mark.parametrize("spoken", [(NEWER,), (NEWER, 3), (0,)])
def test_a_vehicle_that_speaks_only_others_is_left_with_a_clear_word(spoken: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolError, match="update the older") as caught:
        meeting(info(*spoken)).greet()
    assert caught.value.code == "version_unsupported"


async def test_the_app_hears_which_side_is_old(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keygw_sim.vehicle.brain.encode_info", lambda rotating_id: info(NEWER))
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason) == (CommandState.FAILED, "version_unsupported")


def test_a_downgrade_on_the_way_is_noticed() -> None:
    """Somebody hides version 2 from a device that speaks both: the hash of INFO is in EAD_3 and in the keys."""
    stage = meeting(info(1, NEWER), info(1))
    with pytest.raises(ProtocolError):
        stage.open(Cmd(1, Action.UNLOCK))
    assert stage.car.state is State.CLOSED


@pytest.mark.parametrize("number", [0x03, 0x49, 0x4F, 0x7E])
def test_a_message_type_of_a_later_version_is_a_breach(number: int) -> None:
    stage = Stage()
    stage.open()
    message_type = MessageType(number)
    assert not message_type.is_known
    with pytest.raises(ProtocolError):
        stage.car.receive(bytes((0xC0 | sent_before(State.OPEN, Side.DEVICE), message_type)) + bytes(20), stage.now)
    assert stage.car.state is State.CLOSED


# -- values of open registries, added within a version -------------------------------------------------------------


def test_an_action_that_an_older_car_does_not_know_is_refused_and_recorded(garage: Garage) -> None:
    visit = garage.visit()
    visit.prove()
    visit.command(Action(200), 7)
    response = visit.last(Responded).response
    assert (response.outcome, visit.session.state) == (Outcome.UNKNOWN_ACTION, State.OPEN)
    assert garage.receipts()[-1].action == Action(200)


async def test_an_outcome_that_an_older_gateway_does_not_know_is_a_failure_with_its_number(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keygw_sim.vehicle.body.Body.apply", lambda body, action: Outcome(199))
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason) == (CommandState.FAILED, "unknown_199")
    assert result.receipt is not None, "its receipt is kept all the same"


def test_a_role_that_an_older_car_does_not_know_opens_nothing(garage: Garage) -> None:
    assert garage.tries("owner", role=Role(77)) is Outcome.NOT_ENROLLED


def test_entitlement_bits_of_a_newer_issuer_grant_nothing_and_take_nothing(garage: Garage) -> None:
    newer = Entitlement(1 << 30)
    assert garage.tries("owner", entitlements=newer) is Outcome.NOT_ENTITLED
    both = newer | Entitlement.DOOR_UNLOCK
    assert garage.tries("owner", entitlements=both) is Outcome.DONE


def test_a_kind_of_link_that_an_older_car_does_not_know_is_not_near(garage: Garage) -> None:
    assert garage.visit(link=LinkKind(9)).prove(Action.START_ENGINE).outcome is Outcome.PROXIMITY_REQUIRED


def test_signals_of_a_newer_car_survive_an_older_gateway() -> None:
    readings = (Reading(SignalId(999), 4.5, 1_800_000_000),)
    assert decode_event(encode_event(readings)) == readings


def test_an_error_code_of_a_newer_peer_ends_the_session_like_any() -> None:
    stage = Stage()
    stage.open()
    (event,) = stage.device.receive(bytes((0xC0 | sent_before(State.OPEN, Side.VEHICLE), 0x7F, 250)), stage.now)
    assert isinstance(event, Ended)
    assert event.code == ErrorCode(250)
    assert stage.device.state is State.CLOSED


# -- external authorization data: the place for what comes later ----------------------------------------------------


def ead(*more: Ead) -> list[Ead]:
    return [Ead(-65001, Intent(bytes(8), LinkKind.DIRECT, False, None).encode()), *more]


def test_what_is_not_critical_is_ignored_and_what_is_is_refused() -> None:
    assert _intent(ead(Ead(65010, b"later"))).link is LinkKind.DIRECT
    with pytest.raises(ProtocolError, match="critical"):
        _intent(ead(Ead(-65010, b"later")))


# -- what is kept ---------------------------------------------------------------------------------------------------


def test_an_older_car_does_not_misread_the_flash_of_a_newer_release(garage: Garage) -> None:
    garage.enrol("owner")
    file = garage.folder / "vehicle.json"
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "v": data["v"] + 1}))
    with pytest.raises(StoreError, match="newer release") as caught:
        Flash(garage.folder).load()
    assert caught.value.code == "flash_too_new"


def test_every_answer_so_far_was_an_answer(garage: Garage) -> None:
    """The road that all of the above leave is there: the same car, the same release, opens."""
    visit = garage.visit()
    assert visit.prove(Action.UNLOCK).outcome is Outcome.DONE
    assert visit.last(Answered).result.outcome is Outcome.DONE

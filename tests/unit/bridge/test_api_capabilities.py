"""Before anything is asked of the car: what an app can do, what would become of a command, many signals at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygw.bridge.capabilities import NEEDS_PHONE
from keygw.bridge.foresight import foreseen
from keygw.bridge.scopes import COMMAND_SCOPES, SIGNAL_SCOPES
from keygw.bridge.units import Units, preferred
from keygw.model.command import Action, CommandState
from keygw.model.entitlement import PROFILES
from keygw.model.signal import SignalId
from keygw.model.times import rfc3339
from keygw_sim.vehicle.body import Body
from keygw_sim.vehicle.body_signals import readings

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
Json = dict[str, Any]


class App:
    """At its HTTP end, with the car's URL in front."""

    def __init__(self, world: World, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.url, self.client, self.headers = f"/v1/vehicles/{world.vehicle.id}", client, headers

    async def check(self, action: str, **more: object) -> Json:
        answer = await self.client.post(
            f"{self.url}/commands:check", json={"action": action, **more}, headers=self.headers
        )
        return {**answer.json(), "status": answer.status_code}

    async def capabilities(self) -> dict[str, Json]:
        answer = await self.client.get(f"{self.url}/capabilities", headers=self.headers)
        return {each["id"]: each for each in answer.json()["capabilities"]}

    async def batch(self, *paths: str, **more: object) -> httpx.Response:
        return await self.client.post(
            f"{self.url}/signals:batchGet", json={"paths": list(paths), **more}, headers=self.headers
        )


@pytest.fixture
def app_of(world: World, client: httpx.AsyncClient, auth: Auth) -> Callable[[str], App]:
    return lambda token: App(world, client, auth(token))


# -- a dry run ---------------------------------------------------------------------------------------------------------


async def test_a_dry_run_names_key_and_end_and_leaves_no_trace(world: World, app_of: Callable[[str], App]) -> None:
    _, token, key = await world.owner()
    told = await app_of(token).check("unlock")
    assert told == {
        "status": 200, "action": "unlock", "accepted": True, "code": None, "detail": None, "retryable": False,
        "key_id": key.id, "expires_at": rfc3339(world.clock() + 4), "waits_for_vehicle": False, "queued": False,
        "foreseen": None,
    }  # fmt: skip
    assert world.car.attempts == 0
    assert await world.store.bridge.open_commands(world.vehicle.id) == []


async def test_what_an_app_would_be_refused_for_is_told(world: World, app_of: Callable[[str], App]) -> None:
    _, token, key = await world.owner()
    phone = app_of(token)
    await world.credentials.suspend(key.id)
    told = await phone.check("unlock")
    assert (told["status"], told["accepted"], told["code"], told["key_id"]) == (200, False, "key_suspended", None)
    made = await phone.client.post(
        f"{phone.url}/commands", json={"action": "unlock"}, headers={**phone.headers, "Idempotency-Key": "k"}
    )
    assert made.json()["code"] == told["code"], "the same code that the command would get"
    assert made.json()["detail"] == told["detail"]
    assert (await phone.check("fly"))["code"] == "unknown_action"
    assert (await phone.check("unlock", key_id="key_aaaaaaaaaaaaaaaa"))["status"] == 404
    assert (await phone.check("lock", expires_at="2020-01-01T00:00:00Z"))["code"] == "expires_in_past"
    _, reader, _ = await world.owner("vehicle.read")
    assert (await app_of(reader).check("unlock"))["status"] == 403


async def test_a_patient_command_says_that_it_would_wait(world: World, app_of: Callable[[str], App]) -> None:
    _, token, _ = await world.owner()
    told = await app_of(token).check("lock", expires_at=rfc3339(world.clock() + 600))
    assert (told["waits_for_vehicle"], told["expires_at"]) == (True, rfc3339(world.clock() + 600))
    told = await app_of(token).check("unlock", expires_at=rfc3339(world.clock() + 600))
    assert (told["waits_for_vehicle"], told["expires_at"]) == (False, rfc3339(world.clock() + 4))


async def test_a_lane_that_is_full_is_busy_and_one_in_use_is_a_queue(
    world: World, app_of: Callable[[str], App]
) -> None:
    app, token, _ = await world.owner()
    go = world.car.hold("connect")
    made = []
    for n in range(4):  # as many as its lane has room for
        assert (await app_of(token).check("lock"))["queued"] is (n > 0)
        made.append(
            (await world.bridge.commands.create(app, world.vehicle.id, action="lock", idempotency_key=str(n)))[0]
        )
    told = await app_of(token).check("lock")
    assert (told["accepted"], told["code"], told["retryable"]) == (False, "busy", True)
    go.set()
    assert (await world.settled(made[-1])).state is CommandState.CONFIRMED


async def test_what_the_car_tells_now_is_held_against_it(world: World, app_of: Callable[[str], App]) -> None:
    _, token, key = await world.owner()
    phone = app_of(token)
    world.car.up(key.id)
    world.car.report(SignalId.CENTRAL_LOCK, False)
    assert (await phone.check("unlock"))["foreseen"] == "already_in_state"
    world.car.report(SignalId.DOOR_ROW1_DRIVER_OPEN, True)
    told = await phone.check("lock")
    assert (told["accepted"], told["foreseen"], told["retryable"]) == (True, "door_open", True)
    world.car.down()
    assert (await phone.check("lock"))["foreseen"] is None, "what is stale says nothing"


PARTS = st.fixed_dictionaries(
    {name: st.booleans() for name in ("locked", "driver_door_open", "rear_driver_door_open", "trunk_open", "asleep")}
    | {"engine_running": st.booleans(), "speed": st.sampled_from([0.0, 0.0, 30.0])}
)


@given(PARTS, st.sampled_from([Action.LOCK, Action.UNLOCK, Action.OPEN_TRUNK, Action.FLASH_LIGHTS]))
def test_what_is_foreseen_is_what_the_simulated_car_then_says(parts: dict[str, object], action: Action) -> None:
    body = Body()
    body.put(parts)
    expected = foreseen(action, readings(body))
    outcome = body.apply(action)
    assert expected in (None, outcome)
    if expected is None:
        assert outcome.ok


# -- capabilities ------------------------------------------------------------------------------------------------------


async def test_an_owner_may_do_all_that_the_gateway_can(world: World, app_of: Callable[[str], App]) -> None:
    _, token, key = await world.owner()
    found = await app_of(token).capabilities()
    assert len(found) == len(COMMAND_SCOPES) + len(SIGNAL_SCOPES)
    assert found["command.unlock"] == {
        "id": "command.unlock", "standing": "supported", "reason": None, "until": rfc3339(key.expires_at),
        "required_scope": None,
    }  # fmt: skip
    for action in COMMAND_SCOPES:
        wanted = ("unsupported", "needs_phone") if action in NEEDS_PHONE else ("supported", None)
        assert (found[f"command.{action.label}"]["standing"], found[f"command.{action.label}"]["reason"]) == wanted
    lock = found[SignalId.CENTRAL_LOCK.path]
    assert (lock["standing"], lock["reason"]) == ("unavailable", "not_heard")
    world.car.up(key.id)
    world.car.report(SignalId.CENTRAL_LOCK, True)
    assert (await app_of(token).capabilities())[SignalId.CENTRAL_LOCK.path]["standing"] == "supported"


async def test_each_lack_has_its_reason(world: World, app_of: Callable[[str], App]) -> None:
    _, token, key = await world.owner("command.unlock", "command.trunk", "vehicle.read")
    phone = app_of(token)
    found = await phone.capabilities()
    lacking = found["command.lock"]
    assert (lacking["standing"], lacking["reason"]) == ("forbidden", "insufficient_scope")
    assert lacking["required_scope"] == "command.lock"
    speed = found[SignalId.SPEED.path]
    assert (speed["standing"], speed["required_scope"]) == ("forbidden", "status.energy.read")
    world.car.up(key.id)
    world.car.report(SignalId.SPEED, 30.0)
    moving = (await phone.capabilities())["command.open_trunk"]
    assert (moving["standing"], moving["reason"]) == ("unavailable", "in_motion")
    await world.credentials.suspend(key.id)
    paused = await phone.capabilities()
    assert (paused["command.unlock"]["standing"], paused["command.unlock"]["reason"]) == (
        "unavailable",
        "key_suspended",
    )
    assert paused[SignalId.CENTRAL_LOCK.path]["reason"] == "no_key"
    await world.credentials.revoke(key.id)
    ended = (await phone.capabilities())["command.unlock"]
    assert (ended["standing"], ended["reason"]) == ("forbidden", "key_revoked")


async def test_a_narrow_key_and_no_key(world: World, app_of: Callable[[str], App]) -> None:
    _, _, parent = await world.owner()
    friend, token = await world.app()
    await world.give_friend_key(friend, parent, PROFILES["access"])
    found = await app_of(token).capabilities()
    assert (found["command.start_engine"]["standing"], found["command.start_engine"]["reason"]) == (
        "forbidden",
        "not_entitled",
    )
    assert found["command.unlock"]["standing"] == "supported"
    _, unknown = await world.app()
    answer = await app_of(unknown).client.get(f"{app_of(unknown).url}/capabilities", headers=app_of(unknown).headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_vehicle")


# -- many signals, in the units that one likes -----------------------------------------------------------------------


async def test_a_batch_answers_each_path_in_its_order(world: World, app_of: Callable[[str], App]) -> None:
    _, token, key = await world.owner("status.energy.read", "vehicle.read")
    world.car.up(key.id)
    world.car.report(SignalId.SPEED, 100.0)
    paths = [SignalId.SPEED.path, "Vehicle.Flux", SignalId.CENTRAL_LOCK.path, SignalId.ODOMETER.path]
    answer = await app_of(token).batch(*paths, units="imperial")
    speed, flux, lock, odometer = answer.json()["signals"]
    assert (speed["value"], speed["unit"]) == (pytest.approx(62.137, abs=0.001), "mph")
    assert (flux["error"], lock["error"], odometer["quality"]) == ("unsupported", "forbidden", "unknown")
    one = await app_of(token).client.get(
        f"{app_of(token).url}/signals?paths={SignalId.SPEED.path}", headers=app_of(token).headers
    )
    assert (one.json()["signals"][0]["value"], one.json()["signals"][0]["unit"]) == (100.0, "km/h")
    wrong: tuple[Json, ...] = ({"units": "cubits"}, {"paths": []}, {"paths": ["x"] * 101})
    for each in wrong:
        refused = await app_of(token).batch("x", **each)
        assert (refused.status_code, refused.json()["code"]) == (422, "validation")


@pytest.mark.parametrize(
    ("value", "unit", "units", "told"),
    [
        (12_000, "m", Units.METRIC, (12.0, "km")),
        (1609.344, "m", Units.IMPERIAL, (1.0, "mi")),
        (250, "kPa", Units.METRIC, (2.5, "bar")),
        (250, "kPa", Units.IMPERIAL, (36.259, "psi")),
        (-40.0, "Celsius", Units.IMPERIAL, (-40.0, "Fahrenheit")),
        (37, "Celsius", Units.IMPERIAL, (98.6, "Fahrenheit")),
        (80.5, "percent", Units.IMPERIAL, (80.5, "percent")),
        (True, None, Units.IMPERIAL, (True, None)),
        (12_000, "m", Units.VSS, (12_000, "m")),
    ],
)
def test_units(value: bool | float, unit: str | None, units: Units, told: tuple[bool | float, str | None]) -> None:
    found, name = preferred(value, unit, units)
    assert found == pytest.approx(told[0], abs=0.001)
    assert name == told[1]

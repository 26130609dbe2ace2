"""The control API of simulated cars, and the commands that use it: real cars on a virtual radio in this process."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from keygw.cli.exits import Exit
from keygw.cli.failure import Failure
from keygw.cli.simulators import HANDS
from keygw.model.errors import BadInput, NotFound, StoreError
from keygw_sim.head_unit.car import BrainCar
from keygw_sim.head_unit.head_unit import HeadUnit
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.served import FILE
from keygw_sim.vehicle import commands
from keygw_sim.vehicle.car import Car
from keygw_sim.vehicle.control import MAX_LISTENERS, WAITING_EVENTS, Control
from keygw_sim.vehicle.orders import ORDERS, read_order
from keygw_sim.vehicle.remote import Cars
from keygw_sim.vehicle.yard import Yard, make_cars


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Yard]:
    async with VirtualRadio() as radio:
        openers = [(await radio.add_controller(tcp=False)).open for _ in range(2)]
        async with Yard(make_cars(tmp_path, "Car", openers, seed="yard")) as yard:
            yield yard


@pytest.fixture
def control(yard: Yard, tmp_path: Path) -> Control:
    return Control(yard, tmp_path)


@pytest.fixture
async def client(control: Control) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {control.token}"}
    transport = httpx.ASGITransport(control.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://cars", headers=headers) as client:
        yield client


async def ask(client: httpx.AsyncClient, which: str, **order: object) -> tuple[int, dict[str, Any]]:
    answer = await client.post(f"/cars/{which}", json=order)
    return answer.status_code, answer.json()


# -- who may, and which car --------------------------------------------------------------------------------------------


async def test_nobody_but_the_holder_of_the_token(client: httpx.AsyncClient, control: Control, yard: Yard) -> None:
    wrong = ({"Authorization": ""}, {"Authorization": "Bearer no"}, {"Authorization": f"Basic {control.token}"},
             {"Origin": "https://elsewhere.example"})  # fmt: skip
    for headers in wrong:
        for method, path in (("GET", "/cars"), ("POST", "/cars/1")):
            answer = await client.request(method, path, headers=headers, json={"do": "reboot"})
            assert (answer.status_code, answer.json()["code"]) == (401, "token_unknown"), headers
    assert yard.cars[0].brain.memory.boot_epoch == 1
    assert (await client.get("/cars", headers={"Origin": "http://cars"})).status_code == 200


async def test_a_screen_is_for_the_holder_of_the_token_as_well(yard: Yard, tmp_path: Path) -> None:
    unit = HeadUnit(BrainCar(lambda: yard.cars[0].brain), lambda: 0.0, lambda pressed: None)
    control = Control(yard, tmp_path, units=[unit])
    transport = httpx.ASGITransport(control.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://cars") as client:
        for method in ("GET", "POST"):
            assert (await client.request(method, "/cars/1/screen", json={})).json()["code"] == "token_unknown"
        client.headers["Authorization"] = f"Bearer {control.token}"
        seen = (await client.get("/cars/1/screen")).json()
        assert (seen["name"], seen["screen"]) == (yard.cars[0].name, unit.view())
        asked = (await client.post("/cars/1/screen", json={"do": "press", "what": "pair_phone"})).json()
        assert asked["outcome"] == "done"
        assert [prompt.number for prompt in unit.prompts] == [asked["prompt"]]
        wrong: tuple[object, ...] = (
            {},
            [],
            {"do": "fly"},
            {"do": "answer", "prompt": "1", "yes": True},
            {"do": "press"},
        )
        for order in wrong:
            answer = await client.post("/cars/1/screen", json=order)
            assert (answer.status_code, answer.json()["code"]) == (400, "bad_order"), order
        assert (await client.get("/cars/2/screen")).json()["code"] == "no_screen"
        assert (await client.get("/cars/9/screen")).json()["code"] == "no_such_car"
        assert (await client.get("/head-unit/nothing.js")).json()["code"] == "no_route"


async def test_a_car_is_found_by_number_name_or_id(client: httpx.AsyncClient, yard: Yard) -> None:
    second = yard.cars[1]
    for which in ("2", "Car 2", second.id):
        assert (await ask(client, which, do="status"))[1]["car"] == second.id
    assert (await ask(client, "3", do="status"))[1]["code"] == "no_such_car"
    with pytest.raises(BadInput, match="2 cars"):
        yard.find(None)
    with pytest.raises(NotFound):
        yard.find("x" * 1000)


# -- orders ------------------------------------------------------------------------------------------------------------


async def test_hands_obey_the_rules_and_setting_does_not(client: httpx.AsyncClient, yard: Yard) -> None:
    status, refused = await ask(client, "1", do="door", open=True)
    assert (status, refused["code"]) == (409, "locked")
    assert "keygw" not in refused["detail"]
    assert refused["next"]
    assert (await ask(client, "1", do="set", body={"locked": False}))[0] == 200
    assert (await ask(client, "1", do="door", open=True, door="rear_driver"))[1]["body"] == {
        "rear_driver_door_open": True
    }
    assert (await ask(client, "1", do="drive"))[1]["code"] == "engine_off"
    await ask(client, "1", do="set", body={"engine_running": True})
    assert (await ask(client, "1", do="drive", kmh=50, heading=90))[1]["body"] == {"speed": 50.0, "heading": 90.0}
    assert (await ask(client, "1", do="trunk", open=True))[1]["code"] == "in_motion"
    assert (await ask(client, "1", do="pair"))[1]["code"] == "in_motion"
    await ask(client, "1", do="park")
    assert (await ask(client, "1", do="battery", percent=5))[1]["body"] == {"battery": 5.0}
    assert yard.cars[0].brain.body.battery == 5.0
    assert yard.cars[1].brain.body.battery == 80.0, "and the other one is another"


async def test_charging_needs_the_port_and_the_cable(client: httpx.AsyncClient) -> None:
    await ask(client, "1", do="set", body={"locked": False, "battery": 20})
    assert (await ask(client, "1", do="cable", plugged=True))[1]["code"] == "port_closed"
    await ask(client, "1", do="port", open=True)
    assert (await ask(client, "1", do="charge", on=True))[1]["code"] == "cable_missing"
    await ask(client, "1", do="cable", plugged=True)
    assert (await ask(client, "1", do="port", open=False))[1]["code"] == "cable_connected"
    assert (await ask(client, "1", do="charge", on=True))[0] == 200
    assert (await ask(client, "1", do="sleep"))[1]["code"] == "busy"
    assert (await ask(client, "1", do="cable", plugged=False))[1]["body"] == {
        "cable_connected": False,
        "charging": False,
    }


async def test_sleep_and_wake(client: httpx.AsyncClient, yard: Yard) -> None:
    assert (await ask(client, "1", do="sleep"))[1]["body"]["asleep"] is True
    assert (await ask(client, "1", do="window", percent=50))[1]["code"] == "vehicle_asleep"
    assert yard.cars[0].brain.body.waking > 0, "whoever asks begins to wake it"
    await ask(client, "2", do="sleep")
    assert (await ask(client, "2", do="wake"))[1]["body"]["waking"] > 0


async def test_power_and_flash(client: httpx.AsyncClient, yard: Yard) -> None:
    car = yard.cars[0]
    before, advertised = car.brain.memory, car.brain.rotating_id
    await ask(client, "1", do="set", body={"odometer": 5000})
    await ask(client, "1", do="warp", factor=60)
    assert (await ask(client, "1", do="reboot"))[1]["boot_epoch"] == 2
    assert (car.brain.body.odometer, car.brain.warp) == (5000.0, 60.0)
    assert car.brain.rotating_id != advertised
    assert (await ask(client, "1", do="lose_flash"))[1]["boot_epoch"] == 1
    assert (car.brain.memory.vehicle_id, car.brain.body.odometer) == (before.vehicle_id, 12_000_000.0)
    assert car.brain.memory.signer.public_key == before.signer.public_key
    assert [event["event"] for event in car.events] == ["rebooted", "flash_lost"]


async def test_pairing_and_keys(client: httpx.AsyncClient, yard: Yard) -> None:
    assert (await ask(client, "1", do="pair"))[1]["outcome"] == "open"
    assert yard.cars[0].events[-1]["event"] == "pairing_code"
    assert (await ask(client, "1", do="keys"))[1]["keys"] == []
    assert (await ask(client, "1", do="remove_key", key="key_x"))[1]["code"] == "unknown_key"


BAD: list[tuple[bytes, str]] = [
    (b"", "bad_order"),
    (b"[" * 9000, "bad_order"),
    (b"x" * 20_000, "bad_order"),
    (b"[]", "bad_order"),
    (b'{"do": "fly"}', "bad_order"),
    (b'{"do": "door"}', "bad_order"),
    (b'{"do": "door", "open": 1}', "bad_order"),
    (b'{"do": "door", "open": true, "colour": "red"}', "bad_order"),
    (b'{"do": "drive", "kmh": NaN}', "bad_order"),
    (b'{"do": "warp", "factor": 1e9}', "bad_order"),
    (b'{"do": "set", "body": {}}', "bad_order"),
    (b'{"do": "set", "body": {"wings": true}}', "unknown_part"),
    (b'{"do": "set", "body": {"battery": 101}}', "bad_value"),
]


@pytest.mark.parametrize(("body", "code"), BAD)
async def test_a_bad_order_is_explained_and_changes_nothing(client: httpx.AsyncClient, body: bytes, code: str) -> None:
    answer = await client.post("/cars/1", content=body)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (400, code)
    assert told["next"]
    assert len(told["detail"]) < 400


# -- events ------------------------------------------------------------------------------------------------------------


async def test_events_come_with_what_was_before(control: Control, yard: Yard, tmp_path: Path) -> None:
    yard.cars[1].tell("before", {})
    async with control.serving() as url:
        file = tmp_path / FILE
        assert json.loads(file.read_text()) == {"url": url, "token": control.token}
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        address = url.replace("http", "ws") + "/events"
        with pytest.raises(InvalidStatus):
            await connect(address)
        subprotocols: Any = ["keygw-sim", f"bearer.{control.token}"]
        async with connect(address, subprotocols=subprotocols) as stream:
            assert stream.subprotocol == "keygw-sim"
            assert json.loads(await stream.recv())["event"] == "before"
            yard.cars[0].tell("now", {"x": 1})
            told = json.loads(await stream.recv())
            assert (told["event"], told["x"], told["car"], told["number"]) == ("now", 1, yard.cars[0].id, 1)
            for _ in range(WAITING_EVENTS + 1):  # at once: nobody can be sent anything meanwhile
                yard.cars[0].tell("flood", {})
            with pytest.raises(ConnectionClosedError):
                [message async for message in stream]
            assert stream.close_code == 1008, "who is a thousand behind is sent away"
        yard.cars[0].events.clear()  # unread messages would make each goodbye wait
        headers = {"Authorization": f"Bearer {control.token}"}
        places = [await connect(address, additional_headers=headers) for _ in range(MAX_LISTENERS)]
        with pytest.raises(InvalidStatus):
            await connect(address, additional_headers=headers)
        for place in places:
            await place.close()
    assert not file.exists()
    assert [car.listeners for car in yard.cars] == [[], []]


async def test_commands_from_another_terminal(
    control: Control, yard: Yard, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def keygw_sim(*words: str) -> int:
        return await asyncio.to_thread(commands.main, [*words, "--state", str(tmp_path)])

    async with control.serving():
        assert await keygw_sim("state") == 0
        assert capsys.readouterr().out.splitlines()[0] == "NUMBER\tNAME\tID"
        with pytest.raises(Failure) as failed:
            await keygw_sim("door", "open")
        assert (failed.value.exit_code, failed.value.code) == (Exit.USAGE, "which_car")
        with pytest.raises(Failure) as failed:
            await keygw_sim("door", "open", "--car", "1")
        assert (failed.value.exit_code, failed.value.code) == (Exit.CONFLICT, "locked")
        with pytest.raises(Failure) as failed:
            await keygw_sim("door", "open", "--car", "9")
        assert failed.value.exit_code == Exit.NOT_FOUND
        assert await keygw_sim("set", "locked=no", "battery=50", "--car", "1", "--json") == 0
        assert json.loads(capsys.readouterr().out)["body"] == {"battery": 50.0, "locked": False}
        assert await keygw_sim("door", "open", "--car", "Car 1") == 0
        assert "driver_door_open\tyes" in capsys.readouterr().out
        assert await keygw_sim("keys", "--car", "1") == 0
        assert "no digital key" in capsys.readouterr().err
        assert await keygw_sim("battery", "5", "--car", "2") == 0
        assert yard.cars[1].brain.body.battery == 5
        yard.cars[0].tell("seen", {})
        remote = Cars(tmp_path)
        assert (await asyncio.to_thread(lambda: next(remote.events())))["event"] == "seen"
    with pytest.raises(Failure) as failed:
        await keygw_sim("state")
    assert (failed.value.exit_code, failed.value.code) == (Exit.ENVIRONMENT, "no_cars")
    assert "keygw sim vehicle" in failed.value.next_step


@pytest.mark.parametrize(
    "words", [("door",), ("door", "ajar"), ("battery", "x"), ("set", "locked"), ("set", "a=b"), ("fly",)]
)
def test_wrong_words_are_explained(words: tuple[str, ...]) -> None:
    with pytest.raises(Failure) as failed:
        commands.main(words)
    assert (failed.value.exit_code, failed.value.code) == (Exit.USAGE, "usage")


def test_the_command_line_knows_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    for name in HANDS:
        with pytest.raises(SystemExit) as end:
            commands.main([name, "--help"])
        assert end.value.code == 0
    with pytest.raises(SystemExit):
        commands.main(["--help"])
    shown = capsys.readouterr().out.rpartition("positional arguments")[2]
    assert set(HANDS) == {
        line.split()[0] for line in shown.splitlines() if line.startswith("    ") and line[4] != " "
    } - {"COMMAND"}


def test_every_order_has_a_schema() -> None:
    assert len(ORDERS.json_schema()["discriminator"]["mapping"]) == 20
    assert read_order({"do": "park"}).do == "park"


# -- many cars, and their end ----------------------------------------------------------------------------------------


async def test_one_that_cannot_start_stops_all(tmp_path: Path) -> None:
    async with VirtualRadio() as radio:
        openers = [(await radio.add_controller(tcp=False)).open for _ in range(3)]
        cars = make_cars(tmp_path, "Car", openers)
        async with Car(tmp_path / "car-002", (await radio.add_controller(tcp=False)).open, "first"):
            with pytest.raises(StoreError):
                async with Yard(cars):
                    pass
        assert [port.controller for port in radio.ports] == [None] * 4, "nobody is left on the radio"
        async with Yard(cars) as yard:
            assert len({car.id for car in yard.cars}) == 3


async def test_a_radio_that_dies_is_noticed_and_a_reboot_is_no_such_thing(tmp_path: Path) -> None:
    radio = VirtualRadio()
    async with radio:
        openers = [(await radio.add_controller(tcp=False)).open for _ in range(2)]
        async with Yard(make_cars(tmp_path, "Car", openers)) as yard:
            waiting = asyncio.ensure_future(yard.wait_lost())
            await yard.cars[0].reboot()
            assert not waiting.done()
            await radio.close()
            async with asyncio.timeout(5):
                await waiting

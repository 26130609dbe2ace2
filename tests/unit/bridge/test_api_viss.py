"""VISS version 2 over a real WebSocket: what a client of the standard sees, and what it never may."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from keygw.api.streams import viss
from keygw.api.streams import viss_messages as said
from keygw.api.streams.messages import BadMessage
from keygw.api.streams.wire import Wire
from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action
from keygw.model.entitlement import PROFILES
from keygw.model.signal import PATHS, SignalId
from keygw.model.vehicle import Vehicle

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

LOCK, SPEED, HAZARD = (PATHS[each] for each in (SignalId.CENTRAL_LOCK, SignalId.SPEED, SignalId.LIGHTS_HAZARD))


class Client:
    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.number = 0

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            told: dict[str, Any] = json.loads(await self.socket.recv())
        assert told["ts"].endswith("Z")
        return told

    async def ask(self, action: str, path: str | None = None, **more: Any) -> dict[str, Any]:
        self.number += 1
        fields = {"action": action, "requestId": str(self.number), **more} | ({} if path is None else {"path": path})
        await self.socket.send(json.dumps(fields))
        while (told := await self.next()).get("requestId") != str(self.number):
            assert told["action"] == "subscription"
        assert told["action"] == action
        return told

    async def error(self, action: str, path: str | None = None, **more: Any) -> tuple[str, str]:
        told = await self.ask(action, path, **more)
        assert set(told["error"]) == {"number", "reason", "message"}, told
        return told["error"]["number"], told["error"]["reason"]

    async def end(self) -> tuple[int | None, str]:
        async with asyncio.timeout(5):
            with suppress(ConnectionClosed):
                while True:
                    await self.socket.recv()
        return self.socket.close_code, (self.socket.close_reason or "").partition(":")[0]


@asynccontextmanager
async def speaking(
    client: httpx.AsyncClient, token: str | None, vehicle: str = "", **more: Any
) -> AsyncIterator[Client]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    url = f"{str(client.base_url).replace('http', 'ws', 1).rstrip('/')}/viss{vehicle and '/'}{vehicle}"
    more.setdefault("subprotocols", [Subprotocol("VISSv2")])
    async with connect(url, additional_headers=headers, proxy=None, **more) as socket:
        yield Client(socket)


@pytest.fixture
async def token(world: World) -> str:
    """The owner's, with a car that is heard."""
    _, token, key = await world.owner()
    world.car.up(key.id)
    world.car.report(SignalId.CENTRAL_LOCK, True)
    world.car.report(SignalId.SPEED, 12.5)
    return token


async def test_get_tells_what_is_live_as_strings_with_the_time_of_measuring(
    client: httpx.AsyncClient, world: World, token: str
) -> None:
    async with speaking(client, token) as one:
        assert one.socket.subprotocol == "VISSv2"
        told = await one.ask("get", SPEED)
        shown = (
            await client.get(f"/v1/vehicles/{world.vehicle.id}/signals", headers={"Authorization": f"Bearer {token}"})
        ).json()
        ts = next(each["ts"] for each in shown["signals"] if each["path"] == SPEED)
        assert told["data"] == {"path": SPEED, "dp": {"value": "12.5", "ts": ts}}
        assert (await one.ask("get", LOCK.replace(".", "/")))["data"]["dp"]["value"] == "true"
        whole = (await one.ask("get", "Vehicle"))["data"]
        assert {each["path"] for each in whole} == {LOCK, SPEED}
        paths = {"type": "paths", "parameter": ["Speed", "Private.*.CentralLock.*"]}
        assert len((await one.ask("get", "Vehicle", filter=paths))["data"]) == 2


async def test_what_is_not_live_is_no_value(client: httpx.AsyncClient, world: World, token: str) -> None:
    async with speaking(client, token) as one:
        assert await one.error("get", PATHS[SignalId.ODOMETER]) == ("404", "unavailable_data")
        world.clock.now += 301
        assert await one.error("get", SPEED) == ("503", "service_unavailable")
        world.car.report(SignalId.SPEED, 13.0)
        assert [each["path"] for each in (await one.ask("get", "Vehicle"))["data"]] == [SPEED]
        world.car.down()
        assert await one.error("get", SPEED) == ("503", "service_unavailable")


async def test_reads_pass_the_rules_of_the_bridge(client: httpx.AsyncClient, world: World, token: str) -> None:
    friend, narrow = await world.app("vehicle.read", "status.energy.read")
    top = next(key for key in await world.credentials.keys(vehicle_id=world.vehicle.id))
    await world.give_friend_key(friend, top, PROFILES["access"])
    _, stranger = await world.app()
    async with speaking(client, narrow) as one, speaking(client, stranger) as other:
        assert await one.error("get", LOCK) == ("403", "user_forbidden")
        assert await one.error("subscribe", LOCK) == ("403", "user_forbidden")
        assert await one.error("get", "Vehicle.Nothing") == ("404", "invalid_path")
        assert await other.error("get", LOCK) == ("404", "invalid_path")
    async with speaking(client, stranger, world.vehicle.id) as other:
        assert await other.error("get", LOCK) == ("404", "invalid_path")


async def test_an_app_with_several_vehicles_names_one(client: httpx.AsyncClient, world: World, token: str) -> None:
    app = await world.bridge.apps.authenticate(token)
    second = Vehicle("veh_mfrggzdfmztwq2lk", "Second", LocalSigner.generate().public_key, bytes(16))
    await world.bridge.vehicles.register(app, second)
    async with speaking(client, token) as one:
        assert await one.error("get", LOCK) == ("404", "invalid_path")
    async with speaking(client, token, world.vehicle.id) as one:
        assert (await one.ask("get", LOCK))["data"]["dp"]["value"] == "true"


async def test_a_subscription_tells_changes_and_that_nothing_is_known_any_more(
    client: httpx.AsyncClient, world: World, token: str
) -> None:
    async with speaking(client, token) as one:
        made = await one.ask("subscribe", LOCK)
        first = await one.next()
        assert first["subscriptionId"] == made["subscriptionId"]
        assert (first["action"], first["data"]["dp"]["value"]) == ("subscription", "true")
        world.car.report(SignalId.SPEED, 99.0)
        world.car.report(SignalId.CENTRAL_LOCK, True)
        world.car.report(SignalId.CENTRAL_LOCK, False)
        assert (await one.next())["data"]["dp"]["value"] == "false"
        world.car.down()
        assert (await one.next())["error"]["reason"] == "service_unavailable"
        assert (await one.ask("unsubscribe", subscriptionId=made["subscriptionId"]))["subscriptionId"]
        assert not world.hub._followers
        gone = await one.error("unsubscribe", subscriptionId=made["subscriptionId"])
        assert gone == ("404", "invalid_subscriptionId")


async def test_filters(client: httpx.AsyncClient, world: World, token: str) -> None:
    change = {"type": "change", "parameter": {"logic-op": "gt", "diff": "5"}}
    inside = [{"boundary-op": "gt", "boundary": "50"}, {"boundary-op": "lte", "boundary": "60"}]
    async with speaking(client, token) as one:
        by_change = (await one.ask("subscribe", SPEED, filter=change))["subscriptionId"]
        assert (await one.next())["data"]["dp"]["value"] == "12.5"
        by_range = (await one.ask("subscribe", SPEED, filter={"variant": "range", "parameter": inside}))[
            "subscriptionId"
        ]
        for speed in (15.0, 18.0, 55.0, 54.0, 60.0, 61.0):
            world.car.report(SignalId.SPEED, speed)
        told = [(each["subscriptionId"], each["data"]["dp"]["value"]) for each in [await one.next() for _ in range(6)]]
    assert [value for which, value in told if which == by_change] == ["18.0", "55.0", "61.0"]
    assert [value for which, value in told if which == by_range] == ["55.0", "54.0", "60.0"]


async def test_by_time(client: httpx.AsyncClient, world: World, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(said, "SHORTEST_MS", 10)
    wish = {"type": "timebased", "parameter": {"period": "10"}}
    async with speaking(client, token) as one:
        made = await one.ask("subscribe", SPEED, filter=wish)
        for _ in range(3):
            told = await one.next()
            assert (told["subscriptionId"], told["data"]["dp"]["value"]) == (made["subscriptionId"], "12.5")
        world.car.down()
        async with asyncio.timeout(5):
            while "error" not in (told := await one.next()):
                pass
        assert told["error"]["reason"] == "service_unavailable"


@pytest.mark.parametrize(
    ("wish", "error"),
    [
        ({"type": "timebased", "parameter": {"period": "soon"}}, ("400", "filter_invalid")),
        ({"type": "change", "parameter": {"logic-op": "gt", "diff": "1e9"}}, ("400", "filter_invalid")),
        ({"type": "range", "parameter": []}, ("400", "filter_invalid")),
        ({"type": "static-metadata"}, ("400", "filter_invalid")),
    ],
)
async def test_filters_that_make_no_sense(
    client: httpx.AsyncClient, token: str, wish: dict[str, Any], error: tuple[str, str]
) -> None:
    async with speaking(client, token) as one:
        assert await one.error("subscribe", SPEED, filter=wish) == error


async def test_nothing_that_opens_or_starts_the_car_is_set(client: httpx.AsyncClient, world: World, token: str) -> None:
    async with speaking(client, token) as one:
        for path in PATHS.values():
            if path != HAZARD:
                assert await one.error("set", path, value="true") == ("401", "read_only"), path
        assert await one.error("set", "Vehicle.Nothing", value="true") == ("404", "invalid_path")
        assert await one.error("set", HAZARD, value="false") == ("400", "bad_request")
        assert not world.car.acted
        assert "error" not in await one.ask("set", HAZARD, value="true")
        assert world.car.acted == [Action.FLASH_LIGHTS]
        world.car.present = False
        assert await one.error("set", HAZARD, value=True) == ("503", "service_unavailable")
    assert {action for _, action in viss.SETTABLE.values()} == {Action.FLASH_LIGHTS}


async def test_set_takes_the_scope(client: httpx.AsyncClient, world: World, token: str) -> None:
    friend, narrow = await world.app("status.security.read")
    top = next(key for key in await world.credentials.keys(vehicle_id=world.vehicle.id))
    await world.give_friend_key(friend, top, PROFILES["access"])
    async with speaking(client, narrow) as one:
        assert await one.error("set", HAZARD, value="true") == ("403", "user_forbidden")
    assert not world.car.acted


async def test_the_token_may_come_in_messages_and_holds_for_those_behind(
    client: httpx.AsyncClient, world: World, token: str
) -> None:
    _, other = await world.app()
    async with speaking(client, None) as one:
        assert await one.error("get", SPEED) == ("401", "token_missing")
        assert await one.error("get", SPEED, authorization="kgw_nobody") == ("401", "token_invalid")
        assert (await one.ask("get", SPEED, authorization=token))["data"]["dp"]["value"] == "12.5"
        made = await one.ask("subscribe", LOCK)
        assert "subscriptionId" in made
        assert await one.error("get", SPEED, authorization=other) == ("401", "token_invalid")
        await world.bridge.apps.revoke((await world.bridge.apps.authenticate(token)).id)
        assert await one.end() == (4401, "token_revoked")


async def test_who_only_guesses_is_let_go(client: httpx.AsyncClient) -> None:
    async with speaking(client, None) as one:
        for number in range(viss.MOST_FAILURES):
            await one.socket.send(json.dumps({"action": "get", "path": "a", "requestId": str(number)}))
        assert await one.end() == (4401, "token_missing")
    async with speaking(client, None) as one:
        for wrong in ("{", "[]", '{"action":"dance"}', '{"action":"get","requestId":7,"path":"a"}') * 4:
            await one.socket.send(wrong)
        assert (await one.next())["error"]["reason"] == "bad_request"
        assert await one.end() == (4400, "bad_message")


async def test_a_key_that_ends_ends_the_subscription(client: httpx.AsyncClient, world: World, token: str) -> None:
    friend, theirs = await world.app()
    top = next(key for key in await world.credentials.keys(vehicle_id=world.vehicle.id))
    key = await world.give_friend_key(friend, top, PROFILES["access"])
    async with speaking(client, theirs) as one:
        await one.ask("subscribe", LOCK)
        await one.next()
        await world.credentials.suspend(key.id)
        world.car.report(SignalId.CENTRAL_LOCK, False)
        assert (await one.next())["error"]["reason"] == "user_forbidden"
        assert not world.hub._followers


async def test_no_more_subscriptions_than_that(
    client: httpx.AsyncClient, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viss, "MOST_SUBSCRIPTIONS", 2)
    async with speaking(client, token) as one:
        for _ in range(2):
            assert "subscriptionId" in await one.ask("subscribe", LOCK)
        assert await one.error("subscribe", LOCK) == ("429", "too_many_requests")


async def test_a_store_that_fails_ends_it_and_says_so(
    client: httpx.AsyncClient, world: World, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(said, "SHORTEST_MS", 10)

    async def fails(*_: object) -> None:
        raise OSError("gone")

    async with speaking(client, token) as one:
        await one.ask("subscribe", SPEED, filter={"type": "timebased", "parameter": {"period": "10"}})
        monkeypatch.setattr("keygw.bridge.gate.EventGate.view", fails)
        assert await one.end() == (1011, "internal")


async def test_a_reader_that_is_too_slow_hears_the_newest_value(
    client: httpx.AsyncClient, world: World, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with speaking(client, token) as one:
        for path in (SPEED, LOCK):
            await one.ask("subscribe", path)
            await one.next()
        with monkeypatch.context() as full:
            full.setattr(Wire, "free", property(lambda self: False))
            for number in range(1000):
                world.car.report(SignalId.SPEED, float(number))
        world.car.report(SignalId.CENTRAL_LOCK, False)
        told = [(await one.next())["data"]["dp"]["value"] for _ in range(2)]
    assert told == ["999.0", "false"]


@pytest.mark.parametrize("protocols", [[], [Subprotocol("VISSv1")]])
async def test_another_version_is_refused(client: httpx.AsyncClient, token: str, protocols: list[Subprotocol]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with speaking(client, token, subprotocols=protocols):
            pass
    assert refused.value.response.status_code == 400


@pytest.mark.parametrize(
    ("pattern", "path", "held"),
    [
        ("Vehicle.Speed", "Vehicle.Speed", True),
        ("Vehicle", "Vehicle.Speed", True),
        ("Vehicle.Spe", "Vehicle.Speed", False),
        ("Vehicle.*.IsOpen", "Vehicle.Door.IsOpen", True),
        ("Vehicle.*.IsOpen", "Vehicle.Door.Row1.IsOpen", False),
        ("Vehicle.Door.*", "Vehicle.Door.Row1.IsOpen", True),
        ("Vehicle.Speed.More", "Vehicle.Speed", False),
        ("Vehicle..Speed", "Vehicle.Speed", False),
    ],
)
def test_patterns(pattern: str, path: str, held: bool) -> None:
    assert said.under(pattern, path) == held


def test_what_is_no_message_says_where() -> None:
    with pytest.raises(BadMessage, match="path"):
        said.read('{"action":"get","requestId":"1"}')

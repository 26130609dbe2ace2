"""``keygw.v1`` over a real WebSocket: snapshot, deltas, resumption, and an end with a reason.

Every message that the gateway sends here is held to ``protocols/bridge_api/asyncapi.yaml``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jsonschema_rs
import pytest
import yaml
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from keygw.api.streams import outlet
from keygw.api.streams.wire import MAX_FRAME
from keygw.bridge.records import App
from keygw.model.entitlement import PROFILES
from keygw.model.signal import SignalId

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]
LOCK = "Vehicle.Private.KeyGW.CentralLock.IsLocked"
DOCUMENT = yaml.safe_load((Path(__file__).parents[3] / "protocols/bridge_api/asyncapi.yaml").read_text())


def _validator(operation: str) -> jsonschema_rs.Validator:
    """For any message of that operation, by the document alone."""
    names = [each["$ref"].rpartition("/")[2] for each in DOCUMENT["operations"][operation]["messages"]]
    schema = {
        "oneOf": [DOCUMENT["components"]["messages"][name]["payload"] for name in names],
        "components": DOCUMENT["components"],
    }
    return jsonschema_rs.validator_for(schema)


TOLD, HEARD = _validator("tell"), _validator("hear")


class Told:
    """A client. ``wrong``: it sends what the document does not know."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, kind: str, *, wrong: bool = False, **fields: Any) -> None:
        message = {"type": kind, **fields}
        assert HEARD.is_valid(message) != wrong
        await self.socket.send(json.dumps(message))

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        TOLD.validate(message)
        return message

    async def until(self, kind: str) -> dict[str, Any]:
        while (found := await self.next())["type"] != kind:
            pass
        return found

    async def event(self, kind: str) -> dict[str, Any]:
        while (found := await self.until("event"))["event"]["type"] != kind:
            pass
        return found

    async def hello(self, **fields: Any) -> dict[str, Any]:
        await self.say("hello", version=1, **fields)
        return await self.next()

    async def follow(self, world: World, **fields: Any) -> dict[str, Any]:
        await self.say("subscribe", vehicles=[world.vehicle.id], **fields)
        return await self.until("snapshot")

    async def end(self) -> tuple[int, str]:
        """The close code and the word of the reason."""
        async with asyncio.timeout(8):
            with contextlib.suppress(ConnectionClosed):
                while True:
                    await self.socket.recv()
        assert self.socket.close_code is not None
        return self.socket.close_code, (self.socket.close_reason or "").partition(":")[0]


@asynccontextmanager
async def stream(
    client: httpx.AsyncClient, token: str | None = None, path: str = "/v1/stream", **more: Any
) -> AsyncIterator[Told]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    url = str(client.base_url).replace("http://", "ws://").rstrip("/") + path
    protocols = more.pop("protocols", ["keygw.v1"])
    async with connect(
        url, subprotocols=[Subprotocol(each) for each in protocols], additional_headers=headers, proxy=None, **more
    ) as socket:
        yield Told(socket)


async def test_snapshot_then_what_changes(client: httpx.AsyncClient, world: World) -> None:
    _, token, key = await world.owner()
    world.car.up(key.id)
    world.car.report(SignalId.CENTRAL_LOCK, True)
    async with stream(client, token) as one:
        welcome = await one.hello()
        assert (welcome["version"], welcome["run"], welcome["granted"]["capabilities"]) == (1, "boot", [])
        snapshot = await one.follow(world)
        assert snapshot["reachable"]
        assert {each["path"]: each.get("value") for each in snapshot["signals"]}[LOCK] is True
        world.car.report(SignalId.CENTRAL_LOCK, False)
        event = await one.next()
    assert event["seq"] == snapshot["seq"] + 1
    assert (event["event"]["data"]["path"], event["event"]["data"]["value"]) == (LOCK, False)
    assert one.socket.subprotocol == "keygw.v1"


async def test_the_token_may_come_in_the_first_message(client: httpx.AsyncClient, world: World) -> None:
    app, token, _ = await world.owner()
    async with stream(client) as one:
        assert (await one.hello(token=token))["granted"]["scopes"] == sorted(scope.value for scope in app.scopes)
        assert (await one.follow(world))["reason"] == "subscribed"


@pytest.mark.parametrize(("token", "code"), [(None, "token_missing"), ("kgw_nobody", "token_unknown")])
async def test_nobody_gets_in(client: httpx.AsyncClient, token: str | None, code: str) -> None:
    fields: dict[str, Any] = {} if token is None else {"token": token}
    async with stream(client) as one:
        await one.say("hello", version=1, **fields)
        assert await one.end() == (4401, code)
    if token is not None:
        with pytest.raises(InvalidStatus) as refused:
            async with stream(client, token):
                pass
        assert refused.value.response.status_code == 401
        assert json.loads(refused.value.response.body or b"")["code"] == code


@pytest.mark.parametrize(
    ("path", "protocols"), [("/v1/stream?token=kgw_x", ["keygw.v1"]), ("/v1/stream", ["keygw.v2"]), ("/v1/stream", [])]
)
async def test_a_url_carries_nothing_and_the_subprotocol_is_ours(
    client: httpx.AsyncClient, world: World, path: str, protocols: list[str]
) -> None:
    _, token = await world.app()
    with pytest.raises(InvalidStatus) as refused:
        async with stream(client, token, path, protocols=protocols):
            pass
    assert refused.value.response.status_code == 400


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("{", "bad_message"),
        ("[]", "bad_message"),
        ('{"type":"hello","version":1,"version":1}', "bad_message"),
        ('{"type":"dance"}', "bad_message"),
        ('{"type":"hello","version":"1"}', "bad_message"),
        ('{"type":"hello","version":2}', "version_unsupported"),
        ('{"type":"ack","vehicle":"v","seq":1}', "protocol_violation"),
        ('{"type":"hello","version":1,"token":7}', "bad_message"),
        (b"\x00", "bad_message"),
    ],
)
async def test_what_is_no_hello_ends_it(client: httpx.AsyncClient, world: World, text: str | bytes, end: str) -> None:
    _, token = await world.app()
    async with stream(client, token) as one:
        await one.socket.send(text)
        assert await one.end() == (4400, end)


async def test_what_is_wrong_is_not_echoed(client: httpx.AsyncClient) -> None:
    async with stream(client) as one:
        await one.say("hello", wrong=True, version=1, token="kgw_secret" * 1000)
        await one.end()
    assert one.socket.close_reason is not None
    assert "kgw_" not in one.socket.close_reason


async def test_an_error_is_answered_and_the_stream_goes_on(client: httpx.AsyncClient, world: World) -> None:
    _, token, _ = await world.owner()
    async with stream(client, token) as one:
        await one.hello()
        await one.say("subscribe", id=7, vehicles=["veh_mfrggzdfmztwq2lk"])
        refused = await one.next()
        assert (refused["id"], refused["code"]) == (7, "unknown_vehicle")
        for number in range(2):
            ids = [f"veh_{number}{other}" for other in range(40)]
            await one.say("subscribe", vehicles=ids)
            assert (await one.next())["code"] == "unknown_vehicle"
        assert await one.follow(world)
        await one.say("unsubscribe", vehicles=[world.vehicle.id])
        assert (await one.next())["reason"] == "asked"
        assert not world.hub._followers


async def test_only_what_was_asked_for(client: httpx.AsyncClient, world: World) -> None:
    _, token, key = await world.owner()
    world.car.up(key.id)
    async with stream(client, token) as one:
        await one.hello()
        branch = LOCK.rpartition(".")[0]
        types = ["keygw.signal.changed"]
        snapshot = await one.follow(world, paths=[branch, "Vehicle.Nothing"], filter={"types": types})
        answers = {each["path"]: each for each in snapshot["signals"]}
        assert set(answers) == {LOCK, "Vehicle.Nothing"}
        assert answers["Vehicle.Nothing"]["error"] == "unsupported"
        world.car.report(SignalId.SPEED, 3.0)
        world.car.down()
        world.car.up(key.id)
        world.car.report(SignalId.CENTRAL_LOCK, False)
        assert (await one.next())["event"]["data"]["path"] == LOCK


async def test_a_stranger_hears_nothing_and_a_friend_what_it_may(client: httpx.AsyncClient, world: World) -> None:
    _, _, top = await world.owner()
    friend, token = await world.app()
    await world.give_friend_key(friend, top, PROFILES["access"])
    _, strange = await world.app()
    async with stream(client, token) as one, stream(client, strange) as other:
        await one.hello()
        await one.follow(world)
        await other.hello()
        await other.say("subscribe", vehicles=[world.vehicle.id])
        assert (await other.next())["code"] == "unknown_vehicle"
        owner = await world.bridge.apps.register("o", ["command.unlock"])
        del owner
        world.car.up(top.id)
        assert (await one.next())["event"]["type"] == "keygw.vehicle.reachable"


async def test_a_key_that_ends_is_told_by_a_new_snapshot(client: httpx.AsyncClient, world: World) -> None:
    _, _, top = await world.owner()
    friend, token = await world.app("status.security.read", "vehicle.read")
    key = await world.give_friend_key(friend, top, PROFILES["access"])
    world.car.up(top.id)
    world.car.report(SignalId.CENTRAL_LOCK, True)
    async with stream(client, token) as one:
        await one.hello()
        assert LOCK in {each["path"] for each in (await one.follow(world))["signals"]}
        await world.credentials.suspend(key.id)
        changed = await one.until("snapshot")
        assert (changed["reason"], changed["signals"]) == ("permission_changed", [])
        world.car.report(SignalId.CENTRAL_LOCK, False)
        world.car.down()
        assert (await one.next())["event"]["type"] == "keygw.vehicle.unreachable"


async def test_a_command_is_told_step_by_step_and_after_coming_back(client: httpx.AsyncClient, world: World) -> None:
    app, token, _ = await world.owner()
    async with stream(client, token) as one:
        await one.hello()
        await one.follow(world)
        record, _ = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="k")
        first = await one.event("keygw.command.updated")
        assert first["event"]["data"]["state"] == "accepted"
    await world.settled(record)
    for place in (first["resume"], first["resume"].replace("-boot-", "-before-")):
        async with stream(client, token) as one:
            await one.hello(resume=place)
            await one.say("subscribe", vehicles=[world.vehicle.id])
            told = []
            while (message := await one.next())["type"] != "snapshot":
                told.append(message)
        assert {each["type"] for each in told} == {"event"}
        updates = [each["event"]["data"] for each in told if each["event"]["type"] == "keygw.command.updated"]
        assert [each["state"] for each in updates] == ["sent", "acknowledged", "confirmed"]
        assert not [each for each in told if each["event"]["type"] == "keygw.signal.changed"], "the snapshot says it"


async def test_a_place_that_nobody_knows_is_a_gap_and_a_snapshot(client: httpx.AsyncClient, world: World) -> None:
    _, token, _ = await world.owner()
    async with stream(client, token) as one:
        await one.hello(resume="999999.1800000000")
        await one.say("subscribe", vehicles=[world.vehicle.id])
        assert [(await one.next())["type"], (await one.next())["type"]] == ["gap", "snapshot"]


async def test_a_stream_ends_at_once_with_its_app(world: World, serve: Any) -> None:
    """And not when something happens, or is looked at, the next time."""
    app, token, _ = await world.owner()
    services = replace(world.services, heartbeat=60)
    async with serve(services) as client, stream(client, token) as one, stream(client, token) as silent:
        await one.hello()
        await one.follow(world)
        await silent.hello()
        await world.bridge.apps.revoke(app.id)
        for each in (one, silent):
            assert await each.end() == (4401, "token_revoked")
        async with asyncio.timeout(5):
            while world.hub.consumers:
                await client.get("/health")


async def test_a_newer_token_takes_the_place_of_the_old_one(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, other = await world.app()
    _, token = await world.bridge.apps.register("short", ["vehicle.read"], 60)
    app = await world.bridge.apps.authenticate(token)
    async with stream(client, token) as one:
        await one.hello()
        await one.say("token", token=other)
        assert (await one.next())["code"] == "token_of_another"
        await one.say("token", token="kgw_x")
        assert (await one.next())["code"] == "token_unknown"
        with monkeypatch.context() as later:  # tokens of one app that overlap are OAuth's

            async def newer(_: str, thumbprint: str | None = None) -> App:
                return replace(app, expires_at=world.clock() + 600)

            later.setattr(world.bridge.apps, "authenticate", newer)
            await one.say("token", token="kgw_newer")
            assert (await one.next())["type"] == "refreshed"
        world.clock.now += 61
        await one.say("unsubscribe", vehicles=["veh_x"])
        await one.say("token", token="kgw_x")
        assert (await one.next())["code"] == "token_unknown"
        world.clock.now += 600
        assert await one.end() == (4401, "token_expired")


async def test_a_token_that_runs_out_ends_the_stream(client: httpx.AsyncClient, world: World) -> None:
    _, token = await world.bridge.apps.register("short", ["vehicle.read"], 60)
    async with stream(client, token) as one:
        await one.hello()
        world.clock.now += 61
        assert await one.end() == (4401, "token_expired")


async def test_the_server_says_goodbye(client: httpx.AsyncClient, world: World) -> None:
    _, token = await world.app()
    async with stream(client, token) as one:
        await one.hello()
        world.hub.close()
        assert await one.end() == (1012, "gateway_stopping")


async def test_a_client_that_leaves_is_forgotten(client: httpx.AsyncClient, world: World) -> None:
    app, token, _ = await world.owner()
    async with stream(client, token) as one:
        await one.hello()
        await one.follow(world)
        assert (world.hub.consumers, world.bridge.apps.held(app)) == (1, 1)
    async with asyncio.timeout(5):
        while world.hub.consumers or world.bridge.apps.held(app):
            await client.get("/health")
    assert not world.hub._followers


async def test_a_slow_reader_is_given_the_newest_and_the_others_all(client: httpx.AsyncClient, world: World) -> None:
    """It acknowledges nothing: 256 events are under way, then what waits coalesces."""
    app, token, key = await world.owner()
    world.car.up(key.id)
    world.car.report(SignalId.MOVING, True)
    async with stream(client, token) as slow, stream(client, token, max_queue=None) as quick:
        assert (await slow.hello(capabilities=["ack", "juggling"]))["granted"]["capabilities"] == ["ack"]
        await quick.hello()
        for each in (slow, quick):
            await each.follow(world)
        encoded = world.services.fanout.encoded
        for number in range(400):
            world.car.report(SignalId.SPEED, float(number))
        record, _ = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="k")
        await world.settled(record)
        seen = []
        while (found := await quick.event("keygw.signal.changed"))["event"]["data"]["value"] != 399.0:
            seen.append(found["seq"])
        assert seen == sorted(seen)
        assert len(seen) == 399
        got: list[dict[str, Any]] = [await slow.next() for _ in range(256)]
        assert got[-1]["event"]["data"]["value"] == 255.0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.04):
                await slow.socket.recv()
        await slow.say("ack", vehicle=world.vehicle.id, seq=got[-1]["seq"])
        assert (await slow.next())["event"]["data"]["value"] == 399.0, "all between has coalesced"
        states: list[str] = []
        while states[-1:] != ["confirmed"]:
            states.append((await slow.event("keygw.command.updated"))["event"]["data"]["state"])
        assert states == ["accepted", "sent", "acknowledged", "confirmed"]
        assert world.services.fanout.encoded - encoded < 450, "once for an event, not once for each reader"


async def test_who_is_too_slow_for_what_may_not_be_dropped_is_let_go(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "WINDOW", 1)
    app, token, key = await world.owner()
    world.car.up(key.id)
    async with stream(client, token) as slow, stream(client, token) as quick:
        await slow.hello(capabilities=["ack"])
        await quick.hello()
        for each in (slow, quick):
            await each.follow(world)
        for _ in range(outlet.QUEUE + 2):
            world.hub.publish("keygw.command.updated", world.vehicle.id, {"app_id": app.id}, audience=app.id)
        assert await slow.end() == (4409, "slow_consumer")
        for _ in range(outlet.QUEUE + 2):
            await quick.event("keygw.command.updated")
        assert world.hub.consumers == 1


async def test_a_dropped_state_is_a_gap_and_a_new_snapshot(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "WINDOW", 1)
    app, token, key = await world.owner()
    world.car.up(key.id)
    world.car.report(SignalId.MOVING, True)
    async with stream(client, token) as slow:
        await slow.hello(capabilities=["ack"])
        await slow.follow(world)
        world.car.report(SignalId.SPEED, 1.0)
        world.car.report(SignalId.CENTRAL_LOCK, False)
        for _ in range(outlet.QUEUE):
            world.hub.publish("keygw.command.updated", world.vehicle.id, {"app_id": app.id}, audience=app.id)
        first = await slow.next()
        assert first["event"]["data"]["value"] == 1.0
        await slow.say("ack", vehicle=world.vehicle.id, seq=first["seq"])
        gap, snapshot = await slow.next(), await slow.next()
        assert (gap["type"], gap["from"], gap["to"]) == ("gap", first["seq"] + 1, first["seq"] + 1)
        assert snapshot["reason"] == "gap"
        assert {each["path"]: each.get("value") for each in snapshot["signals"]}[LOCK] is False
        assert snapshot["resume"] == first["resume"], "who comes back with it is told what still waited"


async def test_a_reader_that_sleeps_holds_up_nobody(client: httpx.AsyncClient, world: World) -> None:
    """Its socket is full, not its window."""
    _, token, key = await world.owner()
    world.car.up(key.id)
    async with stream(client, token, max_queue=1) as asleep, stream(client, token, max_queue=None) as quick:
        for each in (asleep, quick):
            await each.hello()
            await each.follow(world)
        asleep.socket.transport.pause_reading()
        for number in range(400):  # 8 MB: more than the kernel keeps for a connection
            news = {"vehicle_id": world.vehicle.id, "presence": str(number), "more": "x" * 20_000}
            world.hub.publish("keygw.vehicle.presence", world.vehicle.id, news, coalesce="presence")
            if number % 20 == 0:
                await client.get("/health")
        while (await quick.event("keygw.vehicle.presence"))["event"]["data"]["presence"] != "399":
            pass
        asleep.socket.transport.resume_reading()
        values: list[int] = []
        while values[-1:] != [399]:
            values.append(int((await asleep.event("keygw.vehicle.presence"))["event"]["data"]["presence"]))
        assert values == sorted(values)
        assert len(values) < 400


async def test_a_large_message_ends_it(client: httpx.AsyncClient, world: World) -> None:
    _, token = await world.app()
    async with stream(client, token) as one:
        await one.socket.send("x" * (MAX_FRAME + 1))
        assert (await one.end())[0] == 1009


async def test_no_compression_is_agreed_on_and_none_is_taken(client: httpx.AsyncClient, world: World) -> None:
    _, token = await world.app()
    async with stream(client, token, compression="deflate") as one:
        assert one.socket.response is not None
        assert "Sec-WebSocket-Extensions" not in one.socket.response.headers
        # A compressed frame all the same: RSV1 is set (RFC 7692, section 6), on some 60 bytes for 64 KiB of zeros.
        one.socket.transport.write(b"\xc1\x80\x00\x00\x00\x00")
        assert (await one.end())[0] == 1002


async def test_who_says_nothing_is_let_go(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keygw.api.streams.conversation.HELLO_SECONDS", 0.01)
    _, token = await world.app()
    async with stream(client, token) as one:
        assert await one.end() == (4408, "hello_timeout")


async def test_an_app_has_only_so_many(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keygw.api.streams.stream.MAX_OF_APP", 1)
    _, token = await world.app()
    _, other = await world.app()
    async with stream(client, token) as one, stream(client, token) as second, stream(client, other) as third:
        await one.hello()
        await second.say("hello", version=1)
        assert await second.end() == (4429, "too_many_streams")
        await third.hello()


async def test_a_store_that_fails_ends_the_stream_and_loses_nothing(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token, key = await world.owner()
    async with stream(client, token) as one:
        await one.hello()
        before = (await one.follow(world))["resume"]
        with monkeypatch.context() as broken:

            async def fails(*_: object) -> None:
                raise OSError("gone")

            broken.setattr(world.bridge.access, "view", fails)
            await world.credentials.suspend(key.id)
            assert await one.end() == (1011, "internal")
    async with stream(client, token) as one:
        await one.hello(resume=before)
        await one.say("subscribe", vehicles=[world.vehicle.id])
        assert (await one.event("keygw.key.suspended"))["event"]["data"]["key_id"] == key.id


async def test_the_ping_cuts_who_does_not_answer(world: World, serve: Any) -> None:
    _, token = await world.app()
    services = replace(world.services, heartbeat=60)
    async with serve(services, ping=0.02) as client, stream(client, token, ping_interval=None) as one:
        await one.hello()
        assert world.hub.consumers == 1
        one.socket.transport.pause_reading()
        async with asyncio.timeout(5):
            while world.hub.consumers:
                await client.get("/health")
        one.socket.transport.resume_reading()


async def opened_session(client: httpx.AsyncClient, token: str) -> str:
    made = await client.post("/v1/sessions", json={}, headers={"Authorization": f"Bearer {token}"})
    assert made.status_code == 201, made.text
    return str(made.json()["session"]["id"])


@pytest.mark.parametrize(
    ("method", "suffix", "word"), [("DELETE", "", "session_closed"), ("POST", ":suspend", "session_suspended")]
)
async def test_a_stream_under_a_session_ends_with_it(
    client: httpx.AsyncClient, world: World, method: str, suffix: str, word: str
) -> None:
    _, token, key = await world.owner()
    world.car.up(key.id)
    session = await opened_session(client, token)
    async with stream(client, token, f"/v1/sessions/{session}/stream") as one:
        await one.hello()
        snapshot = await one.follow(world)
        assert snapshot["vehicle"] == world.vehicle.id
        world.car.report(SignalId.CENTRAL_LOCK, False)
        assert (await one.event("keygw.signal.changed"))["event"]["data"]["path"] == LOCK
        await one.say("subscribe", vehicles=["veh_aaaaaaaaaaaaaaaa"], id=7)
        assert (await one.until("error"))["code"] == "unknown_vehicle"
        headers = {"Authorization": f"Bearer {token}"}
        await client.request(method, f"/v1/sessions/{session}{suffix}", headers=headers)
        assert await one.end() == (4410, word)
    async with stream(client, token, f"/v1/sessions/{session}/stream") as late:
        await late.say("hello", version=1)
        assert await late.end() == (4410, word)


async def test_a_session_of_another_has_no_stream(client: httpx.AsyncClient, world: World) -> None:
    _, token, _ = await world.owner()
    session = await opened_session(client, token)
    _, stranger = await world.app("session.connect")
    _, without = await world.app("vehicle.read")
    async with stream(client, stranger, f"/v1/sessions/{session}/stream") as one:
        await one.say("hello", version=1)
        assert await one.end() == (4404, "unknown_session")
    with pytest.raises(InvalidStatus):
        async with stream(client, without, f"/v1/sessions/{session}/stream"):
            pass

"""The event stream over real HTTP: resumable, filtered, and it ends when it should."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keygw.model.signal import SignalId

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

Auth = Callable[[str], dict[str, str]]


@dataclass
class Sse:
    """What an EventSource sees."""

    lines: AsyncIterator[str]
    place: str = ""
    """With what it would come back if it heard no event at all."""

    async def next(self) -> dict[str, Any]:
        """Fields of the next event; comments come as ``{"comment": ...}``; ``{}`` at the end."""
        fields: dict[str, Any] = {}
        async with asyncio.timeout(5):
            async for line in self.lines:
                if not line and fields:
                    break
                name, _, value = line.partition(":")
                fields[name or "comment"] = value.strip()
        if "data" in fields:
            fields["data"] = json.loads(fields["data"])
        return fields

    async def event(self) -> dict[str, Any]:
        """The next one that is an event; in vain not for ever."""
        async with asyncio.timeout(5):
            while (found := await self.next()) and "event" not in found:
                pass
        return found


@asynccontextmanager
async def listening(client: httpx.AsyncClient, headers: dict[str, str], path: str = "/v1/events") -> AsyncIterator[Sse]:
    async with client.stream("GET", path, headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        sse = Sse(response.aiter_lines())
        hello = await sse.next()
        assert hello.pop("retry") == "2000"
        sse.place = hello.pop("id", "")
        assert hello == {}
        yield sse


async def test_events_are_cloudevents(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, key = await world.owner()
    async with listening(client, auth(token)) as sse:
        world.car.up(key.id)
        world.car.report(SignalId.CENTRAL_LOCK, False)
        first, second = await sse.event(), await sse.event()
    assert first["event"] == "keygw.vehicle.reachable"
    data = second["data"]
    assert (data["specversion"], data["type"], data["subject"]) == ("1.0", "keygw.signal.changed", world.vehicle.id)
    assert second["id"].endswith(f"-{data['id']}"), "that of this run, behind the place in the books"
    assert (data["data"]["value"], data["data"]["quality"]) == (False, "live")


async def test_a_stream_goes_on_where_it_was_cut(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    app, token, _ = await world.owner()
    async with listening(client, auth(token)) as sse:
        record, _ = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="k")
        event = await sse.event()
    assert event["data"]["data"]["state"] == "accepted"
    await world.settled(record)
    states: list[str] = []
    async with listening(client, {**auth(token), "Last-Event-ID": event["id"]}) as sse:
        while states[-1:] != ["confirmed"]:
            found = await sse.event()
            assert found["event"] != "keygw.gap"
            if found["event"] == "keygw.command.updated":
                states.append(found["data"]["data"]["state"])
    assert states == ["sent", "acknowledged", "confirmed"]


async def test_an_unknown_last_id_is_a_gap_first(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, key = await world.owner()
    last = "other-77"
    one = f"/v1/events?vehicle={world.vehicle.id}&after={last}"
    for headers, path in (({"Last-Event-ID": last}, "/v1/events"), ({}, f"/v1/events?after={last}"), ({}, one)):
        async with listening(client, {**auth(token), **headers}, path) as sse:
            gap = await sse.event()
            world.car.up(key.id)
            following = await sse.event()
            world.car.down()
        assert (gap["event"], gap["data"]["data"]["reason"]) == ("keygw.gap", "unknown_id")
        assert "id" not in gap  # so that the client's last id stays what it was
        assert following["event"] == "keygw.vehicle.reachable"


async def test_who_loses_a_new_stream_before_its_first_event_misses_nothing(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    app, token, _ = await world.owner()
    async with listening(client, auth(token)) as sse:
        place = sse.place
    record, _ = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="k")
    await world.settled(record)
    async with listening(client, {**auth(token), "Last-Event-ID": place}) as sse:
        assert sse.place == "", "its place is that of the last event that it was told, and it comes back with that"
        states = []
        while "confirmed" not in states:
            event = await sse.event()
            states += [event["data"]["data"]["state"]] if event["event"] == "keygw.command.updated" else []
    assert states == ["accepted", "sent", "acknowledged", "confirmed"]


async def test_who_comes_from_another_run_is_told_all_that_was_recorded_and_nothing_twice(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    app, token, _ = await world.owner()
    async with listening(client, auth(token)) as sse:
        record, _ = await world.bridge.commands.create(app, world.vehicle.id, action="unlock", idempotency_key="k")
        seen = await sse.event()
    await world.settled(record)
    other = await world.owner()
    hidden, _ = await world.bridge.commands.create(other[0], world.vehicle.id, action="lock", idempotency_key="k")
    await world.settled(hidden)
    last = seen["id"].replace("-boot-", "-before-")
    async with listening(client, {**auth(token), "Last-Event-ID": last}) as sse:
        told = []
        while (event := await sse.event())["event"] != "keygw.gap":
            told.append(event)
        assert event["data"]["data"]["reason"] == "not_recorded"
        late, _ = await world.bridge.commands.create(app, world.vehicle.id, action="lock", idempotency_key="late")
        live = await sse.event()
    await world.settled(late)
    updates = [each["data"]["data"] for each in told if each["event"] == "keygw.command.updated"]
    assert [(each["id"], each["state"]) for each in updates] == [
        (record.id, state) for state in ("sent", "acknowledged", "confirmed")
    ]
    assert (live["data"]["data"]["id"], live["data"]["data"]["state"]) == (late.id, "accepted")
    ids = [each["data"]["id"] for each in (seen, *told, live)]
    assert len(set(ids)) == len(ids)
    async with listening(client, auth(token), f"/v1/events?after={told[0]['id']}") as sse:  # as good as one of a run
        assert [(await sse.event())["id"] for _ in told[1:]] == [each["id"] for each in told[1:]]


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ("1.5", "unknown_id"),
        ("999999.1800000000", "unknown_id"),
        ("1", "unknown_id"),
        ("1.x", "unknown_id"),
        ("-", "unknown_id"),
        ("9" * 40 + ".1", "unknown_id"),
    ],
)
async def test_a_place_that_the_books_do_not_know_is_a_gap(
    client: httpx.AsyncClient, world: World, auth: Auth, last: str, reason: str
) -> None:
    _, token, _ = await world.owner()
    async with listening(client, auth(token), f"/v1/events?after={last}") as sse:
        assert (await sse.event())["data"]["data"]["reason"] == reason


async def test_a_place_that_the_books_have_forgotten_is_a_gap(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    app, token, _ = await world.owner()
    await world.give_key(app)
    [first] = await world.store.credentials.outbox(0, 1)
    await world.store.credentials.write(lambda tx: tx.drop_outbox(0, 1))
    for place in (first.event_id, "0.0-before-1"):
        async with listening(client, auth(token), f"/v1/events?after={place}") as sse:
            assert (await sse.event())["data"]["data"]["reason"] == "too_old"


async def test_silence_is_broken_by_a_heartbeat(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app()
    async with listening(client, auth(token)) as sse:
        assert await sse.next() == {"comment": "still here"}


async def test_one_vehicle_only(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token, key = await world.owner()
    async with listening(client, auth(token), f"/v1/events?vehicle={world.vehicle.id}") as sse:
        world.hub.publish("keygw.vehicle.reachable", "veh_mfrggzdfmztwq2lk", {})
        world.car.up(key.id)
        assert (await sse.event())["data"]["subject"] == world.vehicle.id


async def test_a_stranger_hears_nothing(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, _, key = await world.owner()
    _, token = await world.app()
    async with listening(client, auth(token)) as sse:
        world.car.up(key.id)
        world.car.report(SignalId.CENTRAL_LOCK, False)
        assert "comment" in await sse.next()


async def test_a_stream_ends_with_its_token(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    app, token = await world.app()
    async with listening(client, auth(token)) as sse:
        await world.bridge.apps.revoke(app.id)
        while found := await sse.next():
            assert "comment" in found


async def test_a_client_that_leaves_is_forgotten(client: httpx.AsyncClient, world: World, auth: Auth) -> None:
    _, token = await world.app()
    async with listening(client, auth(token)):
        assert world.hub.consumers == 1
    async with asyncio.timeout(5):
        while world.hub.consumers:
            await client.get("/health")


async def test_streams_end_before_the_server_does(world: World, auth: Auth, serve: Any) -> None:
    _, token = await world.app()
    async with serve(replace(world.services, heartbeat=60)) as client, listening(client, auth(token)) as sse:
        world.hub.close()
        assert await sse.next() == {}


async def test_a_reader_that_sleeps_does_not_hold_up_the_others(
    client: httpx.AsyncClient, world: World, auth: Auth
) -> None:
    _, token, key = await world.owner()
    async with listening(client, auth(token)), listening(client, auth(token)) as quick:
        world.car.up(key.id)
        for number in range(2000):
            world.car.report(SignalId.SPEED, float(number))
        last: Any = None
        while last != 1999.0:
            found = await quick.event()
            last = found["data"]["data"].get("value")
        assert world.hub.consumers == 2

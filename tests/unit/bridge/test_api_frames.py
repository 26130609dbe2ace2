"""``keygw.frames.v1`` over a real WebSocket: who is lent the link, what passes, and how it ends."""

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

from keygw.api.streams.wire import Wire
from keygw.model.base64url import encode_base64url
from keygw.model.errors import LinkError

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

SCOPES = ("vehicle.read", "key.read")


@asynccontextmanager
async def frames(
    client: httpx.AsyncClient, world: World, token: str | None, protocol: str = "keygw.frames.v1", vehicle: str = ""
) -> AsyncIterator[ClientConnection]:
    url = (
        f"{str(client.base_url).replace('http', 'ws', 1).rstrip('/')}/v1/vehicles/{vehicle or world.vehicle.id}/frames"
    )
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with connect(
        url, subprotocols=[Subprotocol(protocol)], additional_headers=headers, proxy=None, close_timeout=2
    ) as socket:
        yield socket


async def said(socket: ClientConnection, **fields: Any) -> None:
    await socket.send(json.dumps({"type": "open", "version": 1, **fields}))


async def end(socket: ClientConnection) -> tuple[int | None, str]:
    async with asyncio.timeout(5):
        with suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code, (socket.close_reason or "").partition(":")[0]


@pytest.fixture
async def phone(world: World) -> tuple[str, str, str]:
    """The token of an app whose phone has a key, the app's id and the key's."""
    _, _, top = await world.owner()
    app, token = await world.app(*SCOPES)
    return token, app.id, (await world.give_phone_key(app, top)).id


async def test_frames_pass_both_ways_as_they_are(
    client: httpx.AsyncClient, world: World, phone: tuple[str, str, str]
) -> None:
    for in_band in (False, True):
        async with frames(client, world, None if in_band else phone[0]) as socket:
            await said(socket, **({"token": phone[0]} if in_band else {}))
            opened = json.loads(await socket.recv())
            assert opened == {
                "type": "opened",
                "version": 1,
                "info": encode_base64url(b"\x01"),
                "max_frame": 512,
                "peer": "vehicle",
                "seconds": 30.0,
            }
            assert world.car.lent is not None
            for frame in (b"\xc0", b"\x80" + bytes(511), b"\x41{}"):
                await socket.send(frame)
                assert await world.car.lent.receive() == frame
                await world.car.lent.send(frame)
                assert await socket.recv() == frame


@pytest.mark.parametrize(
    ("first", "code", "word"),
    [
        (b"\xc0x", 4400, "protocol_violation"),
        ("{", 4400, "bad_message"),
        ('{"type":"open","version":2}', 4400, "version_unsupported"),
        ('{"type":"open","version":1,"avoid":7}', 4400, "bad_message"),
        ('{"type":"open","version":1,"token":"kgw_nobody"}', 4401, "token_unknown"),
        ('{"type":"open","version":1}', 4401, "token_missing"),
    ],
)
async def test_what_does_not_open_it_ends_it(
    client: httpx.AsyncClient, world: World, first: str | bytes, code: int, word: str
) -> None:
    async with frames(client, world, None) as socket:
        await socket.send(first)
        assert await end(socket) == (code, word)
    assert world.car.lent is None


async def test_after_opened_frames_are_binary_and_fit(
    client: httpx.AsyncClient, world: World, phone: tuple[str, str, str]
) -> None:
    for wrong, word in (("text", "protocol_violation"), (bytes(513), "bad_frame"), (b"", "bad_frame")):
        async with frames(client, world, phone[0]) as socket:
            await said(socket)
            await socket.recv()
            await socket.send(wrong)
            assert await end(socket) == (4400, word)


async def test_who_has_no_phone_with_a_key_is_lent_nothing(client: httpx.AsyncClient, world: World) -> None:
    app, hosted, top = await world.owner()
    _, stranger = await world.app(*SCOPES)
    for token, code, word in ((hosted, 4403, "no_phone_key"), (stranger, 4404, "unknown_vehicle")):
        async with frames(client, world, token) as socket:
            await said(socket)
            assert await end(socket) == (code, word)
    for ending, word in (("suspend", "key_suspended"), ("revoke", "key_revoked")):
        key = await world.give_phone_key(app, top)
        await getattr(world.credentials, ending)(key.id)
        async with frames(client, world, hosted) as socket:
            await said(socket)
            assert await end(socket) == (4403, word)
    key = await world.give_phone_key(app, top)
    world.clock.now += 3601
    async with frames(client, world, hosted) as socket:
        await said(socket)
        assert await end(socket) == (4403, "key_expired")
    assert world.car.lent is None


async def test_it_ends_at_once_with_the_key_and_with_the_token(
    client: httpx.AsyncClient, world: World, phone: tuple[str, str, str]
) -> None:
    token, app_id, key_id = phone
    for act, ended in (
        (world.credentials.suspend(key_id), (4403, "key_suspended")),
        (world.bridge.apps.revoke(app_id), (4401, "token_revoked")),
    ):
        async with frames(client, world, token) as socket:
            await said(socket)
            await socket.recv()
            await act
            assert await end(socket) == ended
            assert world.car.lent is not None
            async with asyncio.timeout(2):
                with pytest.raises(LinkError, match="gone"):
                    await world.car.lent.receive()
        if ended[0] == 4403:
            await world.credentials.resume(key_id)


async def test_it_ends_with_the_time_of_the_token(client: httpx.AsyncClient, world: World) -> None:
    _, _, top = await world.owner()
    app, token = await world.bridge.apps.register("short", SCOPES, 60)
    await world.give_phone_key(app, top)
    async with frames(client, world, token) as socket:
        await said(socket)
        await socket.recv()
        world.clock.now += 61
        assert await end(socket) == (4401, "token_expired")


async def test_the_way_to_the_car_is_told(client: httpx.AsyncClient, world: World, phone: tuple[str, str, str]) -> None:
    world.car.present = False
    async with frames(client, world, phone[0]) as socket:
        await said(socket)
        assert await end(socket) == (4503, "out_of_range")
    world.car.present = True
    async with frames(client, world, phone[0]) as socket:
        await said(socket)
        await socket.recv()
        assert world.car.lent is not None
        await world.car.lent.cut()
        assert await end(socket) == (4503, "link_lost")


async def test_a_gateway_that_stops_says_so(world: World, serve: Any, phone: tuple[str, str, str]) -> None:
    async with serve(world.services) as client, frames(client, world, phone[0]) as socket:
        await said(socket)
        await socket.recv()
        world.hub.close()
        assert await end(socket) == (1012, "gateway_stopping")


@pytest.mark.parametrize(("protocol", "scopes", "status"), [("keygw.v1", SCOPES, 400), ("", ("key.read",), 403)])
async def test_refused_before_it_stands(
    client: httpx.AsyncClient, world: World, protocol: str, scopes: tuple[str, ...], status: int
) -> None:
    _, token = await world.app(*scopes)
    with pytest.raises(InvalidStatus) as refused:
        async with frames(client, world, token, protocol or "keygw.frames.v1"):
            pass
    assert refused.value.response.status_code == status


async def test_who_had_the_link_for_long_leaves_it_for_as_long(
    client: httpx.AsyncClient, world: World, phone: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keygw.bridge.relays.SHORT_S", 0.0)
    _, _, top = await world.owner()
    other, theirs = await world.app(*SCOPES)
    await world.give_phone_key(other, top)
    async with frames(client, world, phone[0]) as socket:
        await said(socket)
        await socket.recv()
        await asyncio.sleep(0.04)
        await socket.close()
    async with frames(client, world, phone[0]) as socket, frames(client, world, theirs) as free:
        await said(socket)
        assert await end(socket) == (4423, "busy")
        await said(free)
        assert json.loads(await free.recv())["type"] == "opened"
    await asyncio.sleep(0.05)
    # It rests for as long as it had the link, which a busy machine makes long.
    async with asyncio.timeout(30):
        while True:
            async with frames(client, world, phone[0]) as socket:
                await said(socket)
                if not isinstance(first := await first_of(socket), tuple):
                    break
                assert first == (4423, "busy")
    assert json.loads(first)["type"] == "opened"


async def first_of(socket: ClientConnection) -> str | bytes | tuple[int | None, str]:
    try:
        return await socket.recv()
    except ConnectionClosed:
        return await end(socket)


async def test_a_reader_that_is_too_slow_is_let_go(
    client: httpx.AsyncClient, world: World, phone: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keygw.api.streams.frames.STALL_S", 0.05)
    async with frames(client, world, phone[0]) as socket:
        await said(socket)
        await socket.recv()
        assert world.car.lent is not None
        monkeypatch.setattr(Wire, "free", property(lambda self: False))
        monkeypatch.setattr(Wire, "drained", lambda self: asyncio.Event().wait())
        await world.car.lent.send(b"\xc0x")
        assert await end(socket) == (4409, "slow_consumer")

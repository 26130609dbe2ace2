"""``keygw.client`` against the real API: what it promises where answers get lost, streams are cut, and tokens end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from keygw.client import Keygw, Problem, Stranger, Unreachable
from keygw.client.connection import MAX_ANSWER
from keygw.model.command import Action
from keygw.model.signal import SignalId

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World

SPEED = SignalId.SPEED.path
OPERATOR_TOKEN = "kgw_operator-for-tests"


class Lossy(httpx.AsyncHTTPTransport):
    """A network that loses the first ``lost`` answers to POST, after the gateway has done what was asked."""

    def __init__(self, lost: int) -> None:
        super().__init__()
        self.lost = lost

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if request.method == "POST" and self.lost:
            self.lost -= 1
            await response.aread()
            raise httpx.ReadError("lost", request=request)
        return response


class Cutting(httpx.AsyncHTTPTransport):
    """A network that cuts each event stream behind so many bytes."""

    def __init__(self, bytes_each: int) -> None:
        super().__init__()
        self.bytes_each, self.streams = bytes_each, 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if request.url.path == "/v1/events":
            self.streams += 1
            response.stream = _Cut(response.stream, self.bytes_each, request)  # type: ignore[arg-type]  # it is async
        return response


class _Cut(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, left: int, request: httpx.Request) -> None:
        self._inner, self._left, self._request = inner, left, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            yield chunk[: self._left]
            self._left -= len(chunk)
            if self._left <= 0:
                raise httpx.ReadError("cut", request=self._request)

    async def aclose(self) -> None:
        await self._inner.aclose()


@pytest.fixture
def url(client: httpx.AsyncClient) -> str:
    return str(client.base_url)


async def test_from_a_look_at_the_car_to_an_open_door(world: World, url: str) -> None:
    _, token, key = await world.owner()
    async with Keygw(url, token) as keygw:
        assert [each.id for each in await keygw.vehicles()] == [world.vehicle.id]
        assert (await keygw.vehicle(world.vehicle.id)).name == "Blue van"
        assert (await keygw.capabilities(world.vehicle.id))["command.unlock"].standing == "supported"
        checked = await keygw.check(world.vehicle.id, "unlock")
        assert (checked.accepted, checked.key_id) == (True, key.id)
        done = await keygw.command(world.vehicle.id, "unlock")
        assert done.confirmed
        assert done.settled
        assert done.created_at.tzinfo is not None
        assert await keygw.look(done) == done
        assert (await keygw.link(world.vehicle.id)).state == "authenticated"
        world.car.report(SignalId.SPEED, 50.0)
        signals = await keygw.signals(world.vehicle.id, SPEED, "Vehicle.Flux", units="imperial")
        assert signals[SPEED].fact == pytest.approx(31.07, abs=0.01)
        assert (signals["Vehicle.Flux"].error, signals["Vehicle.Flux"].fact) == ("unsupported", None)
        world.car.down()
        assert (await keygw.signals(world.vehicle.id))[SPEED].fact is None, "what is stale is no fact"
        assert [each.id for each in await keygw.keys(world.vehicle.id)] == [key.id]
        assert (await keygw.suspend(key.id)).state == "suspended"


async def test_a_lost_answer_is_asked_for_again_and_the_car_acts_once(world: World, url: str) -> None:
    _, token, _ = await world.owner()
    async with Keygw(url, token, transport=Lossy(2)) as keygw:
        done = await keygw.command(world.vehicle.id, "unlock")
    assert done.confirmed
    assert world.car.acted == [Action.UNLOCK]
    async with Keygw(url, token, transport=Lossy(99)) as keygw:
        with pytest.raises(Unreachable) as caught:
            await keygw.command(world.vehicle.id, "lock", idempotency_key="mine")
    assert (caught.value.retryable, caught.value.may_have_happened) == (True, True)
    async with Keygw(url, token) as keygw:
        again = await keygw.command(world.vehicle.id, "lock", idempotency_key="mine")
        assert (await keygw.settle(again)).confirmed
    assert world.car.acted == [Action.UNLOCK, Action.LOCK], "the wish outlived its program, and was done once"


async def test_a_patient_command_can_be_taken_back(world: World, url: str) -> None:
    _, token, _ = await world.owner()
    world.car.present = False
    until = datetime.fromtimestamp(world.clock(), UTC) + timedelta(minutes=5)
    async with Keygw(url, token) as keygw:
        waiting = await keygw.command(world.vehicle.id, "lock", expires_at=until, wait=0)
        assert (waiting.settled, waiting.expires_at) == (False, until)
        assert (await keygw.cancel(waiting)).state == "cancelled"
        world.car.present = True
        done = await keygw.command(world.vehicle.id, "lock")
        with pytest.raises(Problem) as caught:
            await keygw.cancel(done)
    assert (caught.value.status, caught.value.code) == (409, "already_settled")


async def test_a_stream_that_is_cut_comes_back_where_it_was(world: World, url: str) -> None:
    """Beside it one that is never cut: both tell the same."""
    _, token, _ = await world.owner()
    network = Cutting(4000)

    async def listen(keygw: Keygw, opened: asyncio.Event) -> list[str]:
        heard: list[str] = []
        async for event in keygw.events(world.vehicle.id, opened=opened):
            assert not event.gap
            heard.append(event.id)
            told = (event.type, event.data.get("action"), event.data.get("settled"))
            if told == ("keygw.command.updated", "open_trunk", True):
                return heard
        raise AssertionError("the stream has ended")

    async with Keygw(url, token, transport=network) as cut, Keygw(url, token) as whole:
        opened = [asyncio.Event(), asyncio.Event()]
        listening = asyncio.gather(*(listen(each, event) for each, event in zip((cut, whole), opened, strict=True)))
        await asyncio.wait_for(asyncio.gather(*(event.wait() for event in opened)), 5)
        for action in ("unlock", "lock", "unlock", "lock", "open_trunk"):
            await whole.command(world.vehicle.id, action)
        by_cut, by_whole = await asyncio.wait_for(listening, 30)
    assert by_cut == by_whole, "nothing twice, nothing missing"
    assert len(by_whole) > 10
    assert network.streams > 3, "it was cut"


async def test_a_refusal_is_a_problem_with_its_code_and_no_token_in_it(world: World, url: str) -> None:
    app, token, _ = await world.owner("vehicle.read")
    async with Keygw(url, token) as keygw:
        with pytest.raises(Problem) as caught:
            await keygw.command(world.vehicle.id, "unlock")
        problem = caught.value
        assert (problem.status, problem.code, problem.required_scope) == (403, "insufficient_scope", "command.lock")
        with pytest.raises(Problem) as caught:
            await keygw.ask("GET", "/v1/discovery", query={"seconds": "long"})
        assert caught.value.errors[0]["at"] == "query.seconds"
        assert caught.value.errors[0]["at"] in str(caught.value)
        events = keygw.events()
        world.clock.now += 1
        await world.bridge.apps.revoke(app.id, await world.bridge.apps.authenticate(OPERATOR_TOKEN))
        with pytest.raises(Problem) as caught:
            await anext(events)
        assert caught.value.code == "token_revoked"
        assert token not in f"{caught.value!r} {keygw!r} {vars(caught.value)}"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>", Stranger),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", Stranger),
        (b'HTTP/1.1 500 No\r\nContent-Length: 13\r\n\r\n{"code": "x"}', Stranger),
        (b"HTTP/1.1 302 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", Stranger),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"[" * (MAX_ANSWER + 65_536), Stranger),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", Unreachable),
        (b"\x00\x01", Unreachable),
        (b"", Unreachable),
    ],
    ids=["a page", "no vehicle", "no problem", "a redirect", "without end", "cut", "noise", "silence"],
)
async def test_what_is_no_gateway_is_told(answer: bytes, error: type[Exception]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Keygw(f"http://127.0.0.1:{port}", "kgw_x") as keygw:
        with pytest.raises(error):
            await keygw.vehicle("veh_aaaaaaaaaaaaaaaa")


async def test_where_nobody_is_nothing_has_happened() -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    async with Keygw(f"http://127.0.0.1:{port}", "kgw_x") as keygw:
        with pytest.raises(Unreachable) as caught:
            await keygw.command("veh_aaaaaaaaaaaaaaaa", "unlock")
    assert not caught.value.may_have_happened

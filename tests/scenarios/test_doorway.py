"""Connections that cost, against a real server: silent ones, endless headers, slow bodies, too many, none of HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from keygw.api.streams.wire import ws_options
from keygw.app.doorway import bounded
from keygw.app.server import Server

Serve = Callable[..., Any]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers the length of the body, ``/hold`` only when the connection ends; a WebSocket says nothing."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        return
    if scope["type"] != "http":
        return
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"] == "/hold":
        await send({"type": "http.response.body", "body": b"holding", "more_body": True})
        await receive()
        return
    await send({"type": "http.response.body", "body": str(size).encode()})


@asynccontextmanager
async def server(**bounds: Any) -> AsyncIterator[int]:
    """The port of a server with these bounds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ready = asyncio.Event()
        ws = ws_options()
        http = bounded(streams=ws["ws"].streams, **bounds)
        config = uvicorn.Config(app, http=http, log_config=None, lifespan="off", **ws)
        made = Server(config, on_ready=ready.set, on_stop=lambda: None)
        task = asyncio.create_task(made._serve([listener]))
        await ready.wait()
        try:
            yield listener.getsockname()[1]
        finally:
            made.should_exit = made.force_exit = True
            await task


class Talk:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def to(cls, port: int, say: bytes = b"") -> Talk:
        made = cls(*await asyncio.open_connection("127.0.0.1", port))
        made.writer.write(say)
        return made

    async def rest(self) -> bytes:
        """Everything until the other side ends it."""
        async with asyncio.timeout(10):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def answer(self) -> bytes:
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            return head + (await self.reader.readuntil(b"\r\n0\r\n\r\n") if b"chunked" in head else b"")

    async def close(self) -> None:
        self.writer.close()


def problem(said: bytes, status: int, code: str) -> None:
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), said
    assert b"application/problem+json" in head
    assert b"connection: close" in head
    told = json.loads(body)
    assert (told["status"], told["code"]) == (status, code)
    assert told["trace_id"].encode() in head


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


async def test_an_ordinary_conversation_is_left_alone() -> None:
    async with server() as port:
        talk = await Talk.to(port)
        for size in (0, 10, 60_000):
            talk.writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
            assert b"\r\n%d\r\n" % size in await talk.answer()
        talk.writer.write(GET + GET)
        assert [await talk.answer() for _ in range(2)][1].startswith(b"HTTP/1.1 200")
        await talk.close()


async def test_a_silent_connection_is_ended() -> None:
    async with server(seconds=0.02) as port:
        assert await (await Talk.to(port)).rest() == b""


@pytest.mark.parametrize("begun", [b"G", b"GET / HTTP/1.1\r\nHost: a\r\nX: "])
async def test_a_header_that_never_ends_is_told_so(begun: bytes) -> None:
    async with server(seconds=0.3) as port:  # time enough for the bytes to arrive on a busy machine
        problem(await (await Talk.to(port, begun)).rest(), 408, "request_timeout")


async def test_a_body_that_never_ends_ends_the_connection() -> None:
    async with server(seconds=0.02) as port:
        said = await (await Talk.to(port, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx")).rest()
    assert said == b""


async def test_an_answer_may_take_as_long_as_it_likes() -> None:
    async with server(seconds=0.02) as port:
        talk = await Talk.to(port, b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        await talk.reader.readuntil(b"holding")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await talk.reader.read()
        await talk.close()


@pytest.mark.parametrize("pieces", [1, 40, 4000])
async def test_a_header_that_is_too_large_is_refused(pieces: int) -> None:
    line = b"X-Padding: " + b"x" * (40_000 // pieces) + b"\r\n"
    async with server(header_bytes=32_768) as port:
        talk = await Talk.to(port, b"GET / HTTP/1.1\r\nHost: a\r\n")
        for _ in range(pieces):
            talk.writer.write(line)
            await asyncio.sleep(0)
        problem(await talk.rest(), 431, "header_too_large")
        talk = await Talk.to(port, b"GET / HTTP/1.1\r\nHost: a\r\n" + line * pieces + b"\r\n")
        problem(await talk.rest(), 431, "header_too_large")
        talk = await Talk.to(port, b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        problem(await talk.rest(), 431, "header_too_large")


@pytest.mark.parametrize("said", [b"\x16\x03\x01\x02\x00\x01\x00", b"HELO a\r\n", b"GET / HTTP/9.9\r\n\r\n"])
async def test_what_is_no_http_is_a_problem(said: bytes) -> None:
    async with server() as port:
        problem(await (await Talk.to(port, said)).rest(), 400, "bad_request")


async def test_silent_connections_give_way_to_one_that_asks() -> None:
    """520 of them, as measured before: each of them cost the gateway a place, and it had none left."""
    async with server(most=64) as port:
        silent = [await Talk.to(port) for _ in range(100)]
        for _ in range(3):
            talk = await Talk.to(port, GET)
            assert (await talk.answer()).startswith(b"HTTP/1.1 200")
        assert await silent[0].rest() == b"", "the one that was silent for longest went first"
        for each in silent:
            await each.close()


UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def test_streams_take_no_place_of_others_and_have_an_end_of_their_own() -> None:
    async with server(most=2, most_streams=4) as port:
        streams = [await Talk.to(port, UPGRADE) for _ in range(4)]
        for each in streams:
            assert (await each.answer()).startswith(b"HTTP/1.1 101")
        problem(await (await Talk.to(port, UPGRADE)).rest(), 503, "overloaded")
        talk = await Talk.to(port, GET)
        assert (await talk.answer()).startswith(b"HTTP/1.1 200")
        for each in (*streams, talk):
            await each.close()


async def test_where_all_are_busy_the_next_hears_a_problem() -> None:
    async with server(most=4) as port:
        busy = [await Talk.to(port, b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n") for _ in range(4)]
        for each in busy:
            await each.reader.readuntil(b"holding")
        refused = await (await Talk.to(port, GET)).rest()
        problem(refused, 503, "overloaded")
        assert b"retry-after: 1" in refused.lower()
        await busy[0].close()
        await busy[0].reader.read()
        async with asyncio.timeout(10):
            while True:  # its place is free once the server has seen the end
                talk = await Talk.to(port, GET)
                if (await talk.answer()).startswith(b"HTTP/1.1 200"):
                    break
        for each in busy:
            await each.close()

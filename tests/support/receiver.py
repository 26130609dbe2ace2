"""A receiver of webhooks on loopback: it takes every request, and answers as it was told to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Taken:
    """``headers``: with small letters. ``sni``: the name that TLS was asked for."""

    line: str
    headers: dict[str, str]
    body: bytes
    sni: str | None = None


@dataclass
class Receiver:
    """``answer``: the next answers, raw; then ``always``. ``hold``: nobody is answered while it is not set."""

    url: str = ""
    port: int = 0
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    answers: list[bytes] = field(default_factory=list)
    always: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    sni: str | None = None
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    async def until(self, true: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait for as many requests as it takes until that holds."""
        async with asyncio.timeout(seconds), self._came:
            await self._came.wait_for(true)

    async def count(self, number: int, seconds: float = 10.0) -> list[Taken]:
        """The first so many."""
        await self.until(lambda: len(self.taken) >= number, seconds)
        return self.taken[:number]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            line, *rest = head.rstrip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (each.partition(": ") for each in rest)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            async with self._came:
                self.taken.append(Taken(line, headers, body, self.sni))
                self._came.notify_all()
            await self.hold.wait()
            writer.write(self.answers.pop(0) if self.answers else self.always)
            await writer.drain()
        self._open.discard(writer)
        writer.close()

    async def _end(self) -> None:
        self.hold.set()
        for writer in tuple(self._open):
            writer.transport.abort()
        while self._open:  # noqa: ASYNC110 - each of them ends by itself now
            await asyncio.sleep(0)


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    made = Receiver()
    made.hold.set()
    if tls is not None:

        def seen(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
            made.sni = name

        tls.sni_callback = seen
    server = await asyncio.start_server(made._serve, host, 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    made.url = f"{'http' if tls is None else 'https'}://{f'[{host}]' if ':' in host else host}:{made.port}/hook"
    try:
        yield made
    finally:
        server.close()
        await made._end()


def answering(status: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} So", *headers, f"Content-Length: {len(body)}", "Connection: close"]
    return "\r\n".join([*lines, "", ""]).encode() + body

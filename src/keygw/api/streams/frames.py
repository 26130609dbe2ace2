"""``keygw.frames.v1``: an app whose phone holds the device key speaks with the car over the gateway's link.

One text message each way, and from then on each binary message is one frame of ``protocols/key_session``. The gateway
looks at the length of a frame and at nothing else: what is in it is sealed between phone and car.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, Field, TypeAdapter

from keygw.api.streams.conversation import HELLO_SECONDS
from keygw.api.streams.line import binary_frame, text_frame
from keygw.api.streams.messages import BadMessage, Heard, read_as
from keygw.api.streams.stream import CODES, Stream
from keygw.bridge.access import ScopeRequired
from keygw.bridge.apps import Unauthenticated
from keygw.bridge.fault import describe
from keygw.bridge.records import App
from keygw.model.base64url import encode_base64url
from keygw.model.errors import KeygwError
from keygw.vehicle.relay import LONGEST_S, Relay

log = structlog.get_logger(__name__)

SUBPROTOCOL = "keygw.frames.v1"
VERSION = 1
STALL_S = 5.0
"""For an app to take the frames that wait for it."""
LOOK_S = 1.0
Receive = Callable[[], Awaitable[str | bytes | None]]
"""The next message of the app; ``None``: it has gone."""


class Open(Heard):
    """The first message, within ten seconds. Nothing more until ``opened``."""

    type: Literal["open"]
    version: int = Field(description="1")
    token: Annotated[str, Field(min_length=1, max_length=8192)] | None = Field(
        default=None, repr=False, description="The token, if it was not in the Authorization header"
    )
    proof: Annotated[str, Field(min_length=1, max_length=8192)] | None = Field(
        default=None,
        repr=False,
        description="With a token that is bound to a key: the DPoP proof, for GET on the address of the stream",
    )
    avoid: list[Annotated[str, Field(max_length=64)]] = Field(
        default=[],
        max_length=16,
        description="`peer` of those that answered to the vehicle's id, and with whom no session came about",
    )


class Opened(BaseModel):
    """The link stands: each binary message is one frame from now on, either way."""

    type: Literal["opened"]
    version: int
    info: str = Field(description="The INFO characteristic as read, base64url; the handshake binds it")
    max_frame: int = Field(description="Bytes that a frame to the vehicle may have, 20 to 512")
    peer: str = Field(description="Who is at the other end, for `avoid`")
    seconds: float = Field(description="For so long the link is lent, at most")


_OPEN: TypeAdapter[Open] = TypeAdapter(Open)


def read(text: str) -> Open:
    """``BadMessage``."""
    return read_as(_OPEN, text)


class Frames:
    """``app``: who showed a token before the first message, if anybody did."""

    def __init__(self, stream: Stream, receive: Receive, app: App | None, vehicle_id: str) -> None:
        self._stream = stream
        self._receive = receive
        self._early = app
        self._vehicle_id = vehicle_id
        self._relays = stream.services.bridge.relays
        self._relay: Relay | None = None

    async def run(self) -> None:
        stream = self._stream
        try:
            await self._talk()
        except BadMessage as error:
            stream.end("bad_message", str(error))
        except (Unauthenticated, ScopeRequired) as error:
            stream.end(error.code)
        except KeygwError as error:
            self._end(error)
        finally:
            await stream.release()

    async def _talk(self) -> None:
        stream = self._stream
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                message = await self._receive()
        except TimeoutError:
            stream.end("hello_timeout", f"say open within {HELLO_SECONDS:.0f} seconds")
            return
        if message is None:
            return
        if isinstance(message, bytes):
            stream.end("protocol_violation", "the first message is open")
            return
        asked = read(message)
        if asked.version != VERSION:
            stream.end("version_unsupported", f"this is version {VERSION}")
            return
        if not await self._admit(asked):
            return
        lending = asyncio.create_task(self._lend(asked), name=f"relay {stream.name}")
        try:
            await self._listen(lending)
        finally:
            lending.cancel()
            await asyncio.gather(lending, return_exceptions=True)

    async def _admit(self, asked: Open) -> bool:
        stream, app = self._stream, self._early
        if asked.token is not None:
            app = await stream.tokens.first(asked.token, asked.proof)
            if self._early is not None and self._early.id != app.id:
                stream.end("token_of_another")
                return False
        if app is None:
            raise Unauthenticated("send the token in the Authorization header, or in open")
        stream.bind(app)
        return stream.alive()

    async def _lend(self, asked: Open) -> None:
        """From the taking of the link to its return; ends the stream with the reason."""
        stream = self._stream
        try:
            async with self._relays.lending(stream.app, self._vehicle_id, asked.avoid) as relay:
                told = Opened(
                    type="opened",
                    version=VERSION,
                    info=encode_base64url(relay.info),
                    max_frame=relay.max_frame,
                    peer=relay.peer,
                    seconds=LONGEST_S,
                )
                stream.line.write(text_frame(told.model_dump_json().encode()))
                self._relay = relay
                await self._carry(relay)
        except KeygwError as error:
            self._end(error)
        except Exception as error:
            log.error("relay_broke", stream=stream.name, **describe(error))
            stream.end("internal")
        finally:
            self._relay = None

    async def _carry(self, relay: Relay) -> None:
        """Until the link, the app's right or the time is over; raises for the first, tells of the others."""
        down = asyncio.create_task(self._down(relay), name="relay down")
        over = asyncio.create_task(relay.over(), name="relay over")
        ended = asyncio.create_task(self._relays.ended(self._stream.app, self._vehicle_id), name="relay rights")
        tasks = (down, over, ended)
        look = min(LOOK_S, self._stream.services.heartbeat)
        try:
            while self._stream.alive():  # tokens also end by the clock
                done, _ = await asyncio.wait(tasks, timeout=look, return_when=asyncio.FIRST_COMPLETED)
                if done:
                    break
            if self._stream.ended is not None:
                return
            if ended.done():
                code, text = ended.result()
                self._stream.end(code if code in CODES else "internal", text)
            elif down.done():
                down.result()
            else:
                raise over.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _down(self, relay: Relay) -> None:
        """From the vehicle to the app."""
        line = self._stream.line
        while self._stream.alive():
            line.write(binary_frame(await relay.receive()))
            if not line.free:
                try:
                    async with asyncio.timeout(STALL_S):
                        await line.drained()
                except TimeoutError:
                    self._stream.end("slow_consumer")

    async def _listen(self, lending: asyncio.Task[None]) -> None:
        """From the app to the vehicle."""
        while self._stream.alive():
            pending = asyncio.ensure_future(self._receive())
            try:
                await asyncio.wait((pending, lending), return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not pending.done():
                    pending.cancel()
                    await asyncio.gather(pending, return_exceptions=True)
            if lending.done() or pending.cancelled():
                return
            message = pending.result()
            if message is None:
                return
            if isinstance(message, str) or self._relay is None:
                self._stream.end("protocol_violation", "frames are binary, and come after opened")
                return
            await self._relay.send(message)

    def _end(self, error: KeygwError) -> None:
        code = error.code if error.code in CODES else "internal"
        self._stream.end(code, str(error) if code != "internal" else "")

"""The car's link, lent by a gateway: an ``Air`` for a phone that holds its device key itself.

``Phone(RelayAir(url, token, vehicle_id), ...)`` and ``Conversation.open(RelayAir(...), ..., kind=LinkKind.RELAYED)``
speak the whole key session with the car; the gateway carries sealed frames, and the car takes them for no nearness.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Callable, Collection, Sequence

import httpx
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from keygw.model.base64url import decode_base64url
from keygw.model.errors import LinkError, ProtocolError
from keygw.vehicle.ports import ATT_AND_L2CAP, AirCount, Sighting
from keygw.wire.frame import MAX_FRAME
from keygw.wire.messages import LinkKind, decode_info

SUBPROTOCOL = Subprotocol("keygw.frames.v1")
SEND_S = 5.0
CLOSE_S = 2.0
MAX_MESSAGE = 4096
QUEUE_FRAMES = 512
"""A 4 KiB message in the smallest frames is 216; who lets twice that lie has stopped reading."""
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


class _Opened(BaseModel):
    info: str
    max_frame: int = Field(ge=20, le=MAX_FRAME)
    peer: str


_OPENED: TypeAdapter[_Opened] = TypeAdapter(_Opened)


class RelayAir:
    """``keygw.vehicle.ports.Air`` of one vehicle, by way of one gateway. ``token``: of an app whose phone has a key."""

    kind = LinkKind.RELAYED
    """What a device has to tell the car of this way."""

    def __init__(self, url: str, token: str, vehicle_id: str, *, queue: int = QUEUE_FRAMES) -> None:
        self._queue = queue
        base = httpx.URL(url)
        self._url = str(base.copy_with(scheme={"http": "ws", "https": "wss"}.get(base.scheme, base.scheme))).rstrip("/")
        self._url += f"/v1/vehicles/{vehicle_id}/frames"
        self._headers = {"Authorization": f"Bearer {token}"}
        self._local = base.host in _LOCAL

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        """Nothing: the gateway has the radio."""
        return ()

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> RelayLink:
        """``LinkError`` with the gateway's word (busy, held_elsewhere, out_of_range, key_suspended, token_revoked...),
        out_of_range for another vehicle than is ``wanted``, link_timeout, no_gateway."""
        socket: ClientConnection | None = None
        try:
            async with asyncio.timeout(timeout):
                socket = await connect(
                    self._url,
                    subprotocols=[SUBPROTOCOL],
                    additional_headers=self._headers,
                    compression=None,
                    max_size=MAX_MESSAGE,
                    close_timeout=CLOSE_S,
                    open_timeout=None,
                    proxy=None if self._local else True,
                )
                await socket.send(json.dumps({"type": "open", "version": 1, "avoid": list(avoid)[:16]}))
                link = RelayLink(socket, await socket.recv(), self._queue)
            if not wanted(decode_info(link.info)[1]):
                raise LinkError("the gateway has met another vehicle", code="out_of_range")
        except BaseException as error:
            if socket is not None:
                await asyncio.shield(_close(socket))
            raise _plain(error) from error
        return link

    async def close(self) -> None:
        """Nothing is held between links."""


class RelayLink:
    """``keygw.vehicle.ports.Link``. Made by ``RelayAir.open``."""

    def __init__(self, socket: ClientConnection, opened: str | bytes, queue: int) -> None:
        """``ProtocolError`` if that is no word of a gateway's that lends a link."""
        try:
            told = _OPENED.validate_json(opened)
            self._info = decode_base64url(told.info)
        except (ValidationError, ValueError) as error:
            raise ProtocolError("what answers there lends no links, or is of another version") from error
        self._socket = socket
        self._peer, self._max_frame = told.peer, told.max_frame
        self._count = AirCount()
        self._queue = queue
        self._frames: deque[bytes] = deque()
        self._arrived = asyncio.Event()
        self._failure: LinkError | None = None
        self._reader = asyncio.create_task(self._read(), name="relayed link")

    @property
    def peer(self) -> str:
        return self._peer

    @property
    def info(self) -> bytes:
        return self._info

    @property
    def max_frame(self) -> int:
        return self._max_frame

    @property
    def count(self) -> AirCount:
        return self._count

    async def send(self, frame: bytes) -> None:
        if not 0 < len(frame) <= self._max_frame:
            raise ValueError(f"a frame has 1 to {self._max_frame} bytes here, not {len(frame)}")
        if self._failure is not None:
            raise self._again(self._failure)
        self._count.frames_out += 1  # from here on it may have arrived
        self._count.air_bytes += len(frame) + ATT_AND_L2CAP
        try:
            async with asyncio.timeout(SEND_S):
                await self._socket.send(bytes(frame))
        except TimeoutError:
            self._fail(LinkError("the gateway takes nothing any more", code="link_timeout"))
        except ConnectionClosed as error:
            self._fail(_by_close(error))
        if self._failure is not None:
            raise self._again(self._failure)

    async def receive(self) -> bytes:
        while not self._frames:
            if self._failure is not None:
                raise self._again(self._failure)
            self._arrived.clear()
            await self._arrived.wait()
        return self._frames.popleft()

    async def close(self) -> None:
        self._fail(LinkError("closed here", code="link_lost"))
        await asyncio.shield(_close(self._socket))
        await asyncio.gather(self._reader, return_exceptions=True)

    async def _read(self) -> None:
        try:
            while self._failure is None:
                frame = await self._socket.recv()
                if isinstance(frame, str) or len(self._frames) >= self._queue:
                    self._frames.clear()  # a message with a hole in it is worse than none
                    self._fail(LinkError(f"more than {self._queue} frames unread, or none", code="link_lost"))
                    break
                self._count.frames_in += 1
                self._count.air_bytes += len(frame) + ATT_AND_L2CAP
                self._frames.append(frame)
                self._arrived.set()
        except ConnectionClosed as error:
            self._fail(_by_close(error))
        await _close(self._socket)

    def _fail(self, failure: LinkError) -> None:
        if self._failure is None:
            self._failure = failure
        self._arrived.set()

    def _again(self, failure: LinkError) -> LinkError:
        """A fresh copy: one exception that is raised in two places would mix up its tracebacks."""
        sent = self._count.frames_out > 0
        return LinkError(str(failure), code=failure.code, may_have_happened=sent, retryable=failure.retryable)


def _by_close(error: ConnectionClosed) -> LinkError:
    """The gateway's reason begins with a word."""
    said = "" if error.rcvd is None else error.rcvd.reason
    word, _, text = said.partition(": ")
    if not (word.isascii() and word.replace("_", "").isalpha()):
        return LinkError("the connection to the gateway broke off", code="link_lost")
    return LinkError(f"the gateway has ended the link: {text or word}", code=word, retryable=word in _PASSING)


_PASSING = frozenset(
    {"busy", "gave_way", "held_elsewhere", "out_of_range", "link_lost", "link_timeout", "radio_busy", "relay_over"}
    | {"relay_idle", "slow_consumer", "gateway_stopping", "radio_unavailable"}
)


def _plain(error: BaseException) -> BaseException:
    """What went wrong in opening, as the port has it."""
    if isinstance(error, TimeoutError):
        return LinkError("the gateway did not reach the vehicle in time", code="link_timeout")
    if isinstance(error, ConnectionClosed):
        return _by_close(error)
    if isinstance(error, InvalidStatus):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            told = json.loads(error.response.body or b"")
            return LinkError(str(told["detail"]), code=str(told["code"]), retryable=bool(told.get("retryable")))
        return LinkError(f"no gateway answers there ({error.response.status_code})", code="no_gateway", retryable=False)
    if isinstance(error, InvalidHandshake | OSError):
        return LinkError(f"no gateway answers there ({type(error).__name__})", code="no_gateway")
    return error


async def _close(socket: ClientConnection) -> None:
    with contextlib.suppress(Exception):  # it is over either way
        await socket.close()

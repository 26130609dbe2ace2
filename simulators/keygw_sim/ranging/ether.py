"""The air of a simulated ranging radio between processes: JSON lines over a loopback TCP port of the car's.

A phone's process says where its radio is and what it sends, as an air would carry it: the pulses of a UWB round, or the
mark of a Channel Sounding round, both made from the round's key, and never the key. The car's process puts them into
its ``Space``. Each line is answered with ``{"ok": true}`` once it counts, so that the phone's radio is ready before it
asks for a round. A line that is wrong ends the connection, with the reason; so does a long silence.

``{"at": [x, y], "uwb": "<128 hex digits>" or null, "tones": "<32 hex digits>" or null}``
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections.abc import Iterable
from typing import Any

from keygw.crypto.kdf import constant_time_equal, hkdf_expand
from keygw.model.errors import LinkError
from keygw_sim.ranging.geometry import Point, number
from keygw_sim.ranging.signal import PULSES, Arrival
from keygw_sim.ranging.space import RANGE_METRES, Space, Tone, Transponder, round_trip

HOST = "127.0.0.1"
MAX_LINE = 1024
MAX_PHONES = 32
SILENT_SECONDS = 60.0
"""A phone that has said nothing for so long is forgotten. It connects anew when it has something to send."""
ANSWER_SECONDS = 2.0
MARK_BYTES = 16


def mark_of(key: bytes) -> bytes:
    """What a Channel Sounding round with that key is known by."""
    return hkdf_expand(key + bytes(16), b"CS", MARK_BYTES)


class RemoteRadio:
    """A ``Sender`` in another process."""

    def __init__(self) -> None:
        self._at: Point | None = None
        self._pulses: int | None = None
        self._mark: bytes | None = None

    def hear(self, line: bytes) -> None:
        """``ValueError`` for a line that is none."""
        try:
            told: Any = json.loads(line)
        except RecursionError:
            raise ValueError("nested too deep") from None
        if not isinstance(told, dict) or set(told) != {"at", "uwb", "tones"}:
            raise ValueError("a line has at, uwb and tones")
        if not isinstance(told["at"], list) or len(told["at"]) != 2:
            raise ValueError("at is a list of two numbers")
        at = Point(number(told["at"][0], "x"), number(told["at"][1], "y"))
        pulses, mark = _hex(told["uwb"], PULSES // 8), _hex(told["tones"], MARK_BYTES)
        self._at = at
        self._pulses = None if pulses is None else int.from_bytes(pulses, "big")
        self._mark = mark

    def arrivals(self, anchor: Point) -> Iterable[Arrival]:
        if self._at is not None and self._pulses is not None and self._at.to(anchor) <= RANGE_METRES:
            yield Arrival(round_trip(self._at.to(anchor)), self._pulses)

    def tones(self, anchor: Point, key: bytes) -> Iterable[Tone]:
        heard = self._at is not None and self._mark is not None and constant_time_equal(self._mark, mark_of(key))
        if heard and self._at is not None and self._at.to(anchor) <= RANGE_METRES:
            yield Tone(self._at.to(anchor), self._at.to(anchor))


class Ether:
    """The car's end: ``async with Ether(space, port)``; ``port`` 0 takes a free one, and ``port`` then names it.

    ``LinkError`` radio_unavailable where the port is taken.
    """

    def __init__(self, space: Space, port: int) -> None:
        self.port = port
        self._space = space
        self._server: asyncio.Server | None = None
        self._phones: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Ether:
        try:
            self._server = await asyncio.start_server(self._serve, HOST, self.port, limit=MAX_LINE)
        except OSError as error:
            raise LinkError(
                f"port {self.port} for ranging cannot be used; name another", code="radio_unavailable"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._phones:
            task.cancel()
        await asyncio.gather(*self._phones, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a server runs this in one
        self._phones.add(task)
        phone = RemoteRadio()
        self._space.add(phone)
        try:
            if len(self._phones) > MAX_PHONES:
                await _answer(writer, {"error": f"no more than {MAX_PHONES} phones"})
                return
            await self._hear(phone, reader, writer)
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # it has gone, or is no phone
        finally:
            self._space.remove(phone)
            self._phones.discard(task)
            writer.close()

    async def _hear(self, phone: RemoteRadio, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            async with asyncio.timeout(SILENT_SECONDS):
                line = await reader.readuntil(b"\n")
            try:
                phone.hear(line)
            except ValueError as error:
                await _answer(writer, {"error": str(error)})
                return
            await _answer(writer, {"ok": True})


class EtherLink:
    """The phone's end. ``publish`` each change of the transponder; it returns once the change counts."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def publish(self, radio: Transponder) -> None:
        """Never raises: a car without this air measures nothing, which is what the session then hears."""
        pulses, key = radio.pulses(), radio.sounding_key()
        line = {
            "at": [radio.at.x, radio.at.y],
            "uwb": None if pulses is None else pulses.to_bytes(PULSES // 8, "big").hex(),
            "tones": None if key is None else mark_of(key).hex(),
        }
        for _ in range(2):  # the first may find a connection that was ended for its silence
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    if await self._say(json.dumps(line).encode() + b"\n"):
                        return
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                pass
            await self.close()

    async def _say(self, line: bytes) -> bool:
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port, limit=MAX_LINE)
        reader, writer = self._streams
        writer.write(line)
        await writer.drain()
        return bool(json.loads(await reader.readuntil(b"\n")) == {"ok": True})

    async def close(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
            with contextlib.suppress(OSError):
                await streams[1].wait_closed()


def port(text: str) -> int:
    """A port on the command line. ``argparse.ArgumentTypeError``."""
    if not text.isascii() or not text.isdigit() or not 0 <= int(text) < 2**16:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 0 to 65535")
    return int(text)


async def _answer(writer: asyncio.StreamWriter, answer: dict[str, object]) -> None:
    writer.write(json.dumps(answer).encode() + b"\n")
    await writer.drain()


def _hex(value: object, size: int) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) != 2 * size:
        raise ValueError(f"{2 * size} hex digits, or null")
    return bytes.fromhex(value)

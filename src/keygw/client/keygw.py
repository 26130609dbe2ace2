"""``async with Keygw(url, token) as keygw: await keygw.command(vehicle, "unlock")``."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from keygw.client.answers import (
    Capability,
    Check,
    Command,
    Event,
    Key,
    Link,
    OpenSession,
    Pairing,
    Session,
    SessionEvent,
    Signal,
    Vehicle,
)
from keygw.client.bound import BoundAuth
from keygw.client.connection import Connection, parsed
from keygw.client.problem import Problem, Stranger, Unreachable
from keygw.client.sse import Reader

T = TypeVar("T")
Units = Literal["vss", "metric", "imperial"]
TRIES = 3
"""So often a command is asked for under one Idempotency-Key, where the answer got lost."""
PAUSE_S = 0.25
LOOK_S = 0.25
"""Between two looks at what has no event of its own."""
LONGEST_PAUSE_S = 30.0


class Keygw:
    """The bridge API of one gateway, with one app's token, or with what ``enter`` answered.

    ``KeygwClientError`` is all that its methods raise."""

    def __init__(self, url: str, token: str | BoundAuth, *, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._connection = Connection(url, token, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """May be called twice."""
        await self._connection.close()

    def move(self, url: str) -> None:
        """Go on with the gateway at another address; streams come back there."""
        self._connection.move(url)

    # -- vehicles --------------------------------------------------------------------------------------------------

    async def vehicles(self) -> list[Vehicle]:
        return _of(list[Vehicle], (await self.ask("GET", "/v1/vehicles"))["vehicles"])

    async def vehicle(self, vehicle_id: str) -> Vehicle:
        return _of(Vehicle, await self.ask("GET", f"/v1/vehicles/{vehicle_id}"))

    async def link(self, vehicle_id: str) -> Link:
        return _of(Link, await self.ask("GET", f"/v1/vehicles/{vehicle_id}/link"))

    async def capabilities(self, vehicle_id: str) -> dict[str, Capability]:
        """By id, such as ``command.unlock``."""
        told = await self.ask("GET", f"/v1/vehicles/{vehicle_id}/capabilities")
        return {each.id: each for each in _of(list[Capability], told["capabilities"])}

    async def signals(self, vehicle_id: str, *paths: str, units: Units = "vss") -> dict[str, Signal]:
        """By path; without ``paths`` all that the app may read."""
        where = f"/v1/vehicles/{vehicle_id}/signals"
        if paths:
            told = await self.ask("POST", f"{where}:batchGet", {"paths": list(paths), "units": units})
        else:
            told = await self.ask("GET", where, query={"units": units})
        return {each.path: each for each in _of(list[Signal], told["signals"])}

    # -- sessions --------------------------------------------------------------------------------------------------

    async def open_session(self, vehicle_id: str | None = None, *capabilities: str) -> OpenSession:
        """``vehicle_id``: ``None`` where the app has one vehicle alone. ``capabilities``: ids; all by default."""
        body = {"capabilities": list(capabilities), **_some(vehicle_id=vehicle_id)}
        return _of(OpenSession, await self.ask("POST", "/v1/sessions", body))

    async def resume_session(self, session_id: str) -> OpenSession:
        """The app is back from the background; how everything stands now."""
        return _of(OpenSession, await self.ask("POST", f"/v1/sessions/{session_id}:resume"))

    async def suspend_session(self, session_id: str) -> Session:
        """The app goes into the background."""
        return _of(Session, await self.ask("POST", f"/v1/sessions/{session_id}:suspend"))

    async def close_session(self, session_id: str) -> Session:
        """For good. Again: a success that changes nothing."""
        return _of(Session, await self.ask("DELETE", f"/v1/sessions/{session_id}"))

    async def put_card(self, session_id: str, name: str, card: Mapping[str, Any]) -> None:
        """Show it in the car, in the place of the one of that name: ``template``, ``title``, ``lines``, ``buttons``."""
        await self.ask("PUT", f"/v1/sessions/{session_id}/cards/{name}", dict(card))

    async def remove_card(self, session_id: str, name: str) -> None:
        """Nothing happens if it is not there."""
        await self.ask("DELETE", f"/v1/sessions/{session_id}/cards/{name}")

    async def send_destination(self, session_id: str, name: str, latitude: float, longitude: float) -> SessionEvent:
        """Into the car; degrees, WGS 84. What somebody there makes of it is ``keygw.session.answered``."""
        place = {"name": name, "latitude": latitude, "longitude": longitude}
        return await self._send(session_id, {"type": "destination", "destination": place})

    async def send_voice(self, session_id: str, intent: str, text: str = "") -> SessionEvent:
        """What was said to the app, for the car."""
        return await self._send(session_id, {"type": "voice", "voice": {"intent": intent, "text": text}})

    async def session_event(self, session_id: str, event_id: str) -> SessionEvent:
        """What became of it."""
        return _of(SessionEvent, await self.ask("GET", f"/v1/sessions/{session_id}/events/{event_id}"))

    async def _send(self, session_id: str, body: dict[str, Any]) -> SessionEvent:
        return _of(SessionEvent, await self.ask("POST", f"/v1/sessions/{session_id}/events", body))

    # -- commands --------------------------------------------------------------------------------------------------

    async def check(self, vehicle_id: str, action: str, *, key_id: str | None = None) -> Check:
        """What would become of it; nothing is sent."""
        body = {"action": action, **_some(key_id=key_id)}
        return _of(Check, await self.ask("POST", f"/v1/vehicles/{vehicle_id}/commands:check", body))

    async def command(
        self,
        vehicle_id: str,
        action: str,
        *,
        key_id: str | None = None,
        expires_at: datetime | None = None,
        wait: int = 10,
        idempotency_key: str | None = None,
    ) -> Command:
        """Ask the vehicle for something, and wait for its end, at most ``wait`` (30) seconds.

        Where the answer got lost it is asked for again under the same Idempotency-Key, so it is done once at most.
        ``idempotency_key``: one of the caller's, for a wish that is to survive the caller.
        """
        body = {
            "action": action,
            **_some(key_id=key_id, expires_at=None if expires_at is None else expires_at.isoformat()),
        }
        headers = {"Idempotency-Key": idempotency_key or secrets.token_urlsafe(18), "Prefer": f"wait={wait}"}
        where = f"/v1/vehicles/{vehicle_id}/commands"
        for tried in range(1, TRIES + 1):
            try:
                return _of(Command, await self.ask("POST", where, body, headers=headers, wait=wait))
            except Unreachable:
                if tried == TRIES:
                    raise
                await asyncio.sleep(PAUSE_S * 2**tried)
        raise AssertionError("unreachable")

    async def look(self, command: Command) -> Command:
        """How it stands now."""
        return _of(Command, await self.ask("GET", f"/v1/vehicles/{command.vehicle_id}/commands/{command.id}"))

    async def settle(self, command: Command, seconds: float = 60.0) -> Command:
        """Look until it is settled, or so long; the newest state either way."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        while not command.settled and loop.time() < until:
            await asyncio.sleep(LOOK_S)
            command = await self.look(command)
        return command

    async def cancel(self, command: Command) -> Command:
        """``Problem`` already_sent or already_settled when it is too late."""
        return _of(Command, await self.ask("POST", f"/v1/vehicles/{command.vehicle_id}/commands/{command.id}:cancel"))

    # -- keys ------------------------------------------------------------------------------------------------------

    async def keys(self, vehicle_id: str | None = None) -> list[Key]:
        """All that the app may know of; of one vehicle alone, if it is named."""
        return _of(list[Key], (await self.ask("GET", "/v1/keys", query=_some(vehicle_id=vehicle_id)))["keys"])

    async def key(self, key_id: str) -> Key:
        return _of(Key, await self.ask("GET", f"/v1/keys/{key_id}"))

    async def share(
        self, key_id: str, public_key: str, *, profile: str = "access", lifetime_seconds: int = 86_400, label: str = ""
    ) -> Key:
        """A key for the device with that public key (base64url), from one's own."""
        body = {"public_key": public_key, "profile": profile, "lifetime_seconds": lifetime_seconds, "label": label}
        return _of(Key, await self.ask("POST", f"/v1/keys/{key_id}:share", body))

    async def suspend(self, key_id: str) -> Key:
        return _of(Key, await self.ask("POST", f"/v1/keys/{key_id}:suspend"))

    async def resume(self, key_id: str) -> Key:
        return _of(Key, await self.ask("POST", f"/v1/keys/{key_id}:resume"))

    async def revoke(self, key_id: str) -> Key:
        """``stage`` is ``revoking`` until the vehicle has heard of it."""
        return _of(Key, await self.ask("POST", f"/v1/keys/{key_id}:revoke"))

    async def pair(self, code: str, name: str) -> Pairing:
        """Become the owner with the code that the car shows; waits for the end of it."""
        pairing = _of(Pairing, await self.ask("POST", "/v1/pairings", {"code": code, "name": name}))
        while not pairing.ended:
            await asyncio.sleep(LOOK_S)
            pairing = _of(Pairing, await self.ask("GET", f"/v1/pairings/{pairing.id}"))
        return pairing

    # -- events ----------------------------------------------------------------------------------------------------

    async def events(
        self, vehicle_id: str | None = None, *, after: str = "", opened: asyncio.Event | None = None
    ) -> AsyncIterator[Event]:
        """Everything that happens, for as long as it is read. ``after``: the position of the last one that was seen;
        ``opened`` is set when the stream is there: from then on nothing is missed.

        A stream that is cut comes back where it was, with growing pauses; what could not be kept comes as a gap. A
        refusal ends it (``Problem``): a token that was revoked, a vehicle that is not there.
        """
        reader, failures = Reader(after), 0
        while True:
            try:
                async with self._connection.stream("/v1/events", _some(vehicle=vehicle_id), reader.last_id) as chunks:
                    if opened is not None:
                        opened.set()
                    async for chunk in chunks:
                        failures = 0
                        for told in reader.feed(chunk):
                            event = parsed(TypeAdapter(Event), told.data.encode())
                            yield event.model_copy(update={"position": told.id})
            except ValueError as error:
                raise Stranger(str(error)) from error
            except Unreachable:
                failures += 1
            except Problem as refused:
                if not refused.retryable:
                    raise
                failures += 1
            reader = Reader(reader.last_id)  # half an event is none
            pause = min(PAUSE_S * 2**failures, LONGEST_PAUSE_S)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that not all come at once

    # -- the rest --------------------------------------------------------------------------------------------------

    async def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        wait: float = 0.0,
    ) -> Any:
        """Any request of the API, for what has no method here; the JSON of its answer."""
        return await self._connection.ask(method, path, body=body, query=query, headers=headers, wait=wait)


def _of(shape: type[T], told: object) -> T:
    try:
        return TypeAdapter(shape).validate_python(told)
    except ValidationError as error:
        raise Stranger("the gateway speaks another version of its API") from error


def _some(**given: str | None) -> dict[str, str]:
    return {name: value for name, value in given.items() if value is not None}

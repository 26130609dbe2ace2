"""A phone app as its developer would write it, with ``keygw.client``. Nothing but public doors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from keygw.client.answers import Event
from keygw.client.bound import BoundAuth
from keygw.client.keygw import Keygw
from keygw.client.problem import KeygwClientError, Problem

EVENT_SECONDS = 5.0


class AppError(Exception):
    """The bridge refused; the text is its problem document's ``code`` and ``detail``."""


class App:
    """One registered app (or the operator). ``commands`` remembers the ids of what it asked for."""

    def __init__(self, url: str, token: str | BoundAuth) -> None:
        self.commands: list[str] = []
        self.keygw = Keygw(url, token)

    def move(self, url: str) -> None:
        """The same app at another address of the gateway."""
        self.keygw.move(url)

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        return await self._ask("GET", path, query={name: str(value) for name, value in query.items()})

    async def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self._ask("POST", path, body=body)

    async def put(self, path: str) -> None:
        await self._ask("PUT", path)

    async def delete(self, path: str) -> None:
        await self._ask("DELETE", path)

    async def command(self, vehicle_id: str, action: str, seconds: int = 10) -> dict[str, Any]:
        """Ask for one command and wait for its end, or so long."""
        try:
            made = await self.keygw.command(vehicle_id, action, wait=seconds)
        except KeygwClientError as error:
            raise AppError(_told("POST", f"/v1/vehicles/{vehicle_id}/commands", error)) from error
        self.commands.append(made.id)
        return await self.get(f"/v1/vehicles/{vehicle_id}/commands/{made.id}")

    def events(self, vehicle_id: str, opened: asyncio.Event | None = None) -> AsyncIterator[Event]:
        """The event stream of one vehicle, for as long as it is read."""
        return self.keygw.events(vehicle_id, opened=opened)

    async def close(self) -> None:
        await self.keygw.close()

    async def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            return await self.keygw.ask(method, path, **more) or {}
        except KeygwClientError as error:
            raise AppError(_told(method, path, error)) from error


def _told(method: str, path: str, error: KeygwClientError) -> str:
    if isinstance(error, Problem):
        return f"{method} {path}: {error.status} {error.code}: {error.detail}"
    return f"{method} {path}: {error}"


class EventStream:
    """Listens in the background; ``signal`` waits for one that was heard or will be."""

    def __init__(self, app: App, vehicle_id: str) -> None:
        self._app = app
        self._vehicle_id = vehicle_id
        self._heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=1000)
        self._listener: asyncio.Task[None] | None = None

    async def __aenter__(self) -> EventStream:
        opened = asyncio.Event()
        self._listener = asyncio.create_task(self._listen(opened))
        waiting = asyncio.create_task(opened.wait())
        await asyncio.wait((self._listener, waiting), timeout=EVENT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def signal(self, path: str, value: object) -> dict[str, Any]:
        """The next ``keygw.signal.changed`` that says so; ``AppError`` after 5 s."""
        try:
            async with asyncio.timeout(EVENT_SECONDS):
                while True:
                    event = await self._heard.get()
                    data = event.get("data", {})
                    told = (event.get("type"), data.get("path"), data.get("value"))
                    if told == ("keygw.signal.changed", path, value):
                        return event
        except TimeoutError:
            raise AppError(f"no event told that {path} is {value}") from None

    async def of_type(self, kind: str) -> dict[str, Any]:
        """The next event of that type; ``AppError`` after 5 s."""
        try:
            async with asyncio.timeout(EVENT_SECONDS):
                while (event := await self._heard.get()).get("type") != kind:
                    pass
                return event
        except TimeoutError:
            raise AppError(f"no event {kind}") from None

    async def _listen(self, opened: asyncio.Event) -> None:
        async for event in self._app.events(self._vehicle_id, opened):
            await self._heard.put(event.whole())

"""A phone app as its developer would write it: HTTP to the bridge, and an event stream. Nothing but public doors."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx

TIMEOUT = httpx.Timeout(20.0, connect=5.0)
EVENT_SECONDS = 5.0


class AppError(Exception):
    """The bridge refused; the text is its problem document's ``code`` and ``detail``."""


class App:
    """One registered app (or the operator). ``commands`` remembers the ids of what it asked for."""

    def __init__(self, url: str, token: str) -> None:
        self.commands: list[str] = []
        self._token = token
        self._http = httpx.AsyncClient()
        self.move(url)

    def move(self, url: str) -> None:
        """The same app at another address of the gateway."""
        self._http.base_url = httpx.URL(url)
        self._http.headers["Authorization"] = f"Bearer {self._token}"
        self._http.timeout = TIMEOUT

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        return await self._ask("GET", path, params=query)

    async def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        return await self._ask("POST", path, json=body) if body is not None else await self._ask("POST", path)

    async def put(self, path: str) -> None:
        await self._ask("PUT", path)

    async def delete(self, path: str) -> None:
        await self._ask("DELETE", path)

    async def command(self, vehicle_id: str, action: str, seconds: int = 10) -> dict[str, Any]:
        """Ask for one command and wait for its end, or so long."""
        headers = {"Idempotency-Key": secrets.token_hex(8), "Prefer": f"wait={seconds}"}
        made = await self._ask("POST", f"/v1/vehicles/{vehicle_id}/commands", json={"action": action}, headers=headers)
        self.commands.append(made["id"])
        return made

    async def events(self, vehicle_id: str, opened: asyncio.Event | None = None) -> AsyncIterator[dict[str, Any]]:
        """The event stream of one vehicle, for as long as it is read. ``opened``: from then on nothing is missed."""
        headers = {"Accept": "text/event-stream"}
        query = {"vehicle": vehicle_id}
        async with self._http.stream("GET", "/v1/events", params=query, headers=headers, timeout=None) as response:
            if response.status_code != httpx.codes.OK:
                raise AppError(f"no event stream: {response.status_code}")
            if opened is not None:
                opened.set()
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    yield json.loads(line.removeprefix("data:"))

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            response = await self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise AppError(f"{method} {path}: {str(error) or type(error).__name__}") from error
        if response.is_success:
            data: dict[str, Any] = response.json() if response.content else {}
            return data
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        raise AppError(f"{method} {path}: {response.status_code} {problem.get('code')}: {problem.get('detail')}")


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
            await self._heard.put(event)

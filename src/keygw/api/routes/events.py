"""The event stream: CloudEvents over server-sent events (HTML Living Standard, section 9.2)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from keygw.api.auth import Caller, Wired
from keygw.api.document import Responses, problems
from keygw.bridge.apps import Apps, Unauthenticated
from keygw.bridge.gate import EventGate
from keygw.bridge.history import History
from keygw.bridge.records import App
from keygw.events.event import GAP, Event
from keygw.events.subscription import Subscription

router = APIRouter(prefix="/v1", tags=["events"])

_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "description": "For Last-Event-ID; a gap has none"},
        "event": {"type": "string", "description": "The type"},
        "data": {"type": "string", "contentMediaType": "application/json", "description": "A CloudEvents 1.0 object"},
    },
    "required": ["event", "data"],
}
_DESCRIPTION: Responses = {
    200: {
        "description": "`id`, `event` (the type) and `data` (a CloudEvents 1.0 JSON object) for each event",
        # Each event of the stream, as OpenAPI 3.2 says it (section 4.14.3); to 3.1 it is a word it does not know.
        "content": {"text/event-stream": {"itemSchema": _EVENT}},
    }
}


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={**_DESCRIPTION, **problems(404)},
    summary="Everything that happens, as it happens",
)
async def events(
    caller: Caller,
    wired: Wired,
    vehicle: Annotated[str | None, Query(max_length=40, description="Only this vehicle")] = None,
    after: Annotated[str | None, Query(max_length=80, description="As Last-Event-ID, for clients without it")] = None,
    last_event_id: Annotated[str | None, Header(max_length=80)] = None,
) -> StreamingResponse:
    """A client that comes back with ``Last-Event-ID`` gets what it missed, at any gateway on the same database. After a
    ``keygw.gap`` it reads anew what that names. A new stream begins with the id of its place, and no event: who loses
    the stream before its first event has missed nothing either."""
    if vehicle is not None:
        await wired.bridge.access.view(caller, vehicle)
    bridge = wired.bridge
    gate = EventGate(caller, bridge.access, bridge.feed, wired.clock, vehicle)
    seen = last_event_id or after or None
    subscription = wired.hub.subscribe(gate.wanted, seen)
    hello = "retry: 2000\n\n" if seen else f"retry: 2000\nid: {wired.hub.here}\n\n"
    stream = _stream(hello, subscription, bridge.history, gate, bridge.apps, caller, wired.heartbeat)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _stream(
    hello: str, subscription: Subscription, history: History, gate: EventGate, apps: Apps, app: App, heartbeat: float
) -> AsyncIterator[bytes]:
    ended = asyncio.Event()

    def end() -> None:
        ended.set()
        subscription.close()

    with subscription, apps.holding(app, end):
        yield hello.encode()
        async for event in _told(subscription, history, gate, heartbeat):
            try:
                apps.check(app)
            except Unauthenticated:
                return
            if ended.is_set():  # what was still queued is no business of his any more
                return
            if event is None:
                yield b": still here\n\n"
            elif await gate.allows(event):
                yield encode(event)


async def _told(
    subscription: Subscription, history: History, gate: EventGate, heartbeat: float
) -> AsyncIterator[Event | None]:
    """What was missed, then what happens; ``None`` when nothing did for a heartbeat."""
    async for event in history.missed(subscription):
        if event.type == GAP or gate.wanted(event):
            yield event
    with contextlib.suppress(StopAsyncIteration):
        while True:
            yield await subscription.next(heartbeat)


def encode(event: Event) -> bytes:
    """One event on the wire. A gap has no id, so that the client's last id stays what it really saw."""
    head = "" if event.type == GAP else f"id: {event.id}\n"
    return f"{head}event: {event.type}\ndata: {event.json}\n\n".encode()

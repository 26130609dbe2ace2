"""``keygw.v1``: hello, welcome, subscribe, then snapshots and what happens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from pydantic import BaseModel

from keygw.api.streams import messages as said
from keygw.api.streams.line import text_frame
from keygw.api.streams.outlet import Outlet, Wanted
from keygw.api.streams.stream import Stream
from keygw.bridge.access import ScopeRequired, View
from keygw.bridge.apps import Unauthenticated
from keygw.bridge.records import App
from keygw.bridge.scopes import SIGNAL_SCOPES
from keygw.bridge.signals import SIGNAL_IDS
from keygw.events.backlog import Lost
from keygw.events.event import GAP, Event
from keygw.model.errors import KeygwError, NotFound
from keygw.model.times import rfc3339

HELLO_SECONDS = 10.0
Receive = Callable[[], Awaitable[str | None]]
"""The next message of the client; ``None``: it has gone. Raises ``BadMessage`` for one that is no text."""


class Conversation:
    """``app``: who showed a token before the first message, if anybody did."""

    def __init__(self, stream: Stream, receive: Receive, app: App | None, ping: float) -> None:
        self._stream = stream
        self._services = stream.services
        self._receive = receive
        self._early = app
        self._ping = ping
        self._after: str | None = None
        self._readable: dict[str, frozenset[str]] = {}

    async def run(self) -> None:
        stream = self._stream
        try:
            await self._talk()
        except said.BadMessage as error:
            stream.end("bad_message", str(error))
        except (Unauthenticated, ScopeRequired) as error:
            stream.end(error.code)
        finally:
            await stream.release()

    async def _talk(self) -> None:
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                text = await self._receive()
        except TimeoutError:
            self._stream.end("hello_timeout", f"say hello within {HELLO_SECONDS:.0f} seconds")
            return
        if text is None:
            return
        hello = said.read(text)
        if not isinstance(hello, said.Hello):
            self._stream.end("protocol_violation", "the first message is hello")
            return
        if await self._welcome(hello):
            await self._listen()

    async def _welcome(self, hello: said.Hello) -> bool:
        stream, hub = self._stream, self._services.hub
        if hello.version != said.VERSION:
            stream.end("version_unsupported", f"this is version {said.VERSION}")
            return False
        app = self._early
        if hello.token is not None:
            app = await stream.tokens.first(hello.token, hello.proof)
            if self._early is not None and self._early.id != app.id:
                stream.end("token_of_another")
                return False
        if app is None:
            raise Unauthenticated("send the token in the Authorization header, or in hello")
        stream.bind(app)
        if not stream.alive():
            return False
        granted = [each for each in said.CAPABILITIES if each in hello.capabilities]
        stream.outlet = Outlet(
            stream.line,
            self._services.fanout,
            stream.gate(),
            stream.wanted,
            alive=stream.alive,
            end=stream.end,
            on_lost=self._gaps,
            on_rights=self._rights,
            here=hello.resume or hub.here,
            window="ack" in granted,
        )
        self._after = hello.resume
        self._capabilities = granted
        hub.join(stream.outlet)
        welcome = said.Welcome(
            type="welcome",
            version=said.VERSION,
            session=stream.name,
            run=hub.run,
            granted=self._granted(),
            seq=hub.sequence,
            ping=self._ping,
        )
        self._tell(welcome)
        return True

    def _granted(self) -> said.Granted:
        scopes = sorted(scope.value for scope in self._stream.app.scopes)
        return said.Granted(capabilities=self._capabilities, scopes=scopes)

    async def _listen(self) -> None:
        pending: asyncio.Future[str | None] | None = None
        try:
            while self._stream.alive():
                pending = pending or asyncio.ensure_future(self._receive())
                done, _ = await asyncio.wait((pending,), timeout=self._services.heartbeat)
                if not done:
                    await self._look()
                    continue
                text, pending = pending.result(), None
                if text is None:
                    return
                await self._stream.line.drained()  # who does not read is not answered either
                if self._stream.alive():
                    await self._take(said.read(text))
        finally:
            if pending is not None:
                pending.cancel()
                await asyncio.gather(pending, return_exceptions=True)

    async def _look(self) -> None:
        """Keys and tokens also end by the clock."""
        for vehicle_id in tuple(self._stream.wanted):
            if self._stream.alive():
                await self._rights(vehicle_id)

    async def _take(self, message: said.FromClient) -> None:
        if isinstance(message, said.Subscribe):
            await self._subscribe(message)
        elif isinstance(message, said.Unsubscribe):
            for vehicle_id in message.vehicles:
                self._leave(vehicle_id, "asked")
        elif isinstance(message, said.Ack):
            self._outlet.acknowledged(message.vehicle, message.seq)
        elif isinstance(message, said.Token):
            await self._refresh(message.token)
        else:
            self._stream.end("protocol_violation", "hello comes once")

    @property
    def _outlet(self) -> Outlet:
        assert self._stream.outlet is not None  # noqa: S101 - made with the welcome
        return self._stream.outlet

    async def _subscribe(self, message: said.Subscribe) -> None:
        vehicles = list(dict.fromkeys(message.vehicles))
        if len({*self._stream.wanted, *vehicles}) > said.MOST_VEHICLES:
            self._refuse(message.id, "too_many_vehicles", f"a stream follows at most {said.MOST_VEHICLES} vehicles")
            return
        try:
            for vehicle_id in vehicles:
                await self._services.bridge.access.view(self._stream.app, vehicle_id)
        except NotFound as error:
            self._refuse(message.id, error.code, str(error))
            return
        paths = None if message.paths is None else tuple(message.paths)
        types = None if message.filter.types is None else frozenset(message.filter.types)
        self._outlet.hold()
        try:
            after, self._after = self._after, None
            for vehicle_id in vehicles:
                self._stream.follow(vehicle_id, Wanted(paths, types))
            if after is not None:
                await self._catch_up(after)
            for vehicle_id in vehicles:
                await self._snapshot(vehicle_id, "subscribed")
        finally:
            self._outlet.let_go()

    async def _catch_up(self, after: str) -> None:
        """All that lasts and happened since. Links and signals are in the snapshots that follow."""
        gate, wanted = self._outlet.gate, self._stream.wanted

        def lasting(event: Event) -> bool:
            found = wanted.get(event.subject or "")
            return found is not None and found.event(event) and event.coalesce is None and gate.wanted(event)

        missed = self._services.hub.missed(lasting, after)
        async for event in self._services.bridge.history.missed(missed):
            if event.type == GAP and (reason := event.data["reason"]) != "not_recorded":
                # What happened is gone for good; the snapshots say how it is.
                self._tell_gap(None, 0, 0, reason)
            elif event.type != GAP and lasting(event):
                await self._replay(event)
        async for event in missed:
            await self._replay(event)

    async def _replay(self, event: Event) -> None:
        if await self._outlet.gate.allows(event) and self._stream.alive():
            await self._stream.line.drained()
            self._stream.line.write(self._services.fanout.frame(event))
            self._outlet.seen = event.id

    async def _snapshot(self, vehicle_id: str, reason: str) -> None:
        await self._stream.line.drained()
        view = await self._outlet.gate.view(vehicle_id)
        wanted = self._stream.wanted.get(vehicle_id)
        if not self._stream.alive() or wanted is None:
            return
        if view is None:
            self._leave(vehicle_id, "unknown_vehicle")
            return
        hub, outlet, signals = self._services.hub, self._outlet, self._services.bridge.signals
        place, now = hub.place(vehicle_id), self._services.clock()
        outlet.snapshot(vehicle_id, place)
        if not outlet.waiting:
            outlet.seen = hub.here
        self._readable[vehicle_id] = _readable(view, now)
        told = said.Snapshot.model_validate(
            {
                "type": "snapshot",
                "vehicle": vehicle_id,
                "seq": place,
                "resume": outlet.seen,
                "reason": reason,
                "reachable": signals.linked(vehicle_id),
                "signals": signals.answers(view, _leaves(view, wanted, now), now),
            }
        )
        self._tell(told)

    async def _gaps(self, lost: Lost) -> None:
        for vehicle_id, (first, last) in lost.items():
            self._tell_gap(vehicle_id, first.place, last.place, "coalesced")
            if vehicle_id is not None:
                await self._snapshot(vehicle_id, "gap")

    def _tell_gap(self, vehicle_id: str | None, first: int, last: int, reason: str) -> None:
        told = {"type": "gap", "vehicle": vehicle_id, "from": first, "to": last, "reason": reason}
        self._tell(said.Gap.model_validate(told))

    async def _rights(self, vehicle_id: str) -> None:
        """Does the app see it in another way than the last snapshot said?"""
        view = await self._outlet.gate.view(vehicle_id)
        if vehicle_id not in self._stream.wanted:
            return
        if view is None or _readable(view, self._services.clock()) != self._readable.get(vehicle_id):
            await self._snapshot(vehicle_id, "permission_changed")

    def _leave(self, vehicle_id: str, reason: str) -> None:
        if vehicle_id in self._stream.wanted:
            self._stream.unfollow(vehicle_id)
            self._readable.pop(vehicle_id, None)
            told = {"type": "unsubscribed", "vehicle": vehicle_id, "reason": reason}
            self._tell(said.Unsubscribed.model_validate(told))

    async def _refresh(self, token: str) -> None:
        """A token that is no good ends nothing: the old one may still be."""
        try:
            app = await self._stream.tokens.newer(token, self._stream.app)
        except KeygwError as error:
            self._refuse(None, error.code, str(error))
            return
        if app.id != self._stream.app.id:
            self._refuse(None, "token_of_another", "a stream stays with the app that opened it")
            return
        self._stream.bind(app)
        ends = None if app.expires_at is None else rfc3339(app.expires_at)
        self._tell(said.Refreshed(type="refreshed", granted=self._granted(), expires_at=ends))
        await self._look()

    def _refuse(self, number: int | None, code: str, detail: str) -> None:
        self._tell(said.Error(type="error", id=number, code=code, detail=detail))

    def _tell(self, message: BaseModel) -> None:
        if self._stream.ended is None:
            self._stream.line.write(text_frame(message.model_dump_json(by_alias=True).encode()))


def _readable(view: View, now: float) -> frozenset[str]:
    return frozenset(signal.path for signal in SIGNAL_SCOPES if view.may_read(signal, now))


def _leaves(view: View, wanted: Wanted, now: float) -> list[str] | None:
    """Which signals a snapshot tells of: those that were named, and of a branch what may be read."""
    if wanted.paths is None:
        return None
    readable = sorted(_readable(view, now))

    def under(path: str) -> Iterable[str]:
        if path in SIGNAL_IDS:
            return (path,)
        return [each for each in readable if each.startswith(f"{path}.")] or (path,)

    return list(dict.fromkeys(leaf for path in wanted.paths for leaf in under(path)))

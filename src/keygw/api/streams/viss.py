"""``VISSv2``: get, set, subscribe and unsubscribe for one vehicle, by the rules of the bridge.

VISS says of a value when it was measured, and nothing of whether that is still so. Therefore only what is live is told
as a value; for everything else there is an error.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from keygw.api.streams import viss_messages as said
from keygw.api.streams.line import text_frame
from keygw.api.streams.messages import BadMessage
from keygw.api.streams.outlet import Outlet, Wanted
from keygw.api.streams.stream import Stream
from keygw.bridge.access import View
from keygw.bridge.apps import Unauthenticated, token_hash
from keygw.bridge.fault import describe
from keygw.bridge.records import App
from keygw.bridge.signals import SIGNAL_IDS
from keygw.events.backlog import Lost
from keygw.events.event import Event
from keygw.model.command import Action, CommandState
from keygw.model.errors import Conflict, Forbidden, KeygwError, NotFound
from keygw.model.signal import PATHS, SignalId, SignalValue
from keygw.model.times import rfc3339

log = structlog.get_logger(__name__)

TOKEN_SECONDS = 60.0
"""For the first message with a token that is good."""
MOST_FAILURES = 16
"""Messages that are none, or come without a good token."""
MOST_SUBSCRIPTIONS = 64
SET_SECONDS = 10.0
SETTABLE: dict[str, tuple[str, Action]] = {PATHS[SignalId.LIGHTS_HAZARD]: ("true", Action.FLASH_LIGHTS)}
"""Path -> the value that may be set, and what is done for it. Nothing that opens the vehicle, or starts it."""
CHANGED = "keygw.signal.changed"
GONE = "keygw.vehicle.unreachable"
Receive = Callable[[], Awaitable[str | None]]


class Refused(Exception):
    """An error of VISSv2 Transport, section 4.1."""

    def __init__(self, number: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.told = {"number": str(number), "reason": reason, "message": message}


def _not_live() -> Refused:
    return Refused(503, "service_unavailable", "the vehicle is not heard now, so nothing is known to be true of it")


@dataclass(eq=False)
class Subscription:
    """``last``: by path, what it was told last. ``task``: of one by time."""

    id: str
    patterns: list[str]
    change: said.Change | None = None
    bounds: list[said.Boundary] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    last: dict[str, SignalValue] = field(default_factory=dict)

    def wants(self, path: str) -> bool:
        return any(said.under(each, path) for each in self.patterns)

    def passes(self, path: str, value: SignalValue) -> bool:
        """By its filters. Strings and truths only change, or do not."""
        before = self.last.get(path)
        if self.bounds:
            if isinstance(value, str):
                return False
            return all(said.OPERATORS[each.boundary_op](float(value), float(each.boundary)) for each in self.bounds)
        if self.change is None or before is None:
            return before != value
        if isinstance(value, str) or isinstance(before, str):
            return before != value
        return said.OPERATORS[self.change.logic_op](float(value) - float(before), float(self.change.diff))


class Viss:
    """``vehicle_id``: that of the address; ``None``: the only one that the app sees."""

    def __init__(self, stream: Stream, receive: Receive, app: App | None, vehicle_id: str | None) -> None:
        self._stream = stream
        self._services = stream.services
        self._receive = receive
        self._early = app
        self._vehicle_id = vehicle_id
        self._vehicle: str | None = None
        self._shown: bytes | None = None
        self._failures = 0
        self._subscriptions: dict[str, Subscription] = {}

    async def run(self) -> None:
        stream = self._stream
        try:
            if self._early is not None:
                self._bind(self._early)
            await self._listen()
        except KeygwError as error:
            stream.end(error.code if isinstance(error, Unauthenticated | Forbidden) else "internal")
        finally:
            tasks = [each.task for each in self._subscriptions.values() if each.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await stream.release()

    def _bind(self, app: App) -> None:
        stream = self._stream
        stream.bind(app)
        if stream.outlet is None and stream.alive():
            stream.outlet = Outlet(
                stream.line,
                self,
                stream.gate(),
                stream.wanted,
                alive=stream.alive,
                end=stream.end,
                on_lost=self._lost,
                on_rights=self._rights,
                here=self._services.hub.here,
            )
            self._services.hub.join(stream.outlet)

    async def _listen(self) -> None:
        until = asyncio.get_running_loop().time() + TOKEN_SECONDS
        pending: asyncio.Future[str | None] | None = None
        try:
            while self._stream.alive():
                pending = pending or asyncio.ensure_future(self._receive())
                done, _ = await asyncio.wait((pending,), timeout=self._services.heartbeat)
                if not done:
                    if self._stream.outlet is None and asyncio.get_running_loop().time() > until:
                        self._stream.end("hello_timeout", f"show a token within {TOKEN_SECONDS:.0f} seconds")
                    elif self._vehicle is not None and self._subscriptions:
                        await self._rights(self._vehicle)
                    continue
                try:
                    text, pending = pending.result(), None
                    if text is None:
                        return
                    await self._stream.line.drained()  # who does not read is not answered either
                    if self._stream.alive():
                        await self._take(said.read(text))
                except BadMessage as error:
                    pending = None
                    self._tell({"error": Refused(400, "bad_request", str(error)).told})
                    self._failed("bad_message")
        finally:
            if pending is not None:
                pending.cancel()
                await asyncio.gather(pending, return_exceptions=True)

    async def _take(self, request: said.Request) -> None:
        head = {"action": request.action, "requestId": request.request_id}
        try:
            await self._admit(request.authorization)
            told = await self._answer(request)
        except Refused as refused:
            told = {"error": refused.told}
        except Unauthenticated as error:
            told = {"error": Refused(401, _TOKEN.get(error.code, "token_invalid"), str(error)).told}
            self._failed(error.code)
        except BadMessage as error:
            told = {"error": Refused(400, "filter_invalid", str(error)).told}
        except KeygwError as error:
            told = {"error": _refusal(error).told}
        first = told.pop("first", None)
        self._tell({**head, **told})
        if first is not None:
            self._tell(first)

    async def _admit(self, token: str | None) -> None:
        """The token of a message holds for those behind it that have none. ``Unauthenticated``, ``Refused``."""
        stream = self._stream
        if token is not None and (self._shown is None or not hmac.compare_digest(self._shown, token_hash(token))):
            app = await self._services.bridge.apps.authenticate(token)
            if stream.outlet is not None and stream.app.id != app.id:
                self._failed("token_of_another")
                raise Refused(401, "token_invalid", "this connection is another app's")
            self._bind(app)
            self._shown = token_hash(token)
        if stream.outlet is None:
            raise Unauthenticated("send the token as authorization, or in the header of the upgrade")
        if not stream.alive():
            raise Unauthenticated("the token has ended", code="token_expired")

    async def _view(self) -> View:
        """The vehicle as the app sees it. ``Refused``."""
        stream, access = self._stream, self._services.bridge.access
        assert stream.outlet is not None  # noqa: S101 - admitted
        if self._vehicle is None:
            vehicle_id = self._vehicle_id
            if vehicle_id is None:
                seen = await access.views(stream.app)
                if len(seen) != 1:
                    text = "this app sees several vehicles: connect to /viss/{vehicle_id}" if seen else "no vehicle"
                    raise Refused(404, "invalid_path", text)
                vehicle_id = seen[0].vehicle.id
            self._vehicle = vehicle_id
        view = await stream.outlet.gate.view(self._vehicle)
        if view is None:
            raise Refused(404, "invalid_path", "there is no such vehicle for this app")
        return view

    async def _answer(self, request: said.Request) -> dict[str, Any]:
        said.check(request)
        if isinstance(request, said.Unsubscribe):
            return self._unsubscribe(request.subscription_id)
        view = await self._view()
        if isinstance(request, said.Set):
            return await self._set(view, request)
        if isinstance(request, said.Subscribe):
            return self._subscribe(view, request)
        below: list[str] = []
        if request.filter is not None:
            if request.filter.type != "paths":
                raise Refused(400, "filter_invalid", "to get, there is the filter paths alone")
            below = request.filter.paths()
        return {"data": self._data(view, said.joined(request.path, below))}

    def _leaves(self, view: View, patterns: list[str]) -> list[str]:
        """What may be read of it. ``Refused``."""
        known = [path for path in SIGNAL_IDS if any(said.under(each, path) for each in patterns)]
        if not known:
            raise Refused(404, "invalid_path", "the specified data path does not exist")
        now = self._services.clock()
        readable = [path for path in known if view.may_read(SIGNAL_IDS[path], now)]
        if not readable:
            raise Refused(403, "user_forbidden", "the app may not read that: it takes a scope and a live key")
        return readable

    def _data(self, view: View, patterns: list[str]) -> Any:
        """One object for a leaf, a list for a branch; of what is live. ``Refused`` if nothing is."""
        leaves = self._leaves(view, patterns)
        told = self._services.bridge.signals.answers(view, leaves, self._services.clock())
        data = [_point(each["path"], each["value"], each["ts"]) for each in told if each.get("quality") == "live"]
        if not data:
            if all(each.get("quality") == "unknown" for each in told):
                raise Refused(404, "unavailable_data", "the vehicle has never told that")
            raise _not_live()
        return data[0] if len(patterns) == 1 and leaves == patterns else data

    async def _set(self, view: View, request: said.Set) -> dict[str, Any]:
        path = request.path.replace("/", ".")
        if path not in SIGNAL_IDS:
            raise Refused(404, "invalid_path", "the specified data path does not exist")
        if path not in SETTABLE:
            raise Refused(401, "read_only", "this is not set by VISS; locks and the engine never are")
        value, action = SETTABLE[path]
        if said.text_of(request.value).lower() != value:
            raise Refused(400, "bad_request", f"it can be set to {value} alone")
        commands = self._services.bridge.commands
        record, _ = await commands.create(
            self._stream.app, view.vehicle.id, action=action.label, idempotency_key=secrets.token_urlsafe(18)
        )
        record = await commands.wait(record, SET_SECONDS)
        if record.state is not CommandState.CONFIRMED:
            raise Refused(
                503, "service_unavailable", f"the vehicle did not confirm it: {record.reason or record.state}"
            )
        return {}

    def _subscribe(self, view: View, request: said.Subscribe) -> dict[str, Any]:
        if len(self._subscriptions) >= MOST_SUBSCRIPTIONS:
            raise Refused(429, "too_many_requests", f"a connection has at most {MOST_SUBSCRIPTIONS} subscriptions")
        one = Subscription(secrets.token_hex(8), said.joined(request.path, []))
        seconds: float | None = None
        for each in request.filters:
            if each.type == "paths":
                one.patterns = said.joined(request.path, each.paths())
            elif each.type == "timebased":
                seconds = each.seconds()
            elif each.type == "change":
                one.change = each.change()
            elif each.type == "range":
                one.bounds = each.bounds()
            else:
                raise Refused(400, "filter_invalid", "that filter is none of a subscription's")
        self._leaves(view, one.patterns)
        self._subscriptions[one.id] = one
        told: dict[str, Any] = {"subscriptionId": one.id}
        if seconds is not None:
            one.task = asyncio.create_task(self._by_time(one, seconds), name="viss by time")
            return told
        self._follow()
        try:
            data = self._data(view, one.patterns)
        except Refused:
            return told
        fresh = [each for each in (data if isinstance(data, list) else [data]) if self._first(one, each["path"])]
        if fresh:
            told["first"] = self._event(one, data=fresh[0] if len(fresh) == 1 else fresh)
        return told

    def _first(self, one: Subscription, path: str) -> bool:
        """Note what is live as told; whether the filter lets it through."""
        assert self._vehicle is not None  # noqa: S101 - subscribed
        value = self._services.bridge.signals.live(self._vehicle)[SIGNAL_IDS[path]]
        passes = one.passes(path, value)
        one.last[path] = value
        return passes

    def _unsubscribe(self, subscription_id: str) -> dict[str, Any]:
        one = self._subscriptions.pop(subscription_id, None)
        if one is None:
            raise Refused(404, "invalid_subscriptionId", "there is no such subscription")
        if one.task is not None:
            one.task.cancel()
        self._follow()
        return {"subscriptionId": subscription_id}

    def _follow(self) -> None:
        """Hear of the vehicle as long as there is a subscription that wants it."""
        assert self._vehicle is not None  # noqa: S101 - subscribed
        told = [each for each in self._subscriptions.values() if each.task is None]
        if told:
            paths = tuple(path for path in SIGNAL_IDS if any(each.wants(path) for each in told))
            self._stream.follow(self._vehicle, Wanted(paths, frozenset({CHANGED, GONE})))
        elif self._vehicle in self._stream.wanted:
            self._stream.unfollow(self._vehicle)

    async def _by_time(self, one: Subscription, seconds: float) -> None:
        try:
            await self._every(one, seconds)
        except Exception as error:
            log.error("stream_broke", **describe(error))
            self._stream.end("internal")

    async def _every(self, one: Subscription, seconds: float) -> None:
        while self._stream.alive():
            await asyncio.sleep(seconds)
            if not self._stream.line.free:
                continue  # who is too slow misses one
            try:
                told = self._event(one, data=self._data(await self._view(), one.patterns))
            except Refused as refused:
                told = self._event(one, error=refused.told)
            self._tell(told)

    def frame(self, event: Event) -> bytes:
        """``outlet.Teller``: what each subscription is told of it; nothing, if none is."""
        told = []
        for one in self._subscriptions.values():
            if one.task is not None:
                continue
            if event.type == GONE:
                one.last.clear()
                told.append(self._event(one, error=_not_live().told))
            elif one.wants(path := event.data["path"]) and one.passes(path, event.data["value"]):
                one.last[path] = event.data["value"]
                told.append(self._event(one, data=_point(path, event.data["value"], event.data["ts"])))
        return b"".join(map(self._frame, told))

    def _event(self, one: Subscription, **what: Any) -> dict[str, Any]:
        return {"action": "subscription", "subscriptionId": one.id, **what}

    async def _lost(self, lost: Lost) -> None:
        """Of a slow reader older values gave way to newer ones, which come."""

    async def _rights(self, vehicle_id: str) -> None:
        """Does the app still see what it subscribed to?"""
        for one in list(self._subscriptions.values()):
            try:
                self._leaves(await self._view(), one.patterns)
            except Refused as refused:
                if self._subscriptions.get(one.id) is one:
                    self._unsubscribe(one.id)
                    self._tell(self._event(one, error=refused.told))

    def _failed(self, code: str) -> None:
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            self._stream.end(code, "too many of these")

    def _frame(self, told: dict[str, Any]) -> bytes:
        return text_frame(json.dumps({**told, "ts": rfc3339(self._services.clock())}).encode())

    def _tell(self, told: dict[str, Any]) -> None:
        if self._stream.ended is None:
            self._stream.line.write(self._frame(told))


_TOKEN = {"token_missing": "token_missing", "token_expired": "token_expired", "token_revoked": "token_expired"}


def _point(path: str, value: SignalValue, ts: str) -> dict[str, Any]:
    return {"path": path, "dp": {"value": said.text_of(value), "ts": ts}}


def _refusal(error: KeygwError) -> Refused:
    """What the bridge refused, in the words of VISS."""
    if isinstance(error, Forbidden):
        return Refused(403, "user_forbidden", str(error))
    if isinstance(error, NotFound):
        return Refused(404, "invalid_path", str(error))
    if isinstance(error, Conflict) and error.retryable:
        return Refused(429, "too_many_requests", str(error))
    return Refused(503, "service_unavailable", str(error))

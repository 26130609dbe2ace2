"""A phone in somebody's hand, or pocket: where it is, whether its app is seen, whether its radios are on.

``step`` lets it do what is due: walk on, look for the car, range, ask to open, send what waited. It has no clock and no
task of its own, so a story of an hour takes as long as its steps, and comes out the same each time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from keygw.model.command import Action, Outcome
from keygw.model.errors import KeygwError
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import Air
from keygw.wire.messages import Cmd
from keygw.wire.ranging import NOTHING_FOUND, Finding, RangingMethod, Zone
from keygw_sim.phone.phone import Phone
from keygw_sim.phone.reach import REACH_METRES, ReachAir
from keygw_sim.ranging.geometry import ORIGIN, Path, Point
from keygw_sim.ranging.space import Transponder

MAX_WAITING = 16
"""Commands that wait for the radio; one more is refused."""
MAX_EVENTS = 200
UNLOCK_SECONDS = 4.0
"""No command that opens outlives this, however long it was to wait: nobody is there any more."""
RANGE_SECONDS = 0.5
"""Between two ranging rounds, while the car is linked."""
FAR_RANGE_SECONDS = 2.0
"""The same in the background, while the car finds it far: the radio costs more than the look."""
CLOSE_CENTIMETRES = 1000
"""From here on it ranges as often as it can, seen or not: at a walk the door is seven seconds away."""


class Screen(StrEnum):
    """Whether the app is seen."""

    FOREGROUND = "foreground"
    BACKGROUND = "background"


LOOK_SECONDS = {Screen.FOREGROUND: 1.0, Screen.BACKGROUND: 8.0}
"""Between two looks for the car. Systems give an app in the background a few seconds in a minute."""
NEEDS_USER = frozenset({Action.START_ENGINE, Action.ALLOW_PAIRING})
"""Refused by the phone itself while nobody looks at it."""
_OPENS = frozenset({Action.UNLOCK, Action.PASSIVE_UNLOCK, Action.OPEN_TRUNK, Action.START_ENGINE})


@dataclass(frozen=True, slots=True)
class Deed:
    """What became of a command. ``outcome``: the car's, or the phone's own: ``waiting``, ``needs_user_verification``,
    ``too_many_waiting``, ``command_expired``, ``radio_unavailable``, ``out_of_range``, ``link_lost``, ..."""

    action: Action
    outcome: str

    @property
    def ok(self) -> bool:
        return self.outcome in (Outcome.DONE.label, Outcome.ALREADY_IN_STATE.label)


@dataclass(frozen=True, slots=True)
class _Waiting:
    action: Action
    number: int
    expires_at: float


class Handset:
    """``car``: the point that BLE's reach is counted from. ``clock``: seconds, of the same clock as the paths.
    ``publish``: told of every change of ``radio``, where the car's anchors are in another process.

    ``events``: what its user could see, or wonder at, oldest first.
    """

    def __init__(
        self,
        make: Callable[[Air], Phone],
        air: Air,
        clock: Callable[[], float],
        *,
        car: Point = ORIGIN,
        at: Point = ORIGIN,
        methods: tuple[RangingMethod, ...] = (RangingMethod.UWB,),
        publish: Callable[[Transponder], Awaitable[None]] | None = None,
    ) -> None:
        self.radio = Transponder(at, methods)
        """For the space of the car's anchors."""
        self.screen = Screen.FOREGROUND
        self.passive = True
        """Whether the car is to open by itself; else its user is asked."""
        self.zone = Zone.UNMEASURED
        """Where the car found it last."""
        self.events: deque[tuple[str, dict[str, object]]] = deque(maxlen=MAX_EVENTS)
        self._clock = clock
        self._car = car
        self._publish = publish
        self._path = Path([(0.0, at)])
        self._flight = False
        self._air = ReachAir(air, lambda: not self._flight, self._in_reach)
        self.phone = make(self._air)
        self._talk: Conversation | None = None
        self._there = False
        """It has come to the car, and not left since: a session that ends on the spot is no new coming."""
        self._asked: int | None = None
        """The number under which it has asked to open, until it has an answer: asked again, it is the same request."""
        self._look_at = 0.0
        self._range_at = 0.0
        self._waiting: deque[_Waiting] = deque()

    # -- what a person does with it ------------------------------------------------------------------------------

    @property
    def at(self) -> Point:
        return self._path.at(self._clock())

    @property
    def linked(self) -> bool:
        """Whether it has an open session with the car."""
        return self._talk is not None and self._talk.authenticated

    @property
    def flight(self) -> bool:
        return self._flight

    @property
    def waiting(self) -> tuple[Action, ...]:
        return tuple(each.action for each in self._waiting)

    def walk(self, path: Path) -> None:
        """Go along that path, whose seconds are the clock's."""
        self._path = path

    def stand(self, at: Point) -> None:
        self._path = Path([(self._clock(), at)])

    def show(self, screen: Screen) -> None:
        """Take it out, or put it away. Who takes it out is looking for the car now."""
        if screen is Screen.FOREGROUND and self.screen is not screen:
            self._look_at = self._clock()
        self.screen = screen

    async def set_flight(self, on: bool) -> None:
        """All radios off, or on again. Links drop at once; what waits goes on waiting."""
        self._flight = on
        self.radio.on = not on
        if on:
            await self._lose("flight_mode")
        else:
            self._look_at = self._clock()

    async def command(self, action: Action, *, wait: float = 0.0) -> Deed:
        """Its user asks for that. ``wait``: for how many seconds it may wait for the radio or the car."""
        if self.screen is Screen.BACKGROUND and action in NEEDS_USER:
            return self._told(Deed(action, "needs_user_verification"))
        number = self.phone.number()
        deed = await self._do(action, number)
        if wait <= 0 or deed.outcome not in ("radio_unavailable", "out_of_range"):
            return self._told(deed)
        if len(self._waiting) >= MAX_WAITING:
            return self._told(Deed(action, "too_many_waiting"))
        lives = min(wait, UNLOCK_SECONDS) if action in _OPENS else wait
        self._waiting.append(_Waiting(action, number, self._clock() + lives))
        return self._told(Deed(action, "waiting"))

    async def close(self) -> None:
        await self._lose(None)
        await self._air.close()

    # -- what is due -----------------------------------------------------------------------------------------------

    async def step(self) -> None:
        """Do what is due now. Never raises for what a car or a link does."""
        now = self._clock()
        self.radio.at = self.at
        if self._talk is not None and not self._in_reach():
            await self._lose("out_of_range")
        if self._talk is not None and not self._talk.alive:
            await self._lose("link_lost")
        if self._talk is None and not self._flight and now >= self._look_at:
            await self._look()
        await self._send_waiting()
        if self.linked and self.radio.methods and now >= self._range_at:
            await self._range()

    async def _look(self) -> None:
        self._look_at = self._clock() + LOOK_SECONDS[self.screen]
        if self._in_reach():
            await self._connect()

    async def _connect(self) -> str | None:
        """Open a session, if there is none; the code of what is in the way."""
        if self.linked:
            return None
        await self._lose(None)
        try:
            self._talk = await self.phone.meet()
        except KeygwError as error:
            if error.code not in ("out_of_range", "radio_unavailable"):
                self._note("not_linked", code=error.code)
            return error.code
        if not self.linked:
            result = self._talk.result
            code = "link_lost" if result is None else result.outcome.label
            self._note("not_let_in", outcome=code)
            await self._lose(None)
            return code
        self._note("linked")
        self._range_at = self._clock()
        return None

    async def _send_waiting(self) -> None:
        for _ in range(len(self._waiting)):
            item = self._waiting.popleft()
            if self._clock() >= item.expires_at:
                self._told(Deed(item.action, "command_expired"))
            elif not self.linked:
                self._waiting.append(item)  # in the order in which they were asked for
            else:
                self._told(await self._do(item.action, item.number))

    async def _do(self, action: Action, number: int) -> Deed:
        """Carry it out in the open session, or in a new one; drive only from where the car can measure it."""
        refused = await self._connect()
        if refused is not None or self._talk is None:
            return Deed(action, refused or "link_lost")
        try:
            if action is Action.START_ENGINE and self.radio.methods:
                await self._measure(self._talk)
            response = await self._talk.command(Cmd(number, action))
        except KeygwError as error:
            await self._lose(error.code)
            return Deed(action, error.code)
        return Deed(action, response.outcome.label)

    async def _range(self) -> None:
        """One round; and whoever comes to the door is let in, or asked."""
        assert self._talk is not None  # noqa: S101 - linked says so
        try:
            found = await self._measure(self._talk)
            if found.zone is Zone.NEAR and not self._there:
                await self._arrive(self._talk)
            if found.zone is not Zone.UNMEASURED:
                self._there = found.zone is not Zone.FAR
            if not self._there:
                self._asked = None
        except KeygwError as error:
            await self._lose(error.code)
            return
        close = found.bound is not None and found.bound < CLOSE_CENTIMETRES
        often = close or self.screen is Screen.FOREGROUND
        self._range_at = self._clock() + (RANGE_SECONDS if often else FAR_RANGE_SECONDS)

    async def _measure(self, talk: Conversation) -> Finding:
        """The first method of its radio by which the car finds it."""
        found = NOTHING_FOUND
        for method in self.radio.methods:
            try:
                found = await talk.range(method, self._arm)
            finally:
                self.radio.disarm()
                await self._radio_changed()
            if found.zone is not Zone.UNMEASURED:
                break
        if found.zone is not self.zone:
            self._note("zone", zone=found.zone.label)
        self.zone = found.zone
        return found

    async def _arm(self, method: RangingMethod, key: bytes) -> None:
        self.radio.arm(method, key)
        await self._radio_changed()

    async def _radio_changed(self) -> None:
        if self._publish is not None:
            await self._publish(self.radio)

    async def _arrive(self, talk: Conversation) -> None:
        if self.passive:
            self._asked = self.phone.number() if self._asked is None else self._asked
            response = await talk.command(Cmd(self._asked, Action.PASSIVE_UNLOCK))
            self._asked = None
            self._told(Deed(Action.PASSIVE_UNLOCK, response.outcome.label))
        elif self.screen is Screen.FOREGROUND:
            self._note("prompt", ask="unlock")

    async def _lose(self, why: str | None) -> None:
        """The session is over. What it knew of its place goes with it."""
        talk, self._talk = self._talk, None
        self.zone = Zone.UNMEASURED
        self._there &= why in (None, "link_lost")
        if talk is None:
            return
        if why is not None:
            await self._air.cut()
            self._note("link_lost", why=why)
        await talk.close()

    def _in_reach(self) -> bool:
        return self.at.to(self._car) <= REACH_METRES

    def _told(self, deed: Deed) -> Deed:
        self._note("command", action=deed.action.label, outcome=deed.outcome)
        return deed

    def _note(self, what: str, **data: object) -> None:
        self.events.append((what, data))

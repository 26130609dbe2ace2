"""The gateway's side of all cars: who is linked, which command goes where, what is carried on the way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager

from keygw.model.command import AuthorizedCommand, CommandState, Outcome
from keygw.model.errors import Conflict, KeygwError, LinkError, StoreError
from keygw.model.ids import Random
from keygw.model.receipt import Receipt
from keygw.model.signal import Signal, SignalId
from keygw.session.identity import recognises
from keygw.vehicle.car import Car, Meter
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.courier import Courier, wants_time
from keygw.vehicle.dispatcher import Dispatcher, OnState
from keygw.vehicle.pairing import PairingTask, pair
from keygw.vehicle.ports import Air, Books, IssuerKeyBooks
from keygw.vehicle.relay import MOST_WAITING, REACH_S, WAIT_S, Relay
from keygw.vehicle.values import CommandResult, Discovered, LinkStatus

CONTACT_SECONDS = 5.0
"""How long to look for a car that nobody waits for: when carrying a list or settling an unknown command."""

ASK_AGAIN_SECONDS = 10.0
"""How often a pairing may end our own link to a known car only to ask whether it shows a code."""


class Fleet:
    """Use as an async context manager; leaving it ends every link.

    The callbacks must not block: they hand over to the event hub. ``clock``: Unix seconds; ``ticks``: seconds that only
    grow, as the event loop counts them.
    """

    def __init__(
        self,
        air: Air,
        books: Books,
        random: Random,
        clock: Callable[[], float],
        *,
        on_signal: Callable[[str, list[Signal]], None],
        on_link: Callable[[str, LinkStatus], None],
        on_receipt: Callable[[str, Receipt], None],
        issuer_keys: IssuerKeyBooks | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._air = air
        self._books = books
        self._random = random
        self._clock = clock
        self._ticks = ticks
        self._on_signal = on_signal
        self._on_link = on_link
        self._courier = Courier(books, on_receipt, clock, issuer_keys)
        self._issuer_keys = issuer_keys
        self._dispatcher = Dispatcher(self._courier, clock, ticks)
        self._cars: dict[str, Car] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Fleet:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for car in self._cars.values():
            await car.leave()
        await self._air.close()

    def link(self, vehicle_id: str) -> LinkStatus | None:
        """How the link to that vehicle is, or ``None`` if there never was one."""
        car = self._cars.get(vehicle_id)
        return None if car is None else car.measured()

    async def connect(self, vehicle_id: str, key_id: str, timeout: float) -> LinkStatus:
        """Reach the vehicle and hear its HELLO; the handshake waits for the first command. ``LinkError`` otherwise."""
        car = self._car(vehicle_id)
        async with car.lock:
            await car.reach(key_id, timeout, Meter(car.ticks))
            return car.measured()

    async def disconnect(self, vehicle_id: str) -> None:
        """End the link, after the operation under way."""
        car = self._cars.get(vehicle_id)
        if car is not None:
            with car.lock.pressing():
                async with car.lock:
                    await car.leave()

    async def execute(self, authorized: AuthorizedCommand, on_state: OnState) -> CommandResult:
        """Carry out one command (see ``Dispatcher``). Never raises for what a car or a link does."""
        command = authorized.command
        car = self._car(command.vehicle_id)
        try:
            with car.lock.pressing():
                async with asyncio.timeout(max(0.0, command.expires_at - self._clock())):
                    await car.lock.acquire()
        except TimeoutError:
            return CommandResult(CommandState.EXPIRED, "busy")
        try:
            return await self._dispatcher.run(car, authorized, on_state)
        finally:
            car.lock.release()
            self._keep_time(car)

    @asynccontextmanager
    async def relay(self, vehicle_id: str, avoid: Collection[str] = ()) -> AsyncIterator[Relay]:
        """Lend the vehicle's link to a device that holds its key itself; our own session ends before, others wait.

        ``avoid``: peers that said no HELLO (``Air.open``). ``LinkError``: busy if it does not come free in time, else
        as of the air. The borrower leaves when ``Relay.over`` says so.
        """
        vehicle = await self._books.vehicle(vehicle_id)
        turn = self._car(vehicle_id).lock
        busy = LinkError("the vehicle is in touch with somebody else; try again in a second", code="busy")
        if turn.borrowers >= MOST_WAITING:
            raise busy
        turn.borrowers += 1
        try:
            try:
                async with asyncio.timeout(WAIT_S):
                    await turn.acquire()
            except TimeoutError:
                raise busy from None
            try:
                await self._car(vehicle_id).leave()
                link = await self._air.open(
                    lambda rotating: recognises(vehicle.advertising_key, rotating), REACH_S, avoid
                )
                try:
                    yield Relay(link, turn, self._ticks)
                finally:
                    await asyncio.shield(link.close())
            finally:
                turn.release()
        finally:
            turn.borrowers -= 1

    async def settle(self, vehicle_id: str, key_id: str) -> None:
        """Fetch the receipts not yet stored; whoever waits hears of them through ``on_receipt``. ``LinkError``."""
        car = self._car(vehicle_id)
        async with car.lock, self._trusting(car):
            await self._courier.collect(car, await self._session(car, key_id), 2**32)

    async def sync_list(self, vehicle_id: str) -> None:
        """Carry the current revocation list, with any key we hold; returns once the acknowledgement is recorded.

        ``LinkError`` if the car cannot be reached, ``Conflict`` (no_courier) if we hold no key that may carry it.
        """

        async def pending() -> bool:
            current = await self._books.current_list(vehicle_id)
            return current.acknowledged_sequence < current.sequence

        await self._errand(self._car(vehicle_id), self._courier.deliver, pending)

    async def sync_issuer_keys(self, vehicle_id: str) -> None:
        """Carry the issuer keys that the vehicle has not acknowledged; the errors of ``sync_list``."""

        async def pending() -> bool:
            return self._issuer_keys is not None and bool(await self._issuer_keys.issuer_statements(vehicle_id))

        async def bring(car: Car, conversation: Conversation) -> bool:
            conversation.issuer_keys_asked = False  # there may be one since
            if not conversation.alive and await pending():  # it was brought when the session opened, and that failed
                raise LinkError("the session is over", code="link_lost")
            return await self._courier.introduce(car, conversation)

        await self._errand(self._car(vehicle_id), bring, pending)

    async def _errand(
        self,
        car: Car,
        bring: Callable[[Car, Conversation], Awaitable[bool]],
        pending: Callable[[], Awaitable[bool]],
    ) -> None:
        """Meet the car to bring it something, with any key we hold, if it is ``pending``. With a live link at once."""
        async with car.lock:
            live = car.conversation
            if live is not None and live.authenticated:
                async with self._trusting(car):
                    await bring(car, live)
                return
            if not await pending():
                return
            error: KeygwError = Conflict(
                "no hosted key may carry it to this vehicle; a phone with a key must meet it", code="no_courier"
            )
            for key_id in await self._books.courier_keys(car.vehicle_id):
                try:
                    async with self._trusting(car):
                        conversation = await self._session(car, key_id, may_wait=True)
                        await bring(car, conversation)
                        if not conversation.authenticated:
                            await car.leave()
                except LinkError as failure:
                    error = failure
                    if failure.code in ("out_of_range", "radio_busy", "radio_unavailable"):
                        break
                else:
                    return
            raise error

    async def discover(self, seconds: float) -> Sequence[Discovered]:
        """Every vehicle heard in that time; with its id where we hold the key that resolves it."""
        sightings = await self._air.scan(seconds)
        vehicles = await self._books.vehicles()
        found = []
        for sighting in sightings:
            known = next((v for v in vehicles if recognises(v.advertising_key, sighting.rotating_id)), None)
            found.append(Discovered(known.id if known else None, sighting.rotating_id, sighting.link))
        return found

    async def pair(self, task: PairingTask, seconds: float) -> Outcome:
        """Make a hosted device the owner's of whichever vehicle in reach shows that code (see ``vehicle.pairing``)."""
        asked: dict[str, float] = {}

        @asynccontextmanager
        async def alone(rotating_id: bytes) -> AsyncIterator[bool]:
            """A second link from one radio to one car would get frames of the first: end ours, commands wait."""
            vehicles = await self._books.vehicles()
            known = next((v for v in vehicles if recognises(v.advertising_key, rotating_id)), None)
            if known is None:
                yield True
                return
            car, now = self._car(known.id), self._ticks()
            told = car.readings.get(SignalId.PAIRING_OPEN) if car.conversation is not None else None
            if told is False or (told is None and now < asked.get(known.id, 0.0) + ASK_AGAIN_SECONDS):
                yield False  # it tells us by itself, or was asked just now: no reason to cut its link
                return
            with car.lock.pressing():
                await car.lock.acquire()
            try:
                await car.leave()
                asked[known.id] = now
                yield True
            finally:
                car.lock.release()

        return await pair(self._air, task, self._random, seconds, alone, self._ticks)

    @asynccontextmanager
    async def _trusting(self, car: Car) -> AsyncIterator[None]:
        """After any trouble the link is dropped: a late answer must not meet the next question.

        What the car signed wrongly, or told twice, becomes ``LinkError`` vehicle_not_trusted.
        """
        try:
            yield
        except BaseException as error:
            await asyncio.shield(car.leave())
            if isinstance(error, KeygwError) and not isinstance(error, LinkError | StoreError):
                raise LinkError(str(error), code="vehicle_not_trusted", retryable=False) from error
            raise

    def _keep_time(self, car: Car) -> None:
        """Bring a car the issuer key that it has to learn, and the time proof that it wants: behind the command, whose
        answer must not wait for it.
        """

        async def bring() -> None:
            async with car.lock:
                if car.conversation is not None:
                    await self._courier.keep_time(car, car.conversation)

        live = car.conversation
        if live is not None and (wants_time(live) or self._courier.may_introduce(live)):
            task = asyncio.create_task(bring(), name=f"time proof for {car.vehicle_id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _session(self, car: Car, key_id: str, *, may_wait: bool = False) -> Conversation:
        """An authenticated conversation; ``LinkError`` also if the car refuses the key.

        ``may_wait``: one whose key is not good yet will do, for what may be brought then.
        """
        conversation = await car.reach(key_id, CONTACT_SECONDS, Meter(car.ticks))
        if not conversation.authenticated:
            try:
                result = await conversation.authenticate()
            except LinkError:
                if not car.may_take_another(conversation):
                    raise
                await car.leave()
                conversation = await car.reach(key_id, CONTACT_SECONDS, Meter(car.ticks))
                result = await conversation.authenticate()
            car.answered(conversation)
            if conversation.waiting and not may_wait:
                await self._courier.cure(car, conversation, result.outcome)
            if not conversation.authenticated and not (may_wait and conversation.waiting):
                await car.leave()
                raise LinkError(f"the vehicle refused the key: {result.outcome.label}", code=result.outcome.label)
            await self._courier.bring_home(car, conversation)
            await self._courier.reconcile(car, conversation)
            await self._courier.keep_time(car, conversation)
        return conversation

    def _car(self, vehicle_id: str) -> Car:
        if vehicle_id not in self._cars:
            self._cars[vehicle_id] = Car(
                vehicle_id,
                self._air,
                self._books,
                self._random,
                self._clock,
                self._on_signal,
                self._on_link,
                self._ticks,
            )
        return self._cars[vehicle_id]

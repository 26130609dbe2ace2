"""One conversation with one vehicle: a ``DeviceSession`` driven over a ``Link``.

A single reader task feeds the session and resolves whoever waits. When the link or the session ends, everything
pending fails at once with the same error; nothing hangs.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from keygw.crypto.signer import Signer
from keygw.model.command import Outcome
from keygw.model.errors import KeygwError, LinkError, ProtocolError
from keygw.model.ids import Random
from keygw.model.vehicle import Vehicle
from keygw.session.device import DeviceSession
from keygw.session.events import (
    Answered,
    AnsweredFast,
    Ended,
    Event,
    FastRefused,
    Greeted,
    IssuerKeyAcknowledged,
    ListAcknowledged,
    ListGiven,
    Ranged,
    Read,
    ReceiptsGiven,
    Responded,
    SignatureNeeded,
    VehicleProven,
)
from keygw.session.fast import FAST_ACTIONS, FastKey
from keygw.session.identity import recognises
from keygw.session.states import State
from keygw.vehicle.ports import ATT_AND_L2CAP, Air, HeldKey, Link
from keygw.wire.messages import Cmd, ErrorCode, FastResult, LinkKind, Reading, Receipts, Res, Result
from keygw.wire.ranging import Finding, RangingMethod

ANSWER_SECONDS = 4.0
"""How long the vehicle may take for any one answer: the time-out of wallets for lock and unlock."""
SHORTEST_SECONDS = 0.05
"""Too little to do anything in."""
HELLO_SECONDS = 1.0
"""How long one that answers to the vehicle's id may take for its HELLO, while there is time to try another."""
HELLO_FRESH_SECONDS = 30.0
"""A HELLO older than this is asked for anew before the handshake."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What a conversation has cost so far. Bytes count both directions; ``message_bytes`` exclude HELLO."""

    round_trips: int = 0
    message_bytes: int = 0
    air_bytes: int = 0


class Road(StrEnum):
    """How a command reached the vehicle."""

    SESSION = "session"
    FAST = "fast"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Reply:
    """The vehicle's answer to one command, whichever road it took. ``list_sequence``: where the answer tells it."""

    outcome: Outcome
    receipt: int
    list_sequence: int | None
    road: Road


class Conversation:
    """``open`` makes one; then ``authenticate``, then the rest; ``close`` always."""

    def __init__(
        self,
        link: Link,
        session: DeviceSession,
        signer: Signer,
        on_readings: Callable[[tuple[Reading, ...]], None] | None = None,
        on_end: Callable[[Conversation], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.link = link
        self.session = session
        self.answered = Tally()
        """As it was when the last answer came: what came after that (events) is not the answer's cost."""
        self.handshake_ms: float | None = None
        self.result: Result | None = None
        """The latest: the vehicle's verdict on the key, what it knows of the time, and a nonce to prove it with."""
        self.refused = False
        """Whether the vehicle, or who spoke in its place, refused before it said anything of the key."""
        self.brought_chain = False
        """Whether the vehicle asked what the key stands on, and was told."""
        self.proof_sent = False
        """Whether a command may have left, with message_3 or after it: from then on it may have happened."""
        self.leave_by: float | None = None
        """Until when (of ``clock``) a first command may leave; after that the handshake is given up."""
        self.ended_by: ErrorCode | None = None
        """The ERROR with which the vehicle, or who spoke in its place, ended the session."""
        self.issuer_keys_asked = False
        """Whether it was looked up if the vehicle has an issuer key to learn."""
        self._signer = signer
        self._on_readings = on_readings
        self._on_end = on_end
        self._clock = clock
        self._waiting: dict[object, asyncio.Future[Event]] = {}
        self._sending = asyncio.Lock()
        self._error: KeygwError | None = None
        self._greeted_at = 0.0
        self._stale = False
        self.in_doubt = False
        """Whether a FAST was answered with what does not open: whatever is answered later, it may have happened."""
        self._round_trips = 0
        self._air_bytes = 0
        self._reader = asyncio.create_task(self._read(), name="conversation")

    @classmethod
    async def open(
        cls,
        air: Air,
        vehicle: Vehicle,
        key: HeldKey,
        random: Random,
        timeout: float,
        *,
        kind: LinkKind = LinkKind.DIRECT,
        subscribe: bool = False,
        on_readings: Callable[[tuple[Reading, ...]], None] | None = None,
        on_end: Callable[[Conversation], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> Conversation:
        """Find the vehicle, connect and hear its HELLO, all within ``timeout`` seconds. ``LinkError`` otherwise.

        Anybody can repeat the id that a vehicle advertises: who answers to it and has no HELLO to say is left for the
        next that is heard. If all are like that the error is theirs (``link_timeout`` for silence), not out_of_range;
        ``version_unsupported`` is told whatever became of those after it.
        """
        until = clock() + timeout
        avoid: set[str] = set()
        failure: KeygwError | None = None
        while failure is None or until - clock() > SHORTEST_SECONDS:
            try:
                link = await air.open(
                    lambda rotating: recognises(vehicle.advertising_key, rotating), until - clock(), avoid
                )
            except LinkError as error:
                if failure is None:
                    raise
                failure = _plainer(failure, error)
                break
            session = DeviceSession(vehicle, key.hand, link.info, random, clock(), kind, subscribe)
            conversation = cls(link, session, key.signer, on_readings, on_end, clock)
            left = until - clock()
            try:
                await conversation._wait(Greeted, max(SHORTEST_SECONDS, min(HELLO_SECONDS, left / 2)))
            except KeygwError as error:
                failure = error if failure is None else _plainer(failure, error)
                avoid.add(link.peer)
            except BaseException:
                await conversation._abandon()
                raise
            else:
                return conversation
            await conversation._abandon()
        raise failure

    @property
    def alive(self) -> bool:
        return self._error is None and self.session.state is not State.CLOSED

    @property
    def authenticated(self) -> bool:
        return self.alive and self.session.talking

    @property
    def waiting(self) -> bool:
        """The key is not good yet, and the vehicle listens for what may cure it."""
        return self.alive and self.session.waiting

    @property
    def tally(self) -> Tally:
        """As it is now."""
        return Tally(self._round_trips, self.session.message_bytes, self._air_bytes)

    async def authenticate(self, first: Cmd | None = None, *, kept: bool = False) -> Result:
        """The handshake, with a first command in message_3. The vehicle may refuse the key in the result.

        A vehicle that asks what a shared key stands on is told, and the command follows in a message of its own.
        ``kept``: name the token that the vehicle has accepted before (``DeviceSession.begin``).
        """
        await self._freshen()
        started = self._clock()
        answered = self._expect(Answered)
        self.session.begin(self._clock(), first, kept=kept)
        await self._flush()
        event = await self._take(answered, ANSWER_SECONDS)
        assert isinstance(event, Answered)  # noqa: S101 - narrows the union; _expect(Answered) yields nothing else
        result = event.result
        if result.outcome is Outcome.CHAIN_REQUIRED and self.session.has_chain:
            self.proof_sent = self.in_doubt  # the vehicle has said that it did nothing with this one
            result = await self._bring_chain(first)
        self.handshake_ms = (self._clock() - started) * 1000
        return result

    async def _bring_chain(self, first: Cmd | None) -> Result:
        """CRED_PUT, and once the key is good the command again."""
        self.brought_chain = True
        answered = self._expect(Answered)
        self.session.bring_chain()
        event = await self._exchange(answered)
        assert isinstance(event, Answered)  # noqa: S101 - see authenticate
        if first is None or event.result.outcome is not Outcome.DONE:
            return event.result
        self.check_time()
        self.proof_sent = True
        response = await self.command(first)
        return replace(event.result, outcome=response.outcome, number=response.number, receipt=response.receipt)

    @property
    def quick(self) -> bool:
        """Opened by the fast path: good for its few actions alone."""
        return self.authenticated and self.session.state is State.QUICK

    async def ask(self, command: Cmd, fast: FastKey | None = None, *, kept: bool = False) -> Reply:
        """One command by the quickest road there is: the open session, the fast path, the full handshake.

        The number is the same on every road and the vehicle deduplicates it, so falling back never executes twice.
        """
        if self.authenticated:
            response = await self.command(command)
            return Reply(response.outcome, response.receipt, None, Road.SESSION)
        if fast is not None and command.action in FAST_ACTIONS:
            quick = await self._hurry(fast, command)
            if quick is not None:
                return Reply(quick.outcome, quick.receipt, quick.list_sequence, Road.FAST)
        result = await self.authenticate(command, kept=kept)
        return Reply(result.outcome, result.receipt, result.list_sequence, Road.FULL)

    async def _hurry(self, key: FastKey, command: Cmd) -> FastResult | None:
        """FAST; ``None`` if the vehicle does not know the key (any more)."""
        await self._freshen()
        self.check_time()
        started = self._clock()
        waiting = self._expect(AnsweredFast)
        self.session.begin_fast(self._clock(), key, command)
        self.proof_sent = True
        event = await self._exchange(waiting)
        if not isinstance(event, AnsweredFast):
            # Anybody can send bytes that do not open in place of a true answer: it may have happened all the same.
            self._stale = self.in_doubt = True
            return None
        self.handshake_ms = (self._clock() - started) * 1000
        return event.result

    async def command(self, command: Cmd) -> Res:
        """Send one command in the open session and wait for its answer."""
        self._check()
        waiting = self._expect((Responded, command.number))
        self.session.command(command)
        event = await self._exchange(waiting)
        assert isinstance(event, Responded)  # noqa: S101 - see authenticate
        return event.response

    async def push_list(self, signed: bytes) -> bytes:
        """Carry a revocation list; returns the vehicle's signed acknowledgement, not yet verified."""
        self._check()
        waiting = self._expect(ListAcknowledged)
        self.session.push_list(signed)
        event = await self._exchange(waiting)
        assert isinstance(event, ListAcknowledged)  # noqa: S101 - see authenticate
        return event.signed

    async def fetch_list(self) -> bytes:
        """The vehicle's revocation list, not yet verified; empty if it never had one."""
        self._check()
        waiting = self._expect(ListGiven)
        self.session.ask_list()
        event = await self._exchange(waiting)
        assert isinstance(event, ListGiven)  # noqa: S101 - see authenticate
        return event.signed

    async def bring_issuer_keys(self, signed: Sequence[bytes]) -> bytes:
        """Carry statements of new issuer keys, oldest first; returns the vehicle's signed word, not yet verified."""
        self._check()
        waiting = self._expect(IssuerKeyAcknowledged)
        self.session.bring_issuer_keys(signed)
        event = await self._exchange(waiting)
        assert isinstance(event, IssuerKeyAcknowledged)  # noqa: S101 - see authenticate
        return event.signed

    async def prove_time(self, signed: bytes) -> Result:
        """Carry a time proof for the nonce of ``result``; returns the RESULT that answers it, with the next nonce."""
        self._check()
        waiting = self._expect(Answered)
        self.session.prove_time(signed)
        event = await self._exchange(waiting)
        assert isinstance(event, Answered)  # noqa: S101 - see authenticate
        return await self.with_chain(event.result)

    async def verdict_after(self, bring: Awaitable[bool]) -> Result | None:
        """The RESULT that a waiting vehicle sends once what was brought has turned its verdict; ``None`` if ``bring``
        says that there was nothing to bring."""
        waiting = self._expect(Answered)
        try:
            if not await bring:
                return None
            event = await self._take(waiting, ANSWER_SECONDS)
        finally:
            self._waiting.pop(Answered, None)
        assert isinstance(event, Answered)  # noqa: S101 - see authenticate
        return await self.with_chain(event.result)

    async def with_chain(self, result: Result) -> Result:
        """That RESULT; or the one after it, for a vehicle that asks what the key stands on.

        It may ask again: what it was told before it knew the time it has not kept, and a list may have overtaken it.
        """
        if result.outcome is Outcome.CHAIN_REQUIRED and self.session.has_chain and self.waiting:
            return await self._bring_chain(None)
        return result

    async def range(self, method: RangingMethod, arm: Callable[[RangingMethod, bytes], Awaitable[None]]) -> Finding:
        """One ranging round; returns what the vehicle's anchors found. ``arm`` gives the own ranging radio the key of
        the round (16 bytes), and returns when that is ready, before the round is asked for.
        """
        self._check()
        await arm(method, self.session.next_round(method))
        self._check()
        waiting = self._expect(Ranged)
        self.session.ask_range(method)
        event = await self._exchange(waiting)
        assert isinstance(event, Ranged)  # noqa: S101 - see authenticate
        return event.finding

    async def receipts(self, after: int) -> Receipts:
        """One batch of signed receipts with a sequence above ``after``, not yet verified."""
        self._check()
        waiting = self._expect(ReceiptsGiven)
        self.session.ask_receipts(after)
        event = await self._exchange(waiting)
        assert isinstance(event, ReceiptsGiven)  # noqa: S101 - see authenticate
        return event.receipts

    async def receipts_stored(self, sequence: int) -> None:
        """Tell the vehicle that it may forget the receipts up to here."""
        self._check()
        self.session.acknowledge_receipts(sequence)
        await self._flush()

    async def close(self) -> None:
        """Say goodbye if possible, end the link. Never raises; may be called twice."""
        if self.alive:
            self.session.end()
            with contextlib.suppress(KeygwError):  # the link may be gone already, which is what we want
                await self._flush()
        self._fail(LinkError("the conversation was closed", code="link_lost", may_have_happened=self.proof_sent))
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self.link.close()

    async def _abandon(self) -> None:
        """``close`` without the goodbye: who has said nothing is owed none, and might not take it."""
        await self.link.close()
        await self.close()

    async def _read(self) -> None:
        try:
            while self.session.state is not State.CLOSED:
                try:
                    async with asyncio.timeout(max(0.0, self.session.deadline - self._clock())):
                        frame = await self.link.receive()
                except TimeoutError:
                    events = self.session.tick(self._clock())
                else:
                    self._air_bytes += len(frame) + ATT_AND_L2CAP
                    events = self.session.receive(frame, self._clock())
                await self._flush()
                for event in events:
                    await self._on_event(event)
        except KeygwError as error:
            await self._say_why()
            self._fail(error)
        except Exception:
            self._fail(ProtocolError("the conversation broke", code="internal"))
            raise
        else:
            self._fail(LinkError("the session is over", code="link_lost"))
        # Nobody reads any more, so the link is of no more use; freeing it lets the vehicle advertise for others.
        await self.link.close()

    async def _on_event(self, event: Event) -> None:
        match event:
            case SignatureNeeded(message):
                self.check_time()
                self.session.sign(self._signer.sign(message))
                self.proof_sent = True
                await self._flush()
            case VehicleProven():
                self._round_trips += 1
            case Greeted():
                self._greeted_at = self._clock()
                self._resolve(Greeted, event)
            case Responded(response):
                self._answer()
                self._resolve((Responded, response.number), event)
            case AnsweredFast() | FastRefused():
                self._answer()
                self._resolve(AnsweredFast, event)
            case Answered(result):
                self._answer()
                self.result = result
                self._resolve(Answered, event)
            case ListAcknowledged() | ListGiven() | IssuerKeyAcknowledged() | ReceiptsGiven() | Ranged():
                self._resolve(type(event), event)
            case Read(readings):
                if self._on_readings is not None:
                    self._on_readings(readings)
            case Ended(code, reason):
                self.ended_by = code
                self.refused = code is ErrorCode.REFUSED and self.result is None
                raise LinkError(f"the session ended: {reason}", code="link_lost", may_have_happened=self.proof_sent)

    def _answer(self) -> None:
        self._round_trips += 1
        self.answered = self.tally

    def check_time(self) -> None:
        """``LinkError`` command_expired once a command may not leave any more."""
        if self.leave_by is not None and self._clock() > self.leave_by:
            raise LinkError("the command's time passed before it could leave", code="command_expired")

    async def _freshen(self) -> None:
        """See that there is a HELLO nobody has answered yet, and not from long ago."""
        self._check()
        if self._stale or self._clock() - self._greeted_at > HELLO_FRESH_SECONDS:
            greeted = self._expect(Greeted)
            self.session.request_hello()
            await self._exchange(greeted)
            self._round_trips += 1
            self._stale = False

    async def _exchange(self, waiting: tuple[object, asyncio.Future[Event]]) -> Event:
        await self._flush()
        return await self._take(waiting, ANSWER_SECONDS)

    def _expect(self, what: object) -> tuple[object, asyncio.Future[Event]]:
        if what in self._waiting:
            raise ProtocolError("the same answer is already waited for")
        future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        self._waiting[what] = future
        return what, future

    async def _wait(self, what: object, seconds: float) -> Event:
        return await self._take(self._expect(what), seconds)

    async def _take(self, waiting: tuple[object, asyncio.Future[Event]], seconds: float) -> Event:
        what, future = waiting
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise LinkError(
                "the vehicle did not answer in time", code="link_timeout", may_have_happened=self.proof_sent
            ) from None
        finally:
            self._waiting.pop(what, None)

    def _resolve(self, what: object, event: Event) -> None:
        future = self._waiting.pop(what, None)
        if future is not None and not future.done():
            future.set_result(event)

    async def _flush(self) -> None:
        async with self._sending:
            for frame in self.session.frames(self.link.max_frame):
                self._air_bytes += len(frame) + ATT_AND_L2CAP
                await self.link.send(frame)

    async def _say_why(self) -> None:
        """Let the peer have the ERROR that a broken protocol leaves in the outbox, if the link still carries it."""
        with contextlib.suppress(KeygwError):  # the first error is the one to report
            await self._flush()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error
        if self.session.state is State.CLOSED:
            raise LinkError("the session is over", code="link_lost")

    def _fail(self, error: KeygwError) -> None:
        if self._error is not None:
            return
        self._error = error
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(error)
                future.exception()  # some may have stopped waiting; their error is not news
        if self._on_end is not None:
            self._on_end(self)


def _plainer(before: KeygwError, after: KeygwError) -> KeygwError:
    """Which to tell of two that failed: of two alike the later. That one side must be updated no other try mends;
    that nobody else was heard says nothing of who was."""
    weight = {"version_unsupported": 2, "out_of_range": 0}
    return after if weight.get(after.code, 1) >= weight.get(before.code, 1) else before

"""One connection of the kit to the vehicle: what a check says there, and what it hears."""

from __future__ import annotations

from typing import Any, TypeVar

from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action, Outcome
from keygw.model.errors import LinkError, ProtocolError
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
    Read,
    ReceiptsGiven,
    Responded,
    SignatureNeeded,
    VehicleProven,
)
from keygw.session.fast import FastKey
from keygw.wire.frame import Fragmenter, Reassembler
from keygw.wire.messages import Cmd, FastResult, MessageType, Receipts, Res, Result
from keygw_sim.conformance.ports import Ground, Wire
from keygw_sim.conformance.probe import Noting, Probe
from keygw_sim.conformance.tape import TO_DEVICE, TO_VEHICLE, Tape
from keygw_sim.conformance.verdict import Failed, must

E = TypeVar("E")
MOST_MESSAGES = 64
"""A vehicle that says more than this to one thing says too much."""


class Talk:
    """``session`` may be told anything; ``heard`` has every event, ``messages`` every message of the vehicle."""

    def __init__(self, ground: Ground, wire: Wire, session: Noting, signer: LocalSigner, tape: Tape) -> None:
        self.session = session
        self.signer = signer
        self.wire = wire
        self.heard: list[Event] = []
        self.messages: list[bytes] = []
        self.gone: LinkError | None = None
        self.broken: ProtocolError | None = None
        """What the vehicle did wrong, in the eyes of the honest session."""
        self._ground, self._tape = ground, tape
        self._parts: list[bytes] = []
        self._lane = Reassembler()
        self._lane.limit = 4096
        self._own = Fragmenter()
        self._taken = 0
        self._unasked = 0

    # -- speaking ----------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Everything that the session has to say goes out."""
        outbox = self.session._outbox
        while outbox:
            await self.message(outbox.popleft())

    async def message(self, message: bytes) -> None:
        """One message, in frames."""
        self._unasked = 0
        frames = tuple(self._own.split(message, self.wire.max_frame))
        self._tape.message(TO_VEHICLE, message, self.session.said.get(message), frames)
        for frame in frames:
            await self._send(frame)

    async def frame(self, frame: bytes, what: str) -> None:
        """One frame as it is."""
        self._tape.note(what, TO_VEHICLE, (frame,))
        await self._send(frame)

    def frames(self, message: bytes, size: int) -> list[bytes]:
        """The next frames of the link for that message."""
        return list(self._own.split(message, size))

    async def _send(self, frame: bytes) -> None:
        try:
            await self.wire.send(frame)
        except LinkError as error:
            self.gone = self.gone or error

    # -- hearing -----------------------------------------------------------------------------------------------

    async def next(self, seconds: float | None = None) -> bytes | None:
        """The vehicle's next message; ``None`` if none comes, or the link has ended (``gone``)."""
        patience = self._ground.answer_s if seconds is None else seconds
        while True:
            try:
                frame = await self.wire.receive(patience)
            except LinkError as error:
                if self.gone is None:
                    self._tape.note("the link has ended")
                self.gone = error
                return None
            if frame is None:
                return None
            self._parts.append(frame)
            message = self._listen(frame)
            if message is not None:
                self.messages.append(message)
                self._unasked += 1
                must(self._unasked < MOST_MESSAGES, "the vehicle says more than anybody asked for")
                return message

    def _listen(self, frame: bytes) -> bytes | None:
        try:
            message = self._lane.push(frame, 0.0)
        except ProtocolError as error:
            self._tape.note("a frame that is none", TO_DEVICE, (frame,))
            raise Failed(f"its frames do not fit together: {error}") from error
        self.session.last_heard = None
        events: list[Event] = []
        try:
            events = self.session.receive(frame, self._ground.clock())
        except ProtocolError as error:
            self.broken = error
            self.session._outbox.clear()
        if message is not None:
            self._tape.message(TO_DEVICE, message, self.session.last_heard, tuple(self._parts))
            self._parts.clear()
        self.heard += events
        return message

    async def until(self, *kinds: type[Any], seconds: float | None = None) -> Event:
        """Go on, signing what is to be signed, until one of these events. ``Failed`` if something else ends it."""
        while True:
            for at in range(self._taken, len(self.heard)):
                event = self.heard[at]
                self._taken = at + 1
                if any(isinstance(event, kind) for kind in kinds):
                    return event
                if isinstance(event, SignatureNeeded):
                    self.session.sign(self.signer.sign(event.message))  # type: ignore[attr-defined]  # both kinds do
                    await self.flush()
                if isinstance(event, Ended):
                    raise Failed(f"it ended the session: {event.reason}, where {_names(kinds)} was due")
            if self.broken is not None:
                raise Failed(f"what it said is not acceptable: {self.broken}")
            message = await self.next(seconds)
            if message is None:
                what = "the link ended" if self.gone is not None else "no answer came"
                raise Failed(f"{what}, where {_names(kinds)} was due")

    async def refused(self, what: str) -> None:
        """The vehicle answers with ERROR, or ends the link, and with nothing else. ``Failed`` otherwise."""
        message = await self.next()
        if message is None:
            if self.gone is None:
                raise Failed(f"it neither refuses {what} nor ends the link")
            return
        kind = MessageType(message[0])
        must(kind is MessageType.ERROR, f"{kind.name} answers {what}")

    async def silent(self, what: str) -> None:
        """Nothing comes, and the link stays."""
        message = await self.next(self._ground.quiet_s)
        must(message is None and self.gone is None, f"{what} is answered" if message else f"{what} ends the link")

    async def ends(self, what: str) -> None:
        """The link ends; what was on its way may still come."""
        for _ in range(MOST_MESSAGES):
            if await self.next() is None:
                break
        must(self.gone is not None, f"the link stays up {what}")

    async def drain(self) -> None:
        """Hear what comes by itself."""
        while await self.next(self._ground.quiet_s) is not None:
            pass

    async def leave(self) -> None:
        await self.wire.close()

    # -- a device's way ----------------------------------------------------------------------------------------

    @property
    def probe(self) -> Probe:
        if not isinstance(self.session, Probe):
            raise TypeError("this device pairs")
        return self.session

    async def hello(self) -> None:
        """Subscribe, and wait for HELLO."""
        await self.wire.subscribe()
        await self.until(Greeted)

    async def begin(self, first: Cmd | None = None, *, kept: bool = False) -> None:
        """message_1."""
        self.probe.begin(self._ground.clock(), first, kept=kept)
        await self.flush()

    async def prove(
        self, action: Action | None = None, number: int = 1, *, kept: bool = False, cure: bool = True
    ) -> Result:
        """The handshake; the chain when it is asked for (``cure``). RESULT, whatever it says."""
        await self.begin(None if action is None else Cmd(number, action), kept=kept)
        result = await self.result()
        if result.outcome is Outcome.CHAIN_REQUIRED and cure and self.probe.has_chain:
            return await self.bring_chain()
        return result

    async def open(self, action: Action | None = None, number: int = 1, **how: bool) -> Result:
        """``prove``, and it must have opened the session."""
        result = await self.prove(action, number, **how)
        must(result.outcome.ok, f"the key was refused: {result.outcome.label}")
        return result

    async def result(self) -> Result:
        event = await self.until(Answered)
        assert isinstance(event, Answered)  # noqa: S101 - until returns no other
        return event.result

    async def bring_chain(self) -> Result:
        self.probe.bring_chain()
        await self.flush()
        return await self.result()

    async def command(self, action: Action, number: int) -> Res:
        self.probe.command(Cmd(number, action))
        await self.flush()
        event = await self.until(Responded)
        assert isinstance(event, Responded)  # noqa: S101 - until returns no other
        return event.response

    async def hurry(self, key: FastKey, action: Action, number: int) -> FastResult | None:
        """FAST; ``None`` if the answer does not open."""
        self.probe.begin_fast(self._ground.clock(), key, Cmd(number, action))
        await self.flush()
        event = await self.until(AnsweredFast, FastRefused)
        return event.result if isinstance(event, AnsweredFast) else None

    async def push_list(self, signed: bytes) -> bytes:
        """The acknowledgement, not verified."""
        self.probe.push_list(signed)
        await self.flush()
        event = await self.until(ListAcknowledged)
        assert isinstance(event, ListAcknowledged)  # noqa: S101 - until returns no other
        return event.signed

    async def list_in_force(self) -> bytes:
        self.probe.ask_list()
        await self.flush()
        event = await self.until(ListGiven)
        assert isinstance(event, ListGiven)  # noqa: S101 - until returns no other
        return event.signed

    async def issuer_keys(self, *signed: bytes) -> bytes:
        self.probe.bring_issuer_keys(signed)
        await self.flush()
        event = await self.until(IssuerKeyAcknowledged)
        assert isinstance(event, IssuerKeyAcknowledged)  # noqa: S101 - until returns no other
        return event.signed

    async def prove_time(self, signed: bytes) -> Result:
        self.probe.prove_time(signed)
        await self.flush()
        return await self.result()

    async def receipts(self, after: int) -> Receipts:
        self.probe.ask_receipts(after)
        await self.flush()
        event = await self.until(ReceiptsGiven)
        assert isinstance(event, ReceiptsGiven)  # noqa: S101 - until returns no other
        return event.receipts

    async def readings(self) -> dict[int, object]:
        """What the next EVENT tells, by signal."""
        event = await self.until(Read)
        assert isinstance(event, Read)  # noqa: S101 - until returns no other
        return {int(each.signal): each.value for each in event.readings}

    async def proven(self) -> None:
        """The vehicle has shown that it is the one that was meant; message_3 goes out with the next thing awaited."""
        await self.until(VehicleProven)


def _names(kinds: tuple[type[Any], ...]) -> str:
    return " or ".join(kind.__name__ for kind in kinds)

"""One vehicle as the fleet sees it: at most one conversation, one operation at a time, and what it costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from keygw.model.command import Action
from keygw.model.errors import KeygwError, LinkError
from keygw.model.ids import Random
from keygw.model.signal import Signal, SignalId, SignalValue
from keygw.session.fast import FAST_ACTIONS, FastKey
from keygw.vehicle.conversation import Conversation, Reply, Tally
from keygw.vehicle.expectation import EXPECTED
from keygw.vehicle.ports import Air, Books, HeldKey
from keygw.vehicle.relay import Turn
from keygw.vehicle.values import LinkStatus, Measures
from keygw.wire.messages import LinkKind, Reading


@dataclass(slots=True)
class Meter:
    """Measures the part of a conversation from ``before`` to its latest answer. ``ticks``: seconds that only grow."""

    ticks: Callable[[], float]
    started: float = 0.0
    before: Tally = field(default_factory=Tally)
    connect_ms: float | None = None
    handshake_ms: float | None = None

    def __post_init__(self) -> None:
        self.started = self.ticks()

    def read(self, conversation: Conversation | None, road: str | None = None) -> Measures:
        ms = (self.ticks() - self.started) * 1000
        if conversation is None:
            return Measures(ms, connect_ms=self.connect_ms)
        before, after = self.before, conversation.answered
        return Measures(
            ms=ms,
            handshake_ms=self.handshake_ms,
            round_trips=max(0, after.round_trips - before.round_trips),
            message_bytes=max(0, after.message_bytes - before.message_bytes),
            air_bytes=max(0, after.air_bytes - before.air_bytes),
            connect_ms=self.connect_ms,
            road=road,
        )


class Car:
    """Keeps the conversation with one vehicle alive between commands."""

    def __init__(
        self,
        vehicle_id: str,
        air: Air,
        books: Books,
        random: Random,
        clock: Callable[[], float],
        on_signal: Callable[[str, list[Signal]], None],
        on_link: Callable[[str, LinkStatus], None],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.vehicle_id = vehicle_id
        self.ticks = ticks
        """Seconds that only grow, by which everything here is timed."""
        self.lock = Turn()
        self.readings: dict[SignalId, SignalValue] = {}
        """The signals heard in the present session."""
        self.status = LinkStatus(vehicle_id, "disconnected")
        self.fast_keys: dict[bytes, FastKey] = {}
        """By key token, in memory alone: hosted devices do not persist them, and a new token needs a new handshake."""
        self.kept: dict[str, bytes] = {}
        """By digital key, the token that the vehicle has accepted and keeps: it need not travel again."""
        self.issuer_keys_refused_at: float | None = None
        """When (of ``clock``) the vehicle last ended a session because it was brought an issuer key."""
        self._refused: set[bytes] = set()
        """Key tokens with which the vehicle, or who spoke in its place, had nothing to do."""
        self._shown: tuple[bytes, ...] = ()
        """The tokens there were to choose from when it was last reached, the one that was taken first."""
        self._measured = 0.0
        self._conversation: Conversation | None = None
        self._air = air
        self._books = books
        self._random = random
        self._clock = clock
        self._on_signal = on_signal
        self._on_link = on_link

    @property
    def conversation(self) -> Conversation | None:
        """The live one, if any."""
        return self._conversation if self._conversation is not None and self._conversation.alive else None

    async def reach(self, key_id: str, seconds: float, meter: Meter, action: Action | None = None) -> Conversation:
        """The conversation with that key, opening one if there is none. ``LinkError`` within ``seconds``.

        A quick one that is not good enough for ``action`` is replaced, as is one whose key is not good.
        """
        current = self.conversation
        quick = current is not None and current.quick and action is not None and action not in FAST_ACTIONS
        if current is not None and not (quick or current.waiting) and self.status.key_id == key_id:
            meter.before = current.tally
            return current
        await self.leave()
        if seconds <= 0:
            raise LinkError("there is no time left to reach the vehicle", code="out_of_range")
        vehicle, held = await self._books.vehicle(self.vehicle_id), self._choice(await self._books.held_key(key_id))
        started = self.ticks()
        conversation = await Conversation.open(
            self._air,
            vehicle,
            held,
            self._random,
            seconds,
            kind=LinkKind.HOSTED,
            subscribe=True,
            on_readings=self._heard,
            on_end=self._ended,
            clock=self.ticks,
        )
        meter.connect_ms = (self.ticks() - started) * 1000
        self._conversation = conversation
        self.readings = {}
        self._measured = 0.0
        self._tell(LinkStatus(self.vehicle_id, "connected", key_id, meter.connect_ms))
        return conversation

    def _choice(self, held: HeldKey) -> HeldKey:
        """With the token to show: until the vehicle has learnt the new issuer key, the former one, unless refused."""
        hands = [hand for hand in (held.former, held.hand) if hand is not None]
        self._refused &= {hand.token for hand in hands}
        if len(self._refused) == len(hands):
            self._refused.clear()  # anybody may refuse in its place, so nothing is given up for good
        hands.sort(key=lambda hand: hand.token in self._refused)
        self._shown = tuple(hand.token for hand in hands)
        return replace(held, hand=hands[0])

    def may_take_another(self, conversation: Conversation) -> bool:
        """Note that the token was refused before anything was said of the key; whether there is one of another issuer
        key that was not."""
        token = conversation.session.token
        if not conversation.refused or token not in self._shown:
            return False
        self._refused.add(token)
        return any(other not in self._refused for other in self._shown)

    def answered(self, conversation: Conversation, reply: Reply | None = None) -> None:
        """Note how the session stands after an answer, and keep the fast key that a full handshake left."""
        left = conversation.session.fast_key
        if left is not None and conversation.authenticated:
            self.fast_keys = {token: key for token, key in self.fast_keys.items() if key.key_id != left.key_id}
            self.fast_keys[conversation.session.token] = left
            self.kept[left.key_id] = conversation.session.token
        status = replace(
            self.measured(),
            state="authenticated" if conversation.authenticated else "disconnected",
            handshake_ms=conversation.handshake_ms,
        )
        told = reply.list_sequence if reply is not None else None
        if reply is None and conversation.result is not None:
            told = (
                conversation.result.list_sequence
            )  # a later answer says nothing of it, and we may have brought a list
        self._tell(status if told is None else replace(status, list_sequence=told))

    def list_known(self, sequence: int) -> None:
        """Note which revocation list the vehicle has now."""
        self._tell(replace(self.measured(), list_sequence=sequence))

    def measured(self) -> LinkStatus:
        """The status with the present counts."""
        conversation = self._conversation
        if conversation is None or not self.status.up:
            return self.status
        return replace(
            self.status,
            round_trips=conversation.tally.round_trips,
            message_bytes=conversation.tally.message_bytes,
            air_bytes=conversation.link.count.air_bytes,
        )

    def expect(self, action: Action) -> None:
        """Forget how the actuator of ``action`` stood: only what is heard from now on can speak against the command."""
        expected = EXPECTED.get(action)
        if expected is not None:
            self.readings.pop(expected[0], None)

    async def leave(self) -> None:
        """End the conversation, if there is one."""
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            await conversation.close()
            if self.status.up:
                self._tell(replace(self.status, state="disconnected"))

    def _ended(self, conversation: Conversation) -> None:
        if conversation is self._conversation and self.status.up:
            self._tell(replace(self.measured(), state="disconnected"))

    def _heard(self, readings: tuple[Reading, ...]) -> None:
        """What came later over one link was not measured earlier, though the vehicle may learn the time in between."""
        now = self._clock()
        self.readings.update((reading.signal, reading.value) for reading in readings)
        self._measured = max(self._measured, *(float(reading.at) or now for reading in readings))
        self._on_signal(self.vehicle_id, [Signal(r.signal, r.value, self._measured, now) for r in readings])

    def _tell(self, status: LinkStatus) -> None:
        self.status = status
        self._on_link(self.vehicle_id, status)


def reason_of(error: KeygwError) -> str:
    """The word of the field for a failure on the way to the car. What the peer broke is its business, not the app's."""
    passed_on = isinstance(error, LinkError) or error.code == "version_unsupported"
    return error.code if passed_on else "vehicle_not_trusted"

"""A conversation without a radio: both roles side by side in one process, every frame in the hands of whoever looks on.

``Office`` issues key tokens and revocation lists; ``Stage`` holds a device session and a vehicle session; ``Visit``
meets a whole simulated car. Used by tests, benchmarks and the frozen vectors of ``protocols/key_session``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from keygw.crypto.kdf import sha256
from keygw.crypto.signer import Signer, thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES
from keygw.model.ids import Random, format_id, new_id
from keygw.model.revocation import RevocationList
from keygw.model.signal import SignalId, SignalValue
from keygw.model.vehicle import Vehicle
from keygw.session.device import DeviceSession, KeyInHand
from keygw.session.events import (
    Answered,
    AnsweredFast,
    Event,
    IssuerKeyAcknowledged,
    Presented,
    PresentedFast,
    Ranged,
    Read,
    Responded,
    SignatureNeeded,
)
from keygw.session.fast import SECRET_BYTES, FastKey
from keygw.session.states import TRANSITIONS, Side, State
from keygw.session.vehicle import VehicleSession
from keygw.token.claims import THUMBPRINT_BYTES, KeyClaims
from keygw.token.cwt import decode_cwt, encode_cwt
from keygw.token.grant import Grant, sign_grant
from keygw.token.issuer_key import IssuerKeyStatement, sign_statement
from keygw.token.revocation import sign_list
from keygw.token.time_proof import TimeProof, sign_time_proof
from keygw.token.trust import IssuerKey, TrustedIssuers, kid_of
from keygw.wire.frame import MAX_FRAME
from keygw.wire.messages import TIME_NONCE_BYTES, Chain, Cmd, FastResult, LinkKind, Result, TimeState, encode_info
from keygw.wire.ranging import Finding, RangingMethod
from keygw_sim.chance import chance, new_signer
from keygw_sim.vehicle.flash import Memory

ISSUED_AT = 1_800_000_000
"""When every token of the ``Office`` was issued, Unix seconds."""
LIFETIME = 3600
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
E = TypeVar("E")


class Office:
    """A credential service of one key: signs whatever it is told to."""

    def __init__(self, random: Random, issuer: str = "https://issuer.example") -> None:
        self.signer = new_signer(random)
        self.kid = kid_of(self.signer.public_key)
        self.key = IssuerKey(issuer, self.kid, self.signer.public_key)
        self.trust = TrustedIssuers([self.key])
        self.sequence = 0
        """Of the key: how many came before it."""

    def rotate(self, random: Random, at: int = ISSUED_AT, **changes: Any) -> bytes:
        """Take a new key and sign with that from now on; returns the statement of it by the one before.

        It counts at once, and the one before for a week more, unless the changes say otherwise. ``trust`` keeps all.
        """
        successor = new_signer(random)
        signed = self.state(successor.public_key, at, **changes)
        self.signer, self.sequence = successor, self.sequence + 1
        self.kid = kid_of(successor.public_key)
        self.key = IssuerKey(self.key.issuer, self.kid, successor.public_key)
        self.trust = TrustedIssuers([*self.trust.keys, self.key])
        return signed

    def state(self, public_key: bytes, at: int = ISSUED_AT, **changes: Any) -> bytes:
        """Sign that this key follows, with what ``rotate`` says, then the changes."""
        plain = IssuerKeyStatement(self.key.issuer, self.sequence + 1, public_key, at, at + 7 * 86_400, at)
        return sign_statement(replace(plain, **changes), self.signer, self.kid)

    def claims(self, vehicle: Vehicle, device_key: bytes, **changes: Any) -> KeyClaims:
        """An owner's claims for that car and device, valid from ``ISSUED_AT`` for ``LIFETIME``, then the changes."""
        owner = KeyClaims(
            issuer=self.key.issuer,
            key_id=format_id("key", sha256(device_key)[:10]),
            device_key=device_key,
            vehicle_id=vehicle.id,
            vehicle_thumbprint=thumbprint(vehicle.public_key)[:THUMBPRINT_BYTES],
            role=Role.OWNER,
            entitlements=PROFILES["owner"],
            index=1,
            issued_at=ISSUED_AT,
            not_before=ISSUED_AT,
            expires_at=ISSUED_AT + LIFETIME,
            max_depth=2,
        )
        return replace(owner, **changes)

    def hand(self, claims: KeyClaims, chain: Chain = ()) -> KeyInHand:
        return KeyInHand(claims.key_id, encode_cwt(claims, self.signer, self.kid), claims.device_key, chain)

    def link(self, parent: KeyClaims, device: Signer, child: KeyClaims, **changes: Any) -> tuple[bytes, bytes]:
        """What ``device``, the parent's, signs for exactly that child, then the changes; and the parent's token."""
        grant = Grant(
            vehicle_id=parent.vehicle_id,
            parent_id=parent.key_id,
            device=thumbprint(child.device_key),
            entitlements=child.entitlements,
            issued_at=parent.not_before,
            not_before=child.not_before,
            expires_at=child.expires_at,
            depth=child.depth,
            max_depth=child.max_depth,
        )
        return sign_grant(replace(grant, **changes), device), self.hand(parent).token

    def sign_list(self, vehicle: Vehicle, sequence: int, **changes: Any) -> bytes:
        plain = RevocationList(vehicle.id, sequence, ISSUED_AT + sequence, ISSUED_AT + sequence + 7 * 86_400)
        return sign_list(replace(plain, **changes), self.signer, self.kid)

    def prove_time(self, vehicle: Vehicle, nonce: bytes, at: float, newest: int = 0, /, **changes: Any) -> bytes:
        """A time proof of that time, then the changes; ``newest``: the sequence of the newest list that was signed."""
        plain = TimeProof(vehicle.id, nonce, int(at), newest)
        return sign_time_proof(replace(plain, **changes), self.signer, self.kid)


class Stage:
    """One device and one vehicle, and the air between them; ``to_device`` and ``to_car`` take any frame."""

    def __init__(
        self,
        seed: str = "rehearsal",
        *,
        max_frame: int = MAX_FRAME,
        link: LinkKind = LinkKind.DIRECT,
        subscribe: bool = False,
        **changes: Any,
    ) -> None:
        random = chance(seed, "cast")
        self.office = Office(random)
        self.vehicle_signer: Signer = new_signer(random)
        self.device_signer: Signer = new_signer(random)
        self.vehicle = Vehicle(new_id("veh", random), "Car", self.vehicle_signer.public_key, random(16))
        self.claims = self.office.claims(self.vehicle, self.device_signer.public_key, **changes)
        self.hand = self.office.hand(self.claims)
        self.info = encode_info(b"\x01\x02\x03\x04\x05\x06")
        self.now = 1000.0
        self.max_frame = max_frame
        self.device = DeviceSession(
            self.vehicle, self.hand, self.info, chance(seed, "device"), self.now, link, subscribe
        )
        random = chance(seed, "fast")
        self.fast_key = FastKey(self.claims.key_id, random(SECRET_BYTES), random(SECRET_BYTES))
        """What an earlier handshake left with both."""
        self.car = self.new_car(chance(seed, "car"))
        self.heard_by_device: list[Event] = []
        self.heard_by_car: list[Event] = []
        self.messages: list[tuple[str, int]] = []
        """Who sent how many bytes of message, in order."""

    def new_car(self, random: Random) -> VehicleSession:
        """A session of that vehicle, which knows the fast key."""
        return VehicleSession(
            self.vehicle.id,
            self.vehicle_signer.public_key,
            self.verify,
            self.info,
            random,
            self.now,
            lambda: [self.fast_key],
        )

    def verify(self, token: bytes) -> KeyClaims:
        return decode_cwt(token, self.office.trust, vehicle_id=self.vehicle.id)

    def carry(self, outcome: Outcome | None = Outcome.DONE) -> None:
        """Carry frames both ways until nobody has more to say; sign what is to be signed.

        ``outcome`` is what the vehicle answers to a presented key; with ``None`` it does not answer yet.
        """
        while True:
            frames = list(self.device.frames(self.max_frame))
            answers = list(self.car.frames(self.max_frame))
            if not frames and not answers:
                return
            for frame in answers:
                self._note("vehicle", frame)
                self.to_device(frame)
            for frame in frames:
                self._note("device", frame)
                self.to_car(frame, outcome)

    def to_device(self, frame: bytes) -> None:
        """One frame reaches the device."""
        for event in self.device.receive(frame, self.now):
            self.heard_by_device.append(event)
            if isinstance(event, SignatureNeeded):
                self.device.sign(self.device_signer.sign(event.message))

    def to_car(self, frame: bytes, outcome: Outcome | None = Outcome.DONE) -> None:
        """One frame reaches the vehicle."""
        for event in self.car.receive(frame, self.now):
            self.heard_by_car.append(event)
            if isinstance(event, SignatureNeeded):
                self.car.sign(self.vehicle_signer.sign(event.message))
            if isinstance(event, Presented) and outcome is not None:
                self.answer(event, outcome)
            if isinstance(event, PresentedFast) and outcome is not None:
                self.car.answer_fast(FastResult(outcome, 1, 0))

    def answer(self, presented: Presented, outcome: Outcome = Outcome.DONE) -> None:
        number = None if presented.command is None else presented.command.number
        result = Result(outcome, number, 1, 0, bytes(TIME_NONCE_BYTES), TimeState.TRUSTED)
        self.car.answer(result, keep_open=outcome.ok)

    def greet(self) -> Stage:
        """HELLO: both are GREETED afterwards."""
        self.car.greet(7)
        self.carry()
        return self

    def open(self, first: Cmd | None = None) -> Stage:
        """HELLO to RESULT."""
        self.greet()
        self.device.begin(self.now, first)
        self.carry()
        return self

    def hurry(self, command: Cmd, outcome: Outcome | None = Outcome.DONE) -> Stage:
        """HELLO to FAST_RESULT."""
        self.greet()
        self.device.begin_fast(self.now, self.fast_key, command)
        self.carry(outcome)
        return self

    def reach(self, state: State) -> Stage:
        """Walk the straight road up to a state; all frames are delivered."""
        if state in (State.HURRIED, State.QUICK):
            return self.hurry(Cmd(1, Action.UNLOCK), Outcome.DONE if state is State.QUICK else None)
        if state is State.SILENT:
            return self
        if state is State.CLOSED:
            self.greet()
            self.device.end()
            self.car.end()
            for side in (self.device, self.car):
                list(side.frames(self.max_frame))
            return self
        self.greet()
        if state is State.GREETED:
            return self
        self.device.begin(self.now)
        if state is State.OPEN:
            self.carry()
            return self
        sent = list(self.device.frames(self.max_frame))
        needed = first_of([e for frame in sent for e in self.car.receive(frame, self.now)], SignatureNeeded)
        if state is State.ASKED:
            return self
        self.car.sign(self.vehicle_signer.sign(needed.message))
        sent = list(self.car.frames(self.max_frame))
        needed = first_of([e for frame in sent for e in self.device.receive(frame, self.now)], SignatureNeeded)
        if state is State.PROVEN:
            return self
        self.device.sign(self.device_signer.sign(needed.message))
        self.carry(outcome=None)
        return self

    def _note(self, sender: str, frame: bytes) -> None:
        if frame[0] & 0x80:
            self.messages.append((sender, 0))
        who, size = self.messages[-1]
        self.messages[-1] = (who, size + len(frame) - 1)


class RangingRadio(Protocol):
    """That of a device."""

    def arm(self, method: RangingMethod, key: bytes) -> None:
        """Answer the round with that key (16 bytes), and no other."""

    def disarm(self) -> None:
        """The round is over."""


class CarSide(Protocol):
    """Whom a visit meets: a ``Brain``, or somebody who stands before it."""

    @property
    def memory(self) -> Memory:
        """Of the car that the device means."""

    def connected(self, conn: int) -> None: ...

    def subscribed(self, conn: int) -> None: ...

    def info(self, conn: int) -> bytes: ...

    def frame(self, conn: int, frame: bytes) -> None: ...

    def outgoing(self, conn: int, max_frame: int) -> Iterator[bytes]: ...

    def disconnected(self, conn: int) -> None: ...


class Visit:
    """A device that meets a car over no link at all: what it sends arrives, what it hears is in ``heard``."""

    def __init__(
        self,
        brain: CarSide,
        hand: KeyInHand,
        signer: Signer,
        random: Random,
        clock: Callable[[], float],
        *,
        conn: int = 1,
        subscribe: bool = False,
        max_frame: int = MAX_FRAME,
        link: LinkKind = LinkKind.DIRECT,
    ) -> None:
        memory = brain.memory
        vehicle = Vehicle(memory.vehicle_id, memory.name, memory.signer.public_key, memory.advertising_key)
        self.brain = brain
        self.conn = conn
        self.heard: list[Event] = []
        self._signer = signer
        self._clock = clock
        self._max_frame = max_frame
        self.cures = True
        """Whether it brings the chain when it is asked for one, if it has one."""
        brain.connected(conn)
        self.session = DeviceSession(vehicle, hand, brain.info(conn), random, clock(), link, subscribe)
        brain.subscribed(conn)
        self.carry()

    def prove(self, action: Action | None = None, number: int = 1, *, kept: bool = False) -> Result:
        """The handshake, with a first command if there is one; with the chain and the command again if asked for it.

        ``kept``: the token is named, not sent.
        """
        self.session.begin(self._clock(), None if action is None else Cmd(number, action), kept=kept)
        self.carry()
        result = self.last(Answered).result
        if not (result.outcome is Outcome.CHAIN_REQUIRED and self.cures and self.session.has_chain):
            return result
        result = self.bring_chain()
        if action is None or result.outcome is not Outcome.DONE:
            return result
        self.command(action, number)
        response = self.last(Responded).response
        return replace(result, outcome=response.outcome, number=number, receipt=response.receipt)

    def bring_chain(self) -> Result:
        """CRED_PUT, and what the vehicle says to it."""
        self.session.bring_chain()
        self.carry()
        return self.last(Answered).result

    def hurry(self, key: FastKey, action: Action, number: int = 1) -> FastResult:
        """The fast path. ``LookupError`` if the vehicle does not take it."""
        self.session.begin_fast(self._clock(), key, Cmd(number, action))
        self.carry()
        return self.last(AnsweredFast).result

    def command(self, action: Action, number: int) -> None:
        self.session.command(Cmd(number, action))
        self.carry()

    def bring_issuer_keys(self, *signed: bytes) -> bytes:
        """Carry statements; the acknowledgement, not verified. ``LookupError`` if the vehicle gives none."""
        heard = len(self.heard)
        self.session.bring_issuer_keys(signed)
        self.carry()
        return first_of(self.heard[heard:], IssuerKeyAcknowledged).signed

    def prove_time(self, signed: bytes) -> Result:
        """Carry a time proof in the open session; the RESULT that answers it. ``LookupError`` if none does."""
        heard = len(self.heard)
        self.session.prove_time(signed)
        self.carry()
        return first_of(self.heard[heard:], Answered).result

    def range(self, phone: RangingRadio | None = None, method: RangingMethod = RangingMethod.UWB) -> Finding:
        """One ranging round, which that phone's radio answers; what the vehicle found."""
        if phone is not None:
            phone.arm(method, self.session.next_round(method))
        self.session.ask_range(method)
        try:
            self.carry()
        finally:
            if phone is not None:
                phone.disarm()
        return self.last(Ranged).finding

    def carry(self) -> None:
        while True:
            frames = list(self.session.frames(self._max_frame))
            answers = list(self.brain.outgoing(self.conn, self._max_frame))
            if not frames and not answers:
                return
            for frame in frames:
                self.brain.frame(self.conn, frame)
            for frame in answers:
                for event in self.session.receive(frame, self._clock()):
                    self.heard.append(event)
                    if isinstance(event, SignatureNeeded):
                        self.session.sign(self._signer.sign(event.message))

    def last(self, kind: type[E]) -> E:
        """The newest event of that kind."""
        return first_of(reversed(self.heard), kind)

    def told(self) -> dict[SignalId, SignalValue]:
        """The newest value of each signal that it has heard."""
        heard = (event for event in self.heard if isinstance(event, Read))
        return {reading.signal: reading.value for event in heard for reading in event.readings}

    def leave(self) -> None:
        self.brain.disconnected(self.conn)


def twin(signed: bytes) -> bytes:
    """The same signed object with (r, n - s) for (r, s): what any carrier can make, and every verifier accepts."""
    return signed[:-32] + (P256_ORDER - int.from_bytes(signed[-32:], "big")).to_bytes(32, "big")


def sent_before(state: State, side: Side) -> int:
    """How many messages that side has sent on the straight road to a state."""
    roads: dict[State, tuple[Side, ...]] = {State.SILENT: ()}
    for here in (walk := [State.SILENT]):
        for (who, _), there in TRANSITIONS[here].items():
            if there not in roads:
                roads[there] = (*roads[here], who)
                walk.append(there)
    return roads[state].count(side)


def first_of(events: Iterable[Event], kind: type[E]) -> E:
    """The first event of that kind; ``LookupError`` if there is none."""
    for event in events:
        if isinstance(event, kind):
            return event
    raise LookupError(f"no {kind.__name__} among the events")

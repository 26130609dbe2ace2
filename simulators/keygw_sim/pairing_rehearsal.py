"""Owner pairing without a radio: both roles side by side, every frame in the hands of whoever looks on.

``PairingStage`` holds two sessions and answers for the car as a careful driver would; ``PairingVisit`` meets a whole
simulated car. Used by tests and by the frozen vectors of ``protocols/owner_pairing``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from keygw.crypto.signer import Signer, thumbprint
from keygw.crypto.spake2plus import SALT_BYTES, Record, Secret
from keygw.model.command import Outcome
from keygw.model.ids import Random, new_id
from keygw.session import pairing
from keygw.session.events import (
    Enrolled,
    Event,
    Greeted,
    OwnerTokenBrought,
    PairingAsked,
    PairingOffered,
    PairingTried,
    SignatureNeeded,
    Ticketed,
)
from keygw.session.pairing_device import PairingDevice
from keygw.session.states import State
from keygw.session.vehicle import VehicleSession
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt
from keygw.token.ticket import PairingTicket, sign_ticket
from keygw.wire.frame import MAX_FRAME
from keygw.wire.messages import encode_info
from keygw.wire.pairing import Credential
from keygw_sim.chance import chance, new_signer
from keygw_sim.rehearsal import CarSide, Office, first_of

CODE = "31415926"
OWNER_TOKEN = b"a key token"
E = TypeVar("E")


@lru_cache(maxsize=64)
def secret_for(code: str, salt: bytes) -> Secret:
    """``pairing.secret_for``, remembered: a rehearsal stretches the same few codes many times."""
    return pairing.secret_for(code, salt)


class PairingStage:
    """One device and one vehicle that shows ``CODE``; ``messages`` keeps what was said, whole, in order."""

    def __init__(self, seed: str = "pairing", *, code: str = CODE, max_frame: int = MAX_FRAME) -> None:
        random = chance(seed, "cast")
        self.office = Office(random)
        self.vehicle_signer: Signer = new_signer(random)
        self.device_signer: Signer = new_signer(random)
        self.vehicle_id = new_id("veh", random)
        self.advertising_key = random(16)
        self.salt = random(SALT_BYTES)
        self.code = code
        """What the device's user typed."""
        self.record: Record = secret_for(CODE, self.salt).record()
        self.info = encode_info(b"\x01\x02\x03\x04\x05\x06")
        self.now = 1000.0
        self.max_frame = max_frame
        self.token = OWNER_TOKEN
        self.device = PairingDevice(self.device_signer.public_key, self.info, chance(seed, "device"), self.now)
        self.car = VehicleSession(
            self.vehicle_id, self.vehicle_signer.public_key, self._verify, self.info, chance(seed, "car"), self.now
        )
        self.heard_by_device: list[Event] = []
        self.heard_by_car: list[Event] = []
        self.messages: list[tuple[str, bytes]] = []
        self.until: State | None = None
        """Where both stop answering."""
        self.on_the_air: Callable[[bytes], bytes] = bytes
        """What becomes of a frame on its way."""

    def credential(self, enrolled: Enrolled, counter: int = 1) -> Credential:
        """The ticket that an honest car signs, and its credential."""
        ticket = PairingTicket(self.vehicle_id, thumbprint(enrolled.device_key), enrolled.transcript, counter)
        signed = sign_ticket(ticket, self.vehicle_signer)
        return Credential(signed, self.vehicle_id, self.vehicle_signer.public_key, self.advertising_key)

    def run(self, until: State | None = None) -> PairingStage:
        """HELLO, then everything in order; up to that state and not one step further."""
        self.until = until
        if self.car.state is State.SILENT and until is not State.SILENT:
            self.car.greet(7)
        self.carry()
        return self

    def carry(self) -> None:
        """Carry frames both ways until nobody has more to say."""
        while True:
            frames = [("device", frame) for frame in self.device.frames(self.max_frame)]
            frames += [("vehicle", frame) for frame in self.car.frames(self.max_frame)]
            if not frames:
                return
            for who, frame in frames:
                self._note(who, frame)
                (self.to_car if who == "device" else self.to_device)(self.on_the_air(frame))

    def to_device(self, frame: bytes) -> None:
        """One frame reaches the device, which goes on unless the stage is where it was to stop."""
        for event in self.device.receive(frame, self.now):
            self.heard_by_device.append(event)
            if self.device.state is not self.until:
                self.act_device(event)

    def act_device(self, event: Event) -> None:
        match event:
            case Greeted():
                self.device.ask(self.now)
            case PairingOffered(salt):
                self.device.share(secret_for(self.code, salt))
            case SignatureNeeded(message):
                self.device.sign(self.device_signer.sign(message))
            case Ticketed():
                self.device.bring(self.token)

    def to_car(self, frame: bytes) -> None:
        """One frame reaches the vehicle, which goes on unless the stage is where it was to stop."""
        for event in self.car.receive(frame, self.now):
            self.heard_by_car.append(event)
            if self.car.state is not self.until:
                self.act_car(event)

    def act_car(self, event: Event) -> None:
        match event:
            case PairingAsked():
                self.car.offer(self.salt)
            case PairingTried():
                self.car.prove(self.record)
            case Enrolled():
                self.car.give_ticket(self.credential(event))
            case OwnerTokenBrought():
                self.car.accept_owner(Outcome.DONE)

    def _verify(self, token: bytes) -> KeyClaims:
        return decode_cwt(token, self.office.trust, vehicle_id=self.vehicle_id)

    def _note(self, sender: str, frame: bytes) -> None:
        if frame[0] & 0x80:
            self.messages.append((sender, b""))
        who, message = self.messages[-1]
        self.messages[-1] = (who, message + frame[1:])


class PairingVisit:
    """A device that wants to pair with a car, over no link at all. ``token``: asks the issuer, given the ticket.

    ``ask`` starts it; ``heard`` has what the device learns. With ``token`` ``None`` it stops once it has the ticket.
    """

    def __init__(
        self,
        brain: CarSide,
        code: str,
        signer: Signer,
        random: Random,
        clock: Callable[[], float],
        *,
        token: Callable[[Ticketed], bytes] | None = None,
        conn: int = 1,
    ) -> None:
        self.brain, self.code, self.conn = brain, code, conn
        self.heard: list[Event] = []
        self._signer, self._clock, self._token = signer, clock, token
        brain.connected(conn)
        self.session = PairingDevice(signer.public_key, brain.info(conn), random, clock())
        brain.subscribed(conn)
        self.carry()

    def ask(self) -> PairingVisit:
        self.session.ask(self._clock())
        self.carry()
        return self

    def carry(self) -> None:
        while True:
            frames = list(self.session.frames(MAX_FRAME))
            answers = list(self.brain.outgoing(self.conn, MAX_FRAME))
            if not frames and not answers:
                return
            for frame in frames:
                self.brain.frame(self.conn, frame)
            for frame in answers:
                for event in self.session.receive(frame, self._clock()):
                    self.heard.append(event)
                    self._act(event)

    def last(self, kind: type[E]) -> E:
        """The newest event of that kind."""
        return first_of(reversed(self.heard), kind)

    def leave(self) -> None:
        self.brain.disconnected(self.conn)

    def _act(self, event: Event) -> None:
        match event:
            case PairingOffered(salt):
                self.session.share(secret_for(self.code, salt))
            case SignatureNeeded(message):
                self.session.sign(self._signer.sign(message))
            case Ticketed() if self._token is not None:
                self.session.bring(self._token(event))

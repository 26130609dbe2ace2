"""The attacker's tools. Each stands on a real car or a real session; none knows a secret that is not its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from keygw.crypto.signer import LocalSigner
from keygw.model.errors import ProtocolError
from keygw.model.ids import Random
from keygw.session.device import KeyInHand
from keygw.session.edhoc.codec import only_item
from keygw.session.edhoc.initiator import Initiator
from keygw.session.edhoc.party import xor
from keygw.session.edhoc.suites import EPHEMERAL_BYTES
from keygw.session.events import SignatureNeeded
from keygw.session.vehicle import VehicleSession
from keygw.token.claims import KeyClaims
from keygw.wire.frame import AFTER_AUTHENTICATION, MAX_FRAME, Fragmenter, Reassembler
from keygw.wire.messages import MessageType, encode_info
from keygw_sim.rehearsal import CarSide, Office
from keygw_sim.vehicle.flash import Memory

Rewrite = Callable[[bytes], Iterable[bytes]]
"""What becomes of one message (type byte and body): none, one or several in its place."""


def pass_on(message: bytes) -> Iterable[bytes]:
    return (message,)


@dataclass(slots=True)
class Heard:
    """One message that went by. ``by``: ``device`` or ``vehicle``."""

    by: str
    message: bytes

    @property
    def kind(self) -> MessageType:
        return MessageType(self.message[0])


@dataclass(slots=True)
class Lane:
    """One direction of one link in the attacker's hands: it takes the frames apart and makes new ones."""

    taking: Reassembler = field(default_factory=Reassembler)
    giving: Fragmenter = field(default_factory=Fragmenter)

    def take(self, frame: bytes) -> bytes | None:
        self.taking.limit = AFTER_AUTHENTICATION
        return self.taking.push(frame, 0.0)

    def give(self, messages: Iterable[bytes], max_frame: int = MAX_FRAME) -> Iterator[bytes]:
        for message in messages:
            yield from self.giving.split(message, max_frame)


class Middle:
    """A link in somebody else's hands, between a device and a car (``CarSide``): hears all, changes what it likes.

    ``up`` and ``down`` rewrite messages to the car and to the device, ``told_info`` the INFO characteristic. With
    neither it is an eavesdropper; ``heard`` has what was really said. ``meant``: the car that the device is looking
    for, if this is another one.
    """

    def __init__(
        self,
        car: CarSide,
        up: Rewrite = pass_on,
        down: Rewrite = pass_on,
        told_info: Callable[[bytes], bytes] = bytes,
        *,
        meant: CarSide | None = None,
    ) -> None:
        self.heard: list[Heard] = []
        self.read_info = b""
        """The INFO that the car showed last."""
        self.up, self.down, self.told_info = up, down, told_info
        self._car, self._meant = car, meant or car
        self._up, self._down = Lane(), Lane()

    @property
    def memory(self) -> Memory:
        return self._meant.memory

    def connected(self, conn: int) -> None:
        self._up, self._down = Lane(), Lane()
        self._car.connected(conn)

    def subscribed(self, conn: int) -> None:
        self._car.subscribed(conn)

    def info(self, conn: int) -> bytes:
        self.read_info = self._car.info(conn)
        return self.told_info(self.read_info)

    def frame(self, conn: int, frame: bytes) -> None:
        message = self._up.take(frame)
        if message is not None:
            self.heard.append(Heard("device", message))
            self.send_up(conn, *self.up(message))

    def send_up(self, conn: int, *messages: bytes) -> None:
        """These messages to the car, in the device's place."""
        for frame in self._up.give(messages):
            self._car.frame(conn, frame)

    def send_down(self, *messages: bytes) -> list[bytes]:
        """The frames in which these messages reach the device, in the car's place."""
        return list(self._down.give(messages))

    def outgoing(self, conn: int, max_frame: int) -> Iterator[bytes]:
        for frame in self._car.outgoing(conn, max_frame):
            message = self._down.take(frame)
            if message is not None:
                self.heard.append(Heard("vehicle", message))
                yield from self._down.give(self.down(message), max_frame)

    def disconnected(self, conn: int) -> None:
        self._car.disconnected(conn)

    def taken(self, conn: int) -> list[bytes]:
        """What the car says now: for the attacker, and not passed on."""
        before = len(self.heard)
        for _ in self.outgoing(conn, MAX_FRAME):
            pass
        return [heard.message for heard in self.heard[before:]]

    def said(self, by: str) -> list[bytes]:
        """The messages of one side, in order."""
        return [heard.message for heard in self.heard if heard.by == by]

    def everything(self) -> bytes:
        """All that went over the air, both ways."""
        return b"".join(heard.message for heard in self.heard)


class Stranger:
    """A central with no key at all, which sends whatever it likes. ``heard``: the car's messages, newest last."""

    def __init__(self, car: CarSide, conn: int) -> None:
        self.conn = conn
        self.heard: list[bytes] = []
        self._car = car
        self._up, self._down = Lane(), Lane()
        car.connected(conn)
        self.info = car.info(conn)
        car.subscribed(conn)
        self.listen()

    def say(self, *messages: bytes) -> list[bytes]:
        """Send these messages, one after the other; what the car answers."""
        return self.frames(*self._up.give(messages))

    def frames(self, *frames: bytes) -> list[bytes]:
        """Send these very frames, whatever is wrong with them."""
        for frame in frames:
            self._car.frame(self.conn, frame)
        return self.listen()

    def listen(self) -> list[bytes]:
        news = []
        for frame in self._car.outgoing(self.conn, MAX_FRAME):
            message = self._down.take(frame)
            if message is not None:
                news.append(message)
        self.heard += news
        return news

    def leave(self) -> None:
        self._car.disconnected(self.conn)


def answer_in(messages: Iterable[bytes]) -> str:
    """In one word: the ERROR among these messages, the kind of the last one, or ``nothing``."""
    last = "nothing"
    for message in messages:
        last = MessageType(message[0]).name.lower()
        if message[0] == MessageType.ERROR:
            return {1: "refused", 2: "session_over"}.get(message[1], last)
    return last


def turned(message: bytes, at: int, bit: int = 0) -> bytes:
    """The message with one bit of the byte at ``at`` (from the end, if negative) turned."""
    spoilt = bytearray(message)
    spoilt[at] ^= 1 << bit
    return bytes(spoilt)


UNLINKED = "nothing in common"


def in_common(*spoken: Iterable[bytes], window: int = 6) -> str:
    """What an eavesdropper could tell a speaker by: a run of bytes in the messages of two of these conversations.

    ``UNLINKED`` if there is none; six random bytes are the same by chance once in 2^48.
    """
    seen: set[bytes] = set()
    for messages in spoken:
        runs = {message[at : at + window] for message in messages for at in range(len(message) - window + 1)}
        if runs & seen:
            return f"in common: {min(runs & seen).hex()}"
        seen |= runs
    return UNLINKED


class Curious(Initiator):
    """A stranger who reads what it can of message_2: its head is encrypted, but to anybody who asks."""

    def read_2(self, message_2: bytes) -> bytes:
        """The plaintext: C_R, ID_CRED_R, the signature, EAD_2."""
        body = only_item(message_2)
        g_y, ciphertext = body[:EPHEMERAL_BYTES], body[EPHEMERAL_BYTES:]
        self.schedule.begin(self.message_1, g_y, self._agree(g_y))
        return xor(ciphertext, self.schedule.keystream_2(len(ciphertext)))


class FalseCar:
    """Somebody who answers to a car's id and speaks the protocol, with a key pair of its own (``CarSide``).

    ``learnt``: what devices told it before they gave up.
    """

    def __init__(self, real: CarSide, signer: LocalSigner, random: Random) -> None:
        self.learnt: list[bytes] = []
        self._real, self._signer, self._random = real, signer, random
        self._session = self._fresh()
        self._up = Lane()

    @property
    def memory(self) -> Memory:
        return self._real.memory

    def connected(self, conn: int) -> None:
        self._session, self._up = self._fresh(), Lane()

    def subscribed(self, conn: int) -> None:
        self._session.greet(1)

    def info(self, conn: int) -> bytes:
        return encode_info(bytes(6))

    def frame(self, conn: int, frame: bytes) -> None:
        message = self._up.take(frame)
        if message is not None:
            self.learnt.append(message)
        try:
            for event in self._session.receive(frame, 0.0):
                if isinstance(event, SignatureNeeded):
                    self._session.sign(self._signer.sign(event.message))
        except ProtocolError:
            return

    def outgoing(self, conn: int, max_frame: int) -> Iterator[bytes]:
        yield from self._session.frames(max_frame)

    def disconnected(self, conn: int) -> None:
        return

    def _fresh(self) -> VehicleSession:
        def verify(token: bytes) -> KeyClaims:
            raise ProtocolError("a device has shown its key token to a false car")

        return VehicleSession(
            self.memory.vehicle_id, self.memory.signer.public_key, verify, encode_info(bytes(6)), self._random, 0.0
        )


class Parrot:
    """A false car that repeats what a real one once said, message by message, whatever it is asked (``CarSide``)."""

    def __init__(self, real: CarSide, info: bytes, lines: Iterable[bytes]) -> None:
        self.learnt: list[bytes] = []
        self._real, self._info = real, info
        self._lines = iter(lines)
        self._waiting: list[bytes] = []
        self._up, self._down = Lane(), Lane()

    @property
    def memory(self) -> Memory:
        return self._real.memory

    def connected(self, conn: int) -> None:
        self._up, self._down = Lane(), Lane()

    def subscribed(self, conn: int) -> None:
        self._speak()

    def info(self, conn: int) -> bytes:
        return self._info

    def frame(self, conn: int, frame: bytes) -> None:
        message = self._up.take(frame)
        if message is not None:
            self.learnt.append(message)
            self._speak()

    def outgoing(self, conn: int, max_frame: int) -> Iterator[bytes]:
        waiting, self._waiting = self._waiting, []
        yield from self._down.give(waiting, max_frame)

    def disconnected(self, conn: int) -> None:
        return

    def _speak(self) -> None:
        self._waiting += [line for line in [next(self._lines, None)] if line is not None]


class Forger:
    """Signs tokens, lists and acknowledgements with keys of its own, under whatever name it likes."""

    def __init__(self, office: Office, random: Random) -> None:
        self.office = Office(random, office.key.issuer)
        self.stolen_name = office.kid

    def token_under_the_issuers_name(self, claims: KeyClaims, parent: KeyClaims | None = None) -> KeyInHand:
        """The kid is the real issuer's; the signature cannot be. With a ``parent`` its grant is made up as well."""
        self.office.kid = self.stolen_name
        chain = () if parent is None else (self.office.link(parent, self.office.signer, claims),)
        return self.office.hand(claims, chain)

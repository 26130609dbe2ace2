"""A device's session in the kit's hands: honest until a check says otherwise.

It notes what is sealed and unsealed for the tape, and lets a check put its own items into EAD_3, sign with another key,
and send what is out of turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keygw.model.errors import ProtocolError
from keygw.model.ids import Random
from keygw.model.vehicle import Vehicle
from keygw.session.core import EAD_INTENT, Session
from keygw.session.device import DeviceSession, KeyInHand
from keygw.session.edhoc import Ead
from keygw.session.events import Event, SignatureNeeded, VehicleProven
from keygw.session.pairing_device import PairingDevice
from keygw.wire.messages import Intent, LinkKind, MessageType

Eads = Callable[[Intent], Sequence[Ead]]


def binding(intent: Intent) -> Sequence[Ead]:
    """EAD_3 as it should be."""
    return [Ead(-EAD_INTENT, intent.encode())]


class Noting(Session):
    """Keeps what each sealed message said, by the message's bytes (own) or in order (the peer's)."""

    def noted(self) -> None:
        self.said: dict[bytes, bytes] = {}
        self.last_heard: bytes | None = None

    def _send_sealed(self, message_type: MessageType, plaintext: bytes) -> None:
        super()._send_sealed(message_type, plaintext)
        self.said[self._outbox[-1]] = plaintext

    def _unseal(self, message_type: MessageType, body: bytes) -> bytes:
        plaintext = super()._unseal(message_type, body)
        self.last_heard = plaintext
        return plaintext

    def unsealed(self, message: bytes) -> bytes:
        """What a message of the vehicle said that the honest session had not asked for, and so did not read."""
        if self.last_heard is None:
            return self._opened.open(message[0], message[1:])
        return self.last_heard

    def put(self, message: bytes) -> None:
        """Send these very bytes next, whatever the state."""
        self._outbox.append(message)

    def seal(self, message_type: int, plaintext: bytes) -> bytes:
        """The next message of the channel, with any type and content."""
        message = bytes((message_type,)) + self._opened.seal(message_type, plaintext)
        self.said[message] = plaintext
        return message


class Probe(Noting, DeviceSession):
    """``eads`` makes EAD_3 of the intent that an honest device would send."""

    def __init__(
        self, vehicle: Vehicle, key: KeyInHand, info: bytes, random: Random, now: float, link: LinkKind, subscribe: bool
    ) -> None:
        super().__init__(vehicle, key, info, random, now, link, subscribe)
        self.noted()
        self.eads: Eads = binding
        self.hello = b""

    def _on_message(self, message_type: MessageType, body: bytes, now: float) -> list[Event]:
        if message_type is MessageType.HELLO:
            self.hello = body
        if message_type is MessageType.MESSAGE_2:
            self._party.receive_2(body)
            intent = Intent(self._hello_hash[:8], self._link, self._subscribe, self._first)
            return [VehicleProven(), SignatureNeeded(self._party.to_be_signed(self.eads(intent)))]
        return super()._on_message(message_type, body, now)

    @property
    def greeting(self) -> bytes:
        """INFO and HELLO, as the fast path binds them."""
        return self._info + self._hello


class PairingProbe(Noting, PairingDevice):
    """A device that wants to pair."""

    def __init__(self, device_key: bytes, info: bytes, random: Random, now: float) -> None:
        super().__init__(device_key, info, random, now)
        self.noted()

    @property
    def proven(self) -> bytes:
        """What the device key must sign, hashed; empty before PAIR_PROOF."""
        return self._proven


__all__ = ["Noting", "PairingProbe", "Probe", "ProtocolError", "binding"]

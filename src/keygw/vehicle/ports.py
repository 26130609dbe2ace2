"""What the gateway's side of a car needs from the outside world (law 5: the consumer owns the interface)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from keygw.crypto.signer import Signer
from keygw.model.receipt import Receipt
from keygw.model.vehicle import Vehicle
from keygw.session.device import KeyInHand


@dataclass(frozen=True, slots=True)
class Sighting:
    """A vehicle seen near a radio. ``rotating_id``: 6 bytes as advertised; only an enrolled device can tell whose."""

    rotating_id: bytes
    rssi: int | None = None
    link: str = "ble"


ATT_AND_L2CAP = 7
"""Header bytes of one write or notification: ATT opcode and handle (3), L2CAP length and channel (4)."""


@dataclass(slots=True)
class AirCount:
    """What a link has carried so far. ``air_bytes`` adds ``ATT_AND_L2CAP`` to each frame."""

    frames_out: int = 0
    frames_in: int = 0
    air_bytes: int = 0


class Link(Protocol):
    """One open way to carry frames to one vehicle. After any error it is of no more use than to be closed."""

    @property
    def peer(self) -> str:
        """Who is at the other end, as the radio tells them apart; for ``avoid``, and of no meaning otherwise."""

    @property
    def info(self) -> bytes:
        """The vehicle's INFO characteristic as read on connecting; the handshake binds it."""

    @property
    def max_frame(self) -> int:
        """Bytes a frame may have right now (20 to 512); asked again before each message."""

    @property
    def count(self) -> AirCount: ...

    async def send(self, frame: bytes) -> None:
        """Carry one frame. ``LinkError``: link_lost or link_timeout (then it may have arrived)."""

    async def receive(self) -> bytes:
        """The next frame from the vehicle, in order. ``LinkError`` once the link is gone and the queue is empty."""

    async def close(self) -> None:
        """End it. Never raises; may be called twice."""


class Air(Protocol):
    """A radio (or another medium) on which vehicles can be found."""

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        """Everything with our service UUID heard in that time, latest sighting of each rotating id."""

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> Link:
        """Find the first vehicle whose rotating id is ``wanted``, connect, subscribe to TX, read INFO.

        ``avoid``: peers that have disappointed the caller. Anybody can repeat an id that was heard, so one of these is
        taken only when nobody else answers to it for a while.

        ``LinkError`` with code ``out_of_range`` if none shows up within ``timeout`` seconds all told,
        ``radio_unavailable`` if there is no radio, ``radio_busy`` if it is taken up, else ``link_lost`` /
        ``link_timeout``.
        """

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A digital key that this process can act with: the token and the signer of its device key."""

    hand: KeyInHand
    signer: Signer
    former: KeyInHand | None = None
    """The same key with its token of before the issuer's key changed, until the vehicle has acknowledged the new one:
    before that it takes no other."""


class ListInForce(Protocol):
    """The current revocation list of a vehicle."""

    @property
    def sequence(self) -> int: ...

    @property
    def signed(self) -> bytes: ...

    @property
    def acknowledged_sequence(self) -> int: ...


class Books(Protocol):
    """What is known and recorded about vehicles and keys: the credential service, seen from here."""

    async def vehicle(self, vehicle_id: str) -> Vehicle:
        """``NotFound`` if it is not registered."""

    async def vehicles(self) -> Sequence[Vehicle]: ...

    async def held_key(self, key_id: str) -> HeldKey:
        """``NotFound`` if there is no such key, ``Forbidden`` if a phone holds it."""

    async def courier_keys(self, vehicle_id: str) -> Sequence[str]:
        """Key ids of hosted devices that may still authenticate there, the best first."""

    async def current_list(self, vehicle_id: str) -> ListInForce: ...

    async def recover_list(self, vehicle_id: str, signed: bytes) -> None:
        """Take in a list of ours that the vehicle has and we have forgotten, and sign the next; durable when it
        returns, and told as the alert list_forgotten. ``TokenError`` if we never signed that."""

    async def alert(self, vehicle_id: str, reason: str) -> None:
        """Something is not as it should be between the vehicle and us; recorded and told. ``StoreError``."""

    async def acknowledge_list(self, vehicle_id: str, ack: bytes) -> object:
        """Verify and record RL_ACK; durable when it returns. ``TokenError`` for a forged one."""

    async def time_proof(self, vehicle_id: str, nonce: bytes) -> bytes:
        """The issuer's signed word what time it is, for that vehicle and the 8-byte nonce it gave out."""

    async def record_receipt(self, vehicle_id: str, signed: bytes) -> Receipt:
        """Verify and record; durable when it returns. ``TokenError`` for a forged one."""

    async def last_receipt_sequence(self, vehicle_id: str) -> int: ...


class IssuerKeyBooks(Protocol):
    """What is known of the issuer's own keys, and of which vehicle has learnt them."""

    async def issuer_statements(self, vehicle_id: str) -> Sequence[bytes]:
        """Signed statements of new issuer keys, oldest first, from the first that the vehicle has not acknowledged;
        empty once it has the newest."""

    async def acknowledge_issuer_key(self, vehicle_id: str, ack: bytes) -> object:
        """Verify and record ISSUER_KEY_ACK, be it older than the one before; durable when it returns.

        ``TokenError`` for a forged one, ``Conflict`` for one that names a key or statement which is not ours.
        """

"""Owner pairing: what both roles compute, and the vehicle's half. The device's is ``session.pairing_device``.

SPAKE2+ says that the other side knows the code and nothing else: who it is must be bound to the exchange (M). So every
byte before it is hashed into the transcript, the device key signs that transcript inside the pairing channel, and the
vehicle key signs what came of it, the ticket. Specification: ``protocols/owner_pairing``.
"""

from __future__ import annotations

from keygw.crypto import cbor
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import hkdf_expand, hkdf_extract, sha256
from keygw.crypto.signer import verify
from keygw.crypto.spake2plus import SECRET_BYTES, Keys, Record, Secret, Verifier, secret_of
from keygw.model.command import Outcome
from keygw.model.errors import ProtocolError
from keygw.session.channel import Channel
from keygw.session.core import HANDSHAKE_SECONDS, Session
from keygw.session.events import Enrolled, Event, OwnerTokenBrought, PairingAsked, PairingTried
from keygw.session.states import Side
from keygw.wire import pairing as bodies
from keygw.wire.frame import AFTER_AUTHENTICATION
from keygw.wire.messages import MessageType
from keygw.wire.pairing import Attestation, Credential, Enrol

PROVER, VERIFIER = b"device", b"vehicle"
"""The names in SPAKE2+: roles, because neither side knows who the other is before it has ended."""
LABEL = b"keygw pairing 1"
CODE_DIGITS = 8
TICKETED_SECONDS = 60.0
"""From ticket to owner token: the issuer may be slow."""


def secret_for(code: str, salt: bytes) -> Secret:
    """The scalars of a code of 8 digits. Slow on purpose (tens of milliseconds). ``CryptoError`` for another code."""
    if len(code) != CODE_DIGITS or not (code.isascii() and code.isdecimal()):
        raise CryptoError(f"a pairing code has {CODE_DIGITS} digits")
    return secret_of(code.encode(), PROVER, VERIFIER, salt)


def context_of(hello_hash: bytes, ask: bytes, offer: bytes) -> bytes:
    """The Context of SPAKE2+: what was said before it. ``hello_hash``: SHA-256(INFO | HELLO)."""
    return LABEL + hello_hash + ask + offer


def proven_hash(context: bytes, share: bytes, proof: bytes) -> bytes:
    """Transcript up to PAIR_PROOF: what the device key signs, and the challenge of an attestation."""
    return sha256(context + share + proof)


def enrolled_hash(proven: bytes, enrol: bytes) -> bytes:
    """Transcript up to ENROL, sealed as it was sent: what the ticket names."""
    return sha256(proven + enrol)


def to_be_signed(proven: bytes, device_key: bytes, attestation: Attestation | None) -> bytes:
    """What the device key signs: possession, for this exchange and this attestation only."""
    return cbor.encode(["keygw enrol", proven, device_key, None if attestation is None else attestation.items()])


def pairing_channel(side: Side, keys: Keys, proven: bytes) -> Channel:
    """The channel under K_shared: made like that of a session, with keys of its own for each direction."""
    prk = hkdf_extract(proven, keys.shared)

    def export(label: int, context: bytes, length: int) -> bytes:
        return hkdf_expand(prk, LABEL + label.to_bytes(4, "big") + context, length)

    return Channel(side, export, b"", proven)


class PairingVehicle(Session):
    """The vehicle's half of pairing; ``VehicleSession`` is built on it, as nobody knows beforehand what a guest wants.

    Its driver answers ``PairingAsked`` with ``offer`` (or ``fail``), ``PairingTried`` with ``prove`` once the try is
    counted in flash, ``Enrolled`` with ``give_ticket`` and ``OwnerTokenBrought`` with ``accept_owner``.
    """

    side = Side.VEHICLE
    _ask = _offer = _share = _proven = b""
    _keys: Keys | None = None

    def offer(self, salt: bytes) -> None:
        """Send PAIR_OFFER: a code is shown, and this is its salt."""
        self._offer = bodies.check_offer(salt)
        self._send(MessageType.PAIR_OFFER, salt)

    def prove(self, record: Record) -> None:
        """Send PAIR_PROOF. From here on the peer can tell whether its guess was right: count the try before this."""
        context = context_of(self._hello_hash, self._ask, self._offer)
        try:
            verifier = Verifier(record, self._random(SECRET_BYTES), context, PROVER, VERIFIER)
            self._keys = verifier.finish(self._share)
        except CryptoError as error:
            self.fail()
            raise ProtocolError("the device's share is not acceptable") from error
        proof = verifier.share + self._keys.confirm_verifier
        self._proven = proven_hash(context, self._share, proof)
        self._reassembler.limit = AFTER_AUTHENTICATION  # attestations are large; who comes here has spent a try
        self._send(MessageType.PAIR_PROOF, proof)

    def give_ticket(self, credential: Credential) -> None:
        """Send PAIR_TICKET, once the ticket's counter and the device's thumbprint are in flash."""
        self._send_sealed(MessageType.PAIR_TICKET, credential.encode())

    def accept_owner(self, outcome: Outcome) -> None:
        """Answer OWNER_TOKEN: ``DONE`` once the owner is in flash, or the reason why not. Then pairing is over."""
        self._send_sealed(MessageType.OWNER_TOKEN, bodies.encode_outcome(outcome))

    def _on_message(self, message_type: MessageType, body: bytes, now: float) -> list[Event]:
        match message_type:
            case MessageType.PAIR_ASK:
                bodies.decode_ask(body)
                self._ask = body
                self._deadline = now + HANDSHAKE_SECONDS
                return [PairingAsked()]
            case MessageType.PAIR_SHARE:
                self._share = bodies.check_share(body)
                return [PairingTried()]
            case MessageType.ENROL:
                return [self._on_enrol(body, now)]
            case MessageType.OWNER_TOKEN:
                return [OwnerTokenBrought(self._unseal(message_type, body))]
        return super()._on_message(message_type, body, now)

    def _on_enrol(self, body: bytes, now: float) -> Enrolled:
        if self._keys is None:
            raise ProtocolError("nothing was proven")
        confirmation, sealed = bodies.split_enrol(body)
        self._keys.check_prover(confirmation)
        self._channel = pairing_channel(self.side, self._keys, self._proven)
        self._log_channel(sha256(self._share))
        self._keys = None
        enrol = Enrol.decode(self._unseal(MessageType.ENROL, sealed))
        verify(enrol.device_key, enrol.signature, to_be_signed(self._proven, enrol.device_key, enrol.attestation))
        self._deadline = now + TICKETED_SECONDS
        return Enrolled(enrol.device_key, enrol.attestation, self._proven, enrolled_hash(self._proven, body))

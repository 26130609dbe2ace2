"""Owner pairing, the device's role: it knows the code that the car shows, and ends up as the car's owner."""

from __future__ import annotations

from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import sha256
from keygw.crypto.spake2plus import SECRET_BYTES, Keys, Prover, Secret
from keygw.model.errors import ProtocolError
from keygw.model.ids import Random
from keygw.session.core import HANDSHAKE_SECONDS, Session
from keygw.session.events import Event, Greeted, OwnerTokenAnswered, PairingOffered, SignatureNeeded, Ticketed
from keygw.session.pairing import (
    PROVER,
    TICKETED_SECONDS,
    VERIFIER,
    context_of,
    enrolled_hash,
    pairing_channel,
    proven_hash,
    to_be_signed,
)
from keygw.session.states import Side
from keygw.token.ticket import check_ticket, verify_ticket
from keygw.wire import messages
from keygw.wire import pairing as bodies
from keygw.wire.frame import AFTER_AUTHENTICATION
from keygw.wire.messages import Hello, MessageType
from keygw.wire.pairing import Attestation, Credential, Enrol


class PairingDevice(Session):
    """``ask`` after ``Greeted``, ``share`` after ``PairingOffered``, ``sign`` after ``SignatureNeeded``, then ``bring``
    after ``Ticketed``; ``OwnerTokenAnswered`` ends it.

    A wrong code is a ``ProtocolError`` pairing_code_wrong from ``receive``: the vehicle has counted it.
    """

    side = Side.DEVICE

    def __init__(self, device_key: bytes, info: bytes, random: Random, now: float) -> None:
        super().__init__(info, random, now)
        self.enrol = b""
        """ENROL as it was sent: with ``challenge`` it shows the issuer which exchange the ticket is about."""
        self._device_key = device_key
        self._attestation: Attestation | None = None
        self._share = b""
        self._ask = self._offer = self._context = self._proven = self._transcript = b""
        self._prover: Prover | None = None
        self._keys: Keys | None = None

    @property
    def challenge(self) -> bytes:
        """After ``SignatureNeeded``: the transcript's hash, for an attestation (32 bytes)."""
        return self._proven

    def request_hello(self) -> None:
        """Ask for a fresh HELLO: the last one is from long ago."""
        self._send(MessageType.HELLO_REQ, b"")

    def ask(self, now: float) -> None:
        """Send PAIR_ASK. A vehicle that shows no code refuses."""
        self._ask = bodies.encode_ask()
        self._deadline = now + HANDSHAKE_SECONDS
        self._send(MessageType.PAIR_ASK, self._ask)

    def share(self, secret: Secret) -> None:
        """Send PAIR_SHARE: ``pairing.secret_for(code, salt)`` gives the secret. This spends one of the tries."""
        self._context = context_of(self._hello_hash, self._ask, self._offer)
        self._prover = Prover(secret, self._random(SECRET_BYTES), self._context, PROVER, VERIFIER)
        self._share = self._prover.share
        self._send(MessageType.PAIR_SHARE, self._share)

    def sign(self, signature: bytes) -> None:
        """Hand over the device key's signature; sends ENROL."""
        if self._keys is None:
            raise ProtocolError("nothing was proven")
        self._channel = pairing_channel(self.side, self._keys, self._proven)
        self._log_channel(sha256(self._share))
        self._reassembler.limit = AFTER_AUTHENTICATION
        enrol = Enrol(self._device_key, signature, self._attestation)
        body = self._keys.confirm_prover + self._opened.seal(MessageType.ENROL, enrol.encode())
        self._keys = None
        self.enrol = body
        self._transcript = enrolled_hash(self._proven, body)
        self._send(MessageType.ENROL, body)

    def attest(self, attestation: Attestation) -> bytes:
        """Add what the platform says about the device key, in answer to ``challenge``; what to sign now."""
        self._attestation = attestation
        return to_be_signed(self._proven, self._device_key, attestation)

    def bring(self, token: bytes) -> None:
        """Send OWNER_TOKEN: the CWT that the issuer gave for the ticket."""
        self._send_sealed(MessageType.OWNER_TOKEN, token)

    def _on_message(self, message_type: MessageType, body: bytes, now: float) -> list[Event]:
        match message_type:
            case MessageType.HELLO:
                messages.check_info(self._info)
                hello = Hello.decode(body)
                self._hello = body
                return [Greeted(hello.boot_epoch)]
            case MessageType.PAIR_OFFER:
                self._offer = bodies.check_offer(body)
                return [PairingOffered(body)]
            case MessageType.PAIR_PROOF:
                return [self._on_proof(body)]
            case MessageType.PAIR_TICKET:
                self._deadline = now + TICKETED_SECONDS
                return [self._on_ticket(Credential.decode(self._unseal(message_type, body)))]
            case MessageType.OWNER_TOKEN:
                return [OwnerTokenAnswered(bodies.decode_outcome(self._unseal(message_type, body)))]
        return super()._on_message(message_type, body, now)

    def _on_proof(self, body: bytes) -> SignatureNeeded:
        share, confirmation = bodies.split_proof(body)
        prover, self._prover = self._prover, None
        if prover is None:
            raise ProtocolError("nothing was shared")
        try:
            self._keys = prover.finish(share)
            self._keys.check_verifier(confirmation)
        except CryptoError as error:
            self._keys = None
            raise ProtocolError("the vehicle shows another code", code="pairing_code_wrong") from error
        self._proven = proven_hash(self._context, prover.share, body)
        return SignatureNeeded(to_be_signed(self._proven, self._device_key, None))

    def _on_ticket(self, credential: Credential) -> Ticketed:
        """Whoever says so over this channel knows the code; the ticket must hold for that vehicle, us, and this run."""
        ticket = verify_ticket(credential.ticket, credential.public_key)
        check_ticket(ticket, credential.vehicle_id, self._device_key, self._transcript)
        return Ticketed(credential, self._transcript)

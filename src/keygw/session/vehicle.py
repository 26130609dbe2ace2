"""The vehicle's role: responder, BLE peripheral. It decides nothing: its driver answers what it reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from keygw.crypto.agreement import EphemeralKey
from keygw.model.command import Outcome
from keygw.model.errors import ProtocolError
from keygw.model.ids import Random
from keygw.session import fast
from keygw.session.core import EAD_INTENT, HANDSHAKE_SECONDS, SESSION_SECONDS
from keygw.session.edhoc import EPHEMERAL_BYTES, SUITE_6, Credential, Ead, Responder, token_of
from keygw.session.events import (
    ChainBrought,
    Commanded,
    Event,
    IssuerKeysBrought,
    ListPushed,
    ListWanted,
    Presented,
    PresentedFast,
    RangeAsked,
    ReceiptsStored,
    ReceiptsWanted,
    SignatureNeeded,
    TimeProofBrought,
)
from keygw.session.fast import SECRET_BYTES, FastKey
from keygw.session.identity import vehicle_credential
from keygw.session.pairing import PairingVehicle
from keygw.token.claims import KeyClaims
from keygw.wire import messages
from keygw.wire.frame import AFTER_AUTHENTICATION
from keygw.wire.messages import (
    FAST_RESULT_BYTES,
    NONCE_BYTES,
    Cmd,
    Fast,
    FastCommand,
    FastResult,
    Hello,
    Intent,
    MessageType,
    Reading,
    Receipts,
    Res,
    Result,
)
from keygw.wire.ranging import Finding, Range

C_R = b"\x01"

VerifyToken = Callable[[bytes], KeyClaims]
"""CWT -> claims: issuer signature, structure and audience hold; raises ``TokenError`` otherwise. Time is policy."""


class VehicleSession(PairingVehicle):
    """``greet``; then ``sign`` after ``SignatureNeeded``, ``answer`` ``Presented``, ``respond`` to ``Commanded``.

    A device that wants to pair instead is ``PairingVehicle``'s.
    """

    def __init__(
        self,
        vehicle_id: str,
        public_key: bytes,
        verify: VerifyToken,
        info: bytes,
        random: Random,
        now: float,
        fast_keys: Callable[[], Sequence[FastKey]] = tuple,
        kept_token: Callable[[bytes], bytes | None] = lambda kid: None,
    ) -> None:
        super().__init__(info, random, now)
        self._vehicle_id = vehicle_id
        self._own = vehicle_credential(vehicle_id, public_key)
        self._verify = verify
        self._edhoc: Responder | None = None
        self._claims: KeyClaims | None = None
        self.greeted_at = now
        """When the latest HELLO was sent, or a little before."""
        self._fast_keys = fast_keys
        self._kept_token = kept_token
        self._wants_chain = False
        self._ephemeral: EphemeralKey | None = None

    def greet(self, boot_epoch: int) -> None:
        """Send HELLO, fresh for this conversation. G_V is for the fast path; it is never EDHOC's G_Y."""
        nonce = self._random(NONCE_BYTES)
        self._ephemeral = EphemeralKey(self._random(EPHEMERAL_BYTES))
        hello = Hello(nonce, self._ephemeral.public, boot_epoch)
        self._boot_epoch, self.greeted_at = boot_epoch, self._now
        self._hello = hello.encode()[1:]
        self._send(MessageType.HELLO, self._hello)

    def sign(self, signature: bytes) -> None:
        """Hand over the vehicle key's signature; sends message_2."""
        self._send(MessageType.MESSAGE_2, self._party.message_2(signature))
        self._log_handshake(self._party)

    def answer(self, result: Result, keep_open: bool) -> None:
        """Send RESULT; a refused key gets its precise reason, and then the session is over.

        A verdict that the device may turn keeps it open, ``waiting``; the verdict anew is another RESULT. A time proof
        is answered with one as well.
        """
        self._send_sealed(MessageType.RESULT, result.encode())
        self._waiting = keep_open and result.outcome.curable
        self._wants_chain = keep_open and result.outcome is Outcome.CHAIN_REQUIRED
        if not keep_open:
            self.end()

    def answer_fast(self, result: FastResult) -> None:
        self._send_sealed(MessageType.FAST_RESULT, result.encode())

    def respond(self, response: Res) -> None:
        self._send_sealed(MessageType.RES, response.encode())

    def tell(self, readings: Sequence[Reading]) -> None:
        """Send signals as EVENT."""
        self._send_sealed(MessageType.EVENT, messages.encode_event(readings))

    def give_receipts(self, receipts: Receipts) -> None:
        self._send_sealed(MessageType.RECEIPT, receipts.encode())

    def give_list(self, signed: bytes) -> None:
        """Send the list in force, as it was signed; nothing if there never was one."""
        self._send_sealed(MessageType.RL_GIVE, signed)

    def acknowledge_list(self, signed: bytes) -> None:
        """Send RL_ACK: signed by the vehicle key, and only after the list is safely stored."""
        self._send_sealed(MessageType.RL_ACK, signed)

    def acknowledge_issuer_key(self, signed: bytes) -> None:
        """Send ISSUER_KEY_ACK: signed by the vehicle key, and only after what it says is safely stored."""
        self._send_sealed(MessageType.ISSUER_KEY_ACK, signed)

    def answer_range(self, finding: Finding) -> None:
        """Send what the anchors found in the round that was asked for."""
        asked, self._ranging = self._ranging, None
        if asked is None:
            raise ProtocolError("no ranging round was asked for")
        self._send_sealed(MessageType.RANGE, replace(asked, finding=finding).encode())

    @property
    def claims(self) -> KeyClaims | None:
        """Who is authenticated, once somebody is."""
        return self._claims

    @property
    def _party(self) -> Responder:
        if self._edhoc is None:
            raise ProtocolError("the handshake has not begun")
        return self._edhoc

    def _on_message(self, message_type: MessageType, body: bytes, now: float) -> list[Event]:
        match message_type:
            case MessageType.HELLO_REQ:
                if body or self._channel is not None:
                    raise ProtocolError("HELLO_REQ has no body, and no place in an open session")
                self.greet(self._boot_epoch)
                return []
            case MessageType.FAST:
                return self._on_fast(Fast.decode(body), now)
            case MessageType.MESSAGE_1:
                self._ephemeral = None  # this HELLO is taken
                self._edhoc = Responder(SUITE_6, self._random(EPHEMERAL_BYTES), C_R, self._own)
                self._edhoc.receive_1(body)
                if self._edhoc.ead_1:
                    raise ProtocolError("EAD_1 is not accepted")  # nothing vouches for it
                self._deadline = now + HANDSHAKE_SECONDS
                return [SignatureNeeded(self._edhoc.to_be_signed())]
            case MessageType.MESSAGE_3:
                return [self._on_message_3(body, now)]
            case MessageType.CMD:
                return [Commanded(Cmd.decode(self._unseal(message_type, body)))]
            case MessageType.RANGE:
                return [self._on_range(Range.decode(self._unseal(message_type, body)))]
            case MessageType.RECEIPT_GET:
                return [ReceiptsWanted(messages.decode_sequence(self._unseal(message_type, body)))]
            case MessageType.RECEIPT_ACK:
                return [ReceiptsStored(messages.decode_sequence(self._unseal(message_type, body)))]
            case _ if message_type in _BROUGHT:
                return [self._on_brought(message_type, self._unseal(message_type, body))]
        return super()._on_message(message_type, body, now)

    def _on_brought(self, message_type: MessageType, plaintext: bytes) -> Event:
        """What a courier may bring or ask for, whoever it is."""
        match message_type:
            case MessageType.CRED_PUT:
                chain = messages.decode_chain(plaintext)
                if not self._wants_chain:  # else each one would buy the work of up to four signatures
                    raise ProtocolError("CRED_PUT although no chain was asked for")
                return ChainBrought(chain)
            case MessageType.RL_PUSH:
                return ListPushed(plaintext)
            case MessageType.ISSUER_KEY:
                return IssuerKeysBrought(messages.decode_statements(plaintext))
            case MessageType.TIME_PROOF:
                return TimeProofBrought(plaintext)
            case _:
                if plaintext:
                    raise ProtocolError("RL_GET says nothing")
                return ListWanted()

    def _on_range(self, asked: Range) -> RangeAsked:
        """Rounds only go up: the same one twice would send the same signal twice, for anybody to play back."""
        if asked.finding is not None:
            raise ProtocolError("a device says where it is; that is for the vehicle to find")
        if self._ranging is not None or asked.round <= self._round:
            raise ProtocolError("a ranging round that is not the next")
        self._round, self._ranging = asked.round, asked
        return RangeAsked(asked.method, self._ranging_key(asked))

    def _on_fast(self, asked: Fast, now: float) -> list[Event]:
        """One FAST per HELLO, good or not. An unknown tag costs the same work, and its answer has the same shape."""
        own, self._ephemeral = self._ephemeral, None
        if own is None:
            raise ProtocolError("FAST without a fresh HELLO")
        nobody = FastKey("", self._random(SECRET_BYTES), self._random(SECRET_BYTES))
        key, greeting = nobody, self._info + self._hello
        for candidate in self._fast_keys():
            if candidate.answers(asked.tag, greeting, asked.ephemeral):
                key = candidate
        channel, session_hash = fast.open_channel(
            self.side,
            key,
            own,
            asked.ephemeral,
            vehicle_id=self._vehicle_id,
            greeting=greeting,
            tag=asked.tag,
            g_d=asked.ephemeral,
        )
        try:
            command = FastCommand.decode(channel.open(MessageType.FAST, asked.sealed))
        except ProtocolError:
            self._send(MessageType.FAST_RESULT, self._random(FAST_RESULT_BYTES))
            return []  # and no more time: else who tries again and again holds the link for ever
        self._channel = channel
        self._log_channel(asked.ephemeral)
        self._reassembler.limit = AFTER_AUTHENTICATION
        self._deadline = now + SESSION_SECONDS
        return [PresentedFast(key, command.link, command.subscribe, command.command, session_hash)]

    def _on_message_3(self, body: bytes, now: float) -> Presented:
        presented: list[tuple[KeyClaims, bytes]] = []

        def resolve(id_cred: bytes) -> Credential:
            token = token_of(id_cred, self._kept_token)
            claims = self._verify(token)
            presented.append((claims, token))
            return Credential(id_cred, token, claims.device_key)

        intent = _intent(self._party.receive_3(body, resolve, critical=(EAD_INTENT,)))
        if intent.hello_hash != self._hello_hash[:8]:
            raise ProtocolError("the device answers another HELLO")
        claims, token = presented[0]
        session_hash = self._open_channel(self._party, self._vehicle_id, claims.key_id)
        self._claims = claims
        self._deadline = now + SESSION_SECONDS
        return Presented(claims, token, intent.link, intent.subscribe, intent.command, session_hash)


def _intent(items: Sequence[Ead]) -> Intent:
    """EAD_3 must hold the binding item; another critical item is refused, a non-critical one ignored (RFC 9528 3.8)."""
    found = None
    for item in items:
        if item.label == -EAD_INTENT and item.value is not None and found is None:
            found = Intent.decode(item.value)
        elif item.label < 0 or item.label == EAD_INTENT:
            raise ProtocolError("EAD_3 holds a critical item that this release does not know")
    if found is None:
        raise ProtocolError("EAD_3 does not bind HELLO")
    return found


_BROUGHT = frozenset(
    {MessageType.CRED_PUT, MessageType.RL_PUSH, MessageType.RL_GET, MessageType.TIME_PROOF, MessageType.ISSUER_KEY}
)

"""The device's role: initiator, BLE central."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from keygw.crypto.agreement import EphemeralKey
from keygw.crypto.errors import CryptoError
from keygw.model.command import Outcome
from keygw.model.errors import ProtocolError
from keygw.model.ids import Random
from keygw.model.vehicle import Vehicle
from keygw.session import fast
from keygw.session.core import EAD_INTENT, HANDSHAKE_SECONDS, SESSION_SECONDS, Session
from keygw.session.edhoc import EPHEMERAL_BYTES, SUITE_6, Credential, Ead, Initiator
from keygw.session.events import (
    Answered,
    AnsweredFast,
    Event,
    FastRefused,
    Greeted,
    IssuerKeyAcknowledged,
    ListAcknowledged,
    ListGiven,
    Ranged,
    Read,
    ReceiptsGiven,
    Responded,
    SignatureNeeded,
    VehicleProven,
)
from keygw.session.fast import FastKey
from keygw.session.identity import token_kid, vehicle_credential
from keygw.session.states import Side, State, advance
from keygw.token.cwt import index_of
from keygw.wire import messages
from keygw.wire.frame import AFTER_AUTHENTICATION
from keygw.wire.messages import (
    FAST_RESULT_BYTES,
    Chain,
    Cmd,
    Fast,
    FastCommand,
    FastResult,
    Hello,
    Intent,
    LinkKind,
    MessageType,
    Receipts,
    Res,
    Result,
)
from keygw.wire.ranging import Range, RangingMethod

C_I = b"\x00"


@dataclass(frozen=True, slots=True)
class KeyInHand:
    """What a device brings to a session: which digital key, its token, and the key pair that the token is bound to.

    ``chain``: of a shared key, for a vehicle that asks for it.
    """

    key_id: str
    token: bytes = field(repr=False)
    """The CWT."""
    device_key: bytes
    """The public half; the private half signs elsewhere."""
    chain: Chain = field(default=(), repr=False)

    def credential(self, *, kept: bool = False) -> Credential:
        """CRED_I is the token whether it travels or, ``kept`` by the vehicle, is named by its kid (M)."""
        if kept:
            return Credential.by_kid(token_kid(index_of(self.token)), self.token, self.device_key)
        return Credential.by_token(self.token, self.device_key)


class DeviceSession(Session):
    """``begin`` after ``Greeted``; ``sign`` after ``SignatureNeeded``; then ``command`` and the rest while OPEN."""

    side = Side.DEVICE

    def __init__(
        self,
        vehicle: Vehicle,
        key: KeyInHand,
        info: bytes,
        random: Random,
        now: float,
        link: LinkKind = LinkKind.DIRECT,
        subscribe: bool = False,
    ) -> None:
        super().__init__(info, random, now)
        self._vehicle = vehicle
        self._key = key
        self._link = link
        self._subscribe = subscribe
        self._edhoc: Initiator | None = None
        self._first: Cmd | None = None
        self._unanswered: set[int] = set()
        self._session_hash = b""
        self._peer_ephemeral = b""

    @property
    def token(self) -> bytes:
        """The key token that this session shows, or that its fast key came from."""
        return self._key.token

    @property
    def has_chain(self) -> bool:
        """Whether the key came with what it stands on."""
        return bool(self._key.chain)

    def request_hello(self) -> None:
        """Ask for a fresh HELLO: the last one is from long ago."""
        self._send(MessageType.HELLO_REQ, b"")

    def begin(self, now: float, first: Cmd | None = None, *, kept: bool = False) -> None:
        """Send message_1. ``first`` rides in message_3 and is acted on only once that has verified.

        ``kept``: the vehicle has accepted this very token before, so message_3 names it. One that has forgotten it
        refuses, as it refuses anything; then begin anew, without, on another connection.
        """
        self._edhoc = Initiator(
            SUITE_6,
            self._random(EPHEMERAL_BYTES),
            C_I,
            self._key.credential(kept=kept),
            vehicle_credential(self._vehicle.id, self._vehicle.public_key),
        )
        self._first = first
        self._deadline = now + HANDSHAKE_SECONDS
        self._send(MessageType.MESSAGE_1, self._edhoc.message_1)

    def begin_fast(self, now: float, key: FastKey, command: Cmd) -> None:
        """Send FAST: one command under the key of an earlier handshake. ``AnsweredFast`` or ``FastRefused`` follows."""
        advance(self.state, self.side, MessageType.FAST)
        own = EphemeralKey(self._random(EPHEMERAL_BYTES))
        tag = key.tag(self._info + self._hello, own.public)
        try:
            self._channel, self._session_hash = fast.open_channel(
                self.side,
                key,
                own,
                self._peer_ephemeral,
                vehicle_id=self._vehicle.id,
                greeting=self._info + self._hello,
                tag=tag,
                g_d=own.public,
            )
        except CryptoError as error:
            self.fail()
            raise ProtocolError("the vehicle's G_V is of low order", code=error.code) from error
        self._log_channel(own.public)
        sealed = self._channel.seal(MessageType.FAST, FastCommand(command, self._link, self._subscribe).encode())
        self._deadline = now + HANDSHAKE_SECONDS
        self._send(MessageType.FAST, Fast(tag, own.public, sealed).encode())

    def sign(self, signature: bytes) -> None:
        """Hand over the device key's signature; sends message_3."""
        self._send(MessageType.MESSAGE_3, self._party.message_3(signature))

    def command(self, command: Cmd) -> None:
        self._unanswered.add(command.number)
        self._send_sealed(MessageType.CMD, command.encode())

    def bring_chain(self) -> None:
        """Send what the key stands on, once the vehicle has answered CHAIN_REQUIRED; RESULT follows.

        ``ValueError`` if the key came without a chain.
        """
        self._send_sealed(MessageType.CRED_PUT, messages.encode_chain(self._key.chain))

    def push_list(self, signed: bytes) -> None:
        """Carry a revocation list to the vehicle."""
        self._send_sealed(MessageType.RL_PUSH, signed)

    def ask_list(self) -> None:
        """Ask for the vehicle's revocation list."""
        self._send_sealed(MessageType.RL_GET, b"")

    def bring_issuer_keys(self, signed: Sequence[bytes]) -> None:
        """Carry statements of new issuer keys to the vehicle, oldest first; ``ValueError`` for none or more than 16."""
        self._send_sealed(MessageType.ISSUER_KEY, messages.encode_statements(signed))

    def prove_time(self, signed: bytes) -> None:
        """Carry a time proof to the vehicle, for the nonce of the last RESULT; ``Answered`` follows."""
        self._send_sealed(MessageType.TIME_PROOF, signed)

    def next_round(self, method: RangingMethod) -> bytes:
        """The key (16 bytes) of the round that ``ask_range`` asks for next: the own radio must be ready with it before.

        ``ProtocolError`` without a full handshake.
        """
        return self._ranging_key(Range(self._round + 1, method))

    def ask_range(self, method: RangingMethod) -> None:
        """Ask for the next ranging round; ``Ranged`` follows."""
        if self._ranging is not None:
            raise ProtocolError("a ranging round is under way")
        asked = Range(self._round + 1, method)
        self._send_sealed(MessageType.RANGE, asked.encode())
        self._round, self._ranging = asked.round, asked

    def ask_receipts(self, after: int) -> None:
        self._send_sealed(MessageType.RECEIPT_GET, messages.encode_sequence(after))

    def acknowledge_receipts(self, sequence: int) -> None:
        """Tell the vehicle that the receipts up to ``sequence`` are stored durably."""
        self._send_sealed(MessageType.RECEIPT_ACK, messages.encode_sequence(sequence))

    @property
    def _party(self) -> Initiator:
        if self._edhoc is None:
            raise ProtocolError("the handshake has not begun")
        return self._edhoc

    def _on_message(self, message_type: MessageType, body: bytes, now: float) -> list[Event]:
        match message_type:
            case MessageType.HELLO:
                messages.check_info(self._info)
                hello = Hello.decode(body)
                self._hello, self._peer_ephemeral = body, hello.ephemeral
                self._channel = None
                return [Greeted(hello.boot_epoch)]
            case MessageType.MESSAGE_2:
                self._party.receive_2(body)
                self._log_handshake(self._party)
                intent = Intent(self._hello_hash[:8], self._link, self._subscribe, self._first)
                to_sign = self._party.to_be_signed([Ead(-EAD_INTENT, intent.encode())])
                return [VehicleProven(), SignatureNeeded(to_sign)]
            case MessageType.RESULT:
                return [self._on_result(body, now)]
            case MessageType.FAST_RESULT:
                return [self._on_fast_result(body, now)]
            case MessageType.RES:
                response = Res.decode(self._unseal(message_type, body))
                if response.number not in self._unanswered:
                    raise ProtocolError("the vehicle answered a command that was not asked")
                self._unanswered.discard(response.number)
                return [Responded(response)]
            case MessageType.EVENT:
                return [Read(messages.decode_event(self._unseal(message_type, body)))]
            case MessageType.RECEIPT:
                return [ReceiptsGiven(Receipts.decode(self._unseal(message_type, body)))]
            case MessageType.RL_ACK:
                return [ListAcknowledged(self._unseal(message_type, body))]
            case MessageType.RL_GIVE:
                return [ListGiven(self._unseal(message_type, body))]
            case MessageType.RANGE:
                return [self._on_ranged(Range.decode(self._unseal(message_type, body)))]
            case MessageType.ISSUER_KEY_ACK:
                return [IssuerKeyAcknowledged(self._unseal(message_type, body))]
        return super()._on_message(message_type, body, now)

    def _on_ranged(self, told: Range) -> Ranged:
        asked, self._ranging = self._ranging, None
        if asked is None or told.finding is None or (told.round, told.method) != (asked.round, asked.method):
            raise ProtocolError("RANGE answers a round that was not asked for")
        return Ranged(told.round, told.method, told.finding)

    def _on_fast_result(self, body: bytes, now: float) -> AnsweredFast | FastRefused:
        """Bytes that do not open are a refusal, not a breach: the vehicle sends random ones in place of an answer."""
        if len(body) != FAST_RESULT_BYTES:
            raise ProtocolError("FAST_RESULT has a wrong length")
        try:
            plaintext = self._unseal(MessageType.FAST_RESULT, body)
        except ProtocolError:
            self._channel = None
            return FastRefused()
        self._reassembler.limit = AFTER_AUTHENTICATION
        self._deadline = now + SESSION_SECONDS
        result = FastResult.decode(plaintext)
        if result.outcome in _KEY_REFUSED or result.outcome.curable:
            self.state = State.CLOSED
        return AnsweredFast(result, self._session_hash)

    def _on_result(self, body: bytes, now: float) -> Answered:
        """The first one opens the channel and may answer a command; any later one is the verdict on the key anew."""
        asked = None
        if self._channel is None:
            self._session_hash = self._open_channel(self._party, self._vehicle.id, self._key.key_id)
            self._deadline = now + SESSION_SECONDS
            asked = None if self._first is None else self._first.number
        result = Result.decode(self._unseal(MessageType.RESULT, body))
        if result.number != asked:
            raise ProtocolError("RESULT answers another command")
        if result.outcome in _KEY_REFUSED:
            self.state = State.CLOSED
        self._waiting = result.outcome.curable
        return Answered(result, self._session_hash)


_KEY_REFUSED = frozenset(
    {
        Outcome.KEY_REVOKED,
        Outcome.KEY_EXPIRED,
        Outcome.KEY_NOT_YET_VALID,
        Outcome.NOT_ENROLLED,
        Outcome.PARENT_ENDED,
        Outcome.CHAIN_REFUSED,
    }
)

"""What both roles of a session share: framing, turn-taking, timers and the channel."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

from keygw.crypto.aead import TAG_BYTES
from keygw.crypto.kdf import sha256
from keygw.model.errors import KeygwError, ProtocolError
from keygw.model.ids import Random, id_bytes
from keygw.session.channel import Channel
from keygw.session.edhoc import Initiator, Responder
from keygw.session.events import Ended, Event
from keygw.session.fast import SESSION_HASH_BYTES, FastKey
from keygw.session.keylog import KeyLogLine, channel_line, handshake_line
from keygw.session.ranging import LABEL_RANGING, SECRET_BYTES, RangingSecret
from keygw.session.states import TALKING, Side, State, advance
from keygw.wire import messages
from keygw.wire.frame import AFTER_AUTHENTICATION, Fragmenter, Reassembler
from keygw.wire.messages import ErrorCode, MessageType
from keygw.wire.ranging import Range

HANDSHAKE_SECONDS = 10.0
"""From message_1 to RESULT."""
GREETED_SECONDS = 120.0
"""A link on which nobody authenticates is given up after this."""
SESSION_SECONDS = 600.0
"""An open session lives at most this long, then a new handshake is due."""
EAD_INTENT = 65001
"""EAD label of the item that binds HELLO (sent critical, so negative)."""
_UNCOUNTED = (MessageType.HELLO, MessageType.HELLO_REQ)


class Session:
    """One conversation over one link. Feed ``receive`` and ``tick``; drain ``frames`` after every call.

    Any ``ProtocolError`` raised here is final: the state is CLOSED, and an ERROR for the peer waits in ``frames``.
    """

    side: Side

    def __init__(self, info: bytes, random: Random, now: float) -> None:
        self.state = State.SILENT
        self.message_bytes = 0
        """Bytes of messages in both directions since HELLO (type bytes included, frame headers not)."""
        self._waiting = False
        self._info = info
        self._random = random
        self._fragmenter = Fragmenter()
        self._reassembler = Reassembler()
        self._outbox: deque[bytes] = deque()
        self._channel: Channel | None = None
        self._hello = b""
        self._fast_key: FastKey | None = None
        self.key_log: KeyLogLine | None = None
        """Where the keys of this session are written: in test rigs, and nowhere else."""
        self._export_ranging: Callable[[], bytes] | None = None
        self._round = 0
        """The latest ranging round of this session."""
        self._ranging: Range | None = None
        """The round that was asked for and has no answer yet."""
        self._deadline = now + GREETED_SECONDS
        self._now = now
        """The latest time it was told."""

    def receive(self, frame: bytes, now: float) -> list[Event]:
        """Take one frame from the peer. Returns what it led to."""
        self._now = now
        if self.state is State.CLOSED:
            return []
        if now >= self._deadline:
            return self.tick(now)  # what comes after the end is not heard, however rarely the driver ticks
        try:
            message = self._reassembler.push(frame, now)
            if message is None:
                return []
            message_type, body = MessageType(message[0]), message[1:]
            self._step(self.side.other, message_type, len(message))
            if message_type is MessageType.ERROR:
                code = messages.decode_error(body)
                return [Ended(code, f"the {self.side.other.value} ended the session: {code.label}")]
            return self._on_message(message_type, body, now)
        except KeygwError as error:
            self.fail()
            if isinstance(error, ProtocolError):
                raise
            # A credential or key that does not hold is the peer's breach as well; the cause stays in this process.
            raise ProtocolError(str(error), code=error.code) from error

    def frames(self, max_frame: int) -> Iterator[bytes]:
        """Everything there is to send now, in frames of at most ``max_frame`` bytes."""
        while self._outbox:
            yield from self._fragmenter.split(self._outbox.popleft(), max_frame)

    @property
    def deadline(self) -> float:
        """When ``tick`` is due at the latest."""
        unfinished = self._reassembler.deadline
        return self._deadline if unfinished is None else min(self._deadline, unfinished)

    def tick(self, now: float) -> list[Event]:
        """Let time pass: ends a session that is over, or a handshake or message that stays unfinished."""
        self._now = now
        if self.state is State.CLOSED or now < self.deadline:
            return []
        self.end()
        return [Ended(None, "the session's time is over")]

    def end(self) -> None:
        """Say that the session is over, and close."""
        self._close(ErrorCode.SESSION_OVER)

    def fail(self) -> None:
        """Refuse the peer with the one generic code, and close."""
        self._close(ErrorCode.REFUSED)

    def _close(self, code: ErrorCode) -> None:
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            said = ErrorCode.REFUSED if self._channel is None else code  # one code for all before authentication
            self._outbox.append(messages.encode_error(said))

    def _on_message(self, message_type: MessageType, body: bytes, now: float) -> list[Event]:
        raise ProtocolError(f"{message_type.name} is not handled by the {self.side.value}")

    def _step(self, who: Side, message_type: MessageType, size: int) -> None:
        self.state = advance(self.state, who, message_type)
        if message_type not in _UNCOUNTED:
            self.message_bytes += size

    def _send(self, message_type: MessageType, body: bytes) -> None:
        self._step(self.side, message_type, 1 + len(body))
        self._outbox.append(bytes((message_type,)) + body)

    def _send_sealed(self, message_type: MessageType, plaintext: bytes) -> None:
        self._step(self.side, message_type, 1 + len(plaintext) + TAG_BYTES)
        self._outbox.append(bytes((message_type,)) + self._opened.seal(message_type, plaintext))

    def _unseal(self, message_type: MessageType, body: bytes) -> bytes:
        return self._opened.open(message_type, body)

    @property
    def _opened(self) -> Channel:
        if self._channel is None:
            raise ProtocolError("there is no channel yet")
        return self._channel

    @property
    def _hello_hash(self) -> bytes:
        """SHA-256(INFO | HELLO): bound in EAD_3 and in the exporter context (M: else a downgrade goes unnoticed)."""
        return sha256(self._info + self._hello)

    @property
    def fast_key(self) -> FastKey | None:
        """What this full handshake leaves for the fast path; ``None`` unless RESULT has opened the session."""
        return self._fast_key if self.state is State.OPEN and not self._waiting else None

    @property
    def talking(self) -> bool:
        """Authenticated with a good key: OPEN, or QUICK with a channel (a refused FAST has none)."""
        return self.state in TALKING and self._channel is not None and not self._waiting

    @property
    def waiting(self) -> bool:
        """OPEN, but the key is not good yet: the session serves what may turn the verdict, and nothing else."""
        return self.state is State.OPEN and self._waiting

    def _log_handshake(self, party: Initiator | Responder) -> None:
        if self.key_log is not None:
            self.key_log(handshake_line(party.g_x, party.schedule))

    def _log_channel(self, name: bytes) -> None:
        if self.key_log is not None:
            self.key_log(channel_line(name, self._opened))

    def _ranging_key(self, asked: Range) -> bytes:
        """The key of that round; derived anew each time, for most sessions never range."""
        if self._export_ranging is None:
            raise ProtocolError("there is no ranging before the handshake")
        return RangingSecret(self._export_ranging()).key(asked.round, asked.method)

    def _open_channel(self, party: Initiator | Responder, vehicle_id: str, key_id: str) -> bytes:
        """Derive the channel. Returns the session hash that receipts name."""
        context = self._hello_hash + id_bytes(vehicle_id, "veh") + id_bytes(key_id, "key")
        self._channel = Channel(self.side, party.export, context, party.th_4)
        self._log_channel(party.g_x)
        self._fast_key = FastKey.derive(party.export, context, key_id)
        self._export_ranging = partial(party.export, LABEL_RANGING, context, SECRET_BYTES)
        self._reassembler.limit = AFTER_AUTHENTICATION
        return sha256(party.th_4)[:SESSION_HASH_BYTES]

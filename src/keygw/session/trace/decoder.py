"""``LinkTrace``: the frames of one link, one after the other, each told as a ``Record``."""

from __future__ import annotations

from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import sha256
from keygw.model.command import Outcome
from keygw.model.errors import ProtocolError
from keygw.session.states import TALKING, TRANSITIONS, Side, State, advance
from keygw.session.trace import specs
from keygw.session.trace.fields import (
    SEALED,
    clear_fields,
    info_fields,
    opened_fields,
    sealed_from,
)
from keygw.session.trace.handshake import plaintext_2, plaintext_3
from keygw.session.trace.keylog import Handshake, KeyLog, OpenChannel
from keygw.session.trace.record import Field, Message, Record, Verdict, Word
from keygw.wire.frame import (
    AFTER_AUTHENTICATION,
    BEFORE_AUTHENTICATION,
    FIRST,
    INACTIVITY_SECONDS,
    LAST,
    MAX_FRAME,
    MIN_FRAME,
    SEQUENCE,
)
from keygw.wire.messages import MessageType as M

MISSED_MESSAGES = 64
"""After a gap in a capture, so many messages of one direction may be missing before a sealed one is given up."""
_LARGE = TALKING | {State.CONFIRMED, State.ENROLLED, State.TICKETED, State.DELIVERED, State.PAIRED, State.CLOSED}
"""Where messages may have more than 512 bytes (key_session, Frames; owner_pairing, States)."""
_OK = Verdict(Word.OK)


class _Lane:
    """One direction: where its next frame stands, and what it has of a message."""

    def __init__(self, expected: int | None) -> None:
        self.expected = expected
        self.parts = b""
        self.frames = 0
        self.last_at = 0.0
        self.skipping = expected is None
        """In the middle of a message whose beginning is not known."""


class LinkTrace:
    """``whole``: the link is watched from its start; else counters, state and keys are picked up on the way.

    ``keys``: what a test rig wrote, or ``None``. ``reveal``: show secrets in fields.
    """

    def __init__(self, keys: KeyLog | None = None, *, whole: bool = True, reveal: bool = False) -> None:
        self.state: State | None = State.SILENT if whole else None
        self._keys = keys
        self._reveal = reveal
        self._lanes = {side: _Lane(0 if whole else None) for side in Side}
        self._gaps = not whole
        self._message_1 = b""
        self._handshake: Handshake | None = None
        self._name: bytes | None = None
        self._channel: OpenChannel | None = None

    def info(self, value: bytes) -> Record:
        """INFO was read."""
        try:
            fields, verdict = info_fields(value), _OK
        except ProtocolError as error:
            fields, verdict = (), Verdict(Word.BREACH, "info_malformed", str(error), 0, specs.BLUETOOTH)
        return self._record("info", verdict, Side.VEHICLE, value, fields=fields)

    def missed(self) -> None:
        """Something was lost by who captured: what follows is not held to what came before."""
        self.state, self._gaps = None, True
        self._lanes = {side: _Lane(None) for side in Side}

    def frame(self, side: Side, data: bytes, at: float) -> Record:
        """One frame, sent by ``side`` at ``at`` (seconds). Never raises, whatever the bytes."""
        lane = self._lanes[side]
        told: dict[str, object] | None = None
        if data:
            header = data[0]
            told = {"sequence": header & SEQUENCE, "first": bool(header & FIRST), "last": bool(header & LAST)}
        broken = self._broken(lane, data, at)
        if broken is not None:
            lane.parts, lane.frames, lane.skipping = b"", 0, True
            if data:
                lane.expected = (data[0] + 1) & SEQUENCE
            self._gaps = True
            return self._record("frame", broken, side, data, told)
        header = data[0]
        lane.expected, lane.last_at = (header + 1) & SEQUENCE, at
        if header & FIRST:
            lane.skipping = False
        if lane.skipping:
            detail = "the beginning of this message was not captured"
            return self._record("frame", Verdict(Word.PART, "", detail), side, data, told)
        lane.parts += data[1:]
        lane.frames += 1
        if not header & LAST:
            detail = f"{len(lane.parts)} bytes of {M(lane.parts[0]).name} so far"
            return self._record("frame", Verdict(Word.PART, "", detail), side, data, told)
        message, frames = lane.parts, lane.frames
        lane.parts, lane.frames = b"", 0
        verdict, read = self._message(side, message, frames)
        return self._record("frame", verdict, side, data, told, message=read)

    def _record(
        self,
        kind: str,
        verdict: Verdict,
        side: Side,
        raw: bytes,
        frame: dict[str, object] | None = None,
        *,
        message: Message | None = None,
        fields: tuple[Field, ...] = (),
    ) -> Record:
        state = None if self.state is None else self.state.value
        return Record(kind, verdict, side.value, raw, frame, message, fields, state, reveal=self._reveal)

    # -- frames ------------------------------------------------------------------------------------------------------

    def _broken(self, lane: _Lane, data: bytes, at: float) -> Verdict | None:
        """What is wrong with the frame as a frame; the rules are those of ``wire.frame``, told apart."""

        def breach(code: str, detail: str, where: int = 0) -> Verdict:
            return Verdict(Word.BREACH, code, detail, where, specs.FRAMES)

        if not MIN_FRAME <= len(data) <= MAX_FRAME:
            return breach("frame_size", f"a frame has {MIN_FRAME} to {MAX_FRAME} bytes, not {len(data)}")
        header = data[0]
        if lane.expected is not None and header & SEQUENCE != lane.expected:
            was = f"frame {header & SEQUENCE} where {lane.expected} is due: lost, repeated or reordered"
            return breach("frame_sequence", was)
        if lane.skipping:
            return None
        if lane.parts and at - lane.last_at > INACTIVITY_SECONDS:
            late = f"{at - lane.last_at:.1f} s after the one before; {INACTIVITY_SECONDS} s are the limit"
            return breach("frame_late", late)
        if header & FIRST and lane.parts:
            return breach("frame_first_inside", "FIRST inside a message")
        if not header & FIRST and not lane.parts:
            return breach("frame_without_first", "a message that does not begin with FIRST")
        limit = BEFORE_AUTHENTICATION if self.state is not None and self.state not in _LARGE else AFTER_AUTHENTICATION
        if len(lane.parts) + len(data) - 1 > limit:
            return breach("message_size", f"a message of more than {limit} bytes", 1)
        return None

    # -- messages ----------------------------------------------------------------------------------------------------

    def _message(self, side: Side, raw: bytes, frames: int) -> tuple[Verdict, Message]:
        message_type, body = M(raw[0]), raw[1:]
        spec = specs.of_message(message_type)
        misplaced = self._advance(side, message_type)
        try:
            fields = clear_fields(message_type, body)
        except ProtocolError as error:
            known = message_type.is_known
            code, where = ("message_malformed", 1) if known else ("message_unknown", 0)
            verdict = misplaced or Verdict(Word.BREACH, code, str(error), where, spec)
            return verdict, Message(raw[0], message_type.name, len(raw), frames, spec, False)
        self._note(message_type, body, fields)
        verdict, inside = self._open(side, message_type, body, spec)
        fields = self._with(message_type, fields, inside)
        opened = verdict.word is not Word.SEALED and not verdict.code.startswith("not_opened")
        message = Message(raw[0], message_type.name, len(raw), frames, spec, opened, fields)
        return misplaced or verdict, message

    def _advance(self, side: Side, message_type: M) -> Verdict | None:
        """Take the step in the state table; what is wrong if there is none."""
        if self.state is None:
            if message_type is M.ERROR:
                self.state = State.CLOSED
                return None
            # Picked up on the way: the state is known again once only one step is of this kind.
            after = {to for steps in TRANSITIONS.values() for step, to in steps.items() if step == (side, message_type)}
            if len(after) == 1:
                (self.state,) = after
            return None
        try:
            self.state = advance(self.state, side, message_type)
        except ProtocolError as error:
            return Verdict(Word.BREACH, "message_misplaced", str(error), 0, specs.STATES)
        return None

    def _note(self, message_type: M, body: bytes, fields: tuple[Field, ...]) -> None:
        """Which session begins: its name in the key log."""
        value = {each.name: each.value for each in fields}
        if message_type is M.HELLO:
            self._handshake = self._channel = self._name = None
        elif message_type is M.MESSAGE_1:
            self._message_1, self._name = body, _raw(value["g_x"])
        elif message_type is M.FAST:
            self._name, self._channel = _raw(value["g_d"]), None
        elif message_type is M.PAIR_SHARE:
            self._name = sha256(body)

    def _open(self, side: Side, message_type: M, body: bytes, spec: str) -> tuple[Verdict, tuple[Field, ...]]:
        """The verdict on the message, and the fields of what was sealed in it, if the keys are there."""
        if message_type is M.ERROR:
            return Verdict(Word.REFUSED, M.ERROR.label, "ended by " + side.value, 1, specs.ERRORS), ()
        if message_type in (M.MESSAGE_2, M.MESSAGE_3):
            return self._open_handshake(message_type, body, spec)
        if message_type not in SEALED:
            return _OK, ()
        if self._channel is None and self._keys is not None and self._name is not None:
            self._channel = self._keys.channel(self._name)
        if self._channel is None:
            return Verdict(Word.SEALED, "sealed", "no key log opens this session", None, specs.CHANNEL), ()
        sealed = body[sealed_from(message_type) :]
        try:
            plaintext = self._channel.open(side, message_type, sealed, MISSED_MESSAGES if self._gaps else 0)
        except CryptoError:
            if message_type is M.FAST_RESULT:
                return Verdict(Word.REFUSED, "fast_refused", "random bytes: a refusal", 1, specs.FAST_PATH), ()
            detail = "does not authenticate with the keys of this session"
            return Verdict(Word.BREACH, "not_opened", detail, 1, specs.CHANNEL), ()
        try:
            fields = opened_fields(message_type, side, plaintext)
        except (ProtocolError, KeyError) as error:
            detail = str(error) if isinstance(error, ProtocolError) else "not this side's to send"
            return Verdict(Word.BREACH, "content_malformed", detail, 1, spec), ()
        return _judged(fields), fields

    def _open_handshake(self, message_type: M, body: bytes, spec: str) -> tuple[Verdict, tuple[Field, ...]]:
        from_log = None if self._keys is None or self._name is None else self._keys.handshake(self._name)
        if from_log is None:
            return Verdict(Word.SEALED, "sealed", "no key log opens this handshake", None, specs.HANDSHAKE), ()
        content = body[_string_head(body) :]
        try:
            if message_type is M.MESSAGE_2:
                return _OK, plaintext_2(from_log.open_2(self._message_1, content[:32], content[32:]))
            return _OK, plaintext_3(from_log.open_3(content))
        except CryptoError:
            detail = "does not authenticate with the keys of this handshake"
            return Verdict(Word.BREACH, "not_opened", detail, 1, specs.HANDSHAKE), ()
        except ProtocolError as error:
            return Verdict(Word.BREACH, "content_malformed", str(error), 1, spec), ()

    @staticmethod
    def _with(message_type: M, clear: tuple[Field, ...], inside: tuple[Field, ...]) -> tuple[Field, ...]:
        """What was opened takes the place of its ciphertext."""
        if not inside and message_type is not M.RL_GET:
            return clear
        kept = tuple(each for each in clear if each.name not in ("sealed", "ciphertext_2", "ciphertext_3"))
        return tuple(sorted((*kept, *inside), key=lambda each: each.at))


def _raw(value: object) -> bytes:
    return value if isinstance(value, bytes) else b""


def _string_head(body: bytes) -> int:
    """Of the byte string that message_2 and message_3 are; it has been looked at."""
    return 1 if body[0] < 0x58 else 2 if body[0] == 0x58 else 3


def _judged(fields: tuple[Field, ...]) -> Verdict:
    """An outcome that is no success is a refusal."""
    for each in fields:
        if each.name == "outcome" and each.value not in (Outcome.DONE.label, Outcome.ALREADY_IN_STATE.label):
            return Verdict(Word.REFUSED, str(each.value), "the vehicle has refused", each.at, specs.ERRORS)
    return _OK

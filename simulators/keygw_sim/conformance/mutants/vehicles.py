"""Vehicles with one defect each. What is planted is the vehicle's alone: the kit's own half keeps to the protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keygw.model.errors import ProtocolError
from keygw.session import vehicle as session
from keygw.session.core import Session
from keygw.session.edhoc import Responder
from keygw.session.states import State
from keygw.session.vehicle import VehicleSession
from keygw.token.cwt import decode_cwt
from keygw.wire.frame import MAX_FRAME, Reassembler
from keygw.wire.messages import ErrorCode, Hello, MessageType, encode_error, encode_info
from keygw_sim.conformance.mutants.plant import Bed, Planting, Table, always, into
from keygw_sim.vehicle import brain, keeper
from keygw_sim.vehicle.brain import Brain
from keygw_sim.vehicle.flash import Memory
from keygw_sim.vehicle.keeper import Keeper

VEHICLES: Table = {}


def breaks(caught_by: str) -> Callable[[Planting], Planting]:
    return into(VEHICLES, caught_by)


class _Lax(Reassembler):
    """A receiver of frames that leaves out one of its rules. Its state is the strict one's."""

    leaves_out = ""

    def push(self, frame: bytes, now: float) -> bytes | None:
        if not frame:
            return None
        header = frame[0]
        if self.leaves_out == "sequence":
            frame = bytes((header & 0xC0 | self._sequence,)) + frame[1:]
        if self.leaves_out == "first" and not self._parts:
            frame = bytes((header | 0x80,)) + frame[1:]
        if self.leaves_out == "inside" and self._parts:
            frame = bytes((header & 0x7F,)) + frame[1:]
        if self.leaves_out == "silence":
            self._last_at = now
        if self.leaves_out == "short" and len(frame) == 1:
            self._sequence = (self._sequence + 1) & 0x3F
            return None
        return super().push(frame, now)


def session_of(bed: Bed, **parts: Any) -> type[VehicleSession]:
    """Every brain makes sessions of this class from now on."""
    mutant: type[VehicleSession] = type("Mutant", (VehicleSession,), parts)
    bed.set(brain, "VehicleSession", mutant)
    return mutant


def _lax(bed: Bed, rule: str) -> None:
    def begin(self: VehicleSession, *args: Any, **kwargs: Any) -> None:
        VehicleSession.__init__(self, *args, **kwargs)
        lane = _Lax()
        lane.leaves_out = rule
        self._reassembler = lane

    session_of(bed, __init__=begin)


# -- advertising, INFO, HELLO ------------------------------------------------------------------------------------


@breaks("KS-103")
def the_id_stays(bed: Bed) -> None:
    real = Brain.rotate

    def rotate(self: Brain) -> None:
        if not hasattr(self, "rotating_id"):
            real(self)

    bed.set(Brain, "rotate", rotate)


@breaks("KS-104")
def the_id_stays_for_hours(bed: Bed) -> None:
    bed.set(brain, "ROTATION_SECONDS", 1e9)


@breaks("KS-106")
def info_changes_on_a_connection(bed: Bed) -> None:
    bed.set(Brain, "info", lambda self, conn: encode_info(self.rotating_id if self.dirty else bytes(6)))


@breaks("KS-108")
def speaks_before_it_is_heard(bed: Bed) -> None:
    """HELLO leaves when somebody connects; who subscribes later has missed it."""
    real = Brain.connected

    def connected(self: Brain, conn: int) -> None:
        real(self, conn)
        Brain.subscribed(self, conn)
        list(self.outgoing(conn, MAX_FRAME))

    bed.set(Brain, "connected", connected)
    bed.set(Brain, "subscribed", always(None))


@breaks("KS-110")
def hello_repeats_its_nonce(bed: Bed) -> None:
    def greet(self: VehicleSession, boot_epoch: int) -> None:
        VehicleSession.greet(self, boot_epoch)
        self._hello = Hello(bytes(16), self._hello[17:49], boot_epoch).encode()[1:]
        self._outbox[-1] = b"\x01" + self._hello

    session_of(bed, greet=greet)


@breaks("KS-112")
def boots_are_not_counted(bed: Bed) -> None:
    real = Memory.to_json
    bed.set(Memory, "to_json", lambda self: real(self) | {"boot_epoch": 0})


# -- frames ------------------------------------------------------------------------------------------------------


@breaks("KS-202")
def short_frames_are_swallowed(bed: Bed) -> None:
    _lax(bed, "short")


@breaks("KS-203")
def sequences_are_not_looked_at(bed: Bed) -> None:
    _lax(bed, "sequence")


@breaks("KS-204")
def first_is_not_looked_at_inside(bed: Bed) -> None:
    _lax(bed, "inside")


@breaks("KS-205")
def first_is_not_asked_for(bed: Bed) -> None:
    _lax(bed, "first")


@breaks("KS-206")
def messages_may_be_large_from_the_start(bed: Bed) -> None:
    def begin(self: VehicleSession, *args: Any, **kwargs: Any) -> None:
        VehicleSession.__init__(self, *args, **kwargs)
        self._reassembler.limit = 1 << 16

    session_of(bed, __init__=begin)


@breaks("KS-208")
def a_message_may_stay_unfinished(bed: Bed) -> None:
    def begin(self: VehicleSession, *args: Any, **kwargs: Any) -> None:
        VehicleSession.__init__(self, *args, **kwargs)
        lane = _Patient()
        lane.leaves_out = "silence"
        self._reassembler = lane

    session_of(bed, __init__=begin)


class _Patient(_Lax):
    @property
    def deadline(self) -> float | None:
        return None


# -- sessions ----------------------------------------------------------------------------------------------------


@breaks("KS-301")
def unknown_types_are_passed_over(bed: Bed) -> None:
    def step(self: VehicleSession, who: Any, message_type: MessageType, size: int) -> None:
        if who is not self.side and message_type not in MessageType:
            raise _Ignored
        VehicleSession._step(self, who, message_type, size)

    def receive(self: VehicleSession, frame: bytes, now: float) -> Any:
        try:
            return VehicleSession.receive(self, frame, now)
        except _Ignored:
            return []

    session_of(bed, _step=step, receive=receive)


class _Ignored(Exception):
    """A message that a lenient vehicle has not heard."""


@breaks("KS-304")
def hello_may_be_asked_for_at_any_time(bed: Bed) -> None:
    def receive(self: VehicleSession, frame: bytes, now: float) -> Any:
        if self.state is State.OPEN and frame[1:] == b"\x02":
            self._reassembler.push(frame, now)
            self._outbox.append(b"\x01" + self._hello)
            return []
        return VehicleSession.receive(self, frame, now)

    session_of(bed, receive=receive)


@breaks("KS-307")
def refused_keys_are_not_sent_away(bed: Bed) -> None:
    def answer(self: VehicleSession, result: Any, keep_open: bool) -> None:
        VehicleSession.answer(self, result, True)

    session_of(bed, answer=answer)


@breaks("KS-310")
def sessions_stay_side_by_side(bed: Bed) -> None:
    bed.set(Brain, "_supersede", always(None))


@breaks("KS-312")
def sessions_live_for_ever(bed: Bed) -> None:
    bed.set(session, "SESSION_SECONDS", 1e9)


@breaks("KS-313")
def a_handshake_may_take_for_ever(bed: Bed) -> None:
    bed.set(session, "HANDSHAKE_SECONDS", 1e9)


@breaks("KS-314")
def asking_buys_time(bed: Bed) -> None:
    def greet(self: VehicleSession, boot_epoch: int) -> None:
        VehicleSession.greet(self, boot_epoch)
        self._deadline = self._now + 120

    session_of(bed, greet=greet)


@breaks("KS-315")
def a_breach_is_forgiven(bed: Bed) -> None:
    def close(self: VehicleSession, code: ErrorCode) -> None:
        self._outbox.append(encode_error(ErrorCode.REFUSED))
        self.state = State.GREETED

    session_of(bed, _close=close)


@breaks("KS-316")
def error_is_answered(bed: Bed) -> None:
    def receive(self: VehicleSession, frame: bytes, now: float) -> Any:
        events = VehicleSession.receive(self, frame, now)
        if frame[1:2] == b"\x7f":
            self._outbox.append(encode_error(ErrorCode.REFUSED))
        return events

    session_of(bed, receive=receive)


@breaks("KS-317")
def the_reason_is_told(bed: Bed) -> None:
    def receive(self: VehicleSession, frame: bytes, now: float) -> Any:
        try:
            return VehicleSession.receive(self, frame, now)
        except ProtocolError as error:
            self._outbox[-1] = b"\x7f" + error.code.encode()[-1:]
            raise

    session_of(bed, receive=receive)


# -- the handshake -----------------------------------------------------------------------------------------------


def _responder(bed: Bed, **parts: Any) -> None:
    bed.set(session, "Responder", type("MutantResponder", (Responder,), parts))


@breaks("KS-810")
def signatures_are_not_looked_at(bed: Bed) -> None:
    _responder(bed, _check_signature=always(None))


@breaks("KS-807")
def low_order_points_are_taken(bed: Bed) -> None:
    def agree(self: Responder, peer: bytes) -> bytes:
        try:
            return Responder._agree(self, peer)
        except ProtocolError:
            return bytes(32)

    _responder(bed, _agree=agree)


@breaks("KS-806")
def ead_1_is_taken(bed: Bed) -> None:
    def receive_1(self: Responder, message: bytes, *rest: Any) -> None:
        Responder.receive_1(self, message, *rest)
        self.ead_1 = []

    _responder(bed, receive_1=receive_1)


@breaks("KS-811")
def hello_is_not_compared(bed: Bed) -> None:
    class Anything(bytes):
        def __ne__(self, other: object) -> bool:
            return False

        def __eq__(self, other: object) -> bool:
            return True

        __hash__ = bytes.__hash__

        def __getitem__(self, part: Any) -> Any:
            return Anything(bytes.__getitem__(self, part))

    session_of(bed, _hello_hash=property(lambda self: Anything(Session._hello_hash.fget(self))))  # type: ignore[attr-defined]


@breaks("KS-819")
def the_channel_does_not_count(bed: Bed) -> None:
    """A message of the peer that comes twice is opened twice."""
    last: list[bytes] = []

    def unseal(self: VehicleSession, message_type: MessageType, body: bytes) -> bytes:
        try:
            last[:] = [VehicleSession._unseal(self, message_type, body)]
        except ProtocolError:
            if not last:
                raise
        return last[0]

    session_of(bed, _unseal=unseal)


@breaks("KT-103")
def tokens_are_for_every_vehicle(bed: Bed) -> None:
    bed.set(Keeper, "verify", lambda self, token: decode_cwt(token, self._issuers()))


@breaks("KT-104")
def the_vehicle_key_is_not_compared(bed: Bed) -> None:
    bed.set(keeper, "check_vehicle", always(None))

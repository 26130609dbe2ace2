"""Devices with one defect each: the simulated phone, with one rule of its session or its own taken out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from keygw.ble.link import BleLink
from keygw.crypto.errors import CryptoError
from keygw.model.command import Outcome
from keygw.model.errors import ProtocolError
from keygw.model.signal import SignalId
from keygw.session import device as session
from keygw.session.device import DeviceSession
from keygw.session.edhoc import Initiator
from keygw.session.events import Answered
from keygw.session.states import Side, State, advance
from keygw.vehicle import conversation
from keygw.vehicle.conversation import Conversation
from keygw.wire import gatt, messages
from keygw.wire.frame import Reassembler
from keygw.wire.messages import ErrorCode, MessageType, Result, TimeState, encode_error
from keygw_sim.conformance.mutants.plant import Bed, Planting, Table, always, into
from keygw_sim.phone import phone as phones
from keygw_sim.phone.phone import Phone
from keygw_sim.phone.satchel import Satchel

DEVICES: Table = {}


def breaks(caught_by: str) -> Callable[[Planting], Planting]:
    return into(DEVICES, caught_by)


def _session(bed: Bed, **parts: Any) -> None:
    bed.set(conversation, "DeviceSession", type("Mutant", (DeviceSession,), parts))


def _initiator(bed: Bed, **parts: Any) -> None:
    bed.set(session, "Initiator", type("MutantInitiator", (Initiator,), parts))


def _lane(bed: Bed, change: Callable[[Reassembler, bytes], bytes]) -> None:
    class Lax(Reassembler):
        def push(self, frame: bytes, now: float) -> bytes | None:
            return super().push(change(self, frame), now)

    def begin(self: DeviceSession, *args: Any, **kwargs: Any) -> None:
        DeviceSession.__init__(self, *args, **kwargs)
        self._reassembler = Lax()

    _session(bed, __init__=begin)


@breaks("KS-113")
def connects_to_anybody(bed: Bed) -> None:
    bed.set(conversation, "recognises", always(True))


@breaks("KS-114")
def speaks_before_it_listens(bed: Bed) -> None:
    real = BleLink.attach

    async def attach(self: BleLink) -> None:
        client: Any = self._client
        await client.write_gatt_char(gatt.RX, b"\xc0" + bytes((MessageType.HELLO_REQ,)), response=True)
        await real(self)

    bed.set(BleLink, "attach", attach)


@breaks("KS-203")
def sequences_are_not_looked_at(bed: Bed) -> None:
    _lane(bed, lambda lane, frame: bytes((frame[0] & 0xC0 | lane._sequence,)) + frame[1:])


@breaks("KS-204")
def first_may_come_inside(bed: Bed) -> None:
    _lane(bed, lambda lane, frame: bytes((frame[0] & 0x7F,)) + frame[1:] if lane._parts else frame)


@breaks("KS-205")
def first_is_not_asked_for(bed: Bed) -> None:
    _lane(bed, lambda lane, frame: frame if lane._parts else bytes((frame[0] | 0x80,)) + frame[1:])


@breaks("KS-301")
def unknown_types_are_passed_over(bed: Bed) -> None:
    def receive(self: DeviceSession, frame: bytes, now: float) -> Any:
        if frame[1] not in set(MessageType):
            self._reassembler.push(frame, now)
            return []
        return DeviceSession.receive(self, frame, now)

    _session(bed, receive=receive)


@breaks("KS-302")
def what_is_not_drawn_is_passed_over(bed: Bed) -> None:
    def receive(self: DeviceSession, frame: bytes, now: float) -> Any:
        try:
            advance(self.state, Side.VEHICLE, MessageType(frame[1]))
        except ProtocolError:
            self._reassembler.push(frame, now)
            return []
        return DeviceSession.receive(self, frame, now)

    _session(bed, receive=receive)


@breaks("KS-312")
def sessions_never_end(bed: Bed) -> None:
    bed.set(session, "SESSION_SECONDS", 1e9)


@breaks("KS-313")
def handshakes_never_end(bed: Bed) -> None:
    bed.set(session, "HANDSHAKE_SECONDS", 1e9)


@breaks("KS-315")
def goes_on_after_a_breach(bed: Bed) -> None:
    def receive(self: DeviceSession, frame: bytes, now: float) -> Any:
        state = self.state
        try:
            return DeviceSession.receive(self, frame, now)
        except ProtocolError:
            self.state = state
            return []

    _session(bed, receive=receive)


@breaks("KS-316")
def error_is_answered(bed: Bed) -> None:
    real = Conversation._read

    async def read(self: Conversation) -> None:
        while (frame := await self.link.receive())[1] != MessageType.ERROR:
            self.session.receive(frame, 0.0)
        await self.link.send(b"\xc0" + encode_error(ErrorCode.REFUSED))
        await real(self)

    bed.set(Conversation, "_read", read)


@breaks("KS-318")
def any_number_will_do(bed: Bed) -> None:
    def on_result(self: DeviceSession, body: bytes, now: float) -> Answered:
        self._session_hash = self._open_channel(self._party, self._vehicle.id, self._key.key_id)
        return Answered(Result.decode(self._unseal(MessageType.RESULT, body)), self._session_hash)

    _session(bed, _on_result=on_result)


@breaks("KS-319")
def a_result_need_not_open(bed: Bed) -> None:
    def on_result(self: DeviceSession, body: bytes, now: float) -> Any:
        try:
            return DeviceSession._on_result(self, body, now)
        except ProtocolError:
            number = None if self._first is None else self._first.number
            return Answered(Result(Outcome.DONE, number, 0, 0, bytes(8), TimeState.TRUSTED), b"")

    _session(bed, _on_result=on_result)


@breaks("KS-320")
def any_res_will_do(bed: Bed) -> None:
    def on_message(self: DeviceSession, message_type: MessageType, body: bytes, now: float) -> Any:
        if message_type is MessageType.RES and not self._unanswered:
            self._unseal(message_type, body)
            return []
        return DeviceSession._on_message(self, message_type, body, now)

    _session(bed, _on_message=on_message)


@breaks("KS-321")
def every_outcome_is_a_success(bed: Bed) -> None:
    real = phones._told
    bed.set(phones, "_told", lambda *args: replace(real(*args), ok=True))


@breaks("KS-322")
def unknown_signals_are_a_breach(bed: Bed) -> None:
    real = messages.decode_event

    def decode(body: bytes) -> Any:
        readings = real(body)
        if any(reading.signal not in set(SignalId) for reading in readings):
            raise ProtocolError("a signal that nobody knows")
        return readings

    bed.set(messages, "decode_event", decode)


@breaks("KS-323")
def floats_are_not_looked_at(bed: Bed) -> None:
    real = messages.decode_event

    def decode(body: bytes) -> Any:
        try:
            return real(body)
        except ProtocolError:
            return ()

    bed.set(messages, "decode_event", decode)


@breaks("KS-324")
def versions_are_not_looked_at(bed: Bed) -> None:
    bed.set(messages, "check_info", always(None))


@breaks("KS-412")
def any_form_of_cbor_will_do(bed: Bed) -> None:
    real = Result.decode

    def decode(body: bytes) -> Result:
        return real(body[:1] + body[2:] if body[1] == 0x18 and body[2] < 0x18 else body)

    bed.set(Result, "decode", decode)


@breaks("KS-422")
def one_number_serves_all(bed: Bed) -> None:
    real = Phone._meet

    async def meet(self: Phone, invitation: Any, action: Any, number: int, *rest: Any) -> Any:
        self._fast_key = None
        return await real(self, invitation, action, 7, *rest)

    bed.set(Phone, "_meet", meet)


@breaks("KS-511")
def lists_are_kept(bed: Bed) -> None:
    async def deliver(self: Satchel, *rest: Any) -> bool:
        return False

    bed.set(Satchel, "deliver", deliver)


@breaks("KS-528")
def asks_anew_behind_its_chain(bed: Bed) -> None:
    real = Conversation._bring_chain

    async def bring_chain(self: Conversation, first: Any) -> Result:
        return await real(self, replace(first, number=first.number ^ 1))

    bed.set(Conversation, "_bring_chain", bring_chain)


@breaks("KS-807")
def low_order_points_are_taken(bed: Bed) -> None:
    def agree(self: Initiator, peer: bytes) -> bytes:
        try:
            return self._ephemeral.agree(peer)
        except CryptoError:
            return bytes(32)

    def receive_2(self: Initiator, message: bytes, *rest: Any) -> bytes:
        try:
            return Initiator.receive_2(self, message, *rest)
        except ProtocolError:  # it goes on with whatever it has
            self.schedule.after_2(b"", self._peer.cred)
            return b""

    _initiator(bed, _agree=agree, receive_2=receive_2)


@breaks("KS-819")
def what_does_not_open_is_passed_over(bed: Bed) -> None:
    def on_message(self: DeviceSession, message_type: MessageType, body: bytes, now: float) -> Any:
        try:
            return DeviceSession._on_message(self, message_type, body, now)
        except ProtocolError:
            if self.state is not State.OPEN:
                raise
            return []

    _session(bed, _on_message=on_message)


@breaks("KS-820")
def signatures_are_not_looked_at(bed: Bed) -> None:
    _initiator(bed, _check_signature=always(None))


@breaks("KS-821")
def g_x_is_always_the_same(bed: Bed) -> None:
    def begin(self: DeviceSession, *args: Any, **kwargs: Any) -> None:
        real, self._random = self._random, lambda size: bytes(range(1, size + 1))
        DeviceSession.begin(self, *args, **kwargs)
        self._random = real

    _session(bed, begin=begin)


@breaks("KS-822")
def critical_items_are_passed_over(bed: Bed) -> None:
    def receive_2(self: Initiator, message: bytes, critical: Any = ()) -> bytes:
        return Initiator.receive_2(self, message, range(1, 70_000))

    _initiator(bed, receive_2=receive_2)


@breaks("KS-824")
def a_forgotten_token_is_not_sent(bed: Bed) -> None:
    real = Phone._meet

    async def meet(self: Phone, *args: Any) -> Any:
        tried, _ = await real(self, *args)
        return tried, False

    bed.set(Phone, "_meet", meet)


@breaks("KS-920")
def comes_back_with_another_number(bed: Bed) -> None:
    real = Phone._meet
    used: set[int] = set()

    async def meet(self: Phone, invitation: Any, action: Any, number: int, *rest: Any) -> Any:
        again = number in used
        used.add(number)
        return await real(self, invitation, action, number ^ again, *rest)

    bed.set(Phone, "_meet", meet)


@breaks("KS-921")
def g_d_is_always_the_same(bed: Bed) -> None:
    def begin_fast(self: DeviceSession, *args: Any) -> None:
        real, self._random = self._random, lambda size: bytes(range(1, size + 1))
        DeviceSession.begin_fast(self, *args)
        self._random = real

    _session(bed, begin_fast=begin_fast)


@breaks("KS-922")
def a_pair_that_failed_is_kept(bed: Bed) -> None:
    real = Phone._ask

    async def ask(self: Phone, *args: Any) -> Any:
        pair = self._fast_key
        try:
            return await real(self, *args)
        finally:
            self._fast_key = self._fast_key or pair

    bed.set(Phone, "_ask", ask)

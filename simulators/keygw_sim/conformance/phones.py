"""What is tried on a device up to the answer to its command: the kit's vehicle misbehaves, the device must see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action, Outcome
from keygw.session.edhoc import Ead, Responder
from keygw.session.vehicle import VehicleSession
from keygw.wire import cbor
from keygw.wire.messages import MessageType
from keygw_sim.conformance.counter import Counter, PhoneCheck, asks
from keygw_sim.conformance.showroom import REFUSED, STRANGER, Rewrite
from keygw_sim.conformance.verdict import must

M1, M2, M3, ERROR = MessageType.MESSAGE_1, MessageType.MESSAGE_2, MessageType.MESSAGE_3, MessageType.ERROR
HELLO = MessageType.HELLO
SMALLEST = 20
"""Bytes of a frame at MTU 23."""
TOO_LATE_S = 10.5
REAL_SIGN = LocalSigner.sign


def instead(kind: MessageType, rewrite: Rewrite) -> Rewrite:
    """Only messages of that kind are rewritten."""
    return lambda message: rewrite(message) if message[0] == kind else [message]


# -- advertisement, INFO, frames -----------------------------------------------------------------------------------


@asks("KS-113")
async def knows_its_vehicle(counter: Counter) -> None:
    await counter.room.pretend(STRANGER)
    await counter.tap()
    must(counter.room.links == 0, "it connects to a vehicle that it has no key for")


@asks("KS-114", radio=True)
async def listens_before_it_speaks(counter: Counter) -> None:
    await counter.tap()
    steps = counter.room.steps
    spoke = {conn for conn, what in steps if what == "said"}
    must(bool(spoke), "it says nothing")
    for conn in spoke:
        before = [what for at, what in steps if at == conn]
        before = before[: before.index("said")]
        must("info" in before, "it speaks before it has read INFO")
        must("subscribed" in before, "it speaks before it has subscribed to TX")


@asks("KS-201", "KS-210", "KS-211")
async def small_frames(counter: Counter) -> None:
    await counter.room.limit_frames(SMALLEST)
    shown = await counter.tap()
    must(shown.ok, f"at MTU 23 it gets {shown.outcome}")


def _frame(change: Callable[[bytes], bytes]) -> PhoneCheck:
    async def hello_in_a_frame_that_is_none(counter: Counter) -> None:
        counter.room.raw = change
        await counter.tap()
        counter.speechless("although HELLO came in a frame that is none")

    return hello_in_a_frame_that_is_none


asks("KS-203")(_frame(lambda frame: bytes((frame[0] & 0xC0 | 5,)) + frame[1:]))
asks("KS-205")(_frame(lambda frame: bytes((frame[0] & 0x7F,)) + frame[1:]))


@asks("KS-204")
async def first_inside_a_message(counter: Counter) -> None:
    await counter.room.limit_frames(SMALLEST)
    counter.room.raw = lambda frame: bytes((frame[0] | 0x80,)) + frame[1:]
    await counter.tap()
    counter.speechless("although every frame of HELLO was a FIRST")


# -- messages ------------------------------------------------------------------------------------------------------


@asks("KS-301")
async def unknown_type(counter: Counter) -> None:
    counter.room.down = instead(HELLO, lambda message: [b"\x60\x00", message])
    await counter.tap()
    counter.speechless("after a message of an unknown type")


@asks("KS-302")
async def what_is_not_drawn(counter: Counter) -> None:
    """HELLO where message_2 is due, and message_2 behind it."""
    hellos: list[bytes] = []

    def down(message: bytes) -> list[bytes]:
        if message[0] == HELLO:
            hellos.append(message)
        return [hellos[-1], message] if message[0] == M2 else [message]

    counter.room.down = down
    await counter.tap()
    must(M1 in counter.room.kinds(), "it does not begin with message_1")
    counter.silent(M3, "after a HELLO where message_2 was due")


@asks("KS-313")
async def ten_seconds_for_a_handshake(counter: Counter) -> None:
    counter.room.affords(TOO_LATE_S)
    held = counter.room.hold(M2)
    async with counter.tapping(lambda: bool(held)):
        must(bool(held), "it does not begin with message_1")
        await counter.room.late(TOO_LATE_S)
        await counter.room.say(*held)
    counter.silent(M3, "more than 10 s after its message_1")


@asks("KS-315")
async def a_breach_is_the_end(counter: Counter) -> None:
    """message_2 spoilt, and the true one behind it."""
    counter.room.hears_error = False
    counter.room.down = instead(M2, lambda message: [message[:-1] + bytes((message[-1] ^ 1,)), message])
    await counter.tap()
    must(M1 in counter.room.kinds(), "it does not begin with message_1")
    counter.silent(M3, "after a message_2 that is spoilt")
    must(not counter.room.linked, "it does not end the link after a breach")
    for link in {at for at, message in counter.room.said if message[0] == M1}:
        said = [message for at, message in counter.room.said if at == link and message[0] == ERROR]
        must(said == [REFUSED], f"after a breach it says ERROR {len(said)} times, and not 1 (REFUSED) once")


@asks("KS-316")
async def error_is_not_answered(counter: Counter) -> None:
    counter.room.down = lambda message: [REFUSED]
    await counter.tap()
    must(counter.room.links > 0, "it does not come to the vehicle")
    must(not counter.room.said, "it answers ERROR")


@asks("KS-318")
async def number_in_result(counter: Counter) -> None:
    def answer(self: VehicleSession, result: Any, keep_open: bool) -> None:
        VehicleSession.answer(self, replace(result, number=(result.number or 0) ^ 1), keep_open)

    counter.plays(answer=answer)
    shown = await counter.tap()
    must(not shown.ok, "it takes a RESULT that answers another command for its own")


@asks("KS-319")
async def result_that_does_not_open(counter: Counter) -> None:
    counter.room.down = instead(MessageType.RESULT, lambda message: [message[:-1] + bytes((message[-1] ^ 1,))])
    shown = await counter.tap()
    must(not shown.ok, "it believes a RESULT that does not authenticate")


@asks("KS-321")
async def unknown_outcome(counter: Counter) -> None:
    def answer(self: VehicleSession, result: Any, keep_open: bool) -> None:
        VehicleSession.answer(self, replace(result, outcome=Outcome(200)), keep_open)

    counter.plays(answer=answer)
    shown = await counter.tap()
    must(not shown.ok, "it takes an outcome that it does not know for a success")


@asks("KS-324")
async def other_versions(counter: Counter) -> None:
    counter.room.told_info = lambda info: cbor.encode([[7], cbor.decode(info)[1]])
    await counter.tap()
    counter.speechless("to a vehicle that does not speak version 1")


@asks("KS-412")
async def info_in_another_form(counter: Counter) -> None:
    """The version in two bytes, where one does."""
    counter.room.told_info = lambda info: info[:2] + b"\x18" + info[2:]
    await counter.tap()
    counter.speechless("behind an INFO that nobody would have written")


@asks("KS-412")
async def result_in_another_form(counter: Counter) -> None:
    def answer(self: VehicleSession, result: Any, keep_open: bool) -> None:
        plain = result.encode()
        self._send_sealed(MessageType.RESULT, plain[:1] + b"\x18" + plain[1:])

    counter.plays(answer=answer)
    shown = await counter.tap()
    must(not shown.ok, "it takes a RESULT whose outcome is in two bytes where one does")


# -- the handshake -------------------------------------------------------------------------------------------------


@asks("KS-807")
async def low_order_point(counter: Counter) -> None:
    counter.room.down = instead(M2, lambda message: [message[:3] + bytes(32) + message[35:]])
    await counter.tap()
    counter.silent(M3, "to a G_Y of low order")


@asks("KS-820")
async def false_vehicle(counter: Counter) -> None:
    """Another vehicle key than the one that came with the token."""
    thief = counter.rig.rig.stranger()
    memory = counter.room.memory

    def sign(self: LocalSigner, message: bytes) -> bytes:
        return REAL_SIGN(thief if self.public_key == memory.signer.public_key else self, message)

    counter.bed.set(LocalSigner, "sign", sign)
    await counter.tap()
    counter.silent(M3, "with its key token, to who cannot prove the vehicle key")


@asks("KS-821")
async def message_1_in_the_profile(counter: Counter) -> None:
    await counter.tap()
    await counter.room.reboot()  # with its fast keys gone, the next one is a full handshake as well
    await counter.tap(Action.LOCK)
    firsts = [message for _, message in counter.room.said if message[0] == M1]
    must(len(firsts) >= 2, "it does not begin with message_1")
    must(all(first[1:3] == b"\x00\x06" and len(first) == 38 for first in firsts), "message_1 is not in the profile")
    must(len({first[5:37] for first in firsts}) == len(firsts), "it uses one G_X twice")


@asks("KS-822")
async def critical_ead_2(counter: Counter) -> None:
    _ead_2(counter, Ead(-4242, b"?"))
    await counter.tap()
    counter.silent(M3, "behind a critical item in EAD_2 that it does not know")


@asks("KS-822", "KS-823")
async def ead_2_to_ignore(counter: Counter) -> None:
    _ead_2(counter, Ead(4242, b"?"))
    shown = await counter.tap()
    must(shown.ok, f"behind an item in EAD_2 that is not critical it gets {shown.outcome}")


def _ead_2(counter: Counter, item: Ead) -> None:
    real = Responder.to_be_signed
    counter.bed.set(Responder, "to_be_signed", lambda self, ead_2=(): real(self, [*ead_2, item]))


@asks("KS-824")
async def forgotten_token(counter: Counter) -> None:
    """The kid is refused: it comes again with the token, and the same number."""
    await counter.works()
    await counter.room.reboot()
    counter.room.memory.tokens.clear()
    asked = counter.room.memory.receipt_sequence
    shown = await counter.tap()
    must(shown.ok, f"of a vehicle that has forgotten its token it gets {shown.outcome}")
    sizes = [len(message) for _, message in counter.room.said if message[0] == M3]
    must(len(sizes) == 2 and sizes[1] > sizes[0], "it does not come again with the token by value")
    must(counter.room.memory.receipt_sequence == asked + 1, "the command was executed more than once")

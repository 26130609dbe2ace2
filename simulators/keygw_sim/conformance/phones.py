"""Everything that is tried on a device: the kit's vehicle misbehaves, and the device must see it.

``Counter`` gives a check the showroom, and the device with a key for the vehicle that stands in it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action, Outcome
from keygw.model.errors import KeygwError
from keygw.session.edhoc import Ead, Responder
from keygw.session.vehicle import VehicleSession
from keygw.wire import cbor
from keygw.wire.messages import MessageType
from keygw_sim.conformance.mutants.plant import Bed
from keygw_sim.conformance.mutants.vehicles import session_of
from keygw_sim.conformance.rig import Rig
from keygw_sim.conformance.showroom import Showroom
from keygw_sim.conformance.tape import Tape
from keygw_sim.conformance.verdict import must
from keygw_sim.phone.phone import Invitation, Phone
from keygw_sim.phone.satchel import CarriedList

M1, M3, ERROR = MessageType.MESSAGE_1, MessageType.MESSAGE_3, MessageType.ERROR
REAL_SIGN = LocalSigner.sign


@dataclass(frozen=True, slots=True)
class Shown:
    """What the device tells its user."""

    ok: bool
    outcome: str


@dataclass(slots=True)
class Counter:
    """``bed``: defects of the kit's own vehicle, for this check alone. ``phone``: the device under test."""

    room: Showroom
    rig: Rig
    bed: Bed
    phone: Phone
    tape: Tape

    async def tap(self, action: Action = Action.UNLOCK) -> Shown:
        """The user taps; what the device shows."""
        self.tape.note(f"the user taps {action.label}")
        try:
            tried = await self.phone.command(action)
            shown = Shown(tried.ok, tried.outcome)
        except KeygwError as error:
            shown = Shown(False, error.code)
        self.tape.note(f"the device shows {shown.outcome}")
        return shown

    async def works(self) -> None:
        """A device that can do nothing conforms to nothing."""
        shown = await self.tap()
        must(shown.ok, f"at a vehicle that conforms it gets {shown.outcome}")
        await self.tap(Action.LOCK)
        self.room.said.clear()

    def silent(self, kind: MessageType, what: str) -> None:
        must(kind not in self.room.kinds(), f"it sends {kind.name} {what}")


PhoneCheck = Callable[[Counter], Awaitable[None]]
PHONE_CHECKS: list[tuple[str, PhoneCheck]] = []


def asks(*numbers: str) -> Callable[[PhoneCheck], PhoneCheck]:
    def enter(check: PhoneCheck) -> PhoneCheck:
        PHONE_CHECKS.extend((number, check) for number in numbers)
        return check

    return enter


@asks("KS-113")
async def knows_its_vehicle(counter: Counter) -> None:
    counter.room.stranger = True
    await counter.tap()
    must(not counter.room.met_a_stranger, "it would connect to a vehicle that it has no key for")


@asks("KS-201", "KS-210", "KS-211")
async def small_frames(counter: Counter) -> None:
    counter.room.max_frame = 20
    shown = await counter.tap()
    must(shown.ok, f"at MTU 23 it gets {shown.outcome}")


def _frame(change: Callable[[bytes], bytes]) -> PhoneCheck:
    async def check(counter: Counter) -> None:
        counter.room.raw = change
        await counter.tap()
        counter.silent(M1, "although HELLO came in a frame that is none")

    return check


asks("KS-203")(_frame(lambda frame: bytes((frame[0] & 0xC0 | 5,)) + frame[1:]))
asks("KS-205")(_frame(lambda frame: bytes((frame[0] & 0x7F,)) + frame[1:]))


@asks("KS-301")
async def unknown_type(counter: Counter) -> None:
    counter.room.down = lambda message: [b"\x60\x00", message] if message[0] == MessageType.HELLO else [message]
    await counter.tap()
    counter.silent(M1, "after a message of an unknown type")


@asks("KS-316")
async def error_is_not_answered(counter: Counter) -> None:
    counter.room.down = lambda message: [b"\x7f\x01"]
    await counter.tap()
    must(not counter.room.said, "it answers ERROR")


@asks("KS-318")
async def number_in_result(counter: Counter) -> None:
    def answer(self: VehicleSession, result: Any, keep_open: bool) -> None:
        VehicleSession.answer(self, replace(result, number=(result.number or 0) ^ 1), keep_open)

    session_of(counter.bed, answer=answer)
    shown = await counter.tap()
    must(not shown.ok, "it takes a RESULT that answers another command for its own")


@asks("KS-319")
async def result_that_does_not_open(counter: Counter) -> None:
    def spoil(message: bytes) -> list[bytes]:
        return [message[:-1] + bytes((message[-1] ^ 1,))] if message[0] == MessageType.RESULT else [message]

    counter.room.down = spoil
    shown = await counter.tap()
    must(not shown.ok, "it believes a RESULT that does not authenticate")


@asks("KS-321")
async def unknown_outcome(counter: Counter) -> None:
    def answer(self: VehicleSession, result: Any, keep_open: bool) -> None:
        VehicleSession.answer(self, replace(result, outcome=Outcome(200)), keep_open)

    session_of(counter.bed, answer=answer)
    shown = await counter.tap()
    must(not shown.ok, "it takes an outcome that it does not know for a success")


@asks("KS-324")
async def other_versions(counter: Counter) -> None:
    counter.room.told_info = lambda info: cbor.encode([[7], cbor.decode(info)[1]])
    await counter.tap()
    counter.silent(M1, "to a vehicle that does not speak version 1")


@asks("KS-422")
async def numbers_differ(counter: Counter) -> None:
    await counter.works()
    known = [answer.number for kept in counter.room.sim.brain.memory.answers.values() for answer in kept]
    must(len(known) == len(set(known)) >= 2, "two commands have one number")


@asks("KS-511")
async def brings_the_list(counter: Counter) -> None:
    signed = counter.rig.next_list(1)
    counter.phone.satchel.put(CarriedList(counter.rig.vehicle.id, 1, signed))
    await counter.tap()
    kinds = counter.room.kinds()
    must(MessageType.RL_PUSH in kinds, "it does not bring the newer list that it carries")
    must(kinds.index(MessageType.RL_PUSH) > kinds.index(M3), "its list comes before its command")


@asks("KS-807")
async def low_order_point(counter: Counter) -> None:
    def spoil(message: bytes) -> list[bytes]:
        return [message[:3] + bytes(32) + message[35:]] if message[0] == MessageType.MESSAGE_2 else [message]

    counter.room.down = spoil
    await counter.tap()
    counter.silent(M3, "to a G_Y of low order")


@asks("KS-820")
async def false_vehicle(counter: Counter) -> None:
    """Another vehicle key than the one that came with the token."""
    thief = counter.rig.stranger()
    memory = counter.room.sim.brain.memory

    def sign(self: LocalSigner, message: bytes) -> bytes:
        return REAL_SIGN(thief if self.public_key == memory.signer.public_key else self, message)

    counter.bed.set(LocalSigner, "sign", sign)
    await counter.tap()
    counter.silent(M3, "with its key token, to who cannot prove the vehicle key")


@asks("KS-821")
async def message_1_in_the_profile(counter: Counter) -> None:
    room = counter.room
    await counter.tap()
    room.down = lambda message: [b"\x7f\x01"] if message[0] == MessageType.MESSAGE_2 else [message]
    counter.phone.accept(counter_invitation(counter.rig, counter.phone))
    await counter.tap(Action.LOCK)
    firsts = [message for _, message in room.said if message[0] == M1]
    must(len(firsts) == 2, "it does not begin with message_1")
    must(all(first[1:3] == b"\x00\x06" and len(first) == 38 for first in firsts), "message_1 is not in the profile")
    must(firsts[0][5:37] != firsts[1][5:37], "it uses one G_X twice")


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
    counter.phone._fast_key = None
    counter.room.sim.brain.memory.tokens.clear()
    asked = len(counter.room.sim.brain.memory.receipts)
    shown = await counter.tap()
    must(shown.ok, f"of a vehicle that has forgotten its token it gets {shown.outcome}")
    sizes = [len(message) for _, message in counter.room.said if message[0] == M3]
    must(len(sizes) == 2 and sizes[1] > sizes[0], "it does not come again with the token by value")
    must(len(counter.room.sim.brain.memory.receipts) == asked + 1, "the command was executed more than once")


@asks("KS-920")
async def falls_back_with_the_number(counter: Counter) -> None:
    """The answer to FAST is lost in random bytes: the same number again, or it would be done twice."""
    await counter.works()
    counter.room.down = lambda m: [m[:1] + bytes(25)] if m[0] == MessageType.FAST_RESULT else [m]
    before = len(counter.room.sim.brain.memory.receipts)
    await counter.tap()
    kinds = counter.room.kinds()
    must(MessageType.FAST in kinds, "it does not take the fast path")
    must(M3 in kinds, "after a refused FAST it does not take the full handshake")
    must(len(counter.room.sim.brain.memory.receipts) == before + 1, "the vehicle has executed its command twice")


@asks("KS-922")
async def drops_its_pair(counter: Counter) -> None:
    await counter.works()
    counter.room.down = lambda m: [b"\x7f\x01"] if m[0] == MessageType.FAST_RESULT else [m]
    await counter.tap()
    fasts = counter.room.kinds().count(MessageType.FAST)
    must(fasts > 0, "it does not take the fast path")
    must(fasts == 1, "it sends FAST again with a pair that has failed")


def counter_invitation(rig: Rig, phone: Phone) -> Invitation:
    """A fresh owner's key for that device, of a rig whose owner's device it is."""
    key = rig.owner()
    return Invitation(key.id, key.hand.token, rig.vehicle)

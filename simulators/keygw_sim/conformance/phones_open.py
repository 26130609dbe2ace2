"""What is tried on a device once it is let in: its commands, the open session, the fast path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keygw.model.command import Action, Outcome
from keygw.session.vehicle import VehicleSession
from keygw.wire import cbor
from keygw.wire.messages import MessageType, Res, decode_info
from keygw_sim.conformance.counter import Counter, asks
from keygw_sim.conformance.phones import HELLO, M3, instead
from keygw_sim.conformance.showroom import REFUSED, Rewrite
from keygw_sim.conformance.verdict import Skip, must

TOO_LATE_S = 601.0
UNKNOWN_SIGNAL = 60_000
NAN = b"\xf9\x7e\x00"
ANSWERS = (MessageType.RL_ACK, MessageType.RES, MessageType.RECEIPT, MessageType.RL_GIVE)
TAG = slice(1, 9)
G_D = slice(9, 41)


@asks("KS-312")
async def ten_minutes_for_a_session(counter: Counter) -> None:
    """An answer in the open session comes when its time is over. It brings a list, so that it has more to say."""
    room = counter.room
    room.affords(TOO_LATE_S)
    await counter.user.carry(counter.rig.next_list(room.memory.list_sequence + 1))
    held = room.hold(*ANSWERS)
    async with counter.tapping(lambda: bool(held)):
        if not held:
            raise Skip("the device leaves before it has asked anything in the open session")
        await room.late(TOO_LATE_S)
        room.forget()
        await room.say(*held)
    must(all(kind == MessageType.ERROR for kind in room.kinds()), "it goes on in a session that is 600 s old")


@asks("KS-320")
async def res_that_nobody_awaits(counter: Counter) -> None:
    def answer(self: VehicleSession, result: Any, keep_open: bool) -> None:
        VehicleSession.answer(self, result, keep_open)
        self.respond(Res((result.number or 0) ^ 1, Outcome.DONE, 0))

    counter.plays(answer=answer)
    await counter.tap()
    counter.calls_it_a_breach("after a RES for a number that it has not used")


async def _told(counter: Counter, event: bytes) -> None:
    """The device opens a session and is told that event behind RESULT. ``Skip`` if it asks for none."""

    def answer(self: VehicleSession, result: Any, keep_open: bool) -> None:
        VehicleSession.answer(self, result, keep_open)
        self._send_sealed(MessageType.EVENT, event)

    counter.plays(answer=answer)
    await counter.tap()
    if not counter.room.wants_events:
        raise Skip("the device asks for no events")


@asks("KS-322")
async def unknown_signal(counter: Counter) -> None:
    await _told(counter, cbor.encode([[UNKNOWN_SIGNAL, 1, 0]]))
    must(M3 in counter.room.kinds(), "it does not open a session")
    must(not counter.room.refused, "it ends the session over a signal that it does not know")


@asks("KS-323")
async def a_float_that_is_none(counter: Counter) -> None:
    await _told(counter, b"\x81\x83" + cbor.encode(UNKNOWN_SIGNAL) + NAN + b"\x00")
    counter.calls_it_a_breach("after an EVENT with NaN in it")


@asks("KS-422")
async def numbers_differ(counter: Counter) -> None:
    used = []
    for action in (Action.UNLOCK, Action.LOCK):
        counter.room.forget()
        await counter.tap(action)
        must(bool(counter.room.commands), f"no command comes when its user taps {action.label}")
        must(len(set(counter.room.commands)) == 1, "a command that is sent again has another number")
        used += counter.room.commands[:1]
    must(used[0] != used[1], "two commands have one number")


@asks("KS-511")
async def brings_the_list(counter: Counter) -> None:
    await counter.user.carry(counter.rig.next_list(counter.room.memory.list_sequence + 1))
    await counter.tap()
    kinds = counter.room.kinds()
    must(MessageType.RL_PUSH in kinds, "it does not bring the newer list that it carries")
    must(kinds.index(MessageType.RL_PUSH) > kinds.index(M3), "its list comes before its command")


@asks("KS-528")
async def asks_again_behind_its_chain(counter: Counter) -> None:
    """With a key that an owner has shared with it."""
    counter.rig.tells_time(counter.room.sim)  # else a shared key has to wait for that first
    await counter.user.take(counter.rig.friend())
    try:
        shown = await counter.tap()
    finally:
        await counter.user.take(counter.rig.owner())
    kinds, numbers = counter.room.kinds(), counter.room.commands
    must(MessageType.CRED_PUT in kinds, f"it does not bring its chain, and gets {shown.outcome}")
    must(len(numbers) > 1, "it does not send its command again")
    must(len(set(numbers)) == 1, "it sends its command again with another number")
    must(shown.ok, f"with its chain it gets {shown.outcome}")


@asks("KS-819")
async def result_twice(counter: Counter) -> None:
    counter.room.down = instead(MessageType.RESULT, lambda message: [message, message])
    await counter.tap()
    counter.calls_it_a_breach("after a RESULT that came twice")


# -- the fast path -------------------------------------------------------------------------------------------------


@asks("KS-920")
async def falls_back_with_the_number(counter: Counter) -> None:
    """The answer to FAST is lost in random bytes: the same number again, or it would be done twice."""
    await counter.works()
    counter.room.down = _fast_result_becomes(lambda message: message[:1] + bytes(25))
    before = counter.room.memory.receipt_sequence
    await counter.tap()
    kinds = counter.room.kinds()
    must(MessageType.FAST in kinds, "it does not take the fast path")
    must(M3 in kinds, "after a refused FAST it does not take the full handshake")
    must(counter.room.memory.receipt_sequence == before + 1, "the vehicle has executed its command twice")


@asks("KS-921")
async def two_fast_to_one_hello(counter: Counter) -> None:
    """The same INFO and HELLO on two links."""
    room = counter.room
    await counter.works()
    infos: list[bytes] = []
    hellos: list[bytes] = []

    def told(info: bytes) -> bytes:
        infos.append(info)
        return infos[0]

    def down(message: bytes) -> list[bytes]:
        if message[0] == HELLO:
            hellos.append(message)
            return [hellos[0]]
        return [message]

    room.told_info, room.down = told, down
    await counter.tap(Action.UNLOCK)
    if infos:
        await room.pretend(decode_info(infos[0])[1])
    await counter.tap(Action.LOCK)
    fasts = [message for _, message in room.said if message[0] == MessageType.FAST]
    if len(fasts) < 2:
        raise Skip("the device does not take the fast path")
    must(len({fast[G_D] for fast in fasts}) == len(fasts), "it uses one G_D twice")
    must(len({fast[TAG] for fast in fasts}) == len(fasts), "two FAST to one HELLO have the same ktag")


@asks("KS-922")
async def drops_its_pair(counter: Counter) -> None:
    await counter.works()
    counter.room.down = _fast_result_becomes(lambda message: REFUSED)
    await counter.tap()
    await counter.tap(Action.LOCK)
    road = [kind for kind in counter.room.kinds() if kind in (MessageType.FAST, M3)]
    must(MessageType.FAST in road, "it does not take the fast path")
    must(road[1:2] != [MessageType.FAST], "it sends FAST again with a pair that has failed")


def _fast_result_becomes(other: Callable[[bytes], bytes]) -> Rewrite:
    """And of the events behind it none comes: they are of a session that the device does not have."""
    fast = False

    def down(message: bytes) -> list[bytes]:
        nonlocal fast
        if message[0] == MessageType.EVENT and fast:
            return []
        fast = message[0] == MessageType.FAST_RESULT or (fast and message[0] != HELLO)
        return [other(message)] if message[0] == MessageType.FAST_RESULT else [message]

    return down

"""The gateway's side of a car, against a real car: ``Fleet`` and ``Brain`` with a link in memory between them.

``Road`` is the air: it loses the car, cuts the link at a message, or holds the car's tongue, as it is told.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

import pytest

from keygw.model.command import Action, AuthorizedCommand, CommandState, Outcome
from keygw.model.errors import Conflict, LinkError, NotFound, StoreError, TokenError
from keygw.model.signal import SignalId
from keygw.token.receipt import sign_receipt, verify_chain
from keygw.token.revocation import sign_ack, verify_list
from keygw.vehicle import conversation as conversation_module
from keygw.vehicle.conversation import Conversation
from keygw.wire.messages import MessageType
from keygw_sim.chance import chance, new_signer
from keygw_sim.depot import NOW, World
from keygw_sim.vehicle import keeper as keeper_module


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, lambda command: AuthorizedCommand(command, "dev_" + "a" * 16))
    async with made.fleet:
        yield made


SENT, ACKNOWLEDGED = CommandState.SENT, CommandState.ACKNOWLEDGED


# -- the straight road ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_frame", [20, 512])
async def test_a_command_is_confirmed_by_receipt_and_signal(world: World, max_frame: int) -> None:
    world.road.max_frame = max_frame
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason, result.outcome) == (CommandState.CONFIRMED, None, Outcome.DONE)
    assert world.states == [SENT, ACKNOWLEDGED]
    assert world.brain.body.locked is False
    assert result.receipt is not None
    assert (result.receipt.number, result.receipt.key_id) == (1, world.owner)
    assert world.settled == [result.receipt] == list(world.books.receipts.values())
    assert {signal.id: signal.value for signal in world.signals}[SignalId.CENTRAL_LOCK] is False
    assert all(signal.received_at == NOW for signal in world.signals)
    measures = result.measures
    assert measures is not None
    assert measures.round_trips == 2
    assert 0 < measures.message_bytes <= 700
    assert measures.air_bytes > measures.message_bytes
    assert measures.handshake_ms is not None
    assert measures.connect_ms is not None


async def test_the_next_command_uses_the_open_session(world: World) -> None:
    await world.execute(Action.UNLOCK)
    result = await world.execute(Action.LOCK)
    assert result.state is CommandState.CONFIRMED
    assert world.road.opened == 1
    assert result.measures is not None
    assert (result.measures.round_trips, result.measures.handshake_ms, result.measures.connect_ms) == (1, None, None)
    verify_chain(world.books.receipts.values())


async def test_already_in_state_is_confirmed_and_says_so(world: World) -> None:
    result = await world.execute(Action.LOCK)
    assert (result.state, result.reason) == (CommandState.CONFIRMED, "already_in_state")


async def test_link_status_tells_the_story(world: World) -> None:
    assert world.fleet.link(world.car.id) is None
    connected = await world.fleet.connect(world.car.id, world.owner, 2.0)
    assert (connected.state, connected.key_id, connected.handshake_ms) == ("connected", world.owner, None)
    await world.execute(Action.UNLOCK)
    assert world.road.opened == 1
    status = world.fleet.link(world.car.id)
    assert status is not None
    assert (status.state, status.list_sequence) == ("authenticated", 0)
    await world.fleet.disconnect(world.car.id)
    gone = world.fleet.link(world.car.id)
    assert gone is not None
    assert gone.state == "disconnected"
    assert [status.state for status in world.links][:2] == ["connected", "authenticated"]
    assert world.links[-1].state == "disconnected"


async def test_receipts_of_others_come_along(world: World) -> None:
    """Whatever happened before is fetched with the next receipt, so the chain at home has no gap."""
    await world.execute(Action.UNLOCK)
    friend = world.friend()
    await world.execute(Action.LOCK, friend)
    world.books.receipts.clear()
    result = await world.execute(Action.UNLOCK)
    assert result.state is CommandState.CONFIRMED
    assert sorted(world.books.receipts) == [1, 2, 3]
    verify_chain(world.books.receipts.values())


# -- refusals ------------------------------------------------------------------------------------------------------


async def test_a_refused_command_fails_with_the_cars_reason_and_its_receipt(world: World) -> None:
    await world.execute(Action.UNLOCK)
    result = await world.execute(Action.OPEN_TRUNK, world.friend())
    assert (result.state, result.reason, result.outcome) == (CommandState.FAILED, "not_entitled", Outcome.NOT_ENTITLED)
    assert result.receipt is not None
    assert result.receipt.outcome is Outcome.NOT_ENTITLED
    assert world.states == [SENT, ACKNOWLEDGED]


async def test_a_refused_key_fails_with_the_cars_reason(world: World) -> None:
    result = await world.execute(Action.UNLOCK, world.hold("stranger"))
    assert (result.state, result.reason) == (CommandState.FAILED, "not_enrolled")
    status = world.fleet.link(world.car.id)
    assert status is not None
    assert status.state == "disconnected"


async def test_a_phones_key_cannot_be_used(world: World) -> None:
    result = await world.execute(Action.UNLOCK, "key_" + "b" * 16)
    assert result.state is CommandState.FAILED
    assert world.states == []


async def test_an_impostor_is_not_trusted_and_not_told_who_we_are(world: World) -> None:
    world.brain.memory.signer = new_signer(chance("impostor", "car"))
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason) == (CommandState.FAILED, "vehicle_not_trusted")
    assert MessageType.MESSAGE_3 not in world.road.seen


async def test_out_of_range(world: World) -> None:
    world.road.present = False
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason, result.outcome) == (CommandState.FAILED, "out_of_range", None)
    assert world.states == []
    with pytest.raises(LinkError) as caught:
        await world.fleet.connect(world.car.id, world.owner, 0.01)
    assert caught.value.code == "out_of_range"


async def test_a_car_that_says_no_hello_is_given_up_in_time(world: World) -> None:
    world.road.mute = MessageType.HELLO
    with pytest.raises(LinkError):
        await world.fleet.connect(world.car.id, world.owner, 0.05)


async def test_a_command_that_came_too_late_expires(world: World) -> None:
    result = await world.execute(Action.UNLOCK, lives=0.0)
    assert (result.state, world.states) == (CommandState.EXPIRED, [])
    assert world.road.opened == 0


async def test_a_command_waits_for_the_one_before_it_only_while_it_lives(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.road.mute = MessageType.MESSAGE_1
    monkeypatch.setattr(conversation_module, "ANSWER_SECONDS", 0.2)
    first = asyncio.create_task(world.execute(Action.UNLOCK))
    await world.eventually(lambda: bool(world.road.seen))
    late = await world.fleet.execute(world.command(Action.LOCK, lives=0.02), world.on_state)
    assert (late.state, late.reason) == (CommandState.EXPIRED, "busy")
    assert (await first).state is CommandState.FAILED


# -- lost on the way -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["message_1 lost", "message_2 lost"])
async def test_a_link_cut_before_message_3_is_a_failure(world: World, where: str) -> None:
    if where == "message_1 lost":
        world.road.lose = MessageType.MESSAGE_1
    else:
        world.road.swallow = MessageType.MESSAGE_1
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason) == (CommandState.FAILED, "link_lost")
    assert world.brain.body.locked is True


async def test_cut_after_message_3_is_unknown_and_settled_by_the_receipt(world: World) -> None:
    world.road.swallow = MessageType.MESSAGE_3
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason, result.receipt) == (CommandState.UNKNOWN, "link_lost", None)
    assert world.brain.body.locked is False
    assert world.settled == []

    world.road.swallow = None
    await world.fleet.settle(world.car.id, world.owner)
    (receipt,) = world.settled
    assert (receipt.number, receipt.outcome) == (1, Outcome.DONE)


async def test_message_3_lost_is_unknown_and_settled_by_the_absence_of_a_receipt(world: World) -> None:
    world.road.lose = MessageType.MESSAGE_3
    result = await world.execute(Action.UNLOCK)
    assert result.state is CommandState.UNKNOWN
    world.road.lose = None
    await world.fleet.settle(world.car.id, world.owner)
    assert world.settled == []
    assert world.brain.body.locked is True


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_command_lost_in_an_open_session_is_unknown(world: World, arrives: bool) -> None:
    await world.execute(Action.UNLOCK)
    if arrives:
        world.road.swallow = MessageType.CMD
    else:
        world.road.lose = MessageType.CMD
    result = await world.execute(Action.LOCK)
    assert (result.state, result.reason) == (CommandState.UNKNOWN, "link_lost")
    world.road.swallow = world.road.lose = None
    await world.fleet.settle(world.car.id, world.owner)
    assert [receipt.number for receipt in world.settled] == ([1, 2] if arrives else [1])


async def test_a_receipt_lost_is_unknown_though_the_car_said_done(world: World) -> None:
    world.road.lose = MessageType.RECEIPT_GET
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.outcome, result.receipt) == (CommandState.UNKNOWN, Outcome.DONE, None)
    world.road.lose = None
    await world.fleet.settle(world.car.id, world.owner)
    assert [receipt.number for receipt in world.settled] == [1]


@pytest.mark.parametrize(
    ("mute", "state"),
    [
        (MessageType.MESSAGE_1, CommandState.FAILED),
        (MessageType.MESSAGE_3, CommandState.UNKNOWN),
        (MessageType.RECEIPT_GET, CommandState.UNKNOWN),
    ],
)
async def test_a_silent_car_is_given_up(
    world: World, monkeypatch: pytest.MonkeyPatch, mute: MessageType, state: CommandState
) -> None:
    monkeypatch.setattr(conversation_module, "ANSWER_SECONDS", 0.05)
    world.road.mute = mute
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason) == (state, "link_timeout")
    status = world.fleet.link(world.car.id)
    assert status is not None
    assert status.state == "disconnected", "a late answer must not meet the next question"


async def test_settling_with_a_refused_key_says_so(world: World) -> None:
    with pytest.raises(LinkError) as caught:
        await world.fleet.settle(world.car.id, world.hold("stranger"))
    assert caught.value.code == "not_enrolled"


# -- lists that do not fit ---------------------------------------------------------------------------------------------


async def push(world: World, signed: bytes) -> None:
    """Somebody else has brought the car that list."""
    conversation = await Conversation.open(world.road, world.car, world.books.keys[world.owner], world.random, 2.0)
    await conversation.authenticate()
    await conversation.push_list(signed)
    await conversation.close()


@pytest.mark.parametrize("sequence", [1, 2])
async def test_books_that_have_signed_lists_since_they_forgot_take_in_the_cars_first(
    world: World, sequence: int
) -> None:
    """The numbers say nothing then: only the car's list itself shows that it is another one."""
    await push(world, world.office.sign_list(world.car, 1, revoked=(9,)))
    if sequence == 2:
        world.books.publish()
    world.books.couriers = [world.owner]
    await world.fleet.sync_list(world.car.id)
    assert world.alerts == ["list_forgotten"]
    held = verify_list(world.brain.memory.list_signed, world.office.trust, world.car.id)
    assert (held.sequence, held.revoked) == (sequence + 1, (9,))
    assert world.books.acknowledged_sequence == sequence + 1


async def test_a_list_that_the_books_have_forgotten_is_recovered_and_followed(world: World) -> None:
    await push(world, world.office.sign_list(world.car, 7, revoked=(9,)))
    assert (await world.execute(Action.UNLOCK)).state is CommandState.CONFIRMED
    assert world.alerts == ["list_forgotten"]
    assert (world.books.sequence, world.books.acknowledged_sequence, world.brain.memory.list_sequence) == (8, 8, 8)
    assert verify_list(world.brain.memory.list_signed, world.office.trust, world.car.id).revoked == (9,)
    assert (await world.execute(Action.LOCK)).state is CommandState.CONFIRMED
    assert world.alerts == ["list_forgotten"]


async def test_a_list_that_is_not_ours_is_told_and_spoils_no_command(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await push(world, world.office.sign_list(world.car, 7))

    async def not_ours(vehicle_id: str, signed: bytes) -> None:
        raise TokenError("we never signed that", code="unknown_issuer")

    monkeypatch.setattr(world.books, "recover_list", not_ours)
    assert (await world.execute(Action.UNLOCK)).state is CommandState.CONFIRMED
    assert (world.alerts, world.books.sequence) == (["list_forgotten"], 1)


# -- a car that lies -----------------------------------------------------------------------------------------------


async def test_a_forged_receipt_does_not_confirm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    forger = new_signer(chance("forger", "car"))

    def forge(**fields: object) -> bytes:
        return sign_receipt(**{**fields, "signer": forger})  # type: ignore[arg-type]  # the fields of the original

    monkeypatch.setattr(keeper_module, "sign_receipt", forge)
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason, result.receipt) == (CommandState.UNKNOWN, "vehicle_not_trusted", None)
    assert world.books.receipts == {}
    assert world.settled == []


async def test_a_receipt_that_says_something_else_does_not_confirm(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shade(**fields: object) -> bytes:
        return sign_receipt(**{**fields, "outcome": Outcome.BUSY})  # type: ignore[arg-type]  # the fields of the original

    monkeypatch.setattr(keeper_module, "sign_receipt", shade)
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason) == (CommandState.UNKNOWN, "receipt_disagrees")


async def test_the_receipt_of_another_action_does_not_confirm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(**fields: object) -> bytes:
        return sign_receipt(**{**fields, "action": Action.FLASH_LIGHTS})  # type: ignore[arg-type]  # as above

    monkeypatch.setattr(keeper_module, "sign_receipt", other)
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason) == (CommandState.UNKNOWN, "receipt_missing")


async def test_a_reading_from_before_the_command_does_not_speak_against_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await world.execute(Action.UNLOCK)).state is CommandState.CONFIRMED
    monkeypatch.setattr(type(world.brain), "_tell_all", lambda brain: None)
    assert (await world.execute(Action.LOCK)).state is CommandState.CONFIRMED


@pytest.mark.parametrize("session_open", [False, True])
async def test_a_command_whose_time_passes_on_the_way_never_leaves(
    world: World, monkeypatch: pytest.MonkeyPatch, session_open: bool
) -> None:
    if session_open:
        await world.execute(Action.LOCK)
    clock = itertools.chain((0.0,), itertools.repeat(1e12))  # it is written down, and then its time is over
    monkeypatch.setattr(world.fleet._dispatcher, "_ticks", lambda: next(clock))
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason) == (CommandState.EXPIRED, "command_expired")
    assert world.brain.body.locked is True


async def test_a_signal_that_disagrees_does_not_confirm(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = type(world.brain.body).readings
    monkeypatch.setattr(
        type(world.brain.body), "readings", lambda body: {**readings(body), SignalId.CENTRAL_LOCK: True}
    )
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason) == (CommandState.UNKNOWN, "signal_disagrees")


async def test_a_store_that_fails_is_our_own_trouble_and_is_raised(world: World) -> None:
    world.books.full = True
    with pytest.raises(StoreError):
        await world.execute(Action.UNLOCK)
    assert world.states == [SENT, ACKNOWLEDGED]


# -- the list ------------------------------------------------------------------------------------------------------


async def test_the_list_goes_over_whatever_session_is_open(world: World) -> None:
    """No courier is needed, and no second link."""
    await world.execute(Action.UNLOCK)
    await world.fleet.sync_list(world.car.id)
    assert world.books.acknowledged_sequence == world.brain.memory.list_sequence == 1
    assert world.road.opened == 1
    status = world.fleet.link(world.car.id)
    assert status is not None
    assert status.list_sequence == 1


async def test_sync_list_returns_when_the_acknowledgement_is_recorded(world: World) -> None:
    world.books.couriers = [world.owner]
    await world.fleet.sync_list(world.car.id)
    assert world.books.acknowledged_sequence == world.brain.memory.list_sequence == 1
    seen = list(world.road.seen)
    await world.fleet.sync_list(world.car.id)
    assert world.road.seen == seen, "nothing to carry, nothing sent"
    world.books.publish(revoked=(2,))
    await world.fleet.sync_list(world.car.id)
    assert world.books.acknowledged_sequence == 2
    assert world.road.opened == 1


async def test_sync_list_tries_every_courier(world: World) -> None:
    world.books.couriers = [world.hold("stranger"), world.owner]
    await world.fleet.sync_list(world.car.id)
    assert world.books.acknowledged_sequence == 1
    assert world.road.opened == 2


async def test_no_other_courier_is_tried_over_a_radio_that_is_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    async def taken(*_: object) -> NoReturn:
        nonlocal tried
        tried += 1
        raise LinkError("taken", code="radio_busy")

    monkeypatch.setattr(world.road, "open", taken)
    world.books.couriers = [world.hold("other"), world.owner]
    with pytest.raises(LinkError) as caught:
        await world.fleet.sync_list(world.car.id)
    assert (caught.value.code, tried) == ("radio_busy", 1)


async def test_sync_list_without_a_courier_or_a_car(world: World) -> None:
    with pytest.raises(Conflict) as no_courier:
        await world.fleet.sync_list(world.car.id)
    assert no_courier.value.code == "no_courier"
    world.books.couriers = [world.owner]
    world.road.present = False
    with pytest.raises(LinkError) as absent:
        await world.fleet.sync_list(world.car.id)
    assert absent.value.code == "out_of_range"
    assert world.books.acknowledged_sequence == 0


async def test_a_courier_that_the_list_revokes_still_brings_the_acknowledgement_home(world: World) -> None:
    await world.execute(Action.UNLOCK)
    friend = world.friend()
    await world.execute(Action.LOCK, friend)
    world.books.publish(revoked=(2,))
    await world.fleet.sync_list(world.car.id)
    assert world.books.acknowledged_sequence == 2
    await world.eventually(lambda: world.links[-1].state == "disconnected")
    result = await world.execute(Action.UNLOCK, friend)
    assert (result.state, result.reason) == (CommandState.FAILED, "key_revoked")


async def test_a_forged_acknowledgement_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    forger = new_signer(chance("forger", "car"))
    monkeypatch.setattr(keeper_module, "sign_ack", lambda ack, signer: sign_ack(ack, forger))
    world.books.couriers = [world.owner]
    with pytest.raises(LinkError) as caught:
        await world.fleet.sync_list(world.car.id)
    assert (caught.value.code, caught.value.retryable) == ("vehicle_not_trusted", False)
    assert world.books.acknowledged_sequence == 0
    result = await world.execute(Action.UNLOCK)
    assert result.state is CommandState.CONFIRMED
    assert world.books.acknowledged_sequence == 0


# -- around --------------------------------------------------------------------------------------------------------


async def test_discover_names_the_cars_whose_advertising_key_we_hold(world: World) -> None:
    ours, other = await world.fleet.discover(0.01)
    assert ours.vehicle_id == world.car.id
    assert (other.vehicle_id, other.rotating_id) == (None, b"others")


async def test_an_unknown_vehicle_is_not_found(world: World) -> None:
    with pytest.raises(NotFound):
        await world.fleet.connect("veh_" + "b" * 16, world.owner, 1.0)


async def test_a_cancelled_command_leaves_no_half_open_session(world: World) -> None:
    world.road.mute = MessageType.MESSAGE_1
    task = asyncio.create_task(world.execute(Action.UNLOCK))
    await world.eventually(lambda: bool(world.road.seen))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    world.road.mute = None
    result = await world.execute(Action.UNLOCK)
    assert result.state is CommandState.CONFIRMED
    assert world.road.opened == 2


async def test_nothing_is_pending_after_close(tmp_path: Path) -> None:
    world = World(tmp_path, lambda command: AuthorizedCommand(command, "dev_" + "a" * 16))
    before = asyncio.all_tasks()
    async with world.fleet:
        await world.execute(Action.UNLOCK)
        world.road.mute = MessageType.CMD
        pending = asyncio.create_task(world.execute(Action.LOCK))
        await world.eventually(lambda: MessageType.CMD in world.road.seen)
    result = await asyncio.wait_for(pending, 1)
    assert result.state is CommandState.UNKNOWN
    assert asyncio.all_tasks() == before

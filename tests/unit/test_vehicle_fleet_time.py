"""A fleet and a car that does not know the time: the gateway brings proof and list, and tells what that costs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keygw.model.command import Action, AuthorizedCommand, CommandState, Outcome
from keygw.model.errors import StoreError
from keygw.wire.messages import MessageType, TimeState
from keygw_sim.depot import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The car has met its owner, has the list, and has lost its power since."""
    made = World(tmp_path, lambda command: AuthorizedCommand(command, "dev_" + "a" * 16))
    async with made.fleet:
        await made.execute(Action.LOCK)
        await made.fleet.sync_list(made.car.id)
        await made.fleet.disconnect(made.car.id)
        made.reboot()
        made.road.seen.clear()
        made.books.proofs = 0
        yield made


BROUGHT = [
    MessageType.MESSAGE_1, MessageType.MESSAGE_3, MessageType.CRED_PUT, MessageType.TIME_PROOF, MessageType.CMD,
]  # fmt: skip


async def test_an_owners_command_is_done_first_and_the_proof_comes_with_the_same_contact(world: World) -> None:
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.receipt is not None) == (CommandState.CONFIRMED, True)
    assert result.measures is not None
    assert result.measures.round_trips == 4, "a fast key that died, a HELLO, the handshake; the proof is not its cost"
    await world.eventually(lambda: world.brain.time.known)
    assert (world.brain.time.at, world.books.proofs) == (int(world.now), 1)
    await world.execute(Action.LOCK)
    assert world.books.proofs == 1, "a car that knows the time is left alone"


async def test_a_friends_command_waits_for_the_proof_and_is_sent_again_with_its_number(world: World) -> None:
    result = await world.execute(Action.UNLOCK, world.friend())
    assert (result.state, result.outcome) == (CommandState.CONFIRMED, Outcome.DONE)
    assert world.road.seen[:5] == BROUGHT
    assert world.road.opened == 2, "all in one session"
    measures = result.measures
    assert measures is not None
    assert measures.round_trips == 5, "handshake two, chain one, proof one, command one"
    assert [receipt.number for receipt in world.books.receipts.values()] == [1, 2]
    assert world.states == [CommandState.SENT, CommandState.ACKNOWLEDGED]


async def test_a_fast_answered_with_noise_stays_in_doubt_whatever_is_asked_for_then(world: World) -> None:
    """The noise may have come in the place of a true answer, so that what the car wants now proves nothing."""
    friend = world.friend()
    await world.execute(Action.LOCK, friend)
    await world.fleet.disconnect(world.car.id)
    world.reboot()
    world.road.seen.clear()
    world.road.lose = MessageType.TIME_PROOF
    result = await world.execute(Action.UNLOCK, friend)
    assert MessageType.FAST in world.road.seen
    assert (result.state, result.reason) == (CommandState.UNKNOWN, "link_lost")


async def test_a_list_that_the_proof_asks_for_is_brought_as_well(world: World) -> None:
    world.books.publish()
    result = await world.execute(Action.UNLOCK, world.friend())
    assert (result.state, result.outcome) == (CommandState.CONFIRMED, Outcome.DONE)
    assert world.road.seen[:6] == [*BROUGHT[:4], MessageType.RL_PUSH, MessageType.CMD]
    assert world.brain.memory.list_sequence == world.books.acknowledged_sequence == 2
    assert result.measures is not None
    assert result.measures.round_trips == 6


async def test_a_list_that_ends_the_friend_ends_the_command(world: World) -> None:
    friend = world.friend()
    world.books.publish(revoked=(2,))
    result = await world.execute(Action.UNLOCK, friend)
    assert (result.state, result.reason) == (CommandState.FAILED, "key_revoked")
    assert world.brain.body.locked is True


async def test_an_owner_lets_another_one_in_once_the_car_knows_the_time(world: World) -> None:
    """Of an owner's commands only this one waits, and it is the command that waits, not the key."""
    world.books.publish()
    result = await world.execute(Action.ALLOW_PAIRING)
    assert (result.state, result.outcome) == (CommandState.CONFIRMED, Outcome.DONE)
    assert world.brain.memory.pairing.allowed_until > 0
    assert world.brain.memory.list_sequence == 2


async def test_a_list_is_brought_in_an_open_session_for_the_command_that_needs_it(world: World) -> None:
    world.books.publish()
    await world.execute(Action.UNLOCK)
    await world.eventually(
        lambda: world.brain.time.withheld
    )  # the proof of that contact has shown that there is a list
    world.road.seen.clear()
    result = await world.execute(Action.ALLOW_PAIRING)
    assert (result.outcome, world.brain.memory.list_sequence) == (Outcome.DONE, 2)
    assert world.road.seen[:3] == [MessageType.CMD, MessageType.RL_PUSH, MessageType.CMD]


@pytest.mark.parametrize("way", ["lose", "swallow"])
async def test_a_link_lost_with_the_proof_has_done_nothing_and_says_so(world: World, way: str) -> None:
    setattr(world.road, way, MessageType.TIME_PROOF)
    result = await world.execute(Action.UNLOCK, world.friend())
    assert (result.state, result.reason) == (CommandState.FAILED, "link_lost")
    assert world.brain.body.locked is True


async def test_a_link_lost_with_the_command_after_the_proof_is_unknown(world: World) -> None:
    world.road.swallow = MessageType.CMD
    friend = world.friend()
    result = await world.execute(Action.UNLOCK, friend)
    assert (result.state, result.reason) == (CommandState.UNKNOWN, "link_lost")
    assert world.brain.body.locked is False
    world.road.swallow = None
    await world.fleet.settle(world.car.id, friend)
    assert [receipt.outcome for receipt in world.settled][-1] is Outcome.DONE


async def test_books_that_cannot_sign_leave_the_refusal_standing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(vehicle_id: str, nonce: bytes) -> bytes:
        raise StoreError("the disk is full")

    monkeypatch.setattr(world.books, "time_proof", broken)
    friend = await world.execute(Action.UNLOCK, world.friend())
    assert (friend.state, friend.reason) == (CommandState.FAILED, "time_proof_required")
    owner = await world.execute(Action.UNLOCK)
    assert owner.state is CommandState.CONFIRMED, "and the owner is not concerned"


async def test_a_contact_without_a_command_brings_the_proof_too(world: World) -> None:
    await world.fleet.settle(world.car.id, world.owner)
    assert world.brain.time.state is TimeState.TRUSTED


async def test_a_friend_settles_and_carries_after_a_power_cut(world: World) -> None:
    friend = world.friend()
    await world.fleet.settle(world.car.id, friend)
    assert world.brain.time.state is TimeState.TRUSTED
    await world.fleet.disconnect(world.car.id)
    world.reboot()
    world.books.publish()
    world.books.couriers = [friend]
    await world.fleet.sync_list(world.car.id)
    assert world.books.acknowledged_sequence == 2


async def test_a_car_that_asks_for_proofs_for_ever_is_given_up(world: World) -> None:
    world.books.clock = lambda: 1.0  # every proof is refused: its nonce is another one

    async def stale(vehicle_id: str, nonce: bytes) -> bytes:
        world.books.proofs += 1
        return world.office.prove_time(world.car, bytes(8), world.now, 1)

    world.books.time_proof = stale  # type: ignore[method-assign]  # books that answer something else
    result = await world.execute(Action.UNLOCK, world.friend())
    assert (result.state, result.reason) == (CommandState.FAILED, "time_proof_required")
    assert world.books.proofs == 4

"""The fleet with a shared key: the car asks once what it stands on, and the command follows the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from keygw.model.command import Action, AuthorizedCommand, CommandState, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import LinkError
from keygw.token.receipt import verify_chain
from keygw.vehicle.conversation import Conversation
from keygw.wire.messages import Cmd, Result
from keygw.wire.messages import MessageType as M
from keygw_sim.depot import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, lambda command: AuthorizedCommand(command, "dev_" + "a" * 16))
    made.books.couriers = [made.owner]
    async with made.fleet:
        await made.fleet.sync_list(made.car.id)  # so that the car knows the time, and has the list
        await made.fleet.disconnect(made.car.id)
        made.road.seen.clear()
        yield made


def without_chain(world: World) -> str:
    key_id = world.friend()
    held = world.books.keys[key_id]
    world.books.keys[key_id] = replace(held, hand=replace(held.hand, chain=()))
    return key_id


async def test_the_first_meeting_takes_two_round_trips_more_and_later_ones_none(world: World) -> None:
    first = await world.execute(Action.UNLOCK, world.friend())
    assert (first.state, first.outcome) == (CommandState.CONFIRMED, Outcome.DONE)
    assert first.receipt is not None
    assert (first.receipt.sequence, first.receipt.outcome) == (1, Outcome.DONE), "asking for more left no receipt"
    assert world.states == [CommandState.SENT, CommandState.ACKNOWLEDGED]
    assert first.measures is not None
    assert (first.measures.road, first.measures.round_trips) == ("full", 4)
    assert world.road.seen.count(M.CRED_PUT) == 1
    world.reboot()  # and with it go the fast keys
    await world.fleet.disconnect(world.car.id)
    again = await world.execute(Action.LOCK, world.friend())
    assert again.state is CommandState.CONFIRMED
    assert again.measures is not None
    assert world.road.seen.count(M.CRED_PUT) == 1
    verify_chain(world.books.receipts.values())


async def test_a_key_shared_by_a_friend_brings_both_links(world: World) -> None:
    friend = world.friend(entitlements=PROFILES["access"] | Entitlement.KEY_SHARE)
    deep = world.hold(
        "friend of a friend", role=Role.FRIEND, depth=2, parent_id=friend, index=3, entitlements=PROFILES["access"]
    )
    result = await world.execute(Action.UNLOCK, deep)
    assert result.state is CommandState.CONFIRMED
    assert world.brain.memory.keys.keys() == {world.owner, friend, deep}


async def test_a_key_without_its_chain_fails_with_the_cars_word(world: World) -> None:
    result = await world.execute(Action.UNLOCK, without_chain(world))
    assert (result.state, result.reason, result.receipt) == (CommandState.FAILED, "chain_required", None)
    status = world.fleet.link(world.car.id)
    assert status is not None
    assert status.state == "disconnected"
    with pytest.raises(LinkError) as caught:
        await world.fleet.settle(world.car.id, without_chain(world))
    assert caught.value.code == "chain_required"


async def test_a_chain_that_does_not_hold_fails_with_the_cars_word(world: World) -> None:
    key_id = world.friend()
    held = world.books.keys[key_id]
    ((grant, token),) = held.hand.chain
    spoilt = ((grant[:-1] + bytes((grant[-1] ^ 1,)), token),)
    world.books.keys[key_id] = replace(held, hand=replace(held.hand, chain=spoilt))
    result = await world.execute(Action.UNLOCK, key_id)
    assert (result.state, result.reason) == (CommandState.FAILED, "chain_refused")
    assert world.brain.body.locked is True
    assert (await world.execute(Action.UNLOCK)).state is CommandState.CONFIRMED


async def test_a_friend_may_carry_the_list_at_its_first_meeting(world: World) -> None:
    world.books.couriers = [world.friend()]
    await world.fleet.sync_list(world.car.id)
    assert world.books.acknowledged_sequence == 1


async def test_a_link_cut_with_the_chain_leaves_no_doubt(world: World) -> None:
    """The car had not acted, and the command did not go again."""
    world.road.swallow = M.CRED_PUT
    result = await world.execute(Action.UNLOCK, world.friend())
    assert (result.state, result.reason) == (CommandState.FAILED, "link_lost")
    assert world.brain.body.locked is True
    world.road.swallow = None
    assert (await world.execute(Action.UNLOCK, world.friend())).state is CommandState.CONFIRMED
    assert world.road.seen.count(M.CRED_PUT) == 1, "what it brought was kept"


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_link_cut_behind_the_chain_leaves_it_unknown_and_is_settled(world: World, arrives: bool) -> None:
    """Also when the command itself had arrived: the one receipt there is tells of it."""
    friend = world.friend()
    if arrives:
        world.road.swallow = M.CMD
    else:
        world.road.lose = M.CMD
    result = await world.execute(Action.UNLOCK, friend)
    assert result.state is CommandState.UNKNOWN
    world.road.swallow = world.road.lose = None
    await world.fleet.settle(world.car.id, friend)
    assert [receipt.outcome for receipt in world.settled] == ([Outcome.DONE] if arrives else [])


async def test_a_command_whose_time_passes_while_the_chain_is_brought_does_not_leave(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unlock that comes late is worse than none; and the car has said that it did nothing so far."""
    bring = Conversation._bring_chain

    async def slowly(self: Conversation, first: Cmd | None) -> Result:
        self.leave_by = -1.0
        return await bring(self, first)

    monkeypatch.setattr(Conversation, "_bring_chain", slowly)
    result = await world.execute(Action.UNLOCK, world.friend())
    assert (result.state, result.reason) == (CommandState.EXPIRED, "command_expired")
    assert M.CMD not in world.road.seen
    assert world.brain.body.locked is True

"""The fleet on the fast path: one round trip after a reconnect, and what happens when it does not work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keygw.model.command import Action, AuthorizedCommand, CommandState, Outcome
from keygw.model.signal import SignalId
from keygw.token.receipt import verify_chain
from keygw.wire.messages import MessageType
from keygw_sim.depot import World
from keygw_sim.rehearsal import ISSUED_AT


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, lambda command: AuthorizedCommand(command, "dev_" + "a" * 16))
    async with made.fleet:
        yield made


SENT, ACKNOWLEDGED = CommandState.SENT, CommandState.ACKNOWLEDGED


async def test_after_a_reconnect_the_fast_path_takes_one_round_trip(world: World) -> None:
    full = await world.execute(Action.UNLOCK)
    for action in (Action.LOCK, Action.UNLOCK, Action.LOCK):
        await world.fleet.disconnect(world.car.id)
        result = await world.execute(action)
        assert (result.state, result.outcome) == (CommandState.CONFIRMED, Outcome.DONE)
        assert world.states == [SENT, ACKNOWLEDGED]
        assert result.receipt is not None
        assert result.measures is not None
        assert (result.measures.road, result.measures.round_trips) == ("fast", 1)
        assert result.measures.message_bytes + 54 <= 160
        assert result.measures.handshake_ms is not None
    assert full.measures is not None
    assert full.measures.road == "full"
    assert MessageType.MESSAGE_1 not in world.road.seen[world.road.seen.index(MessageType.FAST) :]
    verify_chain(world.books.receipts.values())


async def test_a_quick_session_serves_the_next_command_too(world: World) -> None:
    await world.execute(Action.UNLOCK)
    await world.fleet.disconnect(world.car.id)
    await world.execute(Action.LOCK)
    opened = world.road.opened
    result = await world.execute(Action.UNLOCK)
    assert result.state is CommandState.CONFIRMED
    assert result.measures is not None
    assert (result.measures.road, world.road.opened) == ("session", opened)
    assert {signal.id: signal.value for signal in world.signals}[SignalId.CENTRAL_LOCK] is False
    await world.fleet.disconnect(world.car.id)
    again = await world.execute(Action.LOCK)
    assert again.measures is not None
    assert again.measures.road == "fast"


@pytest.mark.parametrize(
    ("action", "state", "outcome"),
    [
        (Action.FLASH_LIGHTS, CommandState.CONFIRMED, Outcome.DONE),
        (Action.START_ENGINE, CommandState.FAILED, Outcome.PROXIMITY_REQUIRED),
    ],
)
async def test_a_quick_session_is_replaced_for_what_it_is_not_good_for(
    world: World, action: Action, state: CommandState, outcome: Outcome
) -> None:
    await world.execute(Action.UNLOCK)
    await world.fleet.disconnect(world.car.id)
    await world.execute(Action.LOCK)
    opened = world.road.opened
    result = await world.execute(action)
    assert (result.state, result.outcome) == (state, outcome)
    assert result.measures is not None
    assert (result.measures.road, world.road.opened) == ("full", opened + 1)


async def test_a_car_that_has_forgotten_gets_the_full_handshake_and_acts_once(world: World) -> None:
    await world.execute(Action.UNLOCK)
    await world.fleet.disconnect(world.car.id)
    world.reboot()
    result = await world.execute(Action.LOCK)
    assert (result.state, result.outcome) == (CommandState.CONFIRMED, Outcome.DONE)
    assert result.measures is not None
    assert (result.measures.road, result.measures.round_trips) == ("full", 4), (
        "FAST, HELLO_REQ, and the handshake's two"
    )
    assert [receipt.number for receipt in world.books.receipts.values()] == [1, 2]
    await world.fleet.disconnect(world.car.id)
    again = await world.execute(Action.UNLOCK)
    assert again.measures is not None
    assert again.measures.road == "fast"


async def test_a_new_token_takes_the_full_handshake(world: World) -> None:
    """Its rights and times are other ones than those the car remembers with the fast key."""
    await world.execute(Action.UNLOCK)
    await world.fleet.disconnect(world.car.id)
    world.hold("owner", issued_at=ISSUED_AT + 1)
    result = await world.execute(Action.LOCK)
    assert result.measures is not None
    assert (result.state, result.measures.road) == (CommandState.CONFIRMED, "full")


@pytest.mark.parametrize("arrives", [True, False])
async def test_cut_after_fast_is_unknown_and_settled_by_the_receipt(world: World, arrives: bool) -> None:
    await world.execute(Action.UNLOCK)
    await world.fleet.disconnect(world.car.id)
    if arrives:
        world.road.swallow = MessageType.FAST
    else:
        world.road.lose = MessageType.FAST
    result = await world.execute(Action.LOCK)
    assert (result.state, result.reason) == (CommandState.UNKNOWN, "link_lost")
    assert world.brain.body.locked is arrives
    world.road.swallow = world.road.lose = None
    world.settled.clear()
    await world.fleet.settle(world.car.id, world.owner)
    assert [receipt.number for receipt in world.settled] == ([2] if arrives else [])
    after = await world.execute(Action.LOCK)
    assert after.measures is not None
    assert after.measures.road == "session"


async def test_a_refusal_that_nobody_signed_is_no_proof_that_nothing_happened(world: World) -> None:
    """Anybody on the air can put noise in the place of a true FAST_RESULT, and then cut the link."""
    await world.execute(Action.UNLOCK)
    await world.fleet.disconnect(world.car.id)
    world.reboot()
    world.road.lose = MessageType.MESSAGE_1
    result = await world.execute(Action.LOCK)
    assert result.state is CommandState.UNKNOWN

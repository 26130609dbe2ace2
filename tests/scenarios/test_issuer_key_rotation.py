"""An issuer changes its key, told over the virtual radio: bleak and Bumble between the gateway and the car."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from keygw.ble.air import BleAir
from keygw.model.command import Action, AuthorizedCommand, CommandState
from keygw.model.errors import LinkError
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.fleet import Fleet
from keygw.vehicle.ports import HeldKey
from keygw.wire.messages import Cmd
from keygw_sim.depot import World
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.rehearsal import ISSUED_AT
from keygw_sim.vehicle.runner import VehicleOnAir

WEEK = 7 * 86_400
PATIENCE = 5.0


class Story:
    """A gateway with its books and its radio, and a car on the air."""

    def __init__(self, world: World, air: BleAir, fleet: Fleet) -> None:
        self.world, self.air, self.fleet = world, air, fleet
        self._number = 0x7700

    async def does(self, action: Action) -> str:
        result = await self.fleet.execute(self.world.command(action, lives=PATIENCE), self.world.on_state)
        return result.state.value

    async def shows(self, held: HeldKey) -> str:
        """A device alone shows that token: the outcome of UNLOCK, or how the link ended."""
        self._number += 1
        conversation = await Conversation.open(self.air, self.world.car, held, self.world.random, PATIENCE)
        try:
            return (await conversation.authenticate(Cmd(self._number, Action.UNLOCK))).outcome.label
        except LinkError as error:
            return f"{error.code}, {'refused' if conversation.refused else 'told'}"
        finally:
            await conversation.close()

    def later(self, seconds: float) -> None:
        self.world.now += seconds
        self.world.monotonic += seconds


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    async with AsyncExitStack() as stack:
        world = World(tmp_path, lambda command: AuthorizedCommand(command, "dev_" + "a" * 16))
        world.hold("owner", expires_at=ISSUED_AT + 90 * 86_400)
        radio = await stack.enter_async_context(VirtualRadio())
        car = VehicleOnAir(world.brain, (await radio.add_controller()).transport)
        await car.start()
        stack.push_async_callback(car.stop)
        air = BleAir.bumble((await radio.add_controller()).transport)
        fleet = Fleet(
            air,
            world.books,
            world.random,
            lambda: world.now,
            on_signal=lambda vehicle_id, signals: None,
            on_link=lambda vehicle_id, status: None,
            on_receipt=lambda vehicle_id, receipt: None,
            issuer_keys=world.books,
        )
        async with fleet:
            yield Story(world, air, fleet)


async def test_a_car_learns_the_new_key_opens_by_it_and_refuses_the_old_one_after_the_overlap(story: Story) -> None:
    world, books = story.world, story.world.books
    old = books.keys[world.owner]
    assert await story.does(Action.LOCK) == CommandState.CONFIRMED
    await story.fleet.sync_list(world.car.id)
    await world.eventually(lambda: world.brain.time.known)
    await story.fleet.disconnect(world.car.id)

    books.rotate(world.now, retire_at=int(world.now) + WEEK - 60)
    new = books.keys[world.owner]
    assert new.former == old.hand
    assert await story.shows(new) == "link_lost, refused", "the car knows no such issuer key, and says no more"

    assert await story.does(Action.UNLOCK) == CommandState.CONFIRMED
    await world.eventually(lambda: books.learnt == 1)
    await story.fleet.disconnect(world.car.id)
    assert books.keys[world.owner].former is None
    assert await story.shows(new) == "already_in_state"
    assert await story.shows(old) == "already_in_state", "while the overlap runs"
    assert await story.does(Action.LOCK) == CommandState.CONFIRMED
    await story.fleet.disconnect(world.car.id)

    story.later(WEEK - 60)
    assert await story.shows(old) == "link_lost, refused"
    assert await story.does(Action.UNLOCK) == CommandState.CONFIRMED
    await world.eventually(lambda: [key.sequence for key in world.brain.memory.issuers] == [1])
    assert world.alerts == []

"""The phone as a courier: after its command, only what is newer, and nothing is lost with a lost link."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from keygw.model.command import Action, AuthorizedCommand
from keygw.model.errors import BadInput
from keygw.token.revocation import list_hash, verify_ack
from keygw.wire.messages import MessageType
from keygw_sim.chance import chance, new_signer
from keygw_sim.depot import World
from keygw_sim.phone.phone import Invitation, Phone
from keygw_sim.phone.satchel import CarriedList


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, lambda command: AuthorizedCommand(command, "dev_" + "a" * 16))
    async with made.fleet:
        yield made
    await made.road.close()


@pytest.fixture
def phone(world: World) -> Phone:
    """With the owner's key."""
    hand = world.books.keys[world.owner].hand
    made = Phone(world.road, new_signer(chance("fleet", "owner")), world.random)
    made.accept(Invitation(world.owner, hand.token, world.car))
    return made


def carry(world: World, phone: Phone, sequence: int, **changes: object) -> bytes:
    signed = world.office.sign_list(world.car, sequence, **changes)
    phone.satchel.put(CarriedList(world.car.id, sequence, signed))
    return signed


async def test_the_list_follows_the_command_and_its_acknowledgement_is_kept(world: World, phone: Phone) -> None:
    carry(world, phone, 3)
    signed = carry(world, phone, 5, revoked=(9,))
    carry(world, phone, 4)
    tried = await phone.command(Action.UNLOCK)
    assert (tried.outcome, tried.list_ack) == ("done", phone.satchel.acks[world.car.id])
    asked = [each for each in world.road.seen if each in (MessageType.MESSAGE_3, MessageType.RL_PUSH)]
    assert asked == [MessageType.MESSAGE_3, MessageType.RL_PUSH], "the door does not wait for the list"
    assert tried.list_ack is not None
    ack = verify_ack(tried.list_ack, world.car.public_key)
    assert (ack.sequence, ack.list_hash) == (5, list_hash(signed))
    assert world.brain.memory.list_sequence == 5
    assert tried.receipt is not None


async def test_what_the_car_has_is_not_pushed_again(world: World, phone: Phone) -> None:
    carry(world, phone, 5)
    await phone.command(Action.UNLOCK)
    world.road.seen.clear()
    assert (await phone.command(Action.LOCK)).list_ack is None
    assert MessageType.RL_PUSH not in world.road.seen


async def test_the_fast_path_tells_the_sequence_as_well(world: World, phone: Phone) -> None:
    await phone.command(Action.UNLOCK)
    carry(world, phone, 2)
    tried = await phone.command(Action.LOCK)
    assert (tried.road, tried.outcome, world.brain.memory.list_sequence) == ("fast", "done", 2)
    assert tried.list_ack is not None


async def test_a_link_lost_with_the_list_changes_nothing_in_the_answer(world: World, phone: Phone) -> None:
    carry(world, phone, 2)
    world.road.lose = MessageType.RL_PUSH
    tried = await phone.command(Action.UNLOCK)
    assert (tried.outcome, tried.list_ack, phone.satchel.acks) == ("done", None, {})
    world.road.lose = None
    assert (await phone.command(Action.LOCK)).list_ack is not None


async def test_a_car_that_signs_with_another_key_is_not_believed(
    world: World, phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    carry(world, phone, 2)
    stranger = new_signer(chance("stranger", "car"))
    real = type(world.brain._keeper).accept_list

    def lying(keeper: object, signed: bytes) -> bytes | None:
        memory = world.brain.memory
        signer, memory.signer = memory.signer, stranger
        try:
            return real(keeper, signed)  # type: ignore[arg-type]  # it is that keeper
        finally:
            world.brain.memory.signer = signer

    monkeypatch.setattr(type(world.brain._keeper), "accept_list", lying)
    assert (await phone.command(Action.UNLOCK)).list_ack is None
    assert phone.satchel.acks == {}


async def test_a_suspended_phone_brings_the_list_that_resumes_it(world: World, phone: Phone) -> None:
    await phone.command(Action.UNLOCK)
    carry(world, phone, 2, suspended=(1,))
    assert (await phone.command(Action.LOCK)).outcome == "done"
    assert (await phone.command(Action.UNLOCK)).outcome == "key_suspended"
    carry(world, phone, 3)
    again = await phone.command(Action.UNLOCK)
    assert (again.outcome, again.list_ack is not None) == ("done", True), "asked again once the list is there"


def test_what_the_gateway_gives_is_read_strictly() -> None:
    assert CarriedList.from_json({"vehicle_id": "veh_a", "sequence": 0, "signed": None}) is None
    carried = CarriedList.from_json({"vehicle_id": "veh_a", "sequence": 2, "signed": "AAE"})
    assert carried == CarriedList("veh_a", 2, b"\x00\x01")
    for spoilt in ({}, {"vehicle_id": "veh_a", "signed": "AAE"}, {"vehicle_id": "a", "sequence": "x", "signed": "AA"}):
        with pytest.raises(BadInput):
            CarriedList.from_json(spoilt)

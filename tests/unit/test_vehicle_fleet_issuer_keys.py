"""The gateway brings a car a new issuer key, and finds its way with tokens of either key meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from keygw.model.command import Action, AuthorizedCommand, CommandState
from keygw.model.errors import Conflict, LinkError, ProtocolError, TokenError
from keygw.session.events import Event
from keygw.session.vehicle import VehicleSession
from keygw.token.issuer_key import IssuerKeyAck, open_statement, sign_issuer_key_ack
from keygw.vehicle.courier import ASK_AGAIN_SECONDS
from keygw.wire.messages import MAX_STATEMENTS, MessageType
from keygw_sim.chance import chance, new_signer
from keygw_sim.depot import World
from keygw_sim.rehearsal import ISSUED_AT
from keygw_sim.vehicle.trust import learn

LONG = {"expires_at": ISSUED_AT + 90 * 86_400}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """The car has met its owner, knows the time and has the list; then nobody is linked."""
    made = World(tmp_path, lambda command: AuthorizedCommand(command, "dev_" + "a" * 16))
    made.hold("owner", **LONG)
    async with made.fleet:
        await made.execute(Action.LOCK)
        await made.fleet.sync_list(made.car.id)
        await made.eventually(lambda: made.brain.time.known)
        await made.fleet.disconnect(made.car.id)
        made.road.seen.clear()
        yield made


def learnt(world: World) -> int:
    return world.brain.memory.issuers[-1].sequence


async def test_a_command_goes_first_with_the_token_that_the_car_takes_and_the_key_behind_it(world: World) -> None:
    world.books.rotate(world.now)
    result = await world.execute(Action.UNLOCK)
    assert result.state is CommandState.CONFIRMED
    await world.eventually(lambda: world.books.learnt == 1)
    assert learnt(world) == 1
    command = world.road.seen.index(MessageType.FAST)
    assert world.road.seen.index(MessageType.ISSUER_KEY) > command, "no door waits for it"
    await world.fleet.disconnect(world.car.id)
    world.road.seen.clear()
    assert (await world.execute(Action.LOCK)).state is CommandState.CONFIRMED
    assert world.road.seen[:2] == [MessageType.MESSAGE_1, MessageType.MESSAGE_3], "the new token, in a full handshake"
    assert MessageType.ISSUER_KEY not in world.road.seen
    assert world.road.opened == 3
    assert world.alerts == []


async def test_a_list_signed_by_the_new_key_comes_behind_that_key(world: World) -> None:
    world.books.rotate(world.now)
    world.books.couriers = [world.owner]
    await world.fleet.sync_list(world.car.id)
    assert world.road.seen.index(MessageType.ISSUER_KEY) < world.road.seen.index(MessageType.RL_PUSH)
    assert world.brain.memory.list_sequence == world.books.acknowledged_sequence == 2


async def test_a_time_proof_signed_by_the_new_key_comes_behind_that_key(world: World) -> None:
    friend = world.friend(**LONG)
    await world.execute(Action.LOCK, friend)
    await world.fleet.disconnect(world.car.id)
    world.books.rotate(world.now)
    world.reboot()
    world.road.seen.clear()
    result = await world.execute(Action.UNLOCK, friend)
    assert result.state is CommandState.CONFIRMED
    assert world.road.seen.index(MessageType.ISSUER_KEY) < world.road.seen.index(MessageType.TIME_PROOF)


async def test_whoever_rotates_may_have_it_brought_at_once(world: World) -> None:
    world.books.couriers = [world.owner]
    await world.fleet.sync_issuer_keys(world.car.id)
    assert world.road.seen == []
    world.books.rotate(world.now)
    await world.fleet.sync_issuer_keys(world.car.id)
    assert (learnt(world), world.books.learnt) == (1, 1)
    await world.execute(Action.UNLOCK)
    world.books.rotate(world.now)
    await world.fleet.sync_issuer_keys(world.car.id)
    assert (learnt(world), world.books.learnt) == (2, 2)


async def test_a_car_that_was_away_for_fifteen_rotations_learns_them_all_in_one_contact(world: World) -> None:
    world.books.couriers = [world.owner]
    for _ in range(MAX_STATEMENTS - 1):
        world.books.rotate(world.now)
    await world.fleet.sync_issuer_keys(world.car.id)
    assert learnt(world) == MAX_STATEMENTS - 1
    assert world.road.seen.count(MessageType.ISSUER_KEY) == 1
    assert (await world.execute(Action.UNLOCK)).state is CommandState.CONFIRMED


async def test_a_car_whose_acknowledgement_was_lost_is_met_with_the_other_token(world: World) -> None:
    """The overlap has passed since: it refuses the former token, and the same command goes with the new one."""
    world.books.rotate(world.now, retire_at=int(world.now))
    world.books.couriers = [world.owner]
    world.road.swallow = MessageType.ISSUER_KEY
    with pytest.raises(LinkError):
        await world.fleet.sync_issuer_keys(world.car.id)
    world.road.swallow = None
    assert (learnt(world), world.books.learnt) == (1, 0)
    result = await world.execute(Action.UNLOCK)
    assert result.state is CommandState.CONFIRMED
    await world.eventually(lambda: world.books.learnt == 1)
    assert [receipt.number for receipt in world.books.receipts.values()] == [1, 2]


async def test_a_list_reaches_such_a_car_as_well(world: World) -> None:
    world.books.rotate(world.now, retire_at=int(world.now))
    world.books.couriers = [world.owner]
    world.road.swallow = MessageType.ISSUER_KEY
    with pytest.raises(LinkError):
        await world.fleet.sync_issuer_keys(world.car.id)
    world.road.swallow = None
    await world.fleet.sync_list(world.car.id)
    assert (world.books.learnt, world.books.acknowledged_sequence) == (1, 2)


async def test_a_token_of_a_key_that_the_car_cannot_know_is_refused_and_nothing_moves(world: World) -> None:
    """The car knows no such key, and there is no former token: the app hears of a link that was ended."""
    world.books.rotate(world.now)
    world.books.keys = {key: replace(held, former=None) for key, held in world.books.keys.items()}
    result = await world.execute(Action.UNLOCK)
    assert (result.state, result.reason) == (CommandState.UNKNOWN, "link_lost")
    assert world.brain.body.locked


async def test_an_old_car_ends_the_session_is_left_in_peace_for_an_hour_and_serves_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A car of before this message takes it for a breach. Its keys go on with the issuer key that it knows."""
    real = VehicleSession._on_brought

    def of_before(self: VehicleSession, message_type: MessageType, plaintext: bytes) -> Event:
        if message_type is MessageType.ISSUER_KEY:
            raise ProtocolError("a message type of a later release")
        return real(self, message_type, plaintext)

    monkeypatch.setattr(VehicleSession, "_on_brought", of_before)
    world.books.rotate(world.now)
    assert (await world.execute(Action.UNLOCK)).state is CommandState.CONFIRMED
    await world.eventually(lambda: "issuer_key_refused" in world.alerts)
    world.road.seen.clear()
    assert (await world.execute(Action.LOCK)).state is CommandState.CONFIRMED
    await world.fleet.disconnect(world.car.id)
    assert MessageType.ISSUER_KEY not in world.road.seen
    assert world.alerts == ["issuer_key_refused"]
    world.now += ASK_AGAIN_SECONDS
    await world.execute(Action.UNLOCK)
    await world.eventually(lambda: world.alerts == ["issuer_key_refused"] * 2)


async def test_a_car_that_learns_nothing_is_told_of(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keygw_sim.vehicle.trust.learn", lambda draft, brought: False)
    world.books.rotate(world.now)
    world.books.couriers = [world.owner]
    await world.fleet.sync_issuer_keys(world.car.id)
    assert (world.books.learnt, world.alerts) == (0, ["issuer_key_refused"])


async def test_a_car_that_was_told_of_another_key_is_not_believed(world: World) -> None:
    thief, signer = new_signer(chance("fleet", "thief")), world.brain.memory.signer
    ack = IssuerKeyAck(world.car.id, 1, bytes(8), bytes(32), 1)
    world.books.rotate(world.now)
    with pytest.raises(Conflict, match="not ours"):
        await world.books.acknowledge_issuer_key(world.car.id, sign_issuer_key_ack(ack, signer))
    with pytest.raises(TokenError, match="signature"):
        await world.books.acknowledge_issuer_key(world.car.id, sign_issuer_key_ack(ack, thief))
    assert world.books.learnt == 0


async def test_a_car_that_a_thief_of_the_newest_key_met_first_shows_it(world: World) -> None:
    """It signs which key is its newest, and that is none of ours: the operator hears of it, once an hour."""
    office, thief = world.books.office, new_signer(chance("fleet", "thief"))
    forged = open_statement(office.state(thief.public_key, int(world.now)))
    learn(world.brain.memory, [forged])
    world.books.rotate(world.now)
    world.books.couriers = [world.owner]
    await world.fleet.sync_issuer_keys(world.car.id)
    assert (world.books.learnt, world.alerts) == (0, ["issuer_key_foreign"])
    assert (await world.execute(Action.UNLOCK)).state is CommandState.CONFIRMED
    assert world.alerts == ["issuer_key_foreign"]


async def test_a_gateway_whose_issuer_never_changes_its_key_asks_nobody(world: World) -> None:
    world.fleet._courier._issuer_keys = world.fleet._issuer_keys = None
    await world.fleet.sync_issuer_keys(world.car.id)
    await world.execute(Action.UNLOCK)
    assert MessageType.ISSUER_KEY not in world.road.seen


async def test_a_chain_of_the_former_key_is_brought_again_once_the_car_knows_the_time(world: World) -> None:
    """Until then it keeps nothing of it: behind the time proof it asks what the key stands on once more, then for the
    list that the proof has named, and with that it knows the time."""
    friend = world.friend(**LONG)
    world.books.rotate(world.now)
    await world.execute(Action.LOCK)
    await world.eventually(lambda: world.books.learnt == 1)
    await world.fleet.disconnect(world.car.id)
    world.reboot()
    world.road.seen.clear()
    result = await world.execute(Action.UNLOCK, friend)
    assert (result.state, result.reason) == (CommandState.CONFIRMED, None)
    brought = (MessageType.CRED_PUT, MessageType.TIME_PROOF, MessageType.RL_PUSH)
    chain, proof, listed = brought
    assert world.alerts == []
    assert [each for each in world.road.seen if each in brought] == [chain, proof, chain, listed, chain]

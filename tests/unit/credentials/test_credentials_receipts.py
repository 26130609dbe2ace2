"""The car's receipts: verified, chained, kept once, and loud when a car tells two stories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keygw.credentials.audit_ports import AuditFilter
from keygw.crypto.kdf import sha256
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import DigitalKey
from keygw.model.errors import BadInput, Conflict, NotFound, TokenError
from keygw.token.receipt import FIRST, receipt_hash
from keygw_sim.rehearsal import twin

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World


@pytest.fixture
async def key(world: World) -> DigitalKey:
    return await world.owner(await world.car())


def chain(world: World, key: DigitalKey, count: int) -> list[bytes]:
    receipts: list[bytes] = []
    for sequence in range(1, count + 1):
        previous = receipt_hash(receipts[-1]) if receipts else FIRST
        receipts.append(world.receipt(key.vehicle_id, key.id, sequence, previous, number=sequence))
    return receipts


async def test_a_receipt_is_kept_as_it_was_signed(world: World, key: DigitalKey) -> None:
    [signed] = chain(world, key, 1)
    receipt = await world.service.record_receipt(key.vehicle_id, signed)
    assert (receipt.sequence, receipt.key_id, receipt.signed) == (1, key.id, signed)
    assert (receipt.action, receipt.outcome, receipt.before, receipt.after) == (
        Action.UNLOCK,
        Outcome.DONE,
        True,
        False,
    )
    world.service = world.restarted()
    assert await world.service.receipts(key.vehicle_id) == [receipt]
    assert await world.service.record_receipt(key.vehicle_id, signed) == receipt
    assert await world.service.last_receipt_sequence(key.vehicle_id) == 1


async def test_gaps_close_in_any_order(world: World, key: DigitalKey) -> None:
    receipts = chain(world, key, 5)
    seen = []
    for sequence in (3, 1, 5, 2, 4):
        await world.service.record_receipt(key.vehicle_id, receipts[sequence - 1])
        seen.append(await world.service.last_receipt_sequence(key.vehicle_id))
    assert seen == [0, 1, 1, 3, 5]
    assert [receipt.sequence for receipt in await world.service.receipts(key.vehicle_id, after=2, limit=2)] == [3, 4]
    assert await world.service.receipts(key.vehicle_id, key_id="key_other") == []


async def test_a_carrier_who_turns_signatures_makes_no_car_a_liar(world: World, key: DigitalKey) -> None:
    """Neither a broken chain nor two receipts of one number, in whichever form each receipt arrives."""
    receipts = chain(world, key, 3)
    for signed in (twin(receipts[0]), receipts[0], receipts[2], twin(receipts[1]), receipts[1]):
        await world.service.record_receipt(key.vehicle_id, signed)
    assert await world.service.last_receipt_sequence(key.vehicle_id) == 3
    assert "security.alert" not in world.told()


@pytest.mark.parametrize("last", [False, True])
async def test_two_stories_raise_an_alert(world: World, key: DigitalKey, last: bool) -> None:
    receipts = chain(world, key, 3)
    for signed in receipts[: 3 if last else 2]:
        await world.service.record_receipt(key.vehicle_id, signed)
    sequence = 3 if last else 1
    again = world.receipt(key.vehicle_id, key.id, sequence, receipt_hash(receipts[1]) if last else FIRST, number=99)
    with pytest.raises(Conflict) as caught:
        await world.service.record_receipt(key.vehicle_id, again)
    assert caught.value.code == "receipt_conflict"
    assert world.events[-1] == (
        "security.alert",
        {"vehicle_id": key.vehicle_id, "reason": "receipt_conflict", "sequence": sequence},
    )
    assert (await world.service.receipts(key.vehicle_id))[sequence - 1].signed == receipts[sequence - 1]


async def test_an_alert_without_a_cause_in_the_database_is_recorded_and_told(world: World, key: DigitalKey) -> None:
    await world.service.alert(key.vehicle_id, "list_rolled_back")
    told = {"vehicle_id": key.vehicle_id, "reason": "list_rolled_back"}
    assert world.events[-1] == ("security.alert", told)
    assert [(each.event.type, each.event.data) for each in await world.store.credentials.outbox(0, 100)][-1] == (
        "security.alert", told,
    )  # fmt: skip
    [entry] = await world.service.trail.entries(AuditFilter(action="security.alert"))
    assert (entry.entry.actor, entry.entry.outcome) == (f"vehicle:{key.vehicle_id}", "list_rolled_back")


async def test_a_receipt_must_fit_both_neighbours(world: World, key: DigitalKey) -> None:
    receipts = chain(world, key, 3)
    other = world.receipt(key.vehicle_id, key.id, 2, receipt_hash(receipts[0]), number=99)
    await world.service.record_receipt(key.vehicle_id, receipts[2])
    for wrong in (other, world.receipt(key.vehicle_id, key.id, 4, sha256(b"another past"))):
        with pytest.raises(Conflict) as caught:
            await world.service.record_receipt(key.vehicle_id, wrong)
        assert caught.value.code == "receipt_chain_broken"
    with pytest.raises(Conflict) as caught:
        await world.service.record_receipt(key.vehicle_id, world.receipt(key.vehicle_id, key.id, 1, sha256(b"before")))
    assert caught.value.code == "receipt_chain_broken"
    assert [name for name in world.told() if name == "security.alert"] == ["security.alert"] * 3
    assert [receipt.sequence for receipt in await world.service.receipts(key.vehicle_id)] == [3]


async def test_receipts_of_others_are_not_believed(world: World, key: DigitalKey) -> None:
    other = await world.car()
    foreign = world.receipt(other.id, key.id)
    with pytest.raises(TokenError) as caught:
        await world.service.record_receipt(key.vehicle_id, foreign)
    assert caught.value.code == "token_signature"
    world.cars[other.id] = world.cars[key.vehicle_id]
    with pytest.raises(TokenError) as caught:
        await world.service.record_receipt(key.vehicle_id, world.receipt(other.id, key.id))
    assert caught.value.code == "receipt_foreign"
    with pytest.raises(NotFound):
        await world.service.record_receipt("veh_nowhere", foreign)
    assert await world.service.receipts(key.vehicle_id) == []


@pytest.mark.parametrize("limit", [0, 1001])
async def test_a_page_has_bounds(world: World, key: DigitalKey, limit: int) -> None:
    with pytest.raises(BadInput):
        await world.service.receipts(key.vehicle_id, limit=limit)

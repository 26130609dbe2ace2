"""What every ``LeaseStore`` must do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keygw.bridge.lease_ports import Lease
from keygw.bridge.ports import BridgeStore
from keygw.bridge.records import CommandRecord
from keygw.model.command import Action, Command, CommandState
from keygw.model.errors import StoreError
from words import word

if TYPE_CHECKING:
    from tests.contracts.conftest import OpenStore

A, B, CAR = "gwy_a", "gwy_b", "veh_a"
ACCEPTED, SENT = CommandState.ACCEPTED, CommandState.SENT


@pytest.fixture
async def store(opened: OpenStore, tmp_path: Path) -> AsyncIterator[BridgeStore]:
    async with await opened(tmp_path) as store:
        await store.bridge.join(A)
        await store.bridge.join(B)
        yield store.bridge


def record(number: int = 1) -> CommandRecord:
    command = Command(f"cmd_{number}", number, CAR, "key_a", Action.UNLOCK, 1000.5, 1004.5)
    return CommandRecord(command, "app_a", f"once-{number}", bytes(32), ACCEPTED, 1000.5, ((ACCEPTED, 1000.5),))


async def test_who_is_first_has_it_and_keeps_it(store: BridgeStore) -> None:
    assert await store.lease(CAR) is None
    assert await store.take(CAR, A) == Lease(CAR, A, 1)
    assert await store.take(CAR, B) == Lease(CAR, A, 1)
    assert await store.take(CAR, A) == Lease(CAR, A, 1)
    assert await store.lease(CAR) == Lease(CAR, A, 1)


async def test_of_many_at_once_one_has_it(store: BridgeStore) -> None:
    for number in range(12):
        await store.join(f"gwy_{number}")
    leases = await asyncio.gather(*(store.take(CAR, f"gwy_{number}") for number in range(12)))
    assert len(set(leases)) == 1


async def test_the_fence_grows_with_every_hand(store: BridgeStore) -> None:
    first = await store.take(CAR, A)
    assert await store.give_back(first)
    assert await store.lease(CAR) is None
    second = await store.take(CAR, B)
    assert second == Lease(CAR, B, 2)
    assert not await store.give_back(first)
    assert await store.lease(CAR) == second


@pytest.mark.parametrize("end", [CommandState.CONFIRMED, CommandState.UNKNOWN])
async def test_it_is_not_given_back_while_a_command_is_under_way(store: BridgeStore, end: CommandState) -> None:
    stored, lease = await store.add_command(record(), A, word(record()))
    assert lease == Lease(CAR, A, 1)
    assert not await store.give_back(lease)
    sent = stored.moved(SENT, 1001.0)
    assert await store.save_command(sent, ACCEPTED, lease, word(sent))
    assert not await store.give_back(lease)
    assert await store.save_command(sent.moved(end, 1002.0), SENT, lease, word(sent.moved(end, 1002.0)))
    assert await store.give_back(lease)


async def test_a_command_for_another_gateways_vehicle_is_that_ones(store: BridgeStore) -> None:
    held = await store.take(CAR, A)
    stored, lease = await store.add_command(record(), B, word(record()))
    assert lease == held
    assert not await store.save_command(
        stored.moved(SENT, 1001.0), ACCEPTED, Lease(CAR, B, lease.fence), word(stored.moved(SENT, 1001.0))
    )
    assert await store.save_command(stored.moved(SENT, 1001.0), ACCEPTED, held, word(stored.moved(SENT, 1001.0)))


async def test_counts_of_all_that_live(store: BridgeStore) -> None:
    assert await store.beat(A) == {A: 1, B: 0}
    assert await store.beat(A) == {A: 2, B: 0}
    await store.leave(B)
    assert await store.beat(A) == {A: 3}


async def test_a_gateway_that_stands_still_is_buried_once_with_all_it_had(store: BridgeStore) -> None:
    stored, before = await store.add_command(record(), A, word(record()))
    await store.take("veh_b", A)
    await store.take("veh_c", B)
    assert sorted(await store.bury(A, 0, B), key=str) == [Lease(CAR, B, 2), Lease("veh_b", B, 2)]
    assert not await store.bury(A, 0, "gwy_c")
    assert await store.lease("veh_c") == Lease("veh_c", B, 1)
    assert await store.beat(A) is None
    assert not await store.save_command(stored.moved(SENT, 1001.0), ACCEPTED, before, word(stored.moved(SENT, 1001.0)))
    assert await store.command(stored.id) == stored


async def test_a_gateway_that_moves_on_is_not_buried(store: BridgeStore) -> None:
    await store.take(CAR, A)
    await store.beat(A)
    assert not await store.bury(A, 0, B)
    assert await store.lease(CAR) == Lease(CAR, A, 1)


async def test_who_leaves_gives_everything_back(store: BridgeStore) -> None:
    await store.take(CAR, A)
    await store.leave(A)
    assert await store.lease(CAR) is None
    assert await store.take(CAR, B) == Lease(CAR, B, 2)


async def test_what_is_heard_is_told_by_who_has_the_vehicle_and_forgotten_with_the_lease(store: BridgeStore) -> None:
    lease = await store.take(CAR, A)
    await store.take("veh_b", A)
    await store.tell_heard({lease: "locked", Lease("veh_b", A, 7): "old", Lease("veh_c", A, 1): "never had"})
    assert await store.heard() == {CAR: "locked", "veh_b": None}
    assert await store.heard(CAR) == {CAR: "locked"}
    assert await store.heard("veh_c") == {}
    await store.tell_heard({lease: None})
    assert await store.heard(CAR) == {CAR: None}
    await store.tell_heard({lease: "locked"})
    await store.give_back(lease)
    assert await store.heard(CAR) == {CAR: None}
    await store.tell_heard({lease: "too late"})
    assert await store.heard(CAR) == {CAR: None}


async def test_who_was_buried_takes_nothing_until_it_begins_anew(store: BridgeStore) -> None:
    """What it took nobody would take over: there is no gateway left to bury."""
    await store.bury(A, 0, B)
    for attempt in (store.take(CAR, A), store.add_command(record(), A, word(record()))):
        with pytest.raises(StoreError) as refused:
            await attempt
        assert refused.value.retryable
    assert not await store.open_commands()
    assert await store.take(CAR, B) == Lease(CAR, B, 1)

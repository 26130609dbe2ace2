"""Lists do not grow old: the first goes out with the first friend key, a fresh one when the last falls due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from keygw.bridge.errands import Errands
from keygw.bridge.upkeep import Upkeep
from keygw.credentials.values import DAY
from keygw.crypto.signer import LocalSigner
from keygw.model.entitlement import PROFILES
from keygw.model.errors import StoreError

if TYPE_CHECKING:
    from tests.unit.bridge.conftest import World


@pytest.fixture
async def upkeep(world: World) -> AsyncIterator[Upkeep]:
    """One that looks all the time, on the errands of the bridge."""
    errands: Errands = world.bridge._errands
    made = Upkeep(world.credentials, errands, 0.005)
    yield made
    await made.stop()


async def share(world: World) -> None:
    app, _, top = await world.owner()
    await world.bridge.keys.share(
        app,
        top.id,
        device_public_key=LocalSigner.generate().public_key,
        entitlements=PROFILES["driver"],
        expires_at=int(world.clock()) + 3 * DAY,
        label="",
    )


async def sequence(world: World) -> int:
    return (await world.credentials.current_list(world.vehicle.id)).sequence


async def test_the_first_list_goes_out_with_the_first_friend_key(world: World) -> None:
    await share(world)
    await world.acknowledged(1)
    assert await sequence(world) == 1


async def test_a_friend_key_stands_although_its_list_could_not_be_signed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full just then: whoever is told of a failure must not find the key there all the same."""
    refresh, full = world.credentials.refresh_list, [1]

    async def refused(vehicle_id: str) -> bool:
        if full:
            full.pop()
            raise StoreError("the disk is full", code="store_full", retryable=True)
        return await refresh(vehicle_id)

    monkeypatch.setattr(world.credentials, "refresh_list", refused)
    await share(world)
    assert not full
    await world.acknowledged(1)  # the errand has signed and carried it


async def test_a_list_that_falls_due_is_signed_anew_and_carried(world: World, upkeep: Upkeep) -> None:
    await share(world)
    await world.acknowledged(1)
    upkeep.start()
    world.clock.now += 3 * DAY - 1
    await share(world)
    await asyncio.sleep(0.03)
    assert await sequence(world) == 1
    world.clock.now += 1
    await world.acknowledged(2)
    assert await sequence(world) == 2


async def test_it_is_signed_although_the_vehicle_is_away(world: World, upkeep: Upkeep) -> None:
    """A phone may meet the vehicle sooner than the gateway does."""
    await share(world)
    await world.acknowledged(1)
    world.car.present = False
    world.clock.now += 3 * DAY - 1
    await share(world)
    world.clock.now += 1
    upkeep.start()
    async with asyncio.timeout(5):
        while await sequence(world) < 2:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.002)
    assert (await world.credentials.current_list(world.vehicle.id)).acknowledged_sequence == 1


async def test_one_bad_round_does_not_end_it(world: World, upkeep: Upkeep, monkeypatch: pytest.MonkeyPatch) -> None:
    await share(world)
    await world.acknowledged(1)
    due = world.credentials.vehicles_due
    rounds = 0

    async def shaky() -> list[str]:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise StoreError("busy", code="store_busy")
        return await due()

    monkeypatch.setattr(world.credentials, "vehicles_due", shaky)
    world.clock.now += 3 * DAY - 1
    await share(world)
    world.clock.now += 1
    upkeep.start()
    await world.acknowledged(2)
    assert rounds >= 2

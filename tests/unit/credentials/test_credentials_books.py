"""Which keys may carry a list to a car, and in what order they are tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keygw.app.books import ServiceBooks

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World


async def test_a_suspended_key_may_carry_the_list_that_suspends_it(world: World) -> None:
    vehicle = await world.car()
    key = await world.owner(vehicle)
    books = ServiceBooks(world.service)
    assert await books.courier_keys(vehicle.id) == [key.id]
    await world.service.suspend(key.id)
    assert await books.courier_keys(vehicle.id) == [key.id]
    assert (await books.held_key(key.id)).hand.key_id == key.id


async def test_active_keys_come_first_and_suspended_ones_last(world: World) -> None:
    vehicle = await world.car()
    suspended, revoking, active = [await world.owner(vehicle) for _ in range(3)]
    await world.friend(active)  # held by a phone: it is not ours to use
    await world.service.suspend(suspended.id)
    await world.service.revoke(revoking.id)
    assert await ServiceBooks(world.service).courier_keys(vehicle.id) == [active.id, revoking.id, suspended.id]

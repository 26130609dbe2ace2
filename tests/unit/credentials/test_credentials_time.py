"""What time the service says it is: signed for one vehicle, with the list it must have, and never going back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keygw.app.books import ServiceBooks
from keygw.model.errors import NotFound
from keygw.token.time_proof import TimeProof, verify_time_proof

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

NONCE = b"nonce..8"


async def test_a_proof_names_vehicle_nonce_time_and_newest_list(world: World) -> None:
    vehicle = await world.car()
    key = await world.owner(vehicle)
    signed = await world.service.time_proof(vehicle.id, NONCE)
    proof = TimeProof(vehicle.id, NONCE, int(world.now), 0)
    assert verify_time_proof(signed, world.trusted, vehicle.id) == proof
    await world.service.suspend(key.id)
    world.now += 5.5
    signed = await ServiceBooks(world.service).time_proof(vehicle.id, NONCE)
    proof = TimeProof(vehicle.id, NONCE, int(world.now), 1)
    assert verify_time_proof(signed, world.trusted, vehicle.id) == proof


async def test_there_is_none_for_a_vehicle_nobody_knows(world: World) -> None:
    with pytest.raises(NotFound) as refused:
        await world.service.time_proof("veh_nowhere", NONCE)
    assert refused.value.code == "unknown_vehicle"


async def test_after_a_proof_nothing_is_signed_with_an_earlier_time(world: World) -> None:
    """The vehicle's floor is there now: a key issued before it might be dead on arrival."""
    vehicle = await world.car()
    await world.service.time_proof(vehicle.id, NONCE)
    told, world.now = int(world.now), world.now - 1000
    again = world.restarted()
    signed = await again.time_proof(vehicle.id, NONCE)
    assert verify_time_proof(signed, world.trusted, vehicle.id).time == told
    assert (await world.owner(vehicle)).issued_at == told

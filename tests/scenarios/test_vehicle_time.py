"""A car without a clock to trust, over the real stack: who tells it the time, and what happens until then."""

from __future__ import annotations

import time
from typing import Any

import pytest

from keygw_sim.scenarios.world import World


async def knows(world: World) -> dict[str, Any]:
    return await world.car.ask(do="status")


async def power_cut(world: World) -> None:
    await world.car.end()
    await world.car.start()


async def test_the_gateway_tells_the_car_the_time_on_its_first_contact(world: World) -> None:
    assert (await knows(world))["time"] == "floor", "the owner's token says when it was issued"
    first = await world.command("unlock")
    assert (first["state"], first["receipt"]["at"]) == ("confirmed", None), "it was done before the car knew the time"
    status = await world.knows_time()
    assert abs(status["now"] - time.time()) < 60
    second = await world.command("lock")
    assert second["receipt"]["at"] is not None


@pytest.mark.parametrize("offset", [-30 * 86_400, 40_000_000])
async def test_turning_the_cars_clock_neither_revives_nor_kills_a_key(world: World, offset: int) -> None:
    await world.start_phone()
    friend = await world.share_with_phone()
    assert (await world.command("unlock"))["state"] == "confirmed"
    await world.knows_time()
    status = await world.car.ask(do="clock", offset=offset)
    assert abs(status["clock"] - offset - time.time()) < 60
    assert abs(status["now"] - time.time()) < 60
    assert (await world.phone.ask(do="command", action="lock"))["outcome"] == "done"
    await world.app.post(f"/v1/keys/{friend['id']}:revoke")
    await world.app.post(f"/v1/vehicles/{world.vehicle_id}/link:sync")
    assert (await world.phone.ask(do="command", action="unlock"))["outcome"] == "key_revoked"
    assert (await world.command("unlock"))["state"] == "confirmed"


async def test_after_a_power_cut_the_owner_opens_and_a_friends_phone_fetches_a_proof(world: World) -> None:
    await world.start_phone()
    await world.share_with_phone()
    assert (await world.command("unlock"))["state"] == "confirmed"
    await world.knows_time()
    assert (await world.phone.ask(do="command", action="lock"))["outcome"] == "done"
    await power_cut(world)
    receipts = (await knows(world))["receipt_sequence"]
    tried = await world.phone.ask(do="command", action="unlock")
    assert (tried["outcome"], tried["receipt"], tried["round_trips"]) == ("time_proof_required", None, 4)
    assert tried["road"] == "full", "its fast key has died with the car's memory"
    assert (await knows(world))["body"]["locked"] is True
    wish = {"nonce": tried["time_nonce"]}
    answer = await world.app.post(f"/v1/vehicles/{world.vehicle_id}/time-proofs", wish)
    done = await world.phone.ask(do="prove_time", proof=answer["proof"])
    assert (done["outcome"], done["receipt"], done["road"]) == ("done", receipts + 1, "full")
    assert done["round_trips"] == tried["round_trips"] + 2, "the proof, and the command again"
    status = await knows(world)
    assert (status["time"], status["body"]["locked"], status["receipt_sequence"]) == ("trusted", False, receipts + 1)
    assert (await world.phone.ask(do="command", action="lock"))["road"] == "fast"


async def test_a_power_cut_does_not_lock_the_owner_out(world: World) -> None:
    assert (await world.command("unlock"))["state"] == "confirmed"
    await power_cut(world)
    assert (await knows(world))["time"] == "floor"
    again = await world.command("lock")
    assert again["state"] == "confirmed"
    await world.knows_time()


async def test_a_proof_for_an_earlier_meeting_is_worth_nothing(world: World) -> None:
    await world.start_phone()
    await world.share_with_phone()
    assert (await world.command("unlock"))["state"] == "confirmed"
    await power_cut(world)
    path = f"/v1/vehicles/{world.vehicle_id}/time-proofs"
    first = await world.phone.ask(do="command", action="lock")
    old = await world.app.post(path, {"nonce": first["time_nonce"]})
    second = await world.phone.ask(do="command", action="lock")
    assert second["time_nonce"] != first["time_nonce"]
    refused = await world.phone.ask(do="prove_time", proof=old["proof"])
    assert refused["outcome"] == "time_proof_required"
    assert (await knows(world))["time"] == "floor"
    fresh = await world.app.post(path, {"nonce": refused["time_nonce"]})
    assert (await world.phone.ask(do="prove_time", proof=fresh["proof"]))["outcome"] == "done"

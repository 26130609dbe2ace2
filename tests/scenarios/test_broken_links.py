"""Links that break at the worst moment, cars that are not there: commands end, and they tell the truth."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

import pytest

from keygw.ble.air import BleAir
from keygw_sim.scenarios.app import AppError, EventStream
from keygw_sim.scenarios.world import CAR, FREE, GATEWAY, World
from keygw_sim.vehicle.echo import EchoVehicle


async def settled(world: World, command_id: str, seconds: float = 15.0) -> dict[str, Any]:
    """The command once it has ended for good."""
    async with asyncio.timeout(seconds):
        while True:
            command = await world.app.get(f"/v1/vehicles/{world.vehicle_id}/commands/{command_id}")
            if command["settled"]:
                return command
            await asyncio.sleep(0.05)


async def car_locked(world: World) -> bool:
    return bool((await world.car.ask(do="status"))["body"]["locked"])


async def test_an_absent_car_is_out_of_range_within_four_seconds(world: World) -> None:
    await world.car.end()
    started = time.monotonic()
    command = await world.command("unlock")
    assert time.monotonic() - started < 4.0
    assert (command["state"], command["reason"], command["may_have_happened"]) == ("failed", "out_of_range", False)
    link = await world.app.get(f"/v1/vehicles/{world.vehicle_id}/link")
    assert link["state"] == "disconnected"


async def test_a_link_cut_before_the_proof_has_done_nothing(world: World) -> None:
    """The vehicle's message_2 never arrives: message_3, and the command in it, was never sent."""
    await world.app.post(f"/v1/vehicles/{world.vehicle_id}/link:connect", {})
    await world.radio.ask(do="cut", port=CAR, after_frames=0, of="notifications")
    command = await world.command("unlock")
    assert command["state"] == "failed"
    assert command["may_have_happened"] is False
    assert await car_locked(world)


async def test_a_link_cut_after_the_car_acted_is_unknown_and_then_settled_from_its_receipts(world: World) -> None:
    """message_2 passes, RESULT is lost with the link: the car has unlocked, and only its receipt can say so."""
    await world.app.post(f"/v1/vehicles/{world.vehicle_id}/link:connect", {})
    await world.radio.ask(do="cut", port=CAR, after_frames=1, of="notifications")
    command = await world.command("unlock")
    ended = await settled(world, command["id"])
    states = [entry["state"] for entry in ended["timeline"]]
    assert "unknown" in states
    assert (ended["state"], ended["receipt"]["outcome"]) == ("confirmed", "done")
    assert not await car_locked(world)
    receipts = (await world.app.get(f"/v1/vehicles/{world.vehicle_id}/receipts"))["receipts"]
    assert [receipt["number"] for receipt in receipts] == [ended["number"]], "executed once, never retried by itself"


async def test_a_link_cut_in_an_open_session_is_settled_as_well(world: World) -> None:
    assert (await world.command("unlock"))["state"] == "confirmed"
    await world.knows_time()
    assert (await world.command("lock"))["state"] == "confirmed", "by now the proof has been answered as well"
    await world.radio.ask(do="cut", port=CAR, after_frames=0, of="notifications")
    ended = await settled(world, (await world.command("unlock"))["id"])
    assert "unknown" in [entry["state"] for entry in ended["timeline"]]
    assert ended["state"] == "confirmed"
    assert not await car_locked(world)


async def test_an_open_door_cannot_be_locked_and_the_app_is_told_why(world: World) -> None:
    assert (await world.command("unlock"))["state"] == "confirmed"
    await world.car.ask(do="set", body={"driver_door_open": True})
    refused = await world.command("lock")
    assert (refused["state"], refused["reason"]) == ("failed", "door_open")
    assert refused["receipt"]["ok"] is False
    signals = await world.app.get(f"/v1/vehicles/{world.vehicle_id}/signals")
    told = {signal["path"]: signal for signal in signals["signals"] if "value" in signal}
    assert told["Vehicle.Cabin.Door.Row1.DriverSide.IsOpen"]["value"] is True


async def test_a_revocation_waits_for_an_absent_car_and_reaches_it_when_it_is_back(world: World) -> None:
    await world.start_phone()
    friend = await world.share_with_phone()
    assert (await world.command("lock"))["state"] == "confirmed"
    await world.car.end()
    revoking = await world.app.post(f"/v1/keys/{friend['id']}:revoke")
    assert revoking["state"] == "revoking"
    await world.car.start()
    assert (await world.command("unlock"))["state"] == "confirmed"
    assert (await world.acknowledged(friend["id"]))["state"] == "revoked"
    tried = await world.phone.ask(do="command", action="lock")
    assert tried["outcome"] == "key_revoked"


async def test_strangers_who_sit_on_every_connection_do_not_keep_the_owner_out(world: World) -> None:
    strangers = BleAir.bumble(world.transports[FREE])
    try:
        held = [await strangers.open(lambda _id: True, 4.0) for _ in range(4)]
        assert (await world.command("unlock"))["state"] == "confirmed"
        assert [link.closed for link in held] == [True, False, False, False]
        for _ in range(4):
            await strangers.open(lambda _id: True, 4.0)
        again = await world.command("lock")
        assert (again["state"], again["measures"]["connect_ms"]) == ("confirmed", None), "the proven link has stayed"
    finally:
        await strangers.close()


async def test_who_repeats_what_the_car_advertised_does_not_keep_the_owner_out(world: World) -> None:
    heard = await world.heard()
    assert heard is not None
    assert (await world.command("unlock"))["state"] == "confirmed"
    async with EchoVehicle(world.transports[FREE], base64.urlsafe_b64decode(heard)) as false_car:
        for action in ("lock", "unlock"):
            await world.radio.ask(do="cut", port=GATEWAY)
            command = await world.command(action)
            assert (command["state"], command["reason"]) == ("confirmed", None)
        await world.radio.ask(do="cut", port=GATEWAY)
        await world.car.end()
        with pytest.raises(AppError, match="link_timeout"):
            await world.app.post(f"/v1/vehicles/{world.vehicle_id}/link:connect", {"timeout_seconds": 2})
        assert not false_car.events.empty(), "it was met, and it never spoke"


async def test_a_car_that_lost_its_list_is_told_again_and_an_alert_is_raised(world: World) -> None:
    """Its flash is set back to before the revocation: the gateway must not go on trusting an old acknowledgement."""
    await world.start_phone()
    friend = await world.share_with_phone()
    assert (await world.command("lock"))["state"] == "confirmed"
    await world.app.delete(f"/v1/vehicles/{world.vehicle_id}/link")
    before = (world.folder / "car" / "vehicle.json").read_bytes()
    await world.app.post(f"/v1/keys/{friend['id']}:revoke")
    assert (await world.acknowledged(friend["id"]))["state"] == "revoked"
    await world.car.end()
    (world.folder / "car" / "vehicle.json").write_bytes(before)
    await world.car.start()
    async with EventStream(world.operator, world.vehicle_id) as events:
        assert (await world.command("lock"))["state"] == "confirmed"
        alert = await events.of_type("keygw.security.alert")
    assert alert["data"]["reason"] == "list_rolled_back"
    assert (await world.car.ask(do="status"))["list_sequence"] == friend["list"]["current"] + 1
    assert (await world.phone.ask(do="command", action="lock"))["outcome"] == "key_revoked"

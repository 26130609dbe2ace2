"""Pairing over the real Bluetooth stack: a further owner, a wrong code, a thief in the unlocked car."""

from __future__ import annotations

import pytest

from keygw_sim.scenarios.app import App, EventStream
from keygw_sim.scenarios.world import APP_SCOPES, World


async def another_app(world: World) -> App:
    made = await world.operator.post("/v1/apps", {"name": "Another app", "scopes": list(APP_SCOPES), "machine": True})
    return App(world.url, made["token"])


async def test_a_further_owner_is_let_in_by_the_first_alone(world: World) -> None:
    second = await another_app(world)
    try:
        assert (await world.command("unlock"))["state"] == "confirmed"
        with pytest.raises(LookupError, match="owner_exists"):
            await world.shown_code()

        assert (await world.command("allow_pairing"))["state"] == "confirmed"
        async with EventStream(world.app, world.vehicle_id) as events:
            code = await world.shown_code()
            await events.signal("Vehicle.Private.KeyGW.Pairing.IsOpen", True)
            failed = await world.pair(second, f"{(int(code) + 1) % 10**8:08d}")
            assert (failed["state"], failed["reason"]) == ("failed", "pairing_code_wrong")
            paired = await world.pair(second, code)
            assert (paired["state"], paired["reason"], paired["vehicle_id"]) == ("done", None, world.vehicle_id)
            assert (await second.command(world.vehicle_id, "lock"))["state"] == "confirmed"
            await events.signal("Vehicle.Private.KeyGW.Pairing.OwnerDevices", 2)

        seen = {key["id"] for key in (await world.app.get("/v1/keys"))["keys"]}
        assert seen == {world.owner_key, paired["key_id"]}, "the first owner sees that there is a second one"
        with pytest.raises(LookupError, match="owner_exists"):
            await world.shown_code()
    finally:
        await second.close()

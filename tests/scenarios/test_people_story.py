"""Owners are people: whose keys are whose, and how somebody comes back whose phone lies in a lake."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from keygw_sim.scenarios.app import App
from keygw_sim.scenarios.world import APP_SCOPES, World
from town import Town


async def new_app(world: World, name: str) -> tuple[str, App]:
    made = await world.operator.post("/v1/apps", {"name": name, "scopes": list(APP_SCOPES), "machine": True})
    return made["app"]["id"], App(world.url, made["token"])


@pytest.fixture
def account(world: World) -> Any:
    async def of(person: str) -> dict[str, Any]:
        return dict(await world.operator.get(f"/v1/people/{person}"))

    return of


async def test_a_new_phone_by_the_cars_own_code(world: World, account: Any) -> None:
    """Over the real radio: the only phone is gone with its app. The operator gives the account a new app and frees the
    car for this person alone; whoever sits in it opens pairing mode, and only an app of the account gets in."""
    mine = (await world.app.get("/v1/apps/self"))["id"]
    person = (await world.app.post("/v1/people", {"name": "Ada"}))["id"]
    assert (await world.app.get("/v1/apps/self"))["person_id"] == person
    before = await account(person)
    assert (before["app_ids"], before["vehicle_ids"]) == ([mine], [world.vehicle_id])
    assert [key["id"] for key in before["keys"]] == [world.owner_key]

    await world.operator.delete(f"/v1/apps/{mine}")
    name, fresh = await new_app(world, "Ada's new phone")
    _, thief = await new_app(world, "Somebody else's")
    try:
        with pytest.raises(LookupError, match="owner_exists"):
            await world.shown_code()  # the car still knows its owner, and asks him

        await world.operator.put(f"/v1/people/{person}/apps/{name}")
        await world.operator.post(f"/v1/vehicles/{world.vehicle_id}:end-epoch", {"person_id": person})
        async with asyncio.timeout(10):
            while (await account(person))["keys"][0]["state"] != "revoked":  # noqa: ASYNC110 - the account tells nobody
                await asyncio.sleep(0.02)
        assert (await account(person))["vehicle_ids"] == []
        assert (await account(person))["reserved_vehicle_ids"] == [world.vehicle_id]

        refused = await world.pair(thief, await world.shown_code())
        assert (refused["state"], refused["reason"]) == ("failed", "vehicle_reserved")
        paired = await world.pair(fresh, await world.shown_code())
        assert (paired["state"], paired["reason"]) == ("done", None)
        assert (await fresh.command(world.vehicle_id, "unlock"))["state"] == "confirmed"
        after = await fresh.get(f"/v1/people/{person}")
        assert (after["vehicle_ids"], after["reserved_vehicle_ids"]) == ([world.vehicle_id], [])
        assert [(key["id"], key["state"]) for key in after["keys"]] == [
            (world.owner_key, "revoked"),
            (paired["key_id"], "active"),
        ]
    finally:
        await fresh.close()
        await thief.close()


async def test_a_sold_car_goes_from_one_account_to_the_other(tmp_path: Path) -> None:
    town = Town(tmp_path)
    await town.start()
    try:
        seller, key = await town.owner()
        old = (await town.ask("POST", "/people", seller, name="Seller"))["id"]
        _, buyer = await town.app("Buyer", "key.manage", "key.read", "vehicle.read")
        new = (await town.ask("POST", "/people", buyer, name="Buyer"))["id"]
        offer = await town.ask("POST", f"/vehicles/{town.vehicle.id}:transfer", seller)
        await town.ask("POST", f"/transfers/{offer['id']}:accept", buyer, secret=offer["secret"])
        assert (await town.ask("GET", f"/people/{old}"))["vehicle_ids"] == []
        assert (await town.ask("GET", f"/people/{new}"))["reserved_vehicle_ids"] == [town.vehicle.id]
        made = await town.ask("POST", "/keys", buyer, vehicle_id=town.vehicle.id, role="owner")
        account = await town.ask("GET", f"/people/{new}")
        assert (account["vehicle_ids"], account["reserved_vehicle_ids"]) == ([town.vehicle.id], [])
        assert [each["id"] for each in account["keys"]] == [made["id"]]
        sold = await town.ask("GET", f"/people/{old}")
        assert [each["id"] for each in sold["keys"]] == [key]
    finally:
        await town.aclose()

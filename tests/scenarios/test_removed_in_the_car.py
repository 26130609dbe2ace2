"""The owner removes the nanny's key at the car's own screen, with no network anywhere; the gateway hears of it later.

Everything is real but radio and clocks.
"""

from __future__ import annotations

import asyncio

from town import Town


async def test_the_phone_is_refused_at_once_and_the_gateway_hears_of_it_with_the_next_command(town: Town) -> None:
    owner = await town.owner()
    nanny = await town.friend(owner, "Nanny")
    visitor = await town.friend(owner, "Visitor")
    assert await nanny.tries() == "done"
    assert await visitor.tries() == "done"
    town.air.near = False  # the car stands in an underground car park

    town.brain.remove_key(nanny.key_id)
    assert await nanny.tries() == "key_revoked"
    assert await visitor.tries() == "done"
    assert (await town.key(nanny.key_id))["state"] == "active", "nobody has told the gateway"

    town.air.near = True
    before = (await town.service.current_list(town.vehicle.id)).sequence
    with town.hub.subscribe(lambda event: event.type == "keygw.key.revoked") as events:
        assert await town.unlocks(*owner) == ("confirmed", None)
        told = await events.next(5)
    assert told is not None
    assert (told.data["key_id"], told.data["by"], told.data["reason"]) == (nanny.key_id, "vehicle", "remove")
    assert (await town.key(nanny.key_id))["state"] == "revoked"
    await town.eventually(before + 1)
    assert town.brain.memory.list_sequence == before + 1, "so a car that loses its memory bars it as well"
    assert await visitor.tries() == "done"
    answer = await town.ask("GET", f"/keys/{nanny.key_id}/receipts")
    assert "remove_key" in [receipt["action"] for receipt in answer["receipts"]]
    entries = (await town.ask("GET", f"/audit?key_id={nanny.key_id}"))["entries"]
    assert (f"vehicle:{town.vehicle.id}", "key.revoked") in [(each["actor"], each["action"]) for each in entries]


async def test_the_errand_that_brings_a_list_brings_it_home(town: Town) -> None:
    owner = await town.owner()
    nanny, visitor = await town.friend(owner, "Nanny"), await town.friend(owner, "Visitor")
    assert await nanny.tries() == "done"
    await town.disconnect()
    town.brain.remove_key(nanny.key_id)
    await town.ask("POST", f"/keys/{visitor.key_id}:suspend")
    async with asyncio.timeout(5):
        while (await town.key(nanny.key_id))["state"] != "revoked":  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.002)
    await town.eventually((await town.service.current_list(town.vehicle.id)).sequence)
    assert await visitor.tries() == "key_suspended"

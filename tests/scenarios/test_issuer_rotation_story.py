"""A rotation seen from the car: the whole gateway with its API, the real brain of a car, phones that walk by."""

from __future__ import annotations

import asyncio

from keygw.credentials.renewal import signed_by
from town import Town

DAY = 86_400
PATH = "/admin/issuer-keys"


async def rotate(town: Town, overlap: int) -> str:
    """Prepare and activate; the new key's kid."""
    kid = str((await town.ask("POST", PATH, place="file"))["kid"])
    await town.ask("POST", f"{PATH}/{kid}/activate", overlap_seconds=overlap)
    return kid


async def away(town: Town) -> None:
    """The car is driven away, and the link ends with a restart."""
    await town.aclose()
    town.air.near = False
    await town.start()


async def learnt(town: Town, sequence: int = 1) -> None:
    """Until the car has said that it knows."""
    async with asyncio.timeout(5):
        while await town.store.credentials.issuer_key_ack(town.vehicle.id) < sequence:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.002)
    async with asyncio.timeout(5):  # and what is in force is signed anew
        while await kids(town) != {town.rotation.keyring.kid}:  # noqa: ASYNC110 - the store tells nobody
            await asyncio.sleep(0.002)


async def kids(town: Town) -> set[bytes]:
    """The issuer keys that have signed what is in force."""
    found = await town.service.keys(town.vehicle.id)
    return {signed_by(await town.service.key_token(key.id)) for key in found}


async def test_nobody_notices_a_rotation_and_a_new_friend_waits_for_the_car_to_hear(town: Town) -> None:
    owner = await town.owner()
    ann = await town.friend(owner, "Ann")
    await town.eventually(1)
    old = town.rotation.keyring.kid
    await away(town)
    await rotate(town, overlap=30 * DAY)
    assert await ann.tries() == "done", "her token is of the former key, which counts"
    bob = await town.friend(owner, "Bob")
    assert signed_by(await town.service.key_token(bob.key_id)) == town.rotation.keyring.kid
    assert await bob.tries() != "done", "the car has never heard of that key"
    await town.aclose()
    await town.start()  # a restart in between changes nothing

    town.air.near = True
    assert await town.unlocks(*owner) == ("confirmed", None)
    await learnt(town)
    assert [each.kid for each in town.brain.memory.issuers] == [old, town.rotation.keyring.kid]
    assert signed_by(await town.service.key_token(owner[1])) == town.rotation.keyring.kid
    assert await town.service.former_token(owner[1]) is None
    assert await bob.tries() == "done"
    assert await ann.tries() == "done", "she has not fetched her new token, and need not"
    await ann.fetch_key()
    assert await ann.tries() == "done"

    await away(town)
    town.now += 31 * DAY
    assert [record.kid for record in await town.rotation.upkeep()] == [old]
    town.air.near = True
    assert await town.unlocks(*owner) == ("confirmed", None)


async def test_a_stolen_key_ends_at_once_and_the_car_is_told_with_its_last_token(town: Town) -> None:
    owner = await town.owner()
    await away(town)
    old = town.rotation.keyring.current
    await rotate(town, overlap=30 * DAY)
    await town.ask("POST", f"{PATH}/{(await town.rotation.keys())[0].name}/retire")
    token = await town.service.key_token(owner[1])
    assert signed_by(token) != old.kid
    former = await town.service.former_token(owner[1])
    assert former is not None, "the car can check no other yet"

    town.air.near = True
    assert await town.unlocks(*owner) == ("confirmed", None)
    await learnt(town, sequence=2)
    assert [each.kid for each in town.brain.memory.issuers if not each.retire_at] == [town.rotation.keyring.kid]
    assert all(each.retire_at <= town.now for each in town.brain.memory.issuers if each.kid == old.kid)
    assert await town.service.former_token(owner[1]) is None
    assert await town.unlocks(*owner) == ("confirmed", None)


async def test_a_car_with_a_live_link_is_told_at_once(town: Town) -> None:
    await town.owner()
    await rotate(town, overlap=DAY)
    await learnt(town)
    assert town.brain.memory.issuers[-1].kid == town.rotation.keyring.kid


async def test_a_car_that_is_provisioned_with_the_new_key_is_told_nothing(town: Town) -> None:
    await rotate(town, overlap=DAY)
    issuer = town.rotation.keyring
    memory = town.brain.memory
    memory.issuers[:] = [type(memory.issuers[0])(issuer.issuer, issuer.kid, issuer.public_key)]
    owner = await town.owner()
    await learnt(town)
    assert [each.kid for each in memory.issuers] == [issuer.kid]
    assert await town.rotation.issuer_statements(town.vehicle.id) == []
    assert await town.unlocks(*owner) == ("confirmed", None)

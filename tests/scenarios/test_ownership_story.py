"""Stories of ends: a stolen car, a sold one, a lost phone, a key given back. The car itself refuses, not only we."""

from __future__ import annotations

import pytest

from keygw.credentials.values import DAY
from keygw.crypto.signer import thumbprint
from keygw.model.base64url import encode_base64url
from keygw.token.statement import StatementAct
from town import Town


async def refused(town: Town, method: str, path: str, token: str, **body: object) -> str:
    """The code of the problem."""
    with pytest.raises(AssertionError) as caught:
        await town.ask(method, path, token, **body)
    return str(caught.value)


async def test_a_stolen_car_opens_to_nobody(town: Town) -> None:
    """The owner's bag is gone, with the friend's phone in it and the keys to everything; the car may be anywhere."""
    token, key_id = await town.owner()
    friend = await town.friend((token, key_id), "Friend")
    assert await friend.tries() == "done"
    ended = await town.ask("POST", f"/vehicles/{town.vehicle.id}:end-epoch", token)
    assert (ended["epoch"], set(ended["key_ids"])) == (1, {key_id, friend.key_id})
    await town.eventually(ended["list_sequence"])
    assert town.brain.memory.owners == [], "the car belongs to nobody now"
    assert await friend.tries() == "key_revoked", "the car itself refuses"
    assert await town.unlocks(token, key_id) == ("refused", "key_revoked")
    assert [(await town.key(name))["state"] for name in (key_id, friend.key_id)] == ["revoked", "revoked"]

    # The thief has an app too, and sits in the car.
    _, thief = await town.app("Thief", "vehicle.manage", "vehicle.read", "key.manage", "key.read")
    assert "unknown_vehicle" in await refused(town, "POST", "/keys", thief, vehicle_id=town.vehicle.id, role="owner")
    device = await town.service.create_hosted_device("app_of_the_thief")
    with pytest.raises(Exception, match="another app"):
        await town.service.issue_owner_key(town.vehicle.id, device)

    # The car is found again. Its owner gets a key of the new epoch, and the car takes it once it knows the device.
    again = await town.ask("POST", "/keys", token, vehicle_id=town.vehicle.id, role="owner")
    town.brain.memory.owners.append(thumbprint((await town.service.device(again["device_id"])).public_key))
    assert await town.unlocks(token, again["id"]) == ("confirmed", None)
    assert await friend.tries() == "key_revoked", "the old friend key stays dead"


async def test_a_car_that_is_away_is_listed_until_it_has_heard(town: Town) -> None:
    token, key_id = await town.owner()
    town.air.near = False
    await town.ask("POST", f"/vehicles/{town.vehicle.id}:end-epoch", token)
    assert (await town.ask("GET", "/keys:overdue", token))["count"] == 0
    town.now += DAY + 1
    overdue = await town.ask("GET", "/keys:overdue", token)
    assert [(each["key"]["id"], each["key"]["state"]) for each in overdue["keys"]] == [(key_id, "revoking")]
    assert overdue["keys"][0]["waiting_seconds"] == DAY + 1
    town.air.near = True
    await town.ask("POST", f"/keys/{key_id}:revoke")  # whatever sends the gateway there
    await town.eventually(1)
    assert (await town.ask("GET", "/keys:overdue", token))["count"] == 0


async def test_a_sold_car_has_its_new_owner_and_no_other(town: Town) -> None:
    seller, key_id = await town.owner()
    friend = await town.friend((seller, key_id), "Friend")
    assert await friend.tries() == "done"
    _, buyer = await town.app("Buyer", "vehicle.manage", "vehicle.read", "key.manage", "key.read", "command.unlock")
    offer = await town.ask("POST", f"/vehicles/{town.vehicle.id}:transfer", seller)
    assert await town.unlocks(seller, key_id) == ("confirmed", None), "an offer changes nothing"
    assert "unknown_transfer" in await refused(town, "GET", f"/transfers/{offer['id']}", buyer)

    accepted = await town.ask("POST", f"/transfers/{offer['id']}:accept", buyer, secret=offer["secret"])
    assert (accepted["state"], accepted["accepted_by_you"]) == ("accepted", True)
    await town.eventually(2)
    assert await friend.tries() == "key_revoked"
    assert await town.unlocks(seller, key_id) == ("refused", "key_revoked")
    assert "transfer_accepted" in await refused(town, "POST", f"/transfers/{offer['id']}:cancel", seller)
    claims = (await town.ask("GET", f"/audit?action=vehicle.claimed&vehicle_id={town.vehicle.id}"))["entries"]
    assert [entry["actor"] for entry in claims] == [f"app:{entry['data']['app_id']}" for entry in claims]
    assert len({entry["actor"] for entry in claims}) == len(claims) == 2, "the seller registered it, the buyer has it"
    assert "not_vehicle_owner" in await refused(town, "POST", "/keys", seller, vehicle_id=town.vehicle.id, role="owner")

    bought = await town.ask("POST", "/keys", buyer, vehicle_id=town.vehicle.id, role="owner")
    town.brain.memory.owners.append(thumbprint((await town.service.device(bought["device_id"])).public_key))
    assert await town.unlocks(buyer, bought["id"]) == ("confirmed", None)
    seen = {key["id"] for key in (await town.ask("GET", "/keys", seller))["keys"]}
    assert bought["id"] not in seen, "the seller learns nothing of who drives it now"


async def test_a_seller_changes_his_mind(town: Town) -> None:
    seller, key_id = await town.owner()
    _, buyer = await town.app("Buyer", "key.manage", "key.read")
    offer = await town.ask("POST", f"/vehicles/{town.vehicle.id}:transfer", seller)
    assert (await town.ask("POST", f"/transfers/{offer['id']}:cancel", seller))["state"] == "cancelled"
    accepting = (town, "POST", f"/transfers/{offer['id']}:accept", buyer)
    assert "transfer_cancelled" in await refused(*accepting, secret=offer["secret"])
    assert await town.unlocks(seller, key_id) == ("confirmed", None)


async def test_a_lost_phone_opens_nothing_until_it_is_back(town: Town) -> None:
    owner = await town.owner()
    friend = await town.friend(owner, "Friend")
    assert await friend.tries() == "done"
    await town.eventually(1)
    _, own = await town.app("Another", "key.manage", "key.read")
    device = (await town.key(friend.key_id))["device_id"]
    assert "unknown_device" in await refused(town, "POST", f"/devices/{device}:lost", own)

    lost = await town.ask("POST", f"/devices/{device}:lost")  # the operator, whom the friend has called
    assert (lost["lost"], lost["loss"], lost["key_ids"]) == (True, 1, [friend.key_id])
    await town.eventually(2)
    assert await friend.tries() == "key_suspended", "the car itself refuses"
    assert (await town.key(friend.key_id))["suspended_for"] == ["lost"]
    assert "device_lost" in await refused(town, "POST", f"/keys/{friend.key_id}:resume", owner[0])

    assert "step_up_required" in await refused(town, "POST", f"/devices/{device}:found", "kgw_operator")
    word = friend.phone.states(StatementAct.FOUND, device, lost["loss"])
    back = await town.ask("POST", f"/devices/{device}:found", proof=encode_base64url(word))
    assert (back["lost"], back["key_ids"]) == (False, [friend.key_id])
    await town.eventually(3)
    assert await friend.tries() == "done"


async def test_an_only_owner_whose_device_was_lost_comes_back(town: Town) -> None:
    """The last road of a hosted courier: its own suspended key brings the list that resumes it."""
    token, key_id = await town.owner()
    device = (await town.key(key_id))["device_id"]
    await town.ask("POST", f"/devices/{device}:lost", token)
    await town.eventually(1)
    assert await town.unlocks(token, key_id) == ("refused", "key_suspended")
    assert "step_up_required" in await refused(town, "POST", f"/devices/{device}:found", token)
    await town.ask("POST", f"/devices/{device}:found")
    await town.eventually(2)
    assert await town.unlocks(token, key_id) == ("confirmed", None)


async def test_a_friend_gives_the_key_back_without_any_token(town: Town) -> None:
    owner = await town.owner()
    friend = await town.friend(owner, "Friend")
    assert await friend.tries() == "done"
    await town.eventually(1)
    word = friend.phone.states(StatementAct.GIVE_BACK, friend.key_id)
    body = {"public_key": encode_base64url(friend.phone.public_key), "proof": encode_base64url(word)}
    given = await town.ask("POST", f"/keys/{friend.key_id}:give-back", "", **body)
    assert given["state"] == "revoking"
    await town.eventually(2)
    assert (await town.key(friend.key_id))["state"] == "revoked"
    assert await friend.tries() == "key_revoked"

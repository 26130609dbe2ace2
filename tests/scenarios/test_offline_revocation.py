"""Stories of lists: a car that is away for a week, an only owner key that pauses, a gateway that lost its memory.

Everything is real but radio and clocks: the API, the credential service on its database, the fleet, the phones, the
car. A week passes when the test says so.
"""

from __future__ import annotations

import shutil

import pytest

from keygw.credentials.values import DAY
from keygw.model.base64url import encode_base64url
from keygw.model.command import Action
from keygw_sim.phone.satchel import Satchel
from town import Town


async def test_a_car_away_for_a_week_learns_of_a_revocation_from_another_friends_phone(town: Town) -> None:
    owner = await town.owner()
    visitor = await town.friend(owner, "Visitor")
    await town.eventually(1)
    assert await visitor.tries(Action.START_ENGINE) == "done"

    town.air.near = False  # the car is driven away, and the gateway does not hear it any more
    town.now += 6 * DAY
    ann, bob = await town.friend(owner, "Ann"), await town.friend(owner, "Bob")
    assert await bob.tries() == "done"
    revoking = await town.ask("POST", f"/keys/{bob.key_id}:revoke", owner[0])
    assert revoking["state"] == "revoking"
    assert await bob.tries() == "done", "the car cannot know"
    town.now += DAY + 60
    withheld = await bob.tries(withholding=True)
    assert withheld == "list_required", "the time proof that it needs by now names the list that he withholds"
    assert (await town.key(bob.key_id))["state"] == "revoking"

    await ann.fetch_list()
    assert await ann.tries() == "done"
    assert town.brain.memory.list_sequence == revoking["list"]["current"]
    assert await bob.tries() == "key_revoked"
    assert await ann.tries(Action.START_ENGINE) == "done"
    assert (await town.key(bob.key_id))["state"] == "revoking", "the service has not heard of it"

    told = await ann.hand_in()
    assert told["acknowledged"] == told["sequence"] == revoking["list"]["current"]
    assert (await town.key(bob.key_id))["state"] == "revoked"
    assert (await ann.hand_in())["acknowledged"] == told["acknowledged"], "twice is as good as once"
    assert (await town.key(ann.key_id))["state"] == "active"


async def test_a_friend_brings_the_fresh_list_and_drives_in_the_same_meeting(town: Town) -> None:
    owner = await town.owner()
    town.air.near = False
    town.now += 8 * DAY
    ann = await town.friend(owner, "Ann")
    town.now += DAY
    assert await ann.tries(Action.START_ENGINE) == "done", "the car's first list came with her key"
    assert town.brain.body.engine_running is True
    assert (await ann.hand_in())["acknowledged"] == 1
    town.now += 6 * DAY + 1
    bob = await town.friend(owner, "Bob")
    bob.phone.satchel = Satchel()  # an app that carries nothing
    assert await bob.tries(Action.START_ENGINE) == "list_stale"
    assert await bob.tries() == "done"
    await bob.fetch_list()
    assert await bob.tries(Action.START_ENGINE) == "done"
    assert (await bob.hand_in())["acknowledged"] == 2


async def test_what_no_car_has_signed_is_not_taken(town: Town) -> None:
    owner = await town.owner()
    ann = await town.friend(owner, "Ann")
    town.air.near = False
    await town.eventually(1)
    ann.phone.satchel.acks[town.vehicle.id] = bytes(100)
    with pytest.raises(AssertionError, match="token_malformed"):
        await ann.hand_in()
    _, stranger = await town.app("Stranger", "key.read")
    for method, path in (("GET", "revocation-list"), ("POST", "revocation-acks")):
        body = {"ack": encode_base64url(bytes(100))} if method == "POST" else {}
        with pytest.raises(AssertionError, match="unknown_vehicle"):
            await town.ask(method, f"/vehicles/{town.vehicle.id}/{path}", stranger, **body)


async def test_an_only_owner_key_that_was_suspended_comes_back(town: Town) -> None:
    """Its own device brings the list that resumes it: nobody else has a key to open a session with."""
    token, key_id = await town.owner()
    await town.ask("POST", f"/keys/{key_id}:suspend")  # the operator: an app does not suspend itself by mistake
    await town.eventually(1)
    assert await town.unlocks(token, key_id) == ("refused", "key_suspended")
    assert town.brain.body.locked is True
    resumed = await town.ask("POST", f"/keys/{key_id}:resume")
    assert resumed["state"] == "active"
    await town.eventually(2)
    assert await town.unlocks(token, key_id) == ("confirmed", None)


async def test_a_suspension_is_followed_by_a_revocation_that_the_same_key_brings(town: Town) -> None:
    _, key_id = await town.owner()
    await town.ask("POST", f"/keys/{key_id}:suspend")
    await town.eventually(1)
    await town.ask("POST", f"/keys/{key_id}:revoke")
    await town.eventually(2)
    assert (await town.key(key_id))["state"] == "revoked"


async def test_a_gateway_restored_from_a_backup_takes_the_cars_word_for_what_was_revoked(town: Town) -> None:
    owner = await town.owner()
    ann, bob = await town.friend(owner, "Ann"), await town.friend(owner, "Bob")
    for friend in (ann, bob):
        assert await friend.tries() == "done"
    await town.eventually(1)
    await town.aclose()
    backup = town.folder / "backup"
    shutil.copytree(town.folder / "gateway", backup)

    await town.start()
    town.now += 60
    carl = await town.friend(owner, "Carl")
    assert await carl.tries() == "done"
    await town.ask("POST", f"/keys/{bob.key_id}:revoke", owner[0])
    await town.eventually(2)
    assert await bob.tries() == "key_revoked"
    await town.aclose()
    shutil.rmtree(town.folder / "gateway")
    backup.rename(town.folder / "gateway")

    town.now += 60
    await town.start()
    assert (await town.key(bob.key_id))["state"] == "active", "so the backup says"
    with town.hub.subscribe(lambda event: event.type == "keygw.security.alert") as alerts:
        assert await town.unlocks(*owner) == ("confirmed", None)
        alert = await alerts.next(5)
    assert alert is not None
    assert (alert.data["reason"], alert.data["vehicle_id"]) == ("list_forgotten", town.vehicle.id)
    await town.eventually(3)
    assert (await town.key(bob.key_id))["state"] == "revoked"
    assert await bob.tries() == "key_revoked"
    assert await carl.tries() == "key_revoked", "nobody here knows of his key, so nobody could revoke it"
    assert await town.unlocks(*owner) == ("confirmed", None), "with a new token"
    assert await ann.tries() == "key_revoked", "hers is too old now"
    await ann.fetch_key()
    assert await ann.tries() == "done"

    await town.ask("POST", f"/keys/{ann.key_id}:revoke", owner[0])
    await town.eventually(4)
    assert await ann.tries() == "key_revoked", "what is revoked after the restoration reaches the car"

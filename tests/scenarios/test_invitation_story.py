"""Sharing by a link, in real processes: a phone without any token claims it and opens the car by itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from keygw_sim.processes import Child, ChildFailed
from keygw_sim.scenarios.app import EventStream
from keygw_sim.scenarios.world import FREE, World


@pytest.fixture
async def second_phone(world: World) -> AsyncIterator[Child]:
    """The phone of a friend's friend, or of a thief."""
    async with Child(
        "keygw_sim.phone", "--transport", world.transports[FREE], "--state", str(world.folder / "second"),
        "--follow-stdin",
    ) as phone:  # fmt: skip
        yield phone


async def test_a_link_a_code_and_a_phone_open_the_car(world: World, second_phone: Child) -> None:
    await world.start_phone()
    await world.command("lock")  # the gateway's contact brings the car the time
    wish = {"profile": "access", "lifetime_seconds": 30 * 86_400, "label": "Friend", "activation_code": True}
    made = await world.app.post(f"/v1/keys/{world.owner_key}/invitations", wish)
    assert made["link"].startswith(f"{world.url}/i/{made['id']}#"), "the gateway's own address unless told otherwise"
    with pytest.raises(ChildFailed, match="activation_code_required"):
        await world.phone.ask(do="claim", link=made["link"])
    async with EventStream(world.app, world.vehicle_id) as events:
        claimed = await world.phone.ask(do="claim", link=made["link"], activation_code=made["activation_code"])
        assert claimed["state"] == "accepted", claimed
        assert (await events.of_type("keygw.invitation.accepted"))["data"]["key_id"] == claimed["key_id"]
        # The friend passes the link and the code on.
        with pytest.raises(ChildFailed, match="invitation_taken"):
            await second_phone.ask(do="claim", link=made["link"], activation_code=made["activation_code"])
        assert (await events.of_type("keygw.invitation.refused"))["data"]["reason"] == "other_device"
    tried = await world.phone.ask(do="command", action="unlock")
    assert (tried["outcome"], tried["ok"]) == ("done", True)
    assert (await world.phone.ask(do="command", action="open_trunk"))["outcome"] == "not_entitled"
    await world.app.post(f"/v1/keys/{claimed['key_id']}:revoke")
    assert (await world.acknowledged(claimed["key_id"]))["state"] == "revoked"
    assert (await world.phone.ask(do="command", action="unlock"))["outcome"] == "key_revoked"
    again = await world.phone.ask(do="claim", link=made["link"])
    assert again["key_id"] == claimed["key_id"], "the link makes no second key"
    assert (await world.phone.ask(do="command", action="unlock"))["outcome"] == "key_revoked"


async def test_a_friend_shares_on_with_the_word_of_its_own_phone(world: World, second_phone: Child) -> None:
    """Depth 2: the gateway holds no key of the first friend's phone, so that phone signs the grant itself."""
    await world.start_phone()
    await world.command("lock")  # the gateway's contact brings the car the time
    rights = ["status.read", "door.lock", "door.unlock", "key.share"]
    wish = {"entitlements": rights, "lifetime_seconds": 30 * 86_400, "label": "Friend"}
    made = await world.app.post(f"/v1/keys/{world.owner_key}/invitations", wish)
    friend = await world.phone.ask(do="claim", link=made["link"])
    assert (await world.phone.ask(do="command", action="lock"))["ok"]
    wish = {"entitlements": ["door.lock", "door.unlock"], "lifetime_seconds": 86_400, "label": "Friend's friend"}
    made = await world.app.post(f"/v1/keys/{friend['key_id']}/invitations", wish)
    waiting = await second_phone.ask(do="claim", link=made["link"])
    assert (waiting["state"], waiting["key_id"]) == ("claimed", None)
    public_key = (await world.app.get(f"/v1/invitations/{made['id']}"))["public_key"]
    assert public_key == second_phone.ready["device"]["public_key"]
    signed = await world.phone.ask(
        do="grant", public_key=public_key, entitlements=["door.lock", "door.unlock"], lifetime_seconds=86_000
    )
    accepted = await world.app.post(f"/v1/invitations/{made['id']}:grant", {"grant": signed["grant"]})
    assert accepted["state"] == "accepted"
    claimed = await second_phone.ask(do="claim", link=made["link"])
    assert claimed["key_id"] == accepted["key_id"]
    assert (await second_phone.ask(do="command", action="unlock"))["ok"]
    # Who revokes the friend revokes what the friend has shared.
    await world.app.post(f"/v1/keys/{friend['key_id']}:revoke")
    assert (await world.acknowledged(friend["key_id"]))["state"] == "revoked"
    tried = await second_phone.ask(do="command", action="unlock")
    assert (tried["ok"], tried["outcome"]) == (False, "key_revoked")

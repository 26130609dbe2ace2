"""Invitations on a real store: every step of their table, who may take it, and what a refusal leaves behind."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from keygw.credentials.guesses import MOST_WRONG
from keygw.credentials.invitation import (
    MOST_TRIES,
    TRANSITIONS,
    Invitation,
    InvitationEvent,
    InvitationState,
    next_invitation_state,
)
from keygw.credentials.invitations import Invited
from keygw.credentials.lifecycle import Refused
from keygw.credentials.service import CredentialService
from keygw.credentials.values import Limits
from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.device import DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import Conflict, KeygwError
from keygw.store.store import open_store
from keygw.token.cwt import decode_cwt
from keygw.token.grant import verify_grant
from keygw.token.possession import InvitationAct, sign_possession

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

HOUR, DAY = 3600, 86_400
RIGHTS = PROFILES["access"]


@dataclass
class Friend:
    """A phone that was sent a link."""

    world: World
    invited: Invited
    signer: LocalSigner

    def proof(self, act: InvitationAct = InvitationAct.CLAIM) -> bytes:
        return sign_possession(act, self.invited.invitation.id, self.invited.secret, self.signer)

    async def claim(self, code: str | None = None, **changes: Any) -> Invitation:
        given = {
            "invitation_id": self.invited.invitation.id,
            "secret": self.invited.secret,
            "device_key": self.signer.public_key,
            "proof": self.proof(),
            "code": code,
        }
        return await self.world.service.invitations.claim(**(given | changes))

    async def decline(self, *, proven: bool = False) -> Invitation:
        shown = (self.signer.public_key, self.proof(InvitationAct.DECLINE)) if proven else ()
        return await self.world.service.invitations.decline(self.invited.invitation.id, self.invited.secret, *shown)


async def invite(world: World, parent: DigitalKey, **wish: Any) -> Friend:
    wanted: dict[str, Any] = {"app_id": "app_test", "entitlements": RIGHTS, "key_lifetime": DAY, "label": "Friend"}
    invited = await world.service.invitations.create(parent.id, **(wanted | wish))
    return Friend(world, invited, LocalSigner.generate())


async def refused(doing: Awaitable[object]) -> str:
    with pytest.raises(KeygwError) as caught:
        await doing
    assert not caught.value.may_have_happened
    return caught.value.code


@pytest.fixture
async def owner(world: World) -> DigitalKey:
    """Its device key is hosted by the gateway."""
    return await world.owner(await world.car())


@pytest.fixture
async def phone_held(world: World, owner: DigitalKey) -> DigitalKey:
    """A key that a phone holds and may share on."""
    return await world.friend(owner, RIGHTS | Entitlement.KEY_SHARE, 30 * DAY)


# --- the table


def test_every_state_answers_every_event() -> None:
    assert set(TRANSITIONS) == set(InvitationState)
    for state, steps in TRANSITIONS.items():
        assert set(steps) == set(InvitationEvent), state


def test_what_is_settled_never_comes_back() -> None:
    for state, event in itertools.product(InvitationState, InvitationEvent):
        if state.settled:
            target = TRANSITIONS[state][event]
            assert isinstance(target, Refused) or target is state


@pytest.mark.parametrize("event", [InvitationEvent.CANCEL, InvitationEvent.DECLINE])
def test_an_issued_key_is_not_taken_back_by_its_invitation(event: InvitationEvent) -> None:
    with pytest.raises(Conflict) as caught:
        next_invitation_state(InvitationState.ACCEPTED, event)
    assert caught.value.code == "invitation_accepted"
    assert "revoke" in str(caught.value)


# --- from a link to a key


async def test_a_hosted_parent_gives_the_key_at_once(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner)
    assert friend.invited.invitation.state is InvitationState.OPEN
    accepted = await friend.claim()
    assert accepted.state is InvitationState.ACCEPTED
    assert accepted.key_id is not None
    key = await world.service.key(accepted.key_id)
    assert (key.parent_id, key.entitlements, key.label) == (owner.id, RIGHTS, "Friend")
    assert key.expires_at == int(world.now) + DAY
    device = await world.service.device(key.device_id)
    assert (device.kind, device.public_key) == (DeviceKind.PHONE, friend.signer.public_key)
    (link,) = await world.service.chain(key.id)
    above = decode_cwt(link.parent_token, world.trusted)
    assert verify_grant(link.grant, above.device_key, owner.vehicle_id).device == thumbprint(friend.signer.public_key)
    assert world.told()[-4:] == ["invitation.created", "invitation.claimed", "key.shared", "invitation.accepted"]
    assert world.events[-1][1] == {
        "invitation_id": accepted.id,
        "vehicle_id": owner.vehicle_id,
        "parent_id": owner.id,
        "key_id": key.id,
        "state": "accepted",
        "reason": None,
        "by": "device",
    }


async def test_a_phone_that_holds_the_parent_grants_what_was_claimed(world: World, phone_held: DigitalKey) -> None:
    friend = await invite(world, phone_held, entitlements=Entitlement.DOOR_LOCK)
    invitations, name = world.service.invitations, friend.invited.invitation.id
    ends = int(world.now) + DAY

    def grant(rights: Entitlement = Entitlement.DOOR_LOCK, expires_at: int = ends, **changes: Any) -> bytes:
        signed = world.grant(phone_held, friend.signer.public_key, rights, expires_at, changes)
        assert signed is not None
        return signed

    assert await refused(invitations.grant(name, grant())) == "invitation_not_claimed"
    claimed = await friend.claim()
    assert (claimed.state, claimed.key_id) == (InvitationState.CLAIMED, None)
    assert world.told()[-1] == "invitation.claimed"
    assert await friend.claim() == claimed
    for wrong, code in [
        (grant(RIGHTS), "beyond_invitation"),
        (grant(expires_at=ends + HOUR), "beyond_invitation"),
        (grant(device=bytes(32)), "grant_foreign"),
        (b"\x84", "token_malformed"),
    ]:
        assert await refused(invitations.grant(name, wrong)) == code
    assert len(await world.service.keys(phone_held.vehicle_id)) == 2, "a refused grant leaves no key"
    accepted = await invitations.grant(name, grant())
    assert accepted.state is InvitationState.ACCEPTED
    assert accepted.key_id is not None
    key = await world.service.key(accepted.key_id)
    assert (key.parent_id, key.depth, key.entitlements) == (phone_held.id, 2, Entitlement.DOOR_LOCK)
    assert await invitations.grant(name, grant()) == accepted
    assert await refused(invitations.grant(name, grant(expires_at=ends - 1))) == "invitation_accepted"
    assert await friend.claim() == accepted, "the friend's phone asks again and finds its key"
    assert len(await world.service.keys(phone_held.vehicle_id)) == 3


async def test_a_lifetime_counts_from_the_claim_and_ends_with_the_parent(world: World, phone_held: DigitalKey) -> None:
    owner = await world.service.key(phone_held.parent_id or "")
    late = await invite(world, owner, key_lifetime=2 * HOUR)
    edge = await invite(world, owner, key_lifetime=owner.expires_at - int(world.now))
    fixed = await invite(world, owner, key_lifetime=None, key_expires_at=int(world.now) + 3 * HOUR)
    world.now += HOUR
    ends = []
    for friend in (late, edge, fixed):
        ends.append((await world.service.key((await friend.claim()).key_id or "")).expires_at)
    assert ends == [int(world.now) + 2 * HOUR, owner.expires_at, int(world.now) + 2 * HOUR]


async def test_the_app_of_the_friend_takes_the_phone_as_its_own(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner)
    key = await world.service.key((await friend.claim()).key_id or "")
    assert (await world.service.device(key.device_id)).app_id is None
    await friend.claim(app_id="app_friend")
    assert (await world.service.device(key.device_id)).app_id == "app_friend"
    await friend.claim(app_id="app_thief")
    assert (await world.service.device(key.device_id)).app_id == "app_friend", "once is for ever"


# --- who may not


async def test_the_first_device_keeps_it_and_the_owner_hears_of_the_second(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner)
    accepted = await friend.claim()
    forwarded = Friend(world, friend.invited, LocalSigner.generate())
    world.events.clear()
    for _ in range(MOST_TRIES + 2):
        assert await refused(forwarded.claim()) == "invitation_taken"
    assert world.told() == ["invitation.refused"] * MOST_TRIES, "told, but not for ever"
    assert world.events[0][1]["reason"] == "other_device"
    assert (await world.service.invitations.get(accepted.id)).other_claims == MOST_TRIES
    again = await friend.claim()
    assert (again.key_id, again.device_key) == (accepted.key_id, friend.signer.public_key)
    assert len(await world.service.keys(owner.vehicle_id)) == 2


async def test_of_many_devices_at_once_exactly_one_wins(world: World, owner: DigitalKey, tmp_path: Path) -> None:
    """Two services on two connections to one SQLite file, eight devices: one key."""
    friend = await invite(world, owner)
    async with await open_store(tmp_path / "data") as second:
        other = CredentialService(second.credentials, second.vault, world.issuer, lambda: world.now, world.random)
        devices = [Friend(world, friend.invited, LocalSigner.generate()) for _ in range(8)]

        async def race(device: Friend, service: CredentialService) -> Invitation:
            return await service.invitations.claim(
                friend.invited.invitation.id, friend.invited.secret, device.signer.public_key, device.proof()
            )

        results = await asyncio.gather(
            *(race(device, each) for device, each in zip(devices, itertools.cycle((world.service, other)))),
            return_exceptions=True,
        )
    won = [result for result in results if isinstance(result, Invitation)]
    lost = [result.code for result in results if isinstance(result, KeygwError)]
    assert len(won) == 1
    assert lost == ["invitation_taken"] * 7
    assert won[0].state is InvitationState.ACCEPTED
    assert len(await world.service.keys(owner.vehicle_id)) == 2
    assert (await world.service.invitations.get(won[0].id)).device_key == won[0].device_key


async def test_one_device_that_asks_twice_at_once_gets_one_key(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner)
    first, second = await asyncio.gather(friend.claim(), friend.claim())
    assert first.key_id == second.key_id
    assert len(await world.service.keys(owner.vehicle_id)) == 2


async def test_an_unknown_id_and_a_wrong_secret_sound_alike(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner)
    invitations, secret = world.service.invitations, friend.invited.secret
    for name, guess in [("inv_aaaaaaaaaaaaaaaa", secret), (friend.invited.invitation.id, bytes(32)),
                        (friend.invited.invitation.id, secret + b"\0"), ("", b"")]:  # fmt: skip
        for doing in (
            friend.claim(invitation_id=name, secret=guess),
            invitations.look(name, guess),
            invitations.decline(name, guess),
        ):
            assert await refused(doing) == "unknown_invitation"
    assert (await invitations.look(friend.invited.invitation.id, secret)).state is InvitationState.OPEN


async def test_guessing_is_bounded_and_locks_nobody_out(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner)
    heard = [await refused(friend.claim(secret=bytes(32))) for _ in range(MOST_WRONG + 2)]
    assert heard == ["unknown_invitation"] * MOST_WRONG + ["too_many_guesses"] * 2
    assert (await friend.claim()).state is InvitationState.ACCEPTED, "who knows the secret always gets through"
    world.now += 60
    assert await refused(friend.claim(secret=bytes(32))) == "unknown_invitation"


async def test_a_proof_is_about_this_device_this_invitation_and_this_act(world: World, owner: DigitalKey) -> None:
    friend, other = await invite(world, owner), await invite(world, owner)
    stranger = Friend(world, friend.invited, LocalSigner.generate())
    for proof in (
        stranger.proof(),
        other.proof(),
        Friend(world, other.invited, friend.signer).proof(),
        friend.proof(InvitationAct.DECLINE),
        friend.proof()[:-1] + b"\0",
        b"",
    ):
        assert await refused(friend.claim(proof=proof)) == "bad_proof"
    assert await refused(friend.claim(device_key=bytes(33))) == "bad_public_key"
    assert (await world.service.invitations.get(friend.invited.invitation.id)).state is InvitationState.OPEN
    assert (await friend.claim()).state is InvitationState.ACCEPTED


# --- the activation code


async def test_the_code_is_said_aloud_once_and_counted_for_ever(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner, activation_code=True)
    code = friend.invited.code
    assert code is not None
    assert len(code) == 6
    assert code.isdecimal()
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    assert await refused(friend.claim()) == "activation_code_required"
    for left in range(MOST_TRIES - 1, 0, -1):
        # Whoever tries, with whatever device, and whatever was restarted meanwhile.
        world.service = world.restarted()
        thief = Friend(world, friend.invited, LocalSigner.generate())
        assert await refused(thief.claim(wrong)) == "activation_code_wrong"
        assert (await world.service.invitations.get(friend.invited.invitation.id)).wrong_codes == MOST_TRIES - left
    assert await refused(friend.claim(wrong)) == "invitation_locked"
    assert await refused(friend.claim(code)) == "invitation_locked"
    assert world.told()[-2:] == ["invitation.refused", "invitation.locked"]
    assert len(await world.service.keys(owner.vehicle_id)) == 1


async def test_the_right_code_lets_in_and_a_repetition_needs_none(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner, activation_code=True)
    wrong = f"{(int(friend.invited.code or 0) + 1) % 10**6:06d}"
    assert await refused(friend.claim(wrong)) == "activation_code_wrong"
    accepted = await friend.claim(friend.invited.code)
    assert accepted.state is InvitationState.ACCEPTED
    assert await friend.claim() == accepted


async def test_neither_secret_nor_code_can_be_read_from_the_store(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner, activation_code=True)
    again = await invite(world, owner, activation_code=True)
    rows = await world.store.database.fetch("SELECT * FROM invitations")
    stored = repr([list(row) for row in rows])
    for secret in (friend.invited.secret, again.invited.secret):
        assert repr(secret)[2:-1] not in stored
        assert secret.hex() not in stored
    assert friend.invited.code not in (None, "")
    assert f"'{friend.invited.code}'" not in stored
    shown = repr(friend.invited)
    assert repr(friend.invited.secret)[2:-1] not in shown
    assert f"{friend.invited.code}" not in shown
    assert "secret_hash" not in shown


# --- the ends


async def test_the_friend_says_no(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner)
    declined = await friend.decline()
    assert declined.state is InvitationState.DECLINED
    assert await friend.decline() == declined
    assert await refused(friend.claim()) == "invitation_declined"
    assert world.told()[-1] == "invitation.declined"


async def test_only_the_device_that_claimed_may_still_say_no(world: World, phone_held: DigitalKey) -> None:
    friend = await invite(world, phone_held)
    await friend.claim()
    forwarded = Friend(world, friend.invited, LocalSigner.generate())
    assert await refused(forwarded.decline()) == "invitation_taken"
    assert await refused(forwarded.decline(proven=True)) == "invitation_taken"
    assert (await friend.decline(proven=True)).state is InvitationState.DECLINED


async def test_what_has_become_a_key_is_revoked_not_cancelled(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner)
    await friend.claim()
    assert await refused(world.service.invitations.cancel(friend.invited.invitation.id)) == "invitation_accepted"
    assert await refused(friend.decline(proven=True)) == "invitation_accepted"


@pytest.mark.parametrize("claimed", [False, True])
async def test_the_owner_takes_it_back(world: World, phone_held: DigitalKey, claimed: bool) -> None:
    friend = await invite(world, phone_held)
    if claimed:
        await friend.claim()
    cancelled = await world.service.invitations.cancel(friend.invited.invitation.id)
    assert cancelled.state is InvitationState.CANCELLED
    assert await world.service.invitations.cancel(cancelled.id) == cancelled
    assert await refused(friend.claim()) == "invitation_cancelled"
    assert world.told().count("invitation.cancelled") == 1


async def test_it_expires_and_stays_expired(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner, lifetime=HOUR)
    world.now += HOUR
    assert await refused(friend.claim()) == "invitation_expired"
    stored = await world.store.credentials.invitation(friend.invited.invitation.id)
    assert stored is not None
    assert stored.state is InvitationState.EXPIRED, "the refusal has written it down"
    assert world.told()[-1] == "invitation.expired"
    world.now -= HOUR
    assert await refused(friend.claim()) == "invitation_expired"
    assert world.told().count("invitation.expired") == 1


async def test_time_is_seen_by_whoever_looks_first(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner, lifetime=HOUR)
    world.now += HOUR
    (listed,) = await world.service.invitations.of_vehicle(owner.vehicle_id)
    assert listed.state is InvitationState.EXPIRED
    assert await world.service.invitations.get(listed.id) == listed
    assert await world.service.invitations.look(listed.id, friend.invited.secret) == listed
    assert (await world.service.invitations.cancel(listed.id)).state is InvitationState.EXPIRED
    assert (await friend.decline()).state is InvitationState.EXPIRED


@pytest.mark.parametrize("what", ["suspend", "revoke"])
@pytest.mark.parametrize("whose", ["parent", "grandparent"])
async def test_it_ends_with_the_key_it_was_made_with(
    world: World, phone_held: DigitalKey, what: str, whose: str
) -> None:
    waiting, claimed = await invite(world, phone_held), await invite(world, phone_held)
    await claimed.claim()
    ended = phone_held.id if whose == "parent" else phone_held.parent_id
    await getattr(world.service, what)(ended)
    assert world.told().count("invitation.ended") == 2, "at once, not when somebody looks"
    for friend in (waiting, claimed):
        assert await refused(friend.claim()) == "invitation_ended"
    if what == "suspend":
        await world.service.resume(ended or "")
        assert await refused(waiting.claim()) == "invitation_ended", "what ended does not come back"


async def test_it_never_outlives_its_parent_or_its_key(world: World, phone_held: DigitalKey) -> None:
    short = await world.friend(
        await world.service.key(phone_held.parent_id or ""), RIGHTS | Entitlement.KEY_SHARE, 2 * HOUR
    )
    at = int(world.now)
    by_parent = await invite(world, short, key_lifetime=HOUR)
    assert by_parent.invited.invitation.expires_at == at + 2 * HOUR
    by_key = await invite(world, short, key_lifetime=None, key_expires_at=at + HOUR)
    assert by_key.invited.invitation.expires_at == at + HOUR
    world.now += 2 * HOUR
    assert await refused(by_parent.claim()) in ("invitation_expired", "invitation_ended")


async def test_what_cannot_be_offered(world: World, owner: DigitalKey, phone_held: DigitalKey) -> None:
    at = int(world.now)
    suspended = await world.friend(owner, RIGHTS | Entitlement.KEY_SHARE)
    await world.service.suspend(suspended.id)
    plain = await world.friend(owner)
    cases: list[tuple[DigitalKey, dict[str, Any], str]] = [
        (owner, {"lifetime": 0}, "bad_lifetime"),
        (owner, {"lifetime": Limits().invitation_lifetime + 1}, "bad_lifetime"),
        (owner, {"key_expires_at": at + HOUR}, "bad_lifetime"),
        (owner, {"key_lifetime": None}, "bad_lifetime"),
        (owner, {"key_lifetime": 0}, "bad_lifetime"),
        (owner, {"label": "a\nb"}, "bad_label"),
        (owner, {"entitlements": Entitlement(0)}, "no_entitlements"),
        (owner, {"key_lifetime": 366 * DAY}, "outlives_parent"),
        (phone_held, {"entitlements": Entitlement.TRUNK_OPEN}, "wider_than_parent"),
        (plain, {}, "not_entitled"),
        (suspended, {}, "key_suspended"),
    ]
    for parent, wish, code in cases:
        assert await refused(invite(world, parent, **wish)) == code
    assert await world.service.invitations.of_vehicle(owner.vehicle_id) == []


async def test_a_key_has_so_many_invitations_at_once(world: World, owner: DigitalKey) -> None:
    made = [await invite(world, owner) for _ in range(Limits().open_invitations)]
    assert await refused(invite(world, owner)) == "too_many_invitations"
    await made[0].decline()
    await invite(world, owner)


async def test_a_full_vehicle_leaves_the_invitation_open(
    world: World, owner: DigitalKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be issued has not been claimed: the friend tries again later, and so may another device."""
    friend = await invite(world, owner)
    await world.store.database.write(lambda tx: tx.fetch("UPDATE vehicles SET next_index = 1000"))

    async def full(*_: object) -> int:
        return 1000

    with monkeypatch.context() as patch:
        patch.setattr("keygw.store.credential_reads.SqlReads.unexpired_count", full)
        assert await refused(friend.claim()) == "vehicle_full"
    stored = await world.service.invitations.get(friend.invited.invitation.id)
    assert (stored.state, stored.device_key) == (InvitationState.OPEN, None)
    assert (await friend.claim()).state is InvitationState.ACCEPTED


async def test_a_key_from_an_invitation_is_revoked_like_any_other(world: World, owner: DigitalKey) -> None:
    friend = await invite(world, owner)
    accepted = await friend.claim()
    await world.service.revoke(accepted.key_id or "")
    again = await friend.claim()
    assert again.key_id == accepted.key_id, "the link makes no second key"
    assert (await world.service.key(accepted.key_id or "")).state is KeyState.REVOKING

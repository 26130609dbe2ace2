"""Devices on a real store: registered on a challenge, attested, judged whenever a token is signed, removed."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from attestation_cast import CHAIN, DEVICE, OTHER_DEVICE, Making, self_attested
from fixed_signer import FixedSigner

from keygw.credentials.attestation import Evidence
from keygw.credentials.devices import CHALLENGE_SECONDS, OPEN_CHALLENGES
from keygw.credentials.invitation import InvitationState
from keygw.credentials.profiles import BUILT_IN, Profiles
from keygw.credentials.values import Limits
from keygw.crypto.kdf import sha256
from keygw.crypto.signer import device_id
from keygw.model.device import AttestationLevel, Device, DeviceKind
from keygw.model.digital_key import DigitalKey, KeyState
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import KeygwError
from keygw.token.possession import InvitationAct, invitation_challenge, sign_possession, sign_registration

if TYPE_CHECKING:
    from tests.unit.credentials.conftest import World

HOUR, DAY = 3600, 86_400
APP, OTHER_APP = "app_test", "app_other"


async def refused(awaitable: Awaitable[object]) -> str:
    with pytest.raises(KeygwError) as caught:
        await awaitable
    return caught.value.code


def making(signer: FixedSigner, level: AttestationLevel, challenge: bytes) -> Evidence | None:
    if level is AttestationLevel.NONE:
        return None
    made = self_attested(signer, challenge)
    if level is AttestationLevel.BASIC:
        made = Making(device=signer, challenge=challenge, chain=CHAIN)
    return Evidence("packed", made.evidence)


async def register(
    world: World,
    signer: FixedSigner = DEVICE,
    level: AttestationLevel = AttestationLevel.NONE,
    app: str = APP,
    label: str = "",
    **changes: Any,
) -> Device:
    challenge = changes.pop("challenge", None) or (await world.service.devices.challenge(app)).value
    evidence = making(signer, level, challenge)
    said = None if evidence is None else (evidence.format, evidence.data)
    given = {"proof": sign_registration(challenge, said, signer), "evidence": evidence, **changes}
    return await world.service.devices.register(app, signer.public_key, challenge, label=label, **given)


def strict(level: AttestationLevel = AttestationLevel.BASIC, **more: Any) -> Limits:
    return Limits(profiles=Profiles([replace(each, attestation=level) for each in BUILT_IN]), **more)


async def shared(world: World, owner: DigitalKey, signer: FixedSigner = DEVICE, **changes: Any) -> DigitalKey:
    given = {"entitlements": PROFILES["access"], "expires_at": int(world.now) + 30 * DAY, **changes}
    return await world.service.share(owner.id, device_public_key=signer.public_key, **given)


@pytest.mark.parametrize("level", [AttestationLevel.NONE, AttestationLevel.SELF, AttestationLevel.BASIC])
async def test_a_device_is_registered_with_what_it_proves(world: World, level: AttestationLevel) -> None:
    made = await register(world, level=level, label="Ada's phone")
    assert (made.kind, made.app_id, made.label) == (DeviceKind.PHONE, APP, "Ada's phone")
    assert (made.level, made.registered_at) == (level, int(world.now))
    proven = level is not AttestationLevel.NONE
    assert (made.attestation_format, bool(made.model)) == ("packed" if proven else "", proven)
    assert made.attested_at == (int(world.now) if proven else None)
    assert await world.service.devices.get(made.id) == made
    assert await world.service.devices.of_app(APP) == [made]
    assert await world.service.devices.of_app(OTHER_APP) == []


async def test_a_challenge_serves_one_registration_of_its_own_app_in_its_time(world: World) -> None:
    challenge = (await world.service.devices.challenge(APP)).value
    assert await refused(register(world, app=OTHER_APP, challenge=challenge)) == "challenge_unknown"
    assert await refused(register(world, challenge=bytes(32))) == "challenge_unknown"
    await register(world, challenge=challenge)
    assert await refused(register(world, challenge=challenge)) == "challenge_unknown"
    late = await world.service.devices.challenge(APP)
    assert late.expires_at == int(world.now) + CHALLENGE_SECONDS
    world.now = late.expires_at
    assert await refused(register(world, challenge=late.value)) == "challenge_unknown"


async def test_what_is_refused_leaves_the_challenge_and_no_device(world: World) -> None:
    challenge = (await world.service.devices.challenge(APP)).value
    other = sign_registration(challenge, None, OTHER_DEVICE)
    stale = making(DEVICE, AttestationLevel.SELF, bytes(32))
    assert stale is not None
    proof = sign_registration(challenge, (stale.format, stale.data), DEVICE)
    assert await refused(register(world, challenge=challenge, proof=other)) == "bad_proof"
    assert await refused(register(world, challenge=challenge, proof=b"")) == "bad_proof"
    assert await refused(register(world, challenge=challenge, evidence=stale)) == "bad_proof"
    assert await refused(register(world, challenge=challenge, evidence=stale, proof=proof)) == "attestation_challenge"
    assert await refused(register(world, challenge=challenge, label="x" * 81)) == "bad_label"
    assert await world.service.devices.of_app() == []
    await register(world, challenge=challenge)


async def test_an_app_keeps_its_newest_challenges(world: World) -> None:
    first = (await world.service.devices.challenge(APP)).value
    for _ in range(OPEN_CHALLENGES):
        world.now += 1
        await world.service.devices.challenge(APP)
    assert await refused(register(world, challenge=first)) == "challenge_unknown"


async def test_again_takes_the_new_label_and_the_better_attestation(world: World) -> None:
    await register(world, label="Old")
    world.now += 10
    better = await register(world, level=AttestationLevel.BASIC, label="New")
    world.now += 10
    again = await register(world, level=AttestationLevel.SELF, label="Newest")
    assert again == replace(better, label="Newest")
    assert again.registered_at == int(world.now) - 20
    assert await register(world, label="Newest") == again


async def test_a_device_belongs_to_one_app(world: World) -> None:
    await register(world)
    assert await refused(register(world, app=OTHER_APP)) == "device_taken"


async def test_a_hosted_device_is_neither_registered_nor_removed(world: World) -> None:
    hosted = await world.service.create_hosted_device(APP)
    assert hosted.level is AttestationLevel.HOSTED
    assert await refused(world.service.devices.remove(hosted.id)) == "hosted_device"
    assert [each.level for each in await world.service.devices.of_app(APP)] == [AttestationLevel.HOSTED]


async def test_an_app_registers_so_many_and_the_same_one_always(world: World) -> None:
    world.service = world.restarted(Limits(devices_per_app=1))
    await register(world)
    assert await refused(register(world, OTHER_DEVICE)) == "too_many_devices"
    await register(world)
    await world.service.devices.remove(device_id(DEVICE.public_key))
    await register(world, OTHER_DEVICE)


async def test_a_device_goes_when_no_key_of_it_lives(world: World) -> None:
    owner = await world.owner(await world.car())
    made = await register(world, level=AttestationLevel.BASIC, label="Ada's phone")
    key = await shared(world, owner)
    assert key.device_id == made.id
    assert await refused(world.service.devices.remove(made.id)) == "device_in_use"
    await world.service.suspend(key.id)
    assert await refused(world.service.devices.remove(made.id)) == "device_in_use"
    await world.service.revoke(key.id)
    await world.service.devices.remove(made.id)
    assert [each.kind for each in await world.service.devices.of_app(APP)] == [DeviceKind.HOSTED]
    left = await world.service.devices.get(made.id)
    assert (left.app_id, left.level, left.registered_at, left.label) == (None, AttestationLevel.NONE, None, "")
    assert await refused(world.service.devices.get("dev_aaaaaaaaaaaaaaaa")) == "unknown_device"


# What profiles ask for


async def test_a_profile_is_judged_by_the_device_as_it_is_registered(world: World) -> None:
    owner = await world.owner(await world.car())
    world.service = world.restarted(strict())
    assert await refused(shared(world, owner, profile="access")) == "attestation_required"
    assert await refused(shared(world, owner)) == "attestation_required"
    await register(world, level=AttestationLevel.SELF)
    assert await refused(shared(world, owner, profile="access")) == "attestation_required"
    await register(world, level=AttestationLevel.BASIC)
    key = await shared(world, owner, profile="access")
    assert (key.profile, key.max_depth) == ("access", 1)
    assert (await shared(world, owner)).profile == ""
    assert (await world.service.key(owner.id)).profile == "owner"


async def test_a_grant_is_judged_as_well(world: World) -> None:
    """A phone signs it, and says nothing of profiles: the entitlements decide."""
    owner = await world.owner(await world.car())
    parent = await world.friend(owner, PROFILES["access"] | Entitlement.KEY_SHARE)
    phone = world.phones[parent.device_id]
    world.service = world.restarted(strict())
    expires_at = int(world.now) + HOUR
    grant = world.grant(parent, DEVICE.public_key, PROFILES["access"], expires_at)
    assert phone is not None
    assert grant is not None
    call = world.service.share_granted(parent.id, device_public_key=DEVICE.public_key, grant=grant)
    assert await refused(call) == "attestation_required"
    await register(world, level=AttestationLevel.BASIC)
    await world.service.share_granted(parent.id, device_public_key=DEVICE.public_key, grant=grant)


async def test_a_stricter_policy_ends_no_key_and_renews_none(world: World) -> None:
    car = await world.car()
    owner = await world.owner(car)
    key = await shared(world, owner, profile="access")
    first = await world.service.key_token(key.id)
    world.service = world.restarted(strict())
    assert (await world.service.key(key.id)).state is KeyState.ACTIVE
    assert (await world.service.key_token(key.id)).refused is None  # none is due yet
    world.now += 60 * HOUR
    kept = await world.service.key_token(key.id)
    assert (kept.jwt, kept.expires_at, kept.refused) == (first.jwt, first.expires_at, "attestation_required")
    assert await refused(world.service.renew(key.id)) == "attestation_required"
    await world.service.suspend(key.id)
    assert await refused(world.service.resume(key.id)) == "attestation_required"
    await register(world, level=AttestationLevel.BASIC)
    await world.service.resume(key.id)
    await world.service.renew(key.id)
    fresh = await world.service.key_token(key.id)
    assert fresh.refused is None
    assert fresh.expires_at > first.expires_at


async def test_a_list_that_bars_old_tokens_ends_no_key_for_a_stricter_policy(world: World) -> None:
    """Nor does it give it a longer life."""
    owner = await world.owner(await world.car())
    key = await shared(world, owner, profile="access")
    first = await world.service.key_token(key.id)
    others = [await world.friend(owner) for _ in range(3)]
    world.service = world.restarted(strict(list_entries=1))
    world.now += HOUR
    for other in others:
        world.now += 1
        await world.service.revoke(other.id)
    again = await world.service.key_token(key.id)
    assert again.jwt != first.jwt
    assert again.expires_at == first.expires_at


async def test_a_claim_brings_its_attestation(world: World) -> None:
    owner = await world.owner(await world.car())
    world.service = world.restarted(strict())
    invited = await world.service.invitations.create(
        owner.id, app_id=APP, entitlements=PROFILES["access"], profile="access", key_lifetime=DAY
    )
    invitation, secret = invited.invitation, invited.secret
    proof = sign_possession(InvitationAct.CLAIM, invitation.id, secret, DEVICE)
    asked = invitation_challenge(invitation.id, sha256(secret), DEVICE.public_key)

    async def claim(evidence: Evidence | None) -> str | None:
        given = (invitation.id, secret, DEVICE.public_key, proof)
        return (await world.service.invitations.claim(*given, evidence=evidence)).key_id

    assert await refused(claim(None)) == "attestation_required"
    assert await refused(claim(making(DEVICE, AttestationLevel.SELF, asked))) == "attestation_required"
    assert await refused(claim(making(DEVICE, AttestationLevel.BASIC, bytes(32)))) == "attestation_challenge"
    assert (await world.service.invitations.get(invitation.id)).state is InvitationState.OPEN
    key_id = await claim(making(DEVICE, AttestationLevel.BASIC, asked))
    assert key_id is not None
    key = await world.service.key(key_id)
    assert key.profile == "access"
    assert (await world.service.device(key.device_id)).level is AttestationLevel.BASIC


async def test_where_a_phone_must_grant_a_claim_is_refused_before_it_binds(world: World) -> None:
    """Else a device that can never have the key would keep everybody else from the invitation."""
    owner = await world.owner(await world.car())
    parent = await world.friend(owner, PROFILES["access"] | Entitlement.KEY_SHARE)
    world.service = world.restarted(strict())
    invited = await world.service.invitations.create(
        parent.id, app_id=APP, entitlements=PROFILES["access"], key_lifetime=HOUR
    )
    given = (invited.invitation.id, invited.secret)

    def claim(signer: FixedSigner) -> Awaitable[object]:
        proof = sign_possession(InvitationAct.CLAIM, *given, signer)
        return world.service.invitations.claim(*given, signer.public_key, proof)

    assert await refused(claim(OTHER_DEVICE)) == "attestation_required"
    assert (await world.service.invitations.get(invited.invitation.id)).state is InvitationState.OPEN
    await register(world, level=AttestationLevel.BASIC)
    await claim(DEVICE)
    assert (await world.service.invitations.get(invited.invitation.id)).state is InvitationState.CLAIMED


# Limits


async def test_keys_of_one_owner_key_are_bounded_whole_families_together(world: World) -> None:
    car = await world.car()
    owner, other = await world.owner(car), await world.owner(car)
    world.service = world.restarted(Limits(keys_per_owner=2))
    friend = await world.friend(owner, PROFILES["access"] | Entitlement.KEY_SHARE)
    below = await world.friend(friend)
    assert await refused(world.friend(owner)) == "owner_full"
    assert await refused(world.friend(friend)) == "owner_full"
    await world.friend(other)
    await world.service.revoke(below.id)
    await world.friend(owner)


async def test_keys_of_one_device_are_bounded_over_all_vehicles(world: World) -> None:
    owners = [await world.owner(await world.car()) for _ in range(3)]
    world.service = world.restarted(Limits(keys_per_device=2))
    keys = [await shared(world, owner) for owner in owners[:2]]
    assert await refused(shared(world, owners[2])) == "device_full"
    await shared(world, owners[2], OTHER_DEVICE)
    await world.service.revoke(keys[0].id)
    await shared(world, owners[2])


async def test_every_limit_names_itself_and_its_bounds() -> None:
    assert Limits.of(Limits().shown(), Profiles()).shown() == Limits().shown()
    for name, number in Limits().shown().items():
        assert Limits.of({name: number}, Profiles()).shown()[name] == number
        for wrong in (-1, 10**9):
            with pytest.raises(ValueError, match=f"^{name} is "):
                Limits.of({name: wrong}, Profiles())
    with pytest.raises(ValueError, match="there is no limit keys"):
        Limits.of({"keys": 1}, Profiles())


async def test_refusals_say_the_number_and_what_to_do(world: World) -> None:
    owner = await world.owner(await world.car())
    world.service = world.restarted(Limits(keys_per_device=1))
    await shared(world, owner)
    with pytest.raises(KeygwError, match=r"holds 1 unexpired keys: revoke what nobody needs"):
        await shared(world, owner)

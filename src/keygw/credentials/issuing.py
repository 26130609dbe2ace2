"""Making digital keys: the rules of issuing and sharing, and the signed token, all inside one transaction.

A shared key stands on two signatures: the grant of its parent's device, and the key token that the issuer signs within
that grant. The vehicle asks for both.
"""

from __future__ import annotations

from dataclasses import dataclass

from keygw.credentials.lifecycle import refusal
from keygw.credentials.ports import CredentialTransaction, VehicleRecord
from keygw.credentials.renewal import claims_of, renew, sign_token, token_end
from keygw.credentials.status_places import take_place
from keygw.credentials.values import Issuer, Limits
from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import Signer, check_public_key, thumbprint
from keygw.model.device import Device
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import BadInput, Conflict, Forbidden
from keygw.model.ids import Random, new_id
from keygw.model.label import one_line
from keygw.token.claims import KeyClaims
from keygw.token.grant import Grant, check_grant, sign_grant, verify_grant

_NO_GRANT = "the device that holds the parent must sign a grant for the friend's device"


@dataclass(frozen=True, slots=True)
class KeyPlan:
    """What a new key shall say; the rules have been looked at. Times: Unix seconds."""

    device: Device
    role: Role
    entitlements: Entitlement
    expires_at: int
    max_depth: int
    parent: DigitalKey | None = None
    label: str = ""
    profile: str = ""
    """Its access profile; "" where single entitlements were asked for."""


def plan_owner(device: Device, label: str, lifetime: int | None, now: float, limits: Limits) -> KeyPlan:
    """``BadInput`` bad_lifetime, bad_label."""
    seconds = limits.owner_lifetime if lifetime is None else lifetime
    if not 1 <= seconds <= limits.owner_lifetime:
        raise BadInput(f"an owner key lives 1 to {limits.owner_lifetime} seconds", code="bad_lifetime")
    return KeyPlan(
        device=device,
        role=Role.OWNER,
        entitlements=limits.profiles.named("owner").entitlements,
        expires_at=int(now) + seconds,
        max_depth=min(limits.share_depth, limits.profiles.named("owner").share_depth),
        label=checked_label(label, limits),
        profile="owner",
    )


def check_friend(parent: DigitalKey, entitlements: Entitlement, expires_at: int, now: float) -> None:
    """A friend key is never more than its parent. ``Conflict``: the parent is not active; ``Forbidden``: not_entitled,
    wider_than_parent, outlives_parent, share_depth; ``BadInput``: bad_lifetime, no_entitlements."""
    ended = refusal(parent.state)
    if ended is not None:
        code, sentence = ended
        raise Conflict(f"the parent cannot share: {sentence}", code=code)
    if Entitlement.KEY_SHARE not in parent.entitlements:
        raise Forbidden("the parent does not hold key.share", code="not_entitled")
    if parent.depth + 1 > parent.max_depth:
        raise Forbidden(
            f"the parent may be shared on {parent.max_depth - parent.depth} times: share from a key nearer to the "
            "owner",
            code="share_depth",
        )
    if not entitlements:
        raise BadInput("a friend key needs at least one entitlement", code="no_entitlements")
    # In plain numbers: `~` on a flag forgets the bits that this release has no name for.
    wider = Entitlement(int(entitlements) & ~int(parent.entitlements))
    if wider:
        raise Forbidden(f"the parent does not hold {', '.join(wider.names)}", code="wider_than_parent")
    if expires_at <= int(now):
        raise BadInput("a friend key ends in the future", code="bad_lifetime")
    if expires_at > parent.expires_at:
        raise Forbidden("a friend key cannot outlive its parent", code="outlives_parent")


def plan_friend(
    parent: DigitalKey,
    device: Device,
    entitlements: Entitlement,
    expires_at: int,
    label: str,
    now: float,
    limits: Limits,
    profile: str = "",
) -> KeyPlan:
    """What ``check_friend`` lets through; ``BadInput`` bad_label, unknown_profile. ``profile``: asked for by name."""
    check_friend(parent, entitlements, expires_at, now)
    deepest = min(parent.max_depth, limits.share_depth)
    if profile:
        deepest = min(deepest, parent.depth + 1 + limits.profiles.named(profile).share_depth)
    return KeyPlan(
        device=device,
        role=Role.FRIEND,
        entitlements=entitlements,
        expires_at=expires_at,
        max_depth=deepest,
        parent=parent,
        label=checked_label(label, limits),
        profile=profile,
    )


async def make_key(
    tx: CredentialTransaction,
    vehicle: VehicleRecord,
    plan: KeyPlan,
    now: float,
    issuer: Issuer,
    limits: Limits,
    random: Random,
    grant: bytes | None = None,
    renewed: list[DigitalKey] | None = None,
) -> DigitalKey:
    """Take an index, sign both forms, store key, device and high-water mark. ``Conflict`` vehicle_full, owner_full,
    device_full; ``Forbidden`` those of ``Profiles.check_new``: they are about the device as it is registered here.

    ``grant``: of a shared key, signed by its parent's device; ``TokenError`` (``token.grant``) if it does not cover it.
    ``renewed``: as in ``renewal.renew``, for parents' tokens that were due. ``Conflict`` device_lost.
    """
    issued_at = int(now)
    name = vehicle.vehicle.id
    await _check_room(tx, vehicle, plan, issued_at, limits)
    device = await _holding(tx, plan.device, issued_at, limits)
    index = await tx.take_index(name)
    if index is None:
        raise Conflict("every key index of this vehicle has been used", code="vehicle_full")
    parent = plan.parent
    _check_profile(plan, device, issued_at, limits)
    key = DigitalKey(
        id=new_id("key", random),
        vehicle_id=name,
        device_id=device.id,
        role=plan.role,
        entitlements=plan.entitlements,
        index=index,
        not_before=issued_at,
        expires_at=plan.expires_at,
        issued_at=issued_at,
        state=KeyState.ACTIVE,
        parent_id=parent.id if parent else None,
        depth=parent.depth + 1 if parent else 0,
        max_depth=plan.max_depth,
        epoch=vehicle.epoch,
        label=plan.label,
        profile=plan.profile,
    )
    parent_end = None
    if parent is not None:
        await _check_grant(tx, parent, grant, claims_of(key, device, vehicle, issuer.issuer, key.expires_at), vehicle)
        parent_end = await _parent_end(tx, parent, now, issuer, limits, [] if renewed is None else renewed)
    end = token_end(key, limits, parent_end)
    place = await take_place(tx, key.id, issuer.status_lists, random)
    await tx.add_key(key, sign_token(key, device, vehicle, issuer, end, limits, grant, place))
    if parent is None and device.app_id is not None:
        await tx.bind_owner_key(key.id, device.app_id)
    await tx.raise_last_issued_at(issued_at)
    return key


async def _check_room(
    tx: CredentialTransaction, vehicle: VehicleRecord, plan: KeyPlan, at: int, limits: Limits
) -> None:
    """Is there room for one more key of the vehicle, of its owner key?"""
    # Counting takes the longer the more there are; a vehicle that never had so many keys cannot have too many.
    many = vehicle.next_index >= limits.unexpired_keys
    if many and await tx.unexpired_count(vehicle.vehicle.id, at) >= limits.unexpired_keys:
        raise Conflict(
            f"the vehicle has {limits.unexpired_keys} unexpired keys: revoke what nobody needs, or wait until some "
            "have ended",
            code="vehicle_full",
        )
    parent = plan.parent
    owner = None if parent is None else parent.id if parent.parent_id is None else await _root(tx, parent)
    most = limits.keys_per_owner
    if owner is not None and await tx.unexpired_of_owner(owner, at, most) >= most:
        raise Conflict(
            f"{most} unexpired keys have been shared from this owner key: revoke what nobody needs, "
            "or wait until some have ended",
            code="owner_full",
        )


async def _holding(tx: CredentialTransaction, device: Device, at: int, limits: Limits) -> Device:
    """The device as it is stored from now on, if it may hold one more key."""
    most = limits.keys_per_device
    holder = await tx.holder(device.id, at, most)
    if holder.live_keys >= most:
        raise Conflict(
            f"the device holds {most} unexpired keys: revoke what nobody needs, or use another device",
            code="device_full",
        )
    if holder.lost:
        raise Conflict("the device is reported lost: it gets no key before it is found", code="device_lost")
    known = holder.device
    if known is None or (known.app_id is None and device.app_id is not None):
        return await tx.add_device(device)
    return known


async def _root(tx: CredentialTransaction, key: DigitalKey) -> str:
    """The owner key that it stands on."""
    while key.parent_id is not None:
        record = await tx.key(key.parent_id)
        if record is None:
            break
        key = record.key
    return key.id


def _check_profile(plan: KeyPlan, device: Device, now: int, limits: Limits) -> None:
    """``device``: as it is stored, with what is proven of it."""
    depth = 0 if plan.parent is None else plan.parent.depth + 1
    further = plan.max_depth - depth if Entitlement.KEY_SHARE in plan.entitlements else 0
    limits.profiles.check_new(plan.profile, plan.entitlements, plan.role, device, plan.expires_at - now, further)


async def _check_grant(
    tx: CredentialTransaction, parent: DigitalKey, grant: bytes | None, child: KeyClaims, vehicle: VehicleRecord
) -> None:
    device = await tx.device(parent.device_id)
    if device is None or grant is None:
        raise Conflict(_NO_GRANT, code="grant_required")
    said = verify_grant(grant, device.public_key, parent.vehicle_id)
    check_grant(said, claims_of(parent, device, vehicle, child.issuer, parent.expires_at), child)


async def _parent_end(
    tx: CredentialTransaction,
    parent: DigitalKey,
    now: float,
    issuer: Issuer,
    limits: Limits,
    renewed: list[DigitalKey],
) -> int | None:
    """``exp`` of the parent's newest token, which is signed anew if it is due."""
    record = await tx.key(parent.id)
    return None if record is None else (await renew(tx, record, now, issuer, limits, renewed)).expires_at


def hosted_grant(plan: KeyPlan, now: float, signer: Signer | None) -> bytes:
    """What a hosted parent's device signs for exactly the planned key. ``Conflict`` grant_required without a signer."""
    if plan.parent is None or signer is None:
        raise Conflict(_NO_GRANT, code="grant_required")
    grant = Grant(
        vehicle_id=plan.parent.vehicle_id,
        parent_id=plan.parent.id,
        device=thumbprint(plan.device.public_key),
        entitlements=plan.entitlements,
        issued_at=int(now),
        not_before=int(now),
        expires_at=plan.expires_at,
        depth=plan.parent.depth + 1,
        max_depth=plan.max_depth,
    )
    return sign_grant(grant, signer)


def checked_label(label: str, limits: Limits) -> str:
    """``BadInput`` bad_label if it is too long, or not one line of text."""
    if len(label) > limits.label_length or not one_line(label):
        raise BadInput(f"a label is one line of at most {limits.label_length} characters", code="bad_label")
    return label


def checked_public_key(public_key: bytes) -> bytes:
    """``BadInput`` bad_public_key unless it is a point of P-256 in compressed form (33 bytes)."""
    try:
        return check_public_key(public_key)
    except CryptoError as error:
        raise BadInput(f"not a device or vehicle key: {error}", code="bad_public_key") from error

"""Key tokens end sooner than their keys, and are signed anew while the key may still be used.

A friend key lives as long as its grant says; its token lives 72 hours at most, so that a car which hears of nothing
lets it go by itself. An owner key that was issued for the full term is prolonged in the same way. Both happen silently,
when somebody asks for the token and a third of its life, or less, is left. Nothing is prolonged past the grant, past
what the parent's token says, or for a key that is suspended, revoked or over.

Nor is a token signed anew for a key that the profiles would not allow any more (``profiles``). Such a key does not end
for that: its newest token is good until it ends, and who asks for it is told why there will be no other.
"""

from __future__ import annotations

from dataclasses import replace

from keygw.credentials.lifecycle import shown_state
from keygw.credentials.ports import CredentialTransaction, KeyRecord, VehicleRecord
from keygw.credentials.status_places import place_of
from keygw.credentials.values import Issuer, KeyToken, Limits
from keygw.crypto.signer import thumbprint
from keygw.model.device import Device
from keygw.model.digital_key import DigitalKey, KeyState, Role
from keygw.model.errors import Forbidden, NotFound
from keygw.token.claims import THUMBPRINT_BYTES, KeyClaims, StatusReference
from keygw.token.cwt import encode_cwt
from keygw.token.envelope import KEY_TOKEN
from keygw.token.jwt import encode_jwt

LEAST_GAIN = 60
"""Seconds. What would last hardly longer is not signed anew, however often somebody asks."""


def token_end(key: DigitalKey, limits: Limits, parent_end: int | None) -> int:
    """``exp`` of a token that is signed at ``key.issued_at``. ``parent_end``: of the parent's newest token."""
    if key.role is Role.OWNER:
        return key.expires_at
    end = min(key.expires_at, key.issued_at + limits.friend_token)
    return end if parent_end is None else min(end, parent_end)


def sign_token(
    key: DigitalKey,
    device: Device,
    vehicle: VehicleRecord,
    issuer: Issuer,
    end: int,
    limits: Limits,
    grant: bytes | None = None,
    status: StatusReference | None = None,
) -> KeyToken:
    """Both forms, with ``end`` as their ``exp``. ``status``: the key's place in a status list, for the JWT."""
    claims = claims_of(key, device, vehicle, issuer.issuer, end, status)
    return KeyToken(
        jwt=encode_jwt(claims, issuer.signer, issuer.kid),
        cwt=encode_cwt(claims, issuer.signer, issuer.kid),
        grant=grant,
        expires_at=end,
        renew_from=_renew_from(key, end, limits),
    )


async def renew(
    tx: CredentialTransaction,
    record: KeyRecord,
    now: float,
    issuer: Issuer,
    limits: Limits,
    renewed: list[DigitalKey],
    *,
    asked: bool = False,
) -> KeyToken:
    """The key's token: a new one if it is due (or ``asked`` for) and would last longer, else the one there is.

    Every key that gets a new one is put into ``renewed``, for its holder to be told.

    A parent's token that is due goes first: a child's never outlives it. Answers the old token of a key that cannot be
    used now, or while a restored backup waits for an operator, and with ``refused`` that of one that the profiles would
    not allow any more; if it was asked for, ``Forbidden`` with the code of ``Profiles.check_again``.
    """
    token = await tx.key_token(record.key.id)
    if token is None:
        raise NotFound("there is no such key", code="unknown_key")
    due = token.renew_from is not None and now >= token.renew_from
    state = shown_state(record.key.state, record.above, record.key.expires_at, now)
    if not (due or asked) or state is not KeyState.ACTIVE:
        return token
    if await tx.restored_unconfirmed():  # it may have been revoked since the backup
        return token
    device, vehicle = await tx.device(record.key.device_id), await tx.vehicle(record.key.vehicle_id)
    if device is None or vehicle is None:
        return token
    refused = _refused(record.key, device, limits)
    if refused is not None:
        if asked:
            raise refused
        return replace(token, refused=refused.code)
    parent_end = None
    if record.key.parent_id is not None and (parent := await tx.key(record.key.parent_id)) is not None:
        parent_end = (await renew(tx, parent, now, issuer, limits, renewed)).expires_at
    key = replace(record.key, issued_at=int(now))
    if key.role is Role.OWNER and token.renew_from is not None:
        key = replace(key, expires_at=key.issued_at + limits.owner_lifetime)
    end = token_end(key, limits, parent_end)
    if end < token.expires_at + LEAST_GAIN:
        return token
    fresh = sign_token(key, device, vehicle, issuer, end, limits, token.grant, await place_of(tx, key.id))
    await _keep_former(tx, key, token, issuer)
    renewed.append(await tx.set_key_token(key, fresh))
    await tx.raise_last_issued_at(key.issued_at)
    return fresh


async def resign(
    tx: CredentialTransaction,
    vehicle: VehicleRecord,
    key: DigitalKey,
    issued_at: int,
    issuer: Issuer,
    limits: Limits,
    renewed: list[DigitalKey],
) -> None:
    """A token of a later iat (Unix seconds) for the same key, due or not: a list is about to bar the old one.

    Parents first, or the child's token would end with its parent's old one: a parent's that is due is renewed here, and
    where it has ended for good nothing is signed, because nothing that the car would take could be. ``renewed`` is as
    in ``renew``.
    Parents first, or the child's token would end with its parent's old one. One that the profiles would not allow any
    more gets its token all the same, to the old one's end: a list that bars other keys must not end this one.
    """
    if any(done.id == key.id for done in renewed):
        return
    token, device = await tx.key_token(key.id), await tx.device(key.device_id)
    if token is None or device is None:
        raise NotFound("there is no such key", code="unknown_key")
    above = None
    if key.parent_id is not None and (parent := await tx.key(key.parent_id)) is not None:
        above = (await renew(tx, parent, issued_at, issuer, limits, renewed)).expires_at
    fresh = replace(key, issued_at=issued_at)
    end = token_end(fresh, limits, above)
    if _refused(key, device, limits) is not None:
        end = min(end, token.expires_at)
    if end <= issued_at:
        return
    signed = sign_token(fresh, device, vehicle, issuer, end, limits, token.grant, await place_of(tx, key.id))
    if key.role is Role.OWNER:  # its end has not moved, and whether it may is what it was
        signed = replace(signed, renew_from=token.renew_from)
    await _keep_former(tx, key, token, issuer)
    renewed.append(await tx.set_key_token(fresh, signed))


def signed_by(token: KeyToken) -> bytes:
    """The kid that it names: 8 bytes."""
    return KEY_TOKEN.open(token.cwt).kid


async def _keep_former(tx: CredentialTransaction, key: DigitalKey, token: KeyToken, issuer: Issuer) -> None:
    """The token of before a change of the issuer's key: a vehicle that has not heard of it can check no other."""
    if signed_by(token) == issuer.kid:
        return
    heard = await tx.issuer_key_ack(key.vehicle_id)
    if await tx.issuer_statements(heard):
        await tx.keep_former_token(key.id, key.vehicle_id, token.cwt)


def claims_of(
    key: DigitalKey,
    device: Device,
    vehicle: VehicleRecord,
    issuer: str,
    end: int,
    status: StatusReference | None = None,
) -> KeyClaims:
    """The claims that both forms of the key token carry, but for ``status``. ``end``: their ``exp``."""
    return KeyClaims(
        issuer=issuer,
        key_id=key.id,
        device_key=device.public_key,
        vehicle_id=key.vehicle_id,
        vehicle_thumbprint=thumbprint(vehicle.vehicle.public_key)[:THUMBPRINT_BYTES],
        role=key.role,
        entitlements=key.entitlements,
        index=key.index,
        issued_at=key.issued_at,
        not_before=key.not_before,
        expires_at=end,
        parent_id=key.parent_id,
        depth=key.depth,
        max_depth=key.max_depth,
        epoch=key.epoch,
        status_index=None,
        user_verification=False,
        status=status,
    )


def _refused(key: DigitalKey, device: Device, limits: Limits) -> Forbidden | None:
    """Why the profiles would not allow this key any more."""
    try:
        limits.profiles.check_again(key.profile, key.entitlements, key.role, device)
    except Forbidden as error:
        return error
    return None


def _renew_from(key: DigitalKey, end: int, limits: Limits) -> int | None:
    """``None`` if no later token can follow: an owner key was to end sooner, or this is the last of a friend's."""
    full_term = key.role is Role.OWNER and end - key.issued_at == limits.owner_lifetime
    if end == key.expires_at and not full_term:
        return None
    return end - (end - key.issued_at) // 3

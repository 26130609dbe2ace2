"""The vectors of sharing: grants, chains, and the proofs of an invited device."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from fixed_signer import FixedSigner
from token_cast import (
    FRIEND_DEVICE,
    FRIEND_KEY,
    INVITATION,
    INVITATION_SECRET,
    ISSUER,
    KEY,
    NOW,
    OTHER_INVITATION,
    OTHER_VEHICLE,
    OWNER,
    OWNER_DEVICE,
    SHARER,
    STRANGER,
    THIRD,
    plain,
)

from keygw.crypto import cbor, cose
from keygw.crypto.kdf import sha256
from keygw.crypto.signer import device_id, thumbprint
from keygw.model.base64url import encode_base64url
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.token.claims import KeyClaims
from keygw.token.cwt import encode_cwt
from keygw.token.grant import Grant, sign_grant
from keygw.token.possession import InvitationAct, sign_possession
from keygw.token.statement import StatementAct, sign_statement
from keygw.wire.messages import encode_chain


def granted(parent: KeyClaims, child: KeyClaims, **changes: Any) -> Grant:
    """For ninety days exactly what the child's token says, then the changes."""
    made = Grant(
        vehicle_id=parent.vehicle_id,
        parent_id=parent.key_id,
        device=thumbprint(child.device_key),
        entitlements=child.entitlements,
        issued_at=NOW + 300,
        not_before=NOW + 600,
        expires_at=NOW + 90 * 86400,
        depth=child.depth,
        max_depth=child.max_depth,
    )
    return dataclasses.replace(made, **changes)


def invalid_grants() -> list[dict[str, str]]:
    """Signed by the owner's device unless the name says otherwise."""
    rows: list[dict[str, str]] = []
    grant = granted(OWNER, SHARER)
    words: list[Any] = cbor.decode(cose.open1(sign_grant(grant, OWNER_DEVICE)).payload)

    def add(name: str, data: bytes, code: str = "token_malformed") -> None:
        rows.append({"name": name, "object": "grant", "data": data.hex(), "code": code})

    def sealed(fields: list[Any], header: Mapping[int, object]) -> bytes:
        return cose.sign1(cbor.encode(fields), OWNER_DEVICE, header)

    typ = {cose.TYP: "dkgr"}
    other_car = dataclasses.replace(grant, vehicle_id=OTHER_VEHICLE)
    add("signed by the issuer", sign_grant(grant, ISSUER), "token_signature")
    add("another vehicle", sign_grant(other_car, OWNER_DEVICE), "wrong_audience")
    add("a pairing ticket", sealed(words, {cose.TYP: "dkpt"}), "wrong_type")
    add("header with kid", sealed(words, {cose.KID: KEY.kid, **typ}))
    for name, at, value in (
        ("half a thumbprint", 2, bytes(16)),
        ("entitlements of nothing", 3, 0),
        ("exp before nbf", 6, grant.not_before),
        ("depth 0", 7, 0),
        ("max depth below depth", 8, 0),
        ("max depth 3", 8, 3),
    ):
        add(name, sealed([*words[:at], value, *words[at + 1 :]], typ))
    add("one field more", sealed([*words, 0], typ))
    return rows


def grants() -> dict[str, object]:
    """Both links of a chain; the body of CRED_PUT; and chains that break at one point, with the refusal."""
    rows = []
    for name, value, signer in (
        ("owner to friend", granted(OWNER, SHARER), OWNER_DEVICE),
        ("friend to third", granted(SHARER, THIRD), FRIEND_DEVICE),
    ):
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        rows.append({"name": name, "fields": fields, "signed": sign_grant(value, signer).hex()})

    def token(claims: KeyClaims) -> bytes:
        return encode_cwt(claims, ISSUER, KEY.kid)

    def link(parent: KeyClaims, child: KeyClaims, signer: FixedSigner, **changes: Any) -> tuple[bytes, bytes]:
        return sign_grant(granted(parent, child, **changes), signer), token(parent)

    far = link(OWNER, SHARER, OWNER_DEVICE)
    near = link(SHARER, THIRD, FRIEND_DEVICE)
    chains = []

    def add(name: str, leaf: KeyClaims, links: tuple[tuple[bytes, bytes], ...], code: str | None) -> None:
        body = encode_chain(links).hex()
        chains.append({"name": name, "token": token(leaf).hex(), "body": body, "code": code})

    def spoilt(name: str, code: str, leaf: KeyClaims = SHARER, **changes: Any) -> None:
        add(name, leaf, (link(OWNER, SHARER, OWNER_DEVICE, **changes),), code)

    def change(claims: KeyClaims, **changes: Any) -> KeyClaims:
        return dataclasses.replace(claims, **changes)

    add("friend", SHARER, (far,), None)
    add("third", THIRD, (near, far), None)
    add("renewed within the grant", change(SHARER, issued_at=NOW + 86400, expires_at=NOW + 30 * 86400), (far,), None)
    add("signed by the issuer", SHARER, (link(OWNER, SHARER, ISSUER),), "token_signature")
    add("signed by the friend itself", SHARER, (link(OWNER, SHARER, FRIEND_DEVICE),), "token_signature")
    add("parent's token by a stranger", SHARER, ((far[0], encode_cwt(OWNER, STRANGER, KEY.kid)),), "token_signature")
    add("links in the wrong order", THIRD, (far, near), "grant_foreign")
    add("one link of two", THIRD, (near,), "grant_depth")
    add("two links of one", SHARER, (far, near), "grant_depth")
    add("ends at a friend", change(SHARER, depth=1, parent_id=FRIEND_KEY), (near,), "grant_foreign")
    impostor = change(OWNER, device_key=STRANGER.public_key)
    add("ends at an owner that is not enrolled", SHARER, (link(impostor, SHARER, STRANGER),), "grant_foreign")
    spoilt("grant for another vehicle", "wrong_audience", vehicle_id=OTHER_VEHICLE)
    spoilt("grant of another parent", "grant_foreign", parent_id=FRIEND_KEY)
    spoilt("grant for another device", "grant_foreign", device=thumbprint(STRANGER.public_key))
    spoilt("grant wider than the parent", "grant_wider", entitlements=Entitlement(1 << 31) | SHARER.entitlements)
    spoilt("token wider than the grant", "grant_wider", entitlements=PROFILES["access"])
    spoilt("token longer than the grant", "grant_outlived", expires_at=SHARER.expires_at - 1)
    spoilt("token earlier than the grant", "grant_outlived", not_before=SHARER.not_before + 1)
    spoilt("granted before the parent began", "grant_outlived", issued_at=OWNER.not_before - 301)
    spoilt("granted when the parent had ended", "grant_outlived", issued_at=OWNER.expires_at)
    spoilt("token longer than the parent", "grant_outlived", change(SHARER, expires_at=OWNER.expires_at + 1))
    spoilt("token deeper than the grant", "grant_depth", max_depth=1)
    spoilt("grant of another depth", "grant_depth", depth=2)
    unshared = change(SHARER, entitlements=PROFILES["access"])
    below = (link(unshared, THIRD, FRIEND_DEVICE), link(OWNER, unshared, OWNER_DEVICE))
    add("parent without key.share", THIRD, below, "grant_unentitled")
    shallow = change(OWNER, max_depth=0)
    add("parent that may not be shared from", SHARER, (link(shallow, SHARER, OWNER_DEVICE),), "grant_depth")
    return {
        "about": "Grants by device keys, and bodies of CRED_PUT made of them. 'token' is the key that was shown; the "
        "vehicle is that of keys.json, and the owner's device is enrolled there. 'code' null: the chain holds.",
        "grants": rows,
        "invalid": invalid_grants(),
        "chains": chains,
    }


def possession() -> dict[str, object]:
    """Proofs by the friend's device, and what is none of the claim's."""
    claim = sign_possession(InvitationAct.CLAIM, INVITATION, INVITATION_SECRET, FRIEND_DEVICE)
    decline = sign_possession(InvitationAct.DECLINE, INVITATION, INVITATION_SECRET, FRIEND_DEVICE)
    typ = {cose.TYP: "dkip"}
    words: list[Any] = cbor.decode(cose.open1(claim).payload)
    grant = sign_grant(granted(OWNER, SHARER), FRIEND_DEVICE)
    rows: list[dict[str, str]] = []

    def add(name: str, data: bytes, code: str) -> None:
        rows.append({"name": name, "object": "proof", "data": data.hex(), "code": code})

    def by_another(invitation: str, secret: bytes, signer: FixedSigner = FRIEND_DEVICE) -> bytes:
        return sign_possession(InvitationAct.CLAIM, invitation, secret, signer)

    add("a grant", grant, "wrong_type")
    add("header with kid", cose.sign1(cbor.encode(words), FRIEND_DEVICE, {cose.KID: KEY.kid, **typ}), "token_malformed")
    add("by another device", by_another(INVITATION, INVITATION_SECRET, STRANGER), "token_signature")
    add("by another device for this one", cose.sign1(cbor.encode(words), STRANGER, typ), "token_signature")
    add("of another invitation", by_another(OTHER_INVITATION, INVITATION_SECRET), "possession_foreign")
    add("of another secret", by_another(INVITATION, bytes(32)), "possession_foreign")
    add("another act", decline, "possession_foreign")
    other = [*words[:3], thumbprint(STRANGER.public_key)]
    add("for another device", cose.sign1(cbor.encode(other), FRIEND_DEVICE, typ), "possession_foreign")
    add("one field more", cose.sign1(cbor.encode([*words, 0]), FRIEND_DEVICE, typ), "possession_foreign")
    return {
        "about": "Proofs of possession for one invitation, by the friend's device. 'link' is what its sender sends.",
        "invitation_id": INVITATION,
        "secret": INVITATION_SECRET.hex(),
        "secret_hash": sha256(INVITATION_SECRET).hex(),
        "link": f"https://keys.example/i/{INVITATION}#{encode_base64url(INVITATION_SECRET)}",
        "claim": claim.hex(),
        "decline": decline.hex(),
        "invalid": rows,
    }


def statements() -> dict[str, object]:
    """What the friend's device says of its own key and of itself, and what is none of the first."""
    device, loss = device_id(FRIEND_DEVICE.public_key), 3
    key = SHARER.key_id
    give_back = sign_statement(StatementAct.GIVE_BACK, key, 0, FRIEND_DEVICE)
    found = sign_statement(StatementAct.FOUND, device, loss, FRIEND_DEVICE)
    typ = {cose.TYP: "dkds"}
    words: list[Any] = cbor.decode(cose.open1(give_back).payload)
    rows: list[dict[str, str]] = []

    def add(name: str, data: bytes, code: str) -> None:
        rows.append({"name": name, "object": "statement", "data": data.hex(), "code": code})

    def changed(place: int, value: object) -> bytes:
        other = [*words[:place], value, *words[place + 1 :]]
        return cose.sign1(cbor.encode(other), FRIEND_DEVICE, typ)

    add("a proof", sign_possession(InvitationAct.CLAIM, INVITATION, INVITATION_SECRET, FRIEND_DEVICE), "wrong_type")
    add("header with kid", cose.sign1(cbor.encode(words), FRIEND_DEVICE, {cose.KID: KEY.kid, **typ}), "token_malformed")
    add("by another device", sign_statement(StatementAct.GIVE_BACK, key, 0, STRANGER), "token_signature")
    add("by another device for this one", cose.sign1(cbor.encode(words), STRANGER, typ), "token_signature")
    add("of another key", sign_statement(StatementAct.GIVE_BACK, OWNER.key_id, 0, FRIEND_DEVICE), "statement_foreign")
    add("another act", found, "statement_foreign")
    add("another act on the same thing", changed(0, 2), "statement_foreign")
    add("another number", changed(2, 1), "statement_foreign")
    add("for another device", changed(3, thumbprint(STRANGER.public_key)), "statement_foreign")
    add("one field more", cose.sign1(cbor.encode([*words, 0]), FRIEND_DEVICE, typ), "statement_foreign")
    return {
        "about": "Statements by the friend's device: it gives its key back, and it was found after its third loss.",
        "key_id": key,
        "device_id": device,
        "loss": loss,
        "give_back": give_back.hex(),
        "found": found.hex(),
        "invalid": rows,
    }

"""Write ``protocols/key_token/vectors/*.json``: fixed keys and deterministic signatures (RFC 6979), so no byte moves.

``python tools/make_token_vectors.py [DIRECTORY]``. The files are the frozen truth; a test holds this script to them. A
difference is a change of the specification and needs a new ``typ``.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from keygw.crypto import cbor, cose
from keygw.crypto.kdf import sha256
from keygw.crypto.signer import LocalSigner, coordinates, device_id, thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.ids import format_id
from keygw.model.revocation import ListAck, RevocationList
from keygw.token.claims import KeyClaims
from keygw.token.cwt import encode_cwt
from keygw.token.grant import Grant, sign_grant
from keygw.token.jwt import encode_jwt
from keygw.token.possession import InvitationAct, sign_possession
from keygw.token.receipt import FIRST, receipt_hash, sign_receipt
from keygw.token.revocation import list_hash, sign_ack, sign_list
from keygw.token.strict_json import decode_base64url, encode_base64url
from keygw.token.trust import IssuerKey
from keygw.wire.messages import encode_chain

DIRECTORY = Path(__file__).resolve().parent.parent / "protocols" / "key_token" / "vectors"
NOW = 1_800_000_000
ISSUER_NAME = "https://keys.example"
VEHICLE = format_id("veh", bytes.fromhex("a0a1a2a3a4a5a6a7a8a9"))
OTHER_VEHICLE = format_id("veh", bytes.fromhex("b0b1b2b3b4b5b6b7b8b9"))
OWNER_KEY = format_id("key", bytes.fromhex("c0c1c2c3c4c5c6c7c8c9"))
INVITATION = format_id("inv", bytes.fromhex("f0f1f2f3f4f5f6f7f8f9"))
OTHER_INVITATION = format_id("inv", bytes(10))
INVITATION_SECRET = bytes(range(32))
FRIEND_KEY = format_id("key", bytes.fromhex("d0d1d2d3d4d5d6d7d8d9"))
THIRD_KEY = format_id("key", bytes.fromhex("d4d5d6d7d8d9dadbdcdd"))


class FixedSigner:
    """ES256 with the nonce of RFC 6979: the same message always gets the same signature."""

    def __init__(self, secret: int) -> None:
        self.secret = secret
        self._key = ec.derive_private_key(secret, ec.SECP256R1())
        self.public_key = LocalSigner.from_secret(secret).public_key

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


ISSUER, CAR, OWNER_DEVICE, FRIEND_DEVICE, STRANGER, THIRD_DEVICE = (FixedSigner(0x1000 + n) for n in range(6))
KEY = IssuerKey.of(ISSUER_NAME, ISSUER.public_key)
OWNER = KeyClaims(
    issuer=ISSUER_NAME,
    key_id=OWNER_KEY,
    device_key=OWNER_DEVICE.public_key,
    vehicle_id=VEHICLE,
    vehicle_thumbprint=thumbprint(CAR.public_key)[:16],
    role=Role.OWNER,
    entitlements=PROFILES["owner"],
    index=1,
    issued_at=NOW,
    not_before=NOW,
    expires_at=NOW + 30 * 86400,
    max_depth=2,
)
FRIEND = dataclasses.replace(
    OWNER,
    key_id=FRIEND_KEY,
    device_key=FRIEND_DEVICE.public_key,
    role=Role.FRIEND,
    entitlements=PROFILES["access"] | Entitlement.LIGHT_FLASH,
    index=300,
    not_before=NOW + 600,
    expires_at=NOW + 72 * 3600,
    parent_id=OWNER_KEY,
    depth=1,
    epoch=2,
    status_index=70_000,
    user_verification=True,
)
LARGEST = dataclasses.replace(
    FRIEND,
    issuer="https://" + "i" * 52,
    role=Role(255),
    entitlements=Entitlement(2**32 - 1),
    index=65535,
    expires_at=2**32 - 1,
    depth=2,
    epoch=65535,
    status_index=2**32 - 1,
)
SHARER = dataclasses.replace(FRIEND, entitlements=PROFILES["access"] | Entitlement.KEY_SHARE)
"""The friend again, but one who may share; the third device has a key from it."""
THIRD = dataclasses.replace(
    SHARER,
    key_id=THIRD_KEY,
    device_key=THIRD_DEVICE.public_key,
    entitlements=PROFILES["access"],
    index=301,
    expires_at=NOW + 24 * 3600,
    parent_id=FRIEND_KEY,
    depth=2,
    status_index=None,
)
LIST = RevocationList(VEHICLE, 7, NOW, NOW + 7 * 86400, 2, (3, 300, 65535), (4, 500), NOW - 1000)


def keys() -> dict[str, object]:
    holders = {"issuer": ISSUER, "vehicle": CAR, "owner_device": OWNER_DEVICE, "friend_device": FRIEND_DEVICE}
    holders["third_device"] = THIRD_DEVICE
    rows = {}
    for name, signer in holders.items():
        x, y = coordinates(signer.public_key)
        rows[name] = {
            "secret": f"{signer.secret:064x}",
            "public_key": signer.public_key.hex(),
            "x": x.hex(),
            "y": y.hex(),
            "thumbprint": thumbprint(signer.public_key).hex(),
        }
    rows["issuer"] |= {"issuer": ISSUER_NAME, "kid": KEY.kid.hex()}
    rows["vehicle"] |= {"vehicle_id": VEHICLE}
    for name in ("owner_device", "friend_device", "third_device"):
        rows[name] |= {"device_id": device_id(holders[name].public_key)}
    return {"about": "The keys of all vectors here. Never use them elsewhere: the secrets are public.", "keys": rows}


def tokens() -> dict[str, object]:
    rows = []
    for name, claims in (("owner", OWNER), ("friend", FRIEND), ("largest", LARGEST)):
        cwt = encode_cwt(claims, ISSUER, KEY.kid)
        fields = {field.name: getattr(claims, field.name) for field in dataclasses.fields(claims)}
        rows.append(
            {
                "name": name,
                "claims": {field: plain(value) for field, value in fields.items()} | {"device_id": claims.device_id},
                "cwt": cwt.hex(),
                "cwt_payload": cose.open1(cwt).payload.hex(),
                "jwt": encode_jwt(claims, ISSUER, KEY.kid),
            }
        )
    return {"about": "Key tokens, both forms. 'largest' has another issuer name under the same kid.", "tokens": rows}


def lists() -> dict[str, object]:
    empty = RevocationList(VEHICLE, 1, NOW, NOW + 7 * 86400)
    rows = []
    for name, value in (("empty", empty), ("five entries", LIST)):
        signed = sign_list(value, ISSUER, KEY.kid)
        fields = {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
        ack = ListAck(VEHICLE, value.sequence, list_hash(signed), 3)
        rows.append(
            {
                "name": name,
                "fields": fields,
                "signed": signed.hex(),
                "hash": ack.list_hash.hex(),
                "ack": {"boot_epoch": ack.boot_epoch, "signed": sign_ack(ack, CAR).hex()},
            }
        )
    return {"about": "Revocation lists by the issuer, each with its acknowledgement by the vehicle.", "lists": rows}


def receipt(sequence: int, previous: bytes, action: Action, outcome: Outcome, after: bool | None) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "vehicle_id": VEHICLE,
        "sequence": sequence,
        "number": 0x01020300 + sequence,
        "key_id": FRIEND_KEY,
        "action": action,
        "outcome": outcome,
        "before": True,
        "after": after,
        "boot_epoch": 3,
        "session": bytes.fromhex("e0e1e2e3e4e5e6e7"),
        "previous": previous,
        "at": NOW + 1000 + sequence,
    }
    signed = sign_receipt(**fields, signer=CAR)
    return {"fields": {name: plain(value) for name, value in fields.items()}, "signed": signed.hex()}


def receipts() -> dict[str, object]:
    first = receipt(1, FIRST, Action.UNLOCK, Outcome.DONE, False)
    second = receipt(2, receipt_hash(bytes.fromhex(first["signed"])), Action.OPEN_TRUNK, Outcome.NOT_ENTITLED, None)
    return {"about": "A chain of two receipts by the vehicle key.", "receipts": [first, second]}


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


def invalid() -> dict[str, object]:
    """Signed by the right key or tampered with; ``code`` is the refusal of this implementation."""
    rows: list[dict[str, str]] = []

    def add(name: str, kind: str, data: bytes | str, code: str = "token_malformed") -> None:
        rows.append({"name": name, "object": kind, "data": data if isinstance(data, str) else data.hex(), "code": code})

    cwt, jwt = encode_cwt(FRIEND, ISSUER, KEY.kid), encode_jwt(FRIEND, ISSUER, KEY.kid)
    header: dict[int, object] = {cose.KID: KEY.kid, cose.TYP: "dk"}
    payload: dict[int, Any] = cbor.decode(cose.open1(cwt).payload)
    private = payload[-65537]

    def signed(value: object, more: Mapping[int, object] = header, signer: FixedSigner = ISSUER) -> bytes:
        return cose.sign1(value if isinstance(value, bytes) else cbor.encode(value), signer, more)

    add("signature of zeros", "cwt", cwt[:-64] + bytes(64), "token_signature")
    add("signed by a stranger", "cwt", signed(payload, signer=STRANGER), "token_signature")
    add("kid nobody trusts", "cwt", signed(payload, {**header, cose.KID: bytes(8)}), "unknown_issuer")
    add(
        "another vehicle",
        "cwt",
        encode_cwt(dataclasses.replace(FRIEND, vehicle_id=OTHER_VEHICLE), ISSUER, KEY.kid),
        "wrong_audience",
    )
    add("typ of a list", "cwt", signed(payload, {**header, cose.TYP: "dkrl"}), "wrong_type")
    add("header with crit", "cwt", signed(payload, {**header, 2: [99]}))
    add("tagged", "cwt", b"\xd2" + cwt)
    add("trailing byte", "cwt", cwt + b"\0")
    add("iss too many", "cwt", signed({**payload, 1: ISSUER_NAME}))
    add("exp missing", "cwt", signed({k: v for k, v in payload.items() if k != 4}))
    add("exp as a float", "cwt", signed({**payload, 4: float(payload[4])}))
    add("exp before nbf", "cwt", signed({**payload, 4: payload[5]}))
    add("exp after the year 9999", "cwt", signed({**payload, 4: 253402300800}))
    add(
        "integer not in its shortest form",
        "cwt",
        signed(cbor.encode(payload).replace(b"\x04\x1a", b"\x04\x1b\0\0\0\0", 1)),
    )
    add(
        "keys not in order",
        "cwt",
        signed(b"".join((b"\xa6", *(cbor.encode(k) + cbor.encode(payload[k]) for k in (5, 4, 6, 7, 8, -65537))))),
    )
    add("device key off the curve", "cwt", signed({**payload, 8: {1: {**payload[8][1], -2: bytes(31) + b"\1"}}}))
    add("depth 1 without parent", "cwt", signed({**payload, -65537: [*private[:5], None, *private[6:]]}))
    add("depth 3", "cwt", signed({**payload, -65537: [*private[:6], 3, *private[7:]]}))

    def jws(head: Mapping[str, object], body: str | Mapping[str, object], signer: FixedSigner = ISSUER) -> str:
        text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))
        start = (
            f"{encode_base64url(json.dumps(head, separators=(',', ':')).encode())}.{encode_base64url(text.encode())}"
        )
        return f"{start}.{encode_base64url(signer.sign(start.encode()))}"

    head, claims = (json.loads(decode_base64url(part)) for part in jwt.split(".")[:2])
    start = jwt.rpartition(".")[0]
    add("signature of zeros", "jwt", f"{start}.{encode_base64url(bytes(64))}", "token_signature")
    add("no signature", "jwt", f"{start}.", "token_signature")
    add("alg none", "jwt", f"{jws({**head, 'alg': 'none'}, claims).rpartition('.')[0]}.")
    add("typ JWT", "jwt", jws({**head, "typ": "JWT"}, claims), "wrong_type")
    add("header with jwk", "jwt", jws({**head, "jwk": claims["cnf"]["jwk"]}, claims))
    add("header with crit", "jwt", jws({**head, "crit": ["exp"]}, claims))
    add("kid nobody trusts", "jwt", jws({**head, "kid": encode_base64url(bytes(8))}, claims), "unknown_issuer")
    add("iss of another", "jwt", jws(head, {**claims, "iss": "https://other.example"}), "wrong_issuer")
    add("another vehicle", "jwt", jws(head, {**claims, "aud": OTHER_VEHICLE}), "wrong_audience")
    add("sub of another device", "jwt", jws(head, {**claims, "sub": device_id(OWNER_DEVICE.public_key)}))
    add("padded", "jwt", jwt + "==")
    add("unused bits set", "jwt", jwt[:-1] + chr(ord(jwt[-1]) + 1))
    add("exp twice", "jwt", jws(head, json.dumps(claims, separators=(",", ":"))[:-1] + ',"exp":9999999999}'))
    add("exp NaN", "jwt", jws(head, {**claims, "exp": float("nan")}))
    add("claim too many", "jwt", jws(head, {**claims, "scope": "all"}))

    listed, listing = sign_list(LIST, ISSUER, KEY.kid), {cose.KID: KEY.kid, cose.TYP: "dkrl"}
    fields = cbor.decode(cose.open1(listed).payload)
    other = sign_list(dataclasses.replace(LIST, vehicle_id=OTHER_VEHICLE), ISSUER, KEY.kid)
    add("another vehicle", "list", other, "wrong_audience")
    add("signed by a stranger", "list", sign_list(LIST, STRANGER, KEY.kid), "token_signature")
    add("a key token", "list", cwt, "wrong_type")
    add("indices not ascending", "list", signed([*fields[:6], [300, 3], []], listing))
    add("index revoked and suspended", "list", signed([*fields[:6], [3], [3]], listing))
    add("sequence 0", "list", signed([fields[0], 0, *fields[2:]], listing))
    ack = ListAck(VEHICLE, LIST.sequence, list_hash(listed), 3)
    add("signed by the issuer", "ack", sign_ack(ack, ISSUER), "token_signature")
    add(
        "a receipt", "ack", bytes.fromhex(receipt(1, FIRST, Action.UNLOCK, Outcome.DONE, False)["signed"]), "wrong_type"
    )
    add("an acknowledgement", "receipt", sign_ack(ack, CAR), "wrong_type")
    return {
        "about": "None of these may be accepted. Verifier: trusts the issuer, is the vehicle, of keys.json.",
        "cases": rows,
    }


def plain(value: object) -> object:
    """Hex for bytes, plain numbers for enums, so that JSON holds it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


FILES = {
    "keys.json": keys,
    "tokens.json": tokens,
    "revocation.json": lists,
    "receipts.json": receipts,
    "grants.json": grants,
    "possession.json": possession,
    "invalid.json": invalid,
}


def documents() -> dict[str, str]:
    """File name -> exact text."""
    return {name: json.dumps(make(), indent=2) + "\n" for name, make in FILES.items()}


def main() -> None:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in documents().items():
        (directory / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

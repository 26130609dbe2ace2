"""Write ``protocols/key_token/vectors/*.json``: fixed keys and deterministic signatures (RFC 6979), so no byte moves.

``python tools/make_token_vectors.py [DIRECTORY]``. The files are the frozen truth; a test holds this script to them. A
difference is a change of the specification and needs a new ``typ``.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from fixed_signer import FixedSigner
from kept import write_vectors
from malformed import Refusal, malformed, numbers, texts
from rotation_vectors import issuer_keys
from sharing_vectors import grants, possession, statements
from token_cast import (
    CAR,
    FRIEND,
    FRIEND_DEVICE,
    FRIEND_KEY,
    ISSUER,
    ISSUER_NAME,
    KEY,
    LARGEST,
    LIST,
    NOW,
    ORDER,
    OTHER_VEHICLE,
    OWNER,
    OWNER_DEVICE,
    PROOF,
    STRANGER,
    THIRD_DEVICE,
    VEHICLE,
    plain,
)

from keygw.crypto import cbor, cose
from keygw.crypto.signer import coordinates, device_id, thumbprint
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.command import Action, Outcome
from keygw.model.receipt import NO_SESSION
from keygw.model.revocation import ListAck, RevocationList
from keygw.token.cwt import encode_cwt
from keygw.token.jwt import encode_jwt
from keygw.token.receipt import FIRST, receipt_hash, sign_receipt, verify_receipt
from keygw.token.revocation import list_hash, sign_ack, sign_list
from keygw.token.time_proof import sign_time_proof

DIRECTORY = Path(__file__).resolve().parent.parent / "protocols" / "key_token" / "vectors"


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
        fields = {field.name: getattr(claims, field.name) for field in dataclasses.fields(claims) if field.compare}
        del fields["status"]  # of the JWT alone: protocols/status_list has vectors with it
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


def time_proofs() -> dict[str, object]:
    rows = []
    for name, proof in (("no list yet", dataclasses.replace(PROOF, list_sequence=0)), ("list 7", PROOF)):
        fields = {field.name: plain(getattr(proof, field.name)) for field in dataclasses.fields(proof)}
        rows.append({"name": name, "fields": fields, "signed": sign_time_proof(proof, ISSUER, KEY.kid).hex()})
    return {"about": "Time proofs by the issuer, for one vehicle and one nonce of it.", "time_proofs": rows}


def receipt(
    sequence: int, previous: bytes, action: Action, outcome: Outcome, after: bool | None, **changes: object
) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "vehicle_id": VEHICLE,
        "sequence": sequence,
        "number": 0x01020300 + sequence,
        "key_id": FRIEND_KEY,
        "action": action,
        "outcome": outcome,
        "before": action is Action.UNLOCK,
        "after": after,
        "boot_epoch": 3,
        "session": bytes.fromhex("e0e1e2e3e4e5e6e7"),
        "previous": previous,
        "at": NOW + 1000 + sequence,
        **changes,
    }
    signed = sign_receipt(**fields, signer=CAR)
    return {
        "fields": {name: plain(value) for name, value in fields.items()},
        "signed": signed.hex(),
        "removes_key": verify_receipt(signed, CAR.public_key).removes_key,
    }


def receipts() -> dict[str, Any]:
    first = receipt(1, FIRST, Action.UNLOCK, Outcome.DONE, False)
    second = receipt(2, _hash(first), Action.OPEN_TRUNK, Outcome.NOT_ENTITLED, False)
    tried = receipt(3, _hash(second), Action.REMOVE_KEY, Outcome.UNKNOWN_ACTION, None, before=None)
    removed = receipt(4, _hash(tried), Action.REMOVE_KEY, Outcome.DONE, None, before=None, number=0, session=NO_SESSION)
    return {
        "about": "A chain of receipts by the vehicle key: two commands, a device that tries to send remove_key and is "
        "refused, and a key removed in the vehicle. 'removes_key': whether the key that it names has ended.",
        "receipts": [first, second, tried, removed],
    }


def _hash(row: dict[str, Any]) -> bytes:
    return receipt_hash(bytes.fromhex(row["signed"]))


def invalid_time_proofs(listed: bytes) -> list[tuple[str, bytes, str]]:
    """Name, bytes, code. ``listed``: a revocation list."""
    parts = cbor.decode(cose.open1(sign_time_proof(PROOF, ISSUER, KEY.kid)).payload)
    other = sign_time_proof(dataclasses.replace(PROOF, vehicle_id=OTHER_VEHICLE), ISSUER, KEY.kid)

    def signed(value: object) -> bytes:
        return cose.sign1(cbor.encode(value), ISSUER, {cose.KID: KEY.kid, cose.TYP: "dktp"})

    return [
        ("another vehicle", other, "wrong_audience"),
        ("signed by a stranger", sign_time_proof(PROOF, STRANGER, KEY.kid), "token_signature"),
        ("kid nobody trusts", sign_time_proof(PROOF, ISSUER, bytes(8)), "unknown_issuer"),
        ("a list", listed, "wrong_type"),
        ("nonce of 7 bytes", signed([parts[0], bytes(7), *parts[2:]]), "token_malformed"),
        ("time 0", signed([*parts[:2], 0, parts[3]]), "token_malformed"),
        ("time as a float", signed([*parts[:2], float(parts[2]), parts[3]]), "token_malformed"),
        ("no list sequence", signed(parts[:3]), "token_malformed"),
    ]


def wrong_statuses() -> list[tuple[str, dict[str, object]]]:
    """What the claim ``status`` of a key token may not be."""
    good: dict[str, object] = {"idx": 70_000, "uri": "https://keys.example/v1/status-lists/1"}
    wrong: list[tuple[str, object]] = [
        ("nil", None),
        ("another mechanism", {"identifier_list": {}}),
        ("two mechanisms", {"status_list": good, "identifier_list": {}}),
        ("no uri", {"status_list": {"idx": 70_000}}),
        ("more than idx and uri", {"status_list": {**good, "bits": 2}}),
        ("idx is 2^32", {"status_list": {**good, "idx": 2**32}}),
        ("idx is a text", {"status_list": {**good, "idx": "70000"}}),
        ("uri is no web address", {"status_list": {**good, "uri": "urn:keys:1"}}),
        ("uri is too long", {"status_list": {**good, "uri": "https://" + "a" * 248}}),
        ("another place than dk says", {"status_list": {**good, "idx": 70_001}}),
    ]
    return [(f"status: {name}", {"status": value}) for name, value in wrong]


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
    for name, more in (("claim too many", {"scope": "all"}), *wrong_statuses()):
        add(name, "jwt", jws(head, {**claims, **more}))
    listed, listing = sign_list(LIST, ISSUER, KEY.kid), {cose.KID: KEY.kid, cose.TYP: "dkrl"}
    fields = cbor.decode(cose.open1(listed).payload)
    add(
        "another vehicle",
        "list",
        sign_list(dataclasses.replace(LIST, vehicle_id=OTHER_VEHICLE), ISSUER, KEY.kid),
        "wrong_audience",
    )
    add("signed by a stranger", "list", sign_list(LIST, STRANGER, KEY.kid), "token_signature")
    add("a key token", "list", cwt, "wrong_type")
    add("indices not ascending", "list", signed([*fields[:6], [300, 3], []], listing))
    add("index revoked and suspended", "list", signed([*fields[:6], [3], [3]], listing))
    add("sequence 0", "list", signed([fields[0], 0, *fields[2:]], listing))
    rows += [{"name": n, "object": "time_proof", "data": d.hex(), "code": c} for n, d, c in invalid_time_proofs(listed)]
    ack = ListAck(VEHICLE, LIST.sequence, list_hash(listed), 3)
    add("signed by the issuer", "ack", sign_ack(ack, ISSUER), "token_signature")
    add(
        "a receipt", "ack", bytes.fromhex(receipt(1, FIRST, Action.UNLOCK, Outcome.DONE, False)["signed"]), "wrong_type"
    )
    add("an acknowledgement", "receipt", sign_ack(ack, CAR), "wrong_type")
    return {
        "about": "None of these may be accepted. Verifier: trusts the issuer, is the vehicle, of keys.json.",
        "cases": [*rows, *further()],
    }


def further() -> list[dict[str, str]]:
    """What each field of each CBOR object may not be, under a good signature, and what no envelope may look like."""
    rows: list[dict[str, str]] = []
    listed, other = sign_list(LIST, ISSUER, KEY.kid), device_id(STRANGER.public_key)
    ack = sign_ack(ListAck(VEHICLE, LIST.sequence, list_hash(listed), 3), CAR)
    second = bytes.fromhex(receipts()["receipts"][1]["signed"])
    issued: dict[int, object] = {cose.KID: KEY.kid}
    objects: dict[str, tuple[bytes, FixedSigner, dict[int, object]]] = {
        "cwt": (encode_cwt(FRIEND, ISSUER, KEY.kid), ISSUER, {**issued, cose.TYP: "dk"}),
        "list": (listed, ISSUER, {**issued, cose.TYP: "dkrl"}),
        "ack": (ack, CAR, {cose.TYP: "dkra"}),
        "receipt": (second, CAR, {cose.TYP: "dkrc"}),
    }
    payloads = {kind: cbor.decode(cose.open1(good).payload) for kind, (good, _, _) in objects.items()}
    times, indices = 253402300800, list(range(1025))
    private, cose_key = payloads["cwt"][-65537], payloads["cwt"][8][1]
    claims = cbor.encode(payloads["cwt"])[: -len(cbor.encode(private))]
    wrong: dict[str, list[Refusal]] = {
        "cwt": [
            ("an array", cbor.encode(list(payloads["cwt"].values()))),
            ("iat is 0", cbor.encode(payloads["cwt"] | {6: 0})),
            ("nbf is 0", cbor.encode(payloads["cwt"] | {5: 0})),
            ("cti is a byte short", cbor.encode(payloads["cwt"] | {7: bytes(9)})),
            ("the device key with its whole y", cbor.encode(payloads["cwt"] | {8: {1: cose_key | {-3: bytes(32)}}})),
            ("the device key has a kid", cbor.encode(payloads["cwt"] | {8: {1: {2: b"", **cose_key}}})),
            ("no device key", cbor.encode({k: v for k, v in payloads["cwt"].items() if k != 8})),
            ("no private claim", cbor.encode({k: v for k, v in payloads["cwt"].items() if k != -65537})),
            *((f"keygw claim: {why}", claims + body) for why, body in (
                *malformed(private)[4:9],
                *texts(private, 0, "the vehicle id"),
                *texts(private, 1, "the vehicle key"),
                *numbers(private, 2, 256, "role"),
                *numbers(private, 3, 2**32, "entitlements"),
                *numbers(private, 4, 2**16, "index"),
                *texts(private, 5, "the parent"),
                *numbers(private, 6, 3, "depth"),
                *numbers(private, 7, 3, "max depth"),
                *numbers(private, 8, 2**16, "epoch"),
                *numbers(private, 9, 2**32, "status index", nil=True),
                ("user verification is 1", cbor.encode([*private[:10], 1])),
                ("user verification is nil", cbor.encode([*private[:10], None])),
            )),
        ],
        "list": [
            *texts(payloads["list"], 0, "the vehicle id"),
            *numbers(payloads["list"], 1, 2**32, "sequence"),
            *numbers(payloads["list"], 2, times, "issued_at"),
            *numbers(payloads["list"], 3, times, "next_update"),
            *numbers(payloads["list"], 4, 2**16, "min_epoch"),
            *numbers(payloads["list"], 5, times, "issued_before"),
            ("issued_at is 0", cbor.encode([*payloads["list"][:2], 0, *payloads["list"][3:]])),
            ("next_update is issued_at", cbor.encode([*payloads["list"][:3], NOW, *payloads["list"][4:]])),
            *((f"{name} is {value!r}", cbor.encode([*payloads["list"][:at], value, *payloads["list"][at + 1 :]]))
              for at, name in ((6, "revoked"), (7, "suspended"))
              for value in (None, 3, [65536], [-1], [True], [1.0], ["3"], [3, 3], [[3]])),
            ("1025 entries", cbor.encode([*payloads["list"][:6], indices, []])),
        ],
        "ack": [
            *texts(payloads["ack"], 0, "the vehicle id"),
            *numbers(payloads["ack"], 1, 2**32, "sequence"),
            *texts(payloads["ack"], 2, "the hash"),
            *numbers(payloads["ack"], 3, 2**32, "boot_epoch"),
            ("sequence is 0", cbor.encode([payloads["ack"][0], 0, *payloads["ack"][2:]])),
        ],
        "receipt": [
            *texts(payloads["receipt"], 0, "the vehicle id"),
            *numbers(payloads["receipt"], 1, 2**32, "sequence"),
            *numbers(payloads["receipt"], 2, 2**32, "command"),
            *texts(payloads["receipt"], 3, "the key id"),
            *numbers(payloads["receipt"], 4, 256, "action"),
            *numbers(payloads["receipt"], 5, 256, "outcome"),
            *numbers(payloads["receipt"], 8, 2**32, "boot_epoch"),
            *texts(payloads["receipt"], 9, "session"),
            *texts(payloads["receipt"], 10, "previous"),
            *numbers(payloads["receipt"], 11, times, "at"),
            ("sequence is 0", cbor.encode([payloads["receipt"][0], 0, *payloads["receipt"][2:]])),
            *((f"{name} is {value!r}", cbor.encode([*payloads["receipt"][:at], value, *payloads["receipt"][at + 1 :]]))
              for at, name in ((6, "before"), (7, "after")) for value in (0, 1, "locked")),
        ],
    }  # fmt: skip
    for kind, (good, signer, header) in objects.items():
        fields = [] if kind == "cwt" else malformed(payloads[kind])
        for why, payload in (*fields, *wrong[kind]):
            signed = cose.sign1(payload, signer, header)
            rows.append({"name": why, "object": kind, "data": signed.hex(), "code": "token_malformed"})
        protected, unprotected, body, signature = cbor.decode(good)
        der = cose.sign1(body, Der(signer), header)
        for why, data in (
            ("tagged", b"\xd2" + good),
            ("one byte too many", good + b"\x00"),
            ("without payload", cbor.encode([protected, unprotected, None, signature])),
            ("three elements", cbor.encode([protected, unprotected, body])),
            ("the header is a map, not a byte string", cbor.encode([header | {1: -7}, unprotected, body, signature])),
            ("an unprotected header", cbor.encode([protected, {4: other.encode()[:8]}, body, signature])),
            ("the header with crit", cose.sign1(body, signer, header | {2: [99]})),
            ("the header with a content type", cose.sign1(body, signer, header | {3: 0})),
            ("the header in another order", cbor.encode([turned(protected), {}, body, signature])),
            ("the signature as DER", der),
            ("the signature a byte short", cbor.encode([protected, {}, body, signature[:-1]])),
        ):
            rows.append({"name": why, "object": kind, "data": data.hex(), "code": "token_malformed"})
        for why, bad in (("a signature of zeros", bytes(64)), ("r is the order", ORDER + signature[32:])):
            data = good[:-64] + bad
            rows.append({"name": why, "object": kind, "data": data.hex(), "code": "token_signature"})
    return rows


def turned(header: bytes) -> bytes:
    """The map with its first two pairs in the other order."""
    pairs = cbor.decode(header)
    first, second, *rest = (cbor.encode(key) + cbor.encode(value) for key, value in pairs.items())
    return header[:1] + second + first + b"".join(rest)


class Der:
    """A signer that was left on DER."""

    def __init__(self, signer: FixedSigner) -> None:
        self.public_key = signer.public_key
        self._signer = signer

    def sign(self, message: bytes) -> bytes:
        raw = self._signer.sign(message)
        return encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))


FILES = {
    "keys.json": keys,
    "tokens.json": tokens,
    "revocation.json": lists,
    "receipts.json": receipts,
    "grants.json": grants,
    "time_proofs.json": time_proofs,
    "possession.json": possession,
    "issuer_keys.json": issuer_keys,
    "statements.json": statements,
    "invalid.json": invalid,
}


def documents() -> dict[str, str]:
    """File name -> exact text."""
    return {name: json.dumps(make(), indent=2) + "\n" for name, make in FILES.items()}


if __name__ == "__main__":
    write_vectors(DIRECTORY, documents, __doc__)

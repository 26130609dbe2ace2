"""Forged and misshapen key tokens, CWT form: none is accepted, and each is refused with a TokenError.

Two kinds of forger: one without the issuer's key, and (harder) the issuer's own key under something that is not a key
token of this specification: another purpose, another spelling, another meaning.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cbor2
import pytest

from keygw.crypto.signer import LocalSigner, coordinates, thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.model.ids import format_id
from keygw.model.revocation import ListAck, RevocationList
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt, encode_cwt
from keygw.token.jwt import encode_jwt
from keygw.token.receipt import FIRST, sign_receipt, verify_receipt
from keygw.token.revocation import list_hash, sign_ack, sign_list, verify_ack, verify_list
from keygw.token.trust import IssuerKey, TrustedIssuers, kid_of

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ISSUER = LocalSigner.from_secret(11)
ATTACKER = LocalSigner.from_secret(13)
DEVICE = LocalSigner.from_secret(17)
CAR = LocalSigner.from_secret(19)
VEHICLE = format_id("veh", b"vehicle-01")
NOW = 1_800_000_000
KEY = IssuerKey.of("https://keys.example", ISSUER.public_key)
OTHER = IssuerKey.of("https://other.example", LocalSigner.from_secret(23).public_key)
TRUST = TrustedIssuers([KEY, OTHER])
CLAIMS = KeyClaims(
    issuer=KEY.issuer,
    key_id=format_id("key", b"friend-key"),
    device_key=DEVICE.public_key,
    vehicle_id=VEHICLE,
    vehicle_thumbprint=thumbprint(CAR.public_key)[:16],
    role=Role.FRIEND,
    entitlements=Entitlement.DOOR_UNLOCK | Entitlement.STATUS_READ,
    index=7,
    issued_at=NOW - 60,
    not_before=NOW - 60,
    expires_at=NOW + 3600,
    parent_id=format_id("key", b"parent-key"),
    depth=1,
    max_depth=2,
    epoch=3,
    status_index=900,
    user_verification=True,
)
JWT = encode_jwt(CLAIMS, ISSUER, KEY.kid)
CWT = encode_cwt(CLAIMS, ISSUER, KEY.kid)
LIST = sign_list(RevocationList(VEHICLE, 4, NOW, NOW + 86400, revoked=(9,)), ISSUER, KEY.kid)
ACK = sign_ack(ListAck(VEHICLE, 4, list_hash(LIST), 1), CAR)
RECEIPT = sign_receipt(
    vehicle_id=VEHICLE,
    sequence=1,
    number=5,
    key_id=CLAIMS.key_id,
    action=Action.UNLOCK,
    outcome=Outcome.DONE,
    before=True,
    after=False,
    boot_epoch=1,
    session=bytes(8),
    previous=FIRST,
    at=NOW,
    signer=CAR,
)


Sign = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Forgery:
    name: str
    token: Any
    code: str | None = None
    """The code it must get, where more than "malformed" is promised."""


def der(signature: bytes) -> bytes:
    def integer(data: bytes) -> bytes:
        data = data.lstrip(b"\0")
        data = (b"\0" if data[0] & 0x80 else b"") + data
        return bytes((2, len(data))) + data

    body = integer(signature[:32]) + integer(signature[32:])
    return bytes((0x30, len(body))) + body


def bad_signatures(genuine: bytes, message: bytes) -> Iterator[tuple[str, bytes]]:
    """For ``message``, whose right signature is ``genuine``."""

    def pair(r: int, s: int) -> bytes:
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    r, s = int.from_bytes(genuine[:32], "big"), int.from_bytes(genuine[32:], "big")
    yield "empty", b""
    for name, left, right in (
        ("r=s=0", 0, 0),
        ("r=0", 0, s),
        ("s=0", r, 0),
        ("r=s=1", 1, 1),
        ("r=n", N, s),
        ("s=n", r, N),
        ("r=s=n", N, N),
        ("r=p", P, s),
        ("all ones", 2**256 - 1, 2**256 - 1),
        ("swapped", s, r),
        ("r+1", r + 1, s),
        ("s+1", r, s + 1),
        ("r negated", N - r, s),
    ):
        yield name, pair(left, right)
    yield "DER", der(genuine)
    yield "DER zero", bytes.fromhex("3006020100020100")
    yield "DER by attacker", der(ATTACKER.sign(message))
    yield "by attacker", ATTACKER.sign(message)
    yield "of nothing", ISSUER.sign(b"")
    yield "of the digest", ISSUER.sign(hashlib.sha256(message).digest())
    yield "short by one", genuine[:-1]
    yield "half", genuine[:32]
    yield "long by one", genuine + b"\0"
    yield "led by a zero", b"\0" + genuine
    yield "twice", genuine * 2


PROTECTED = {1: -7, 4: KEY.kid, 16: "dk"}
CWT_PAYLOAD: dict[Any, Any] = cbor2.loads(cbor2.loads(CWT)[2])


def dump(value: object) -> bytes:
    return value if isinstance(value, bytes) else cbor2.dumps(value)


def cose(
    protected: object = None, payload: object = None, sign: Sign = ISSUER.sign, unprotected: object = None
) -> bytes:
    header = dump(PROTECTED if protected is None else protected)
    body = dump(CWT_PAYLOAD if payload is None else payload)
    signature = sign(cbor2.dumps(["Signature1", header, b"", body]))
    return cbor2.dumps([header, unprotected or {}, body, signature])


def changed(value: dict[Any, Any], name: object, to: object) -> dict[Any, Any]:
    return {**value, name: to}


def cwt_envelopes() -> Iterator[Forgery]:
    genuine = cbor2.loads(CWT)
    message = cbor2.dumps(["Signature1", genuine[0], b"", genuine[2]])
    for name, forged in bad_signatures(genuine[3], message):
        code = "token_signature" if len(forged) == 64 else "token_malformed"
        yield Forgery(f"signature {name}", cbor2.dumps([*genuine[:3], forged]), code)
    yield Forgery("signed with an audience as external data", cose(sign=lambda m: ISSUER.sign(m + VEHICLE.encode())))
    yield Forgery(
        "signed as COSE_Sign", cose(sign=lambda m: ISSUER.sign(m.replace(b"\x6aSignature1", b"\x69Signature")))
    )
    yield Forgery("signed as COSE_Mac0", cose(sign=lambda m: ISSUER.sign(m.replace(b"\x6aSignature1", b"\x64MAC0"))))
    head, _, tail = cose(sign=lambda m: b"").partition(b"\xa0\x58")
    for name, kind in {"text": b"\x78", "a wide head": b"\x59\x00", "a wider head": b"\x5a\0\0\0"}.items():
        # Whole and signed just so: only the payload's head differs from what it must be.
        body = kind + tail[:-1]
        signature = ISSUER.sign(b"\x84\x6aSignature1" + head[1:] + b"\x40" + body)
        yield Forgery(f"payload as {name}, signed as such", head + b"\xa0" + body + b"\x58\x40" + signature)
    yield Forgery("signed by a device", cose(sign=DEVICE.sign), "token_signature")
    yield Forgery("signed by the car", cose(sign=CAR.sign), "token_signature")
    for unprotected in ({4: KEY.kid}, {1: -7}, {33: [b"0"]}, {35: "https://attacker.example"}, {"x": 1}):
        yield Forgery(f"unprotected {unprotected}", cose(unprotected=unprotected))
    for alg in (-35, -36, -8, -9, -47, 5, 4, 1, 0, 7, -7.0, "ES256", None, True, b"\x26", [-7]):
        for who, signer in (("issuer", ISSUER), ("attacker", ATTACKER)):
            yield Forgery(f"alg {alg!r} by {who}", cose(changed(PROTECTED, 1, alg), sign=signer.sign))
    for typ in ("dkrl", "dkra", "dkrc", "DK", "dk ", "d", "", "dk2", "dk+jwt", "application/dk", "statuslist+cwt"):
        yield Forgery(f"typ {typ!r}", cose(changed(PROTECTED, 16, typ)), "wrong_type")
    for odd in (b"dk", 16, 61, None, True, ["dk"]):
        yield Forgery(f"typ {odd!r}", cose(changed(PROTECTED, 16, odd)))
    for kid in (
        b"",
        KEY.kid[:4],
        KEY.kid[:7],
        KEY.kid + b"\0",
        KEY.kid.hex(),
        1,
        None,
        [KEY.kid],
        thumbprint(ISSUER.public_key),
    ):
        yield Forgery(f"kid {kid!r}", cose(changed(PROTECTED, 4, kid)))
    for injected in (b"' OR 1=1", b"../../..", b"key|id\0\0", b"$(id)\0\0\0", b"%00%2e%2e", b"\xff" * 8):
        theirs = changed(PROTECTED, 4, injected[:8])
        yield Forgery(f"kid injected {injected!r}", cose(theirs, sign=ATTACKER.sign), "unknown_issuer")
    yield Forgery("kid not trusted", cose(changed(PROTECTED, 4, bytes(8))), "unknown_issuer")
    yield Forgery(
        "kid of the attacker",
        cose(changed(PROTECTED, 4, kid_of(ATTACKER.public_key)), sign=ATTACKER.sign),
        "unknown_issuer",
    )
    yield Forgery("kid of another issuer", cose(changed(PROTECTED, 4, OTHER.kid)), "token_signature")
    headers: dict[Any, object] = {
        2: [1],
        3: "application/cwt",
        5: bytes(12),
        6: b"0",
        7: [],
        9: b"",
        10: b"1",
        15: {1: "x"},
    }
    headers |= {33: [b"0"], 34: [-16, bytes(32)], 35: "https://attacker.example", 99: 0, -65537: 0, "crit": 1}
    for label, value in headers.items():
        yield Forgery(f"header {label!r}", cose({**PROTECTED, label: value}))
    for label in PROTECTED:
        yield Forgery(f"header {label} missing", cose({k: v for k, v in PROTECTED.items() if k != label}))
    spelled = dump(PROTECTED)
    for name, header in {
        "empty": b"",
        "in another order": cbor2.dumps({16: "dk", 4: KEY.kid, 1: -7}),
        "with alg twice": b"\xa4\x01\x26" + spelled[1:],
        "with a wide head": b"\xb8\x03" + spelled[1:],
        "of indefinite length": b"\xbf" + spelled[1:] + b"\xff",
        "with a wide label": spelled.replace(b"\x01\x26", b"\x18\x01\x26"),
        "with a wide alg": spelled.replace(b"\x01\x26", b"\x01\x38\x06"),
        "with a true for a 1": b"\xa3" + spelled[3:] + b"\xf5\x26",
        "with a float label": spelled.replace(b"\x01\x26", b"\xf9\x3c\x00\x26"),
        "tagged": b"\xd8\x18" + spelled,
        "in an array": b"\x81" + spelled,
        "trailing": spelled + b"\0",
    }.items():
        yield Forgery(f"header {name}", cose(header))
    header, _, body, signature = genuine
    for name, data in {
        "tagged COSE_Sign1": b"\xd2" + CWT,
        "tagged CWT": b"\xd8\x3d\xd2" + CWT,
        "tagged COSE_Mac0": b"\xd1" + CWT,
        "tagged COSE_Sign": b"\xd8\x62" + CWT,
        "self-described": b"\xd9\xd9\xf7" + CWT,
        "three elements": cbor2.dumps([header, {}, body]),
        "five elements": cbor2.dumps([header, {}, body, signature, b""]),
        "COSE_Sign": cbor2.dumps([header, {}, body, [[header, {}, signature]]]),
        "a map": cbor2.dumps({0: header, 1: {}, 2: body, 3: signature}),
        "detached payload": cbor2.dumps([header, {}, None, signature]),
        "payload as text": cbor2.dumps([header, {}, "x", signature]),
        "header not wrapped": cbor2.dumps([PROTECTED, {}, body, signature]),
        "wide array head": b"\x98\x04" + CWT[1:],
        "indefinite array": b"\x9f" + CWT[1:] + b"\xff",
        "wide payload head": CWT.replace(b"\xa0\x58", b"\xa0\x59\x00", 1),
        "trailing byte": CWT + b"\0",
        "twice": CWT * 2,
        "oversize": CWT + bytes(1024),
        "huge length": b"\x84\x5b" + b"\xff" * 8,
        "deep": b"\x81" * 1000 + b"\0",
        "the JWT": JWT.encode(),
        "text": JWT,
        "None": None,
        "bytearray": bytearray(CWT),
        "the list": LIST,
        "the acknowledgement": ACK,
        "the receipt": RECEIPT,
    }.items():
        yield Forgery(f"form {name}", data, "wrong_type" if name in {"the list", "the receipt"} else None)
    for size in range(0, len(CWT), 9):
        yield Forgery(f"cut to {size}", CWT[:size], "token_malformed")


INDEX = b"\x02\x05\x07\x4a"
"""Role 2, entitlements 5, index 7 and the head of the parent, as they stand in the payload."""
BAD_ITEMS: tuple[object, ...] = (
    *(-1, 1.0, float("nan"), float("inf"), 253402300800, 2**40, 2**63, 2**64 - 1, 2**64, "x", b"x", [], {}),
    *(cbor2.CBORTag(1, 1_800_000_000), cbor2.CBORSimpleValue(255), cbor2.undefined),
)


def cwt_payloads() -> Iterator[Forgery]:
    for label, item in itertools.product((4, 5, 6), (*BAD_ITEMS, 0, None, True, False)):
        yield Forgery(f"claim {label} {item!r}", cose(payload=changed(CWT_PAYLOAD, label, item)), "token_malformed")
    private: list[Any] = CWT_PAYLOAD[-65537]
    for place, item in itertools.product(range(11), (*BAD_ITEMS, None, True, 65536)):
        if (place, repr(item)) in {(3, "65536"), (9, "65536"), (9, "None"), (10, "True")}:
            continue  # in range, or what it says already
        array = [*private[:place], item, *private[place + 1 :]]
        forged = cose(payload=changed(CWT_PAYLOAD, -65537, array))
        yield Forgery(f"private claim [{place}] {item!r}", forged, "token_malformed")
    shapes: tuple[object, ...] = ([], private[:-1], [*private, None], dict(enumerate(private)), None, 1)
    for shape in shapes:
        yield Forgery(f"private claim {str(shape)[-30:]}", cose(payload=changed(CWT_PAYLOAD, -65537, shape)))
    for label in CWT_PAYLOAD:
        yield Forgery(f"claim {label} missing", cose(payload={k: v for k, v in CWT_PAYLOAD.items() if k != label}))
    claims: dict[Any, object] = {1: KEY.issuer, 2: CLAIMS.device_id, 3: VEHICLE, 9: "x", 10: b"nonce", 38: 1, 99: 0}
    for label, value in {**claims, -1: 0, -65538: 0, "exp": NOW * 2, 4.5: 0}.items():
        fitting = dict(sorted({**CWT_PAYLOAD, label: value}.items(), key=lambda item: cbor2.dumps(item[0])))
        yield Forgery(f"claim {label!r} too many", cose(payload=fitting), "token_malformed")
    for cti in (b"", bytes(9), bytes(11), CLAIMS.key_id, 1, None):
        yield Forgery(f"cti {cti!r}", cose(payload=changed(CWT_PAYLOAD, 7, cti)))
    key = CWT_PAYLOAD[8][1]
    keys: dict[str, dict[int, object]] = {
        "OKP": {1: 1},
        "RSA": {1: 3},
        "P-384": {-1: 2},
        "secp256k1": {-1: 8},
        "x short": {-2: bytes(31)},
        "x long": {-2: bytes(33)},
        "x text": {-2: "x" * 32},
        "off the curve": {-2: bytes(31) + b"\1"},
        "x = p": {-2: P.to_bytes(32, "big")},
        "x not reduced": {-2: (P + 5).to_bytes(32, "big")},
        "y in full": {-3: coordinates(DEVICE.public_key)[1]},
        "y a number": {-3: 1},
        "y null": {-3: None},
        "with kid": {2: b"1"},
        "with alg": {3: -7},
        "with its private half": {-4: bytes(32)},
    }
    for name, change in keys.items():
        yield Forgery(
            f"device key {name}", cose(payload=changed(CWT_PAYLOAD, 8, {1: {**key, **change}})), "token_malformed"
        )
    for cnf in ({}, None, key, {3: b"kid"}, {1: key, 3: b"kid"}, {5: bytes(32)}, {2: b"encrypted"}):
        yield Forgery(f"cnf {str(cnf)[:40]}", cose(payload=changed(CWT_PAYLOAD, 8, cnf)))
    text = dump(CWT_PAYLOAD)
    for name, data in {
        "trailing": text + b"\0",
        "cut": text[:-1],
        "empty": b"",
        "in another order": cbor2.dumps(dict(reversed(CWT_PAYLOAD.items()))),
        "with exp twice": b"\xa7" + text[1:7] + text[1:],
        "with exp twice, second wins": b"\xa7" + text[1:7] + b"\x04\x1a\xff\xff\xff\xff" + text[7:],
        "indefinite": b"\xbf" + text[1:] + b"\xff",
        "wide map head": b"\xb8\x06" + text[1:],
        "wide label": text.replace(b"\xa6\x04", b"\xa6\x18\x04"),
        "wide time": text.replace(b"\xa6\x04\x1a", b"\xa6\x04\x1b\0\0\0\0"),
        "exp as float": text[:2] + b"\xfb\x41\xda\xd2\x74\x80\0\0\0" + text[7:],
        "a float label": b"\xa6\xf9\x44\x00" + text[2:],
        "tagged": b"\xd8\x3d" + text,
        "index in two bytes": text.replace(INDEX, INDEX[:-2] + b"\x18\x07\x4a"),
        "index in three bytes": text.replace(INDEX, INDEX[:-2] + b"\x19\x00\x07\x4a"),
        "index in five bytes": text.replace(INDEX, INDEX[:-2] + b"\x1a\0\0\0\x07\x4a"),
        "index in nine bytes": text.replace(INDEX, INDEX[:-2] + b"\x1b\0\0\0\0\0\0\0\x07\x4a"),
        "deep": b"\x81" * 700 + b"\0",
        "JSON": b"{}",
        "wrapped in a string": cbor2.dumps(text),
    }.items():
        yield Forgery(f"payload {name}", cose(payload=data), "token_malformed")
    array = [b"vehicle-02", *private[1:]]
    yield Forgery("another vehicle", cose(payload=changed(CWT_PAYLOAD, -65537, array)), "wrong_audience")
    yield Forgery("nbf = exp", cose(payload=changed(CWT_PAYLOAD, 5, CWT_PAYLOAD[4])), "token_malformed")


CORPUS = [*cwt_envelopes(), *cwt_payloads()]


def test_the_builder_of_the_corpus_makes_tokens_that_are_accepted() -> None:
    """Else a forgery could be refused for a slip of its builder instead of its fault."""
    for token in (cose(), CWT):
        assert decode_cwt(token, TRUST, vehicle_id=VEHICLE) == CLAIMS


def test_the_corpus_says_nothing_twice() -> None:
    assert len({forgery.name for forgery in CORPUS}) == len({repr(forgery.token) for forgery in CORPUS}) == len(CORPUS)
    assert len(CORPUS) >= 490


@pytest.mark.parametrize("forgery", CORPUS, ids=lambda forgery: ascii(forgery.name))
def test_a_forged_cwt_is_refused(forgery: Forgery) -> None:
    with pytest.raises(TokenError) as refusal:
        decode_cwt(forgery.token, TRUST, vehicle_id=VEHICLE)
    if forgery.code is not None:
        assert refusal.value.code == forgery.code


READERS: dict[str, Callable[[bytes], object]] = {
    "dk": lambda data: decode_cwt(data, TRUST),
    "dkrl": lambda data: verify_list(data, TRUST, VEHICLE),
    "dkra": lambda data: verify_ack(data, CAR.public_key),
    "dkrc": lambda data: verify_receipt(data, CAR.public_key),
}
OBJECTS = {"dk": CWT, "dkrl": LIST, "dkra": ACK, "dkrc": RECEIPT}


@pytest.mark.parametrize(("reader", "kind"), [*itertools.permutations(OBJECTS, 2)])
def test_no_object_passes_for_another(reader: str, kind: str) -> None:
    READERS[kind](OBJECTS[kind])
    with pytest.raises(TokenError) as refusal:
        READERS[reader](OBJECTS[kind])
    assert refusal.value.code == "wrong_type"

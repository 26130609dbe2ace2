"""Properties of the key token: both forms say the same, and no input raises anything but TokenError."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from keygw.crypto import cbor, cose
from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.model.ids import format_id, id_bytes
from keygw.model.revocation import ListAck, RevocationList
from keygw.token.claims import MAX_TIME, KeyClaims, raw_ids
from keygw.token.cwt import decode_cwt, encode_cwt
from keygw.token.grant import Grant, sign_grant, verify_grant
from keygw.token.jwt import decode_jwt, encode_jwt
from keygw.token.receipt import FIRST, sign_receipt, verify_receipt
from keygw.token.revocation import sign_ack, sign_list, verify_ack, verify_list
from keygw.token.time_proof import TimeProof, sign_time_proof, verify_time_proof
from keygw.token.trust import IssuerKey, TrustedIssuers

ISSUER, CAR = LocalSigner.from_secret(11), LocalSigner.from_secret(19)
DEVICES = [LocalSigner.from_secret(secret).public_key for secret in range(100, 120)]
KEY = IssuerKey.of("https://keys.example", ISSUER.public_key)
TRUST = TrustedIssuers([KEY])
VEHICLE = format_id("veh", b"vehicle-01")
NOW = 1_800_000_000

times = st.integers(1, 2**33) | st.integers(1, MAX_TIME - 1)
ids = st.binary(min_size=10, max_size=10)


@st.composite
def claims(draw: st.DrawFn) -> KeyClaims:
    not_before, expires_at = sorted(draw(st.lists(times, min_size=2, max_size=2, unique=True)))
    depth = draw(st.integers(0, 2))
    return KeyClaims(
        issuer=KEY.issuer,
        key_id=format_id("key", draw(ids)),
        device_key=draw(st.sampled_from(DEVICES)),
        vehicle_id=format_id("veh", draw(ids)),
        vehicle_thumbprint=draw(st.binary(min_size=16, max_size=16)),
        role=Role(draw(st.integers(0, 255))),
        entitlements=Entitlement(draw(st.integers(0, 2**32 - 1))),
        index=draw(st.integers(0, 65535)),
        issued_at=draw(times),
        not_before=not_before,
        expires_at=expires_at,
        parent_id=format_id("key", draw(ids)) if depth else None,
        depth=depth,
        max_depth=draw(st.integers(0, 2)),
        epoch=draw(st.integers(0, 65535)),
        status_index=draw(st.none() | st.integers(0, 2**32 - 1)),
        user_verification=draw(st.booleans()),
    )


@given(claims())
def test_both_forms_decode_to_the_same_claims(given_claims: KeyClaims) -> None:
    by_http = decode_jwt(encode_jwt(given_claims, ISSUER, KEY.kid), TRUST)
    by_air = decode_cwt(encode_cwt(given_claims, ISSUER, KEY.kid), TRUST)
    assert by_http == by_air == given_claims


@given(claims())
def test_the_fixed_codec_writes_what_the_general_one_would(given_claims: KeyClaims) -> None:
    token = encode_cwt(given_claims, ISSUER, KEY.kid)
    opened = cose.open1(token)
    opened.verify(ISSUER.public_key)
    value = cbor.decode(opened.payload)
    assert cbor.encode(value) == opened.payload
    assert (value[4], value[5], value[6]) == (given_claims.expires_at, given_claims.not_before, given_claims.issued_at)
    assert value[-65537][2:5] == [given_claims.role, given_claims.entitlements, given_claims.index]


@given(ids, ids, ids)
def test_the_fast_ids_are_base32(first: bytes, second: bytes, third: bytes) -> None:
    texts = [format_id("key", first), format_id("veh", second), format_id("key", third)]
    for text, raw in zip(texts, (first, second, third), strict=True):
        assert text[4:] == base64.b32encode(raw).decode().lower()
    assert raw_ids(*texts) == first + second + third == b"".join(map(id_bytes, texts))


def accepted_by(data: bytes) -> list[str]:
    """The readers that take ``data``. Any error but TokenError goes through and fails the test."""
    readers: dict[str, Callable[[], object]] = {
        "cwt": lambda: decode_cwt(data, TRUST),
        "jwt": lambda: decode_jwt(data.decode("latin-1"), TRUST, now=NOW),
        "list": lambda: verify_list(data, TRUST, VEHICLE),
        "ack": lambda: verify_ack(data, CAR.public_key),
        "receipt": lambda: verify_receipt(data, CAR.public_key),
        "grant": lambda: verify_grant(data, CAR.public_key, VEHICLE),
        "time proof": lambda: verify_time_proof(data, TRUST, VEHICLE),
    }
    taken = []
    for name, read in readers.items():
        with contextlib.suppress(TokenError):
            read()
            taken.append(name)
    return taken


@given(st.binary(max_size=400))
def test_noise_is_refused_with_a_token_error(data: bytes) -> None:
    assert accepted_by(data) == []


SAMPLE = KeyClaims(
    KEY.issuer,
    format_id("key", b"k" * 10),
    DEVICES[0],
    VEHICLE,
    bytes(16),
    Role.FRIEND,
    Entitlement(7),
    300,
    NOW,
    NOW,
    NOW + 60,
    format_id("key", b"p" * 10),
    1,
    2,
    70,
    8000,
    True,
)
SIGNED = [
    encode_cwt(SAMPLE, ISSUER, KEY.kid),
    encode_jwt(SAMPLE, ISSUER, KEY.kid).encode(),
    sign_list(RevocationList(VEHICLE, 5, NOW, NOW + 60, 1, (1, 2), (3,)), ISSUER, KEY.kid),
    sign_time_proof(TimeProof(VEHICLE, bytes(8), NOW, 5), ISSUER, KEY.kid),
    sign_ack(ListAck(VEHICLE, 5, bytes(32), 1), CAR),
    sign_grant(Grant(VEHICLE, SAMPLE.key_id, bytes(32), Entitlement(7), NOW, NOW, NOW + 60, 1, 2), CAR),
    sign_receipt(
        vehicle_id=VEHICLE,
        sequence=1,
        number=1,
        key_id=SAMPLE.key_id,
        action=Action.LOCK,
        outcome=Outcome.DONE,
        before=None,
        after=True,
        boot_epoch=1,
        session=bytes(8),
        previous=FIRST,
        at=NOW,
        signer=CAR,
    ),
]


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(SIGNED)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data) - 1))
        kind = draw(st.sampled_from(("set", "flip", "cut", "insert", "repeat")))
        if kind == "set":
            data[at] = draw(st.integers(0, 255))
        elif kind == "flip":
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 8))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=8))
        else:
            data[at:at] = data[at : at + 16]
        if not data:
            break
    return bytes(data)


@given(mutations())
def test_a_mutated_object_is_refused_with_a_token_error(data: bytes) -> None:
    assert len(accepted_by(data)) == (data in SIGNED)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12))
def test_whatever_the_issuer_signs_as_a_jwt_is_refused_unless_it_is_claims(value: object) -> None:
    def part(item: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(item).encode()).rstrip(b"=").decode()

    kid = base64.urlsafe_b64encode(KEY.kid).rstrip(b"=").decode()
    for header, payload in (({"typ": "dk+jwt", "alg": "ES256", "kid": kid}, value), (value, {})):
        head = f"{part(header)}.{part(payload)}"
        signature = base64.urlsafe_b64encode(ISSUER.sign(head.encode())).rstrip(b"=").decode()
        assert accepted_by(f"{head}.{signature}".encode()) == []


@given(st.binary(max_size=200), st.sampled_from(("dk", "dkrl", "dkra", "dkrc", "dkgr")))
def test_whatever_is_signed_as_cbor_gives_a_value_or_a_token_error(payload: bytes, typ: str) -> None:
    header: dict[int, object] = {cose.TYP: typ}
    if typ in ("dk", "dkrl"):
        header[cose.KID] = KEY.kid
    assert len(accepted_by(cose.sign1(payload, ISSUER if cose.KID in header else CAR, header))) <= 1

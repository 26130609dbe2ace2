"""The key token in both forms: what goes in comes out, within its bytes, and the verifier's other refusals."""

from __future__ import annotations

import dataclasses
import math

import jwt as pyjwt
import pytest

from keygw.crypto import cbor, cose
from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import LocalSigner, coordinates, thumbprint
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.model.ids import format_id
from keygw.token import policy
from keygw.token.claims import KeyClaims
from keygw.token.cwt import decode_cwt, encode_cwt
from keygw.token.envelope import KEY_TOKEN, LIST_ACK
from keygw.token.jwt import decode_jwt, encode_jwt
from keygw.token.trust import IssuerKey, TrustedIssuers

ISSUER = LocalSigner.from_secret(11)
NEXT = LocalSigner.from_secret(12)
DEVICE = LocalSigner.from_secret(17)
VEHICLE = format_id("veh", b"vehicle-01")
NOW = 1_800_000_000
KEY = IssuerKey.of("https://keys.example", ISSUER.public_key)
TRUST = TrustedIssuers([KEY])
OWNER = KeyClaims(
    issuer=KEY.issuer,
    key_id=format_id("key", b"owner-key1"),
    device_key=DEVICE.public_key,
    vehicle_id=VEHICLE,
    vehicle_thumbprint=bytes(range(16)),
    role=Role.OWNER,
    entitlements=Entitlement((1 << 11) - 1),
    index=1,
    issued_at=NOW,
    not_before=NOW,
    expires_at=NOW + 86400,
    max_depth=2,
)
EVERYTHING = dataclasses.replace(
    OWNER,
    issuer="https://" + "i" * 52,
    role=Role(255),
    entitlements=Entitlement(2**32 - 1),
    index=65535,
    expires_at=2**32 - 1,
    parent_id=format_id("key", b"parent-key"),
    depth=2,
    epoch=65535,
    status_index=2**32 - 1,
    user_verification=True,
)


def refused(error: pytest.ExceptionInfo[TokenError]) -> str:
    return error.value.code


@pytest.mark.parametrize("claims", [OWNER, EVERYTHING], ids=["owner", "everything"])
def test_both_forms_say_the_same(claims: KeyClaims) -> None:
    trust = TrustedIssuers([IssuerKey(claims.issuer, KEY.kid, KEY.public_key)])
    by_http = decode_jwt(encode_jwt(claims, ISSUER, KEY.kid), trust, now=NOW, vehicle_id=VEHICLE)
    by_air = decode_cwt(encode_cwt(claims, ISSUER, KEY.kid), trust, vehicle_id=VEHICLE)
    assert by_http == by_air == claims


def test_the_largest_token_of_this_century_fits_its_budget() -> None:
    assert len(encode_cwt(EVERYTHING, ISSUER, KEY.kid)) == 230
    assert len(encode_jwt(EVERYTHING, ISSUER, KEY.kid)) <= 760


def test_codes_of_a_later_release_survive() -> None:
    claims = decode_cwt(encode_cwt(dataclasses.replace(OWNER, role=Role(77)), ISSUER, KEY.kid), TRUST)
    assert claims.role == 77
    assert not claims.role.is_known


def test_the_device_id_follows_from_the_device_key() -> None:
    assert OWNER.device_id == format_id("dev", thumbprint(DEVICE.public_key)[:10])


def test_the_private_key_may_live_elsewhere() -> None:
    class Enclave:
        public_key = ISSUER.public_key
        asked = 0

        def sign(self, message: bytes) -> bytes:
            self.asked += 1
            return ISSUER.sign(message)

    enclave = Enclave()
    assert decode_jwt(encode_jwt(OWNER, enclave, KEY.kid), TRUST) == OWNER
    assert decode_cwt(encode_cwt(OWNER, enclave, KEY.kid), TRUST) == OWNER
    assert enclave.asked == 2


def test_a_signer_that_speaks_der_is_noticed_before_its_token_leaves() -> None:
    class Der:
        public_key = ISSUER.public_key

        def sign(self, message: bytes) -> bytes:
            return b"\x30\x44" + ISSUER.sign(message)

    for encode in (encode_cwt, encode_jwt):
        with pytest.raises(ValueError, match="64 bytes"):
            encode(OWNER, Der(), KEY.kid)


def test_pyjwt_alone_agrees_with_our_jwt() -> None:
    token = encode_jwt(OWNER, ISSUER, KEY.kid)
    x, y = coordinates(ISSUER.public_key)
    encode = pyjwt.utils.base64url_encode
    key = pyjwt.PyJWK({"kty": "EC", "crv": "P-256", "x": encode(x).decode(), "y": encode(y).decode()}, "ES256")
    options: pyjwt.types.Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    payload = pyjwt.decode(token, key, algorithms=["ES256"], audience=VEHICLE, issuer=KEY.issuer, options=options)
    assert payload["jti"] == OWNER.key_id
    assert pyjwt.get_unverified_header(token)["typ"] == "dk+jwt"


def test_the_fixed_envelope_is_the_general_cose() -> None:
    message = encode_cwt(OWNER, ISSUER, KEY.kid)
    parsed = cose.open1(message)
    parsed.verify(ISSUER.public_key)
    assert parsed.protected == {1: -7, 4: KEY.kid, 16: "dk"}
    assert cbor.encode(cbor.decode(parsed.payload)) == parsed.payload
    for payload in (b"", bytes(23), bytes(24), bytes(255), bytes(256), bytes(800)):
        general = cose.sign1(payload, ISSUER, {cose.KID: KEY.kid, cose.TYP: "dk"})
        opened = KEY_TOKEN.open(general)
        opened.verify(ISSUER.public_key)
        assert (opened.kid, opened.payload) == (KEY.kid, payload)
        cose.open1(LIST_ACK.seal(payload, ISSUER)).verify(ISSUER.public_key)


def test_an_object_that_would_be_refused_is_not_signed() -> None:
    with pytest.raises(ValueError, match="1024"):
        KEY_TOKEN.seal(bytes(1000), ISSUER, KEY.kid)
    for kid in (b"", KEY.kid[:7], KEY.kid + b"\0"):
        with pytest.raises(ValueError, match="kid"):
            encode_cwt(OWNER, ISSUER, kid)
        with pytest.raises(ValueError, match="kid"):
            encode_jwt(OWNER, ISSUER, kid)
    with pytest.raises(CryptoError):
        encode_jwt(dataclasses.replace(OWNER, device_key=b"\x02" + bytes(31) + b"\1"), ISSUER, KEY.kid)


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": ""},
        {"issuer": "x" * 61},
        {"issuer": 'a"b'},
        {"key_id": VEHICLE},
        {"vehicle_id": VEHICLE + "\n"},
        {"device_key": b"\x04" + bytes(32)},
        {"device_key": bytes(32)},
        {"vehicle_thumbprint": bytes(32)},
        {"role": 256},
        {"entitlements": -1},
        {"index": 65536},
        {"index": True},
        {"issued_at": 0},
        {"expires_at": 1.5},
        {"expires_at": 253402300800},
        {"expires_at": NOW},
        {"epoch": 65536},
        {"depth": 1},
        {"parent_id": format_id("key", bytes(10))},
        {"parent_id": format_id("key", bytes(10)), "depth": 3},
        {"max_depth": 3},
        {"status_index": 2**32},
        {"user_verification": 1},
    ],
    ids=str,
)
def test_claims_that_cannot_be_are_our_own_fault(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        dataclasses.replace(OWNER, **change)  # type: ignore[arg-type]


def test_two_keys_of_one_issuer_are_trusted_while_it_rotates() -> None:
    new = IssuerKey.of(KEY.issuer, NEXT.public_key)
    both, only_new = TrustedIssuers([KEY, new]), TrustedIssuers([new])
    old_token, new_token = encode_cwt(OWNER, ISSUER, KEY.kid), encode_cwt(OWNER, NEXT, new.kid)
    assert decode_cwt(old_token, both) == decode_cwt(new_token, both) == OWNER
    with pytest.raises(TokenError) as refusal:
        decode_cwt(old_token, only_new)
    assert refused(refusal) == "unknown_issuer"


def test_trust_is_never_ambiguous() -> None:
    with pytest.raises(ValueError, match="unique"):
        TrustedIssuers([KEY, IssuerKey("https://other.example", KEY.kid, NEXT.public_key)])
    with pytest.raises(ValueError, match="one issuer"):
        TrustedIssuers([KEY, IssuerKey("https://other.example", bytes(8), KEY.public_key)])
    with pytest.raises(ValueError, match="8 bytes"):
        IssuerKey("x", b"short", KEY.public_key)
    with pytest.raises(ValueError, match="P-256"):
        IssuerKey("x", bytes(8), b"\x02" + bytes(31) + b"\1")
    with pytest.raises(TokenError) as refusal:
        TrustedIssuers([]).find(KEY.kid)
    assert refused(refusal) == "unknown_issuer"


@pytest.mark.parametrize(
    ("now", "leeway", "code"),
    [
        (NOW, 0, None),
        (NOW - 1, 0, "token_not_yet_valid"),
        (NOW - 1, 1, None),
        (NOW + 86399.9, 0, None),
        (NOW + 86400, 0, "token_expired"),
        (NOW + 86400, 1, None),
        (math.nan, 0, "token_not_yet_valid"),
        (math.inf, 0, "token_expired"),
        (NOW, math.nan, "token_not_yet_valid"),
    ],
)
def test_a_token_holds_from_nbf_until_before_exp(now: float, leeway: float, code: str | None) -> None:
    if code is None:
        policy.check_time(OWNER, now, leeway)
        return
    with pytest.raises(TokenError) as refusal:
        policy.check_time(OWNER, now, leeway)
    assert refused(refusal) == code


def test_the_vehicle_is_checked_whole() -> None:
    policy.check_vehicle(OWNER, VEHICLE, bytes(range(32)))
    for vehicle, head in ((VEHICLE, bytes(32)), (format_id("veh", bytes(10)), bytes(range(32))), (VEHICLE, b"")):
        with pytest.raises(TokenError) as refusal:
            policy.check_vehicle(OWNER, vehicle, head)
        assert refused(refusal) == "wrong_audience"


def test_a_signature_has_two_spellings_and_the_token_one_id() -> None:
    """ECDSA lets anybody turn (r, s) into (r, n - s): the bytes differ, the claims and their id cannot."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    token = encode_cwt(OWNER, ISSUER, KEY.kid)
    twin = token[:-32] + (order - int.from_bytes(token[-32:], "big")).to_bytes(32, "big")
    assert twin != token
    assert decode_cwt(twin, TRUST) == OWNER

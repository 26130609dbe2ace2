"""DPoP proofs: RFC 9449 section 4.3, check by check; RFC 7638's thumbprint; access tokens of RFC 9068."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from keygw.crypto.signer import LocalSigner, compress
from keygw.model.base64url import decode_base64url, encode_base64url
from keygw.model.errors import TokenError
from keygw.token.access import TYP, AccessClaims, decode_access, encode_access
from keygw.token.dpop import MAX_CHARS, SECONDS, make_proof, open_proof, thumbprint_of
from keygw.token.jws import sign_jws
from keygw.token.trust import IssuerKey, TrustedIssuers

KEY = LocalSigner.from_secret(7)
NOW = 1_800_000_000
URL = "https://keys.example/oauth2/token"
TOKEN = "eyJhbGciOiJFUzI1NiJ9.e30.AA"


def proof(**changes: Any) -> str:
    options = {"now": NOW, "jti": "one-of-a-kind", "nonce": "n1", **changes}
    return make_proof(KEY, options.pop("method", "POST"), options.pop("url", URL), **options)


def forged(
    header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, signer: LocalSigner = KEY
) -> str:
    """A proof with some members replaced (``None``: left out), signed all the same."""
    parts = [json.loads(decode_base64url(part)) for part in proof().split(".")[:2]]
    for part, changes in zip(parts, (header or {}, claims or {}), strict=True):
        part.update(changes)
        for name in [name for name, value in part.items() if value is None]:
            del part[name]
    content = ".".join(encode_base64url(json.dumps(part).encode()) for part in parts)
    return f"{content}.{encode_base64url(signer.sign(content.encode()))}"


def refusal(text: str, method: str = "POST", url: str = URL, now: float = NOW, token: str | None = None) -> str:
    with pytest.raises(TokenError) as refused:
        open_proof(text, method, url, now=now, access_token=token)
    return refused.value.code


def test_a_proof_says_what_it_was_made_for() -> None:
    found = open_proof(proof(), "POST", URL, now=NOW)
    assert (found.thumbprint, found.jti, found.issued_at, found.nonce) == (
        thumbprint_of(KEY.public_key),
        "one-of-a-kind",
        NOW,
        "n1",
    )
    assert "n1" not in repr(found)


def test_the_thumbprint_is_that_of_rfc_9449() -> None:
    """The key and its ``jkt`` of RFC 9449, sections 4.1 and 6.1."""
    x = decode_base64url("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs")
    y = decode_base64url("9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA")
    assert thumbprint_of(compress(x, y)) == "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"},
        {"typ": None},
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"jwk": None},
        {"jwk": "x"},
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}},
        {"kid": "x"},
        {"crit": ["exp"]},
        {"jku": "https://evil.example"},
    ],
    ids=lambda header: json.dumps(header)[:30],
)
def test_a_header_that_is_not_exactly_right_is_refused(header: dict[str, Any]) -> None:
    assert refusal(forged(header)) in ("token_malformed", "wrong_type")


def test_a_proof_that_carries_its_private_key_proves_nothing() -> None:
    jwk = json.loads(decode_base64url(proof().split(".")[0]))["jwk"]
    assert refusal(forged({"jwk": {**jwk, "d": encode_base64url(bytes(31) + b"\x07")}})) == "token_malformed"
    open_proof(forged({"jwk": {**jwk, "use": "sig"}}), "POST", URL, now=NOW)  # what changes nothing may stand there


@pytest.mark.parametrize(
    "claims",
    [
        {"jti": None},
        {"jti": 7},
        {"jti": "short"},
        {"jti": "x" * 129},
        {"jti": "with space in"},
        {"iat": None},
        {"iat": "1800000000"},
        {"iat": True},
        {"nonce": 7},
        {"nonce": ""},
        {"nonce": 'a"b'},
    ],
    ids=lambda claims: json.dumps(claims)[:30],
)
def test_claims_that_are_not_of_their_kind_are_refused(claims: dict[str, Any]) -> None:
    assert refusal(forged(claims=claims)) == "token_malformed"


def test_another_request_is_not_proven() -> None:
    assert refusal(proof(), method="GET") == "wrong_request"
    for url in (
        "https://keys.example/oauth2/revoke",
        "https://keys.example:8443/oauth2/token",
        "http://keys.example/oauth2/token",
        "https://keys.example.evil/oauth2/token",
        "https://keys.example/oauth2/token/",
        "https://keys.example/OAUTH2/token",
    ):
        assert refusal(proof(), url=url) == "wrong_request", url
    for said in (None, 7, "", "keys.example/oauth2/token", "https://u@keys.example/oauth2/token", "javascript:1"):
        assert refusal(forged(claims={"htu": said})) == "wrong_request", said
    assert refusal(forged(claims={"htm": "post"})) == "wrong_request", "methods have one spelling"


@pytest.mark.parametrize(
    "said",
    [
        "https://keys.example:443/oauth2/token",
        "https://KEYS.example/oauth2/token",
        "https://keys.example/oauth2/token?a=b",
        "https://keys.example/oauth2/token#c",
    ],
)
def test_the_same_address_in_another_spelling_is_the_same(said: str) -> None:
    open_proof(forged(claims={"htu": said}), "POST", URL, now=NOW)


def test_the_clock_may_be_five_minutes_off() -> None:
    assert refusal(proof(now=NOW + SECONDS + 1)) == "token_not_yet_valid"
    assert refusal(proof(now=NOW - SECONDS - 1)) == "token_expired"
    open_proof(proof(now=NOW + SECONDS), "POST", URL, now=NOW)
    open_proof(proof(now=NOW - SECONDS), "POST", URL, now=NOW)


def test_the_access_token_is_the_one_that_came_with_it() -> None:
    open_proof(proof(access_token=TOKEN), "POST", URL, now=NOW, access_token=TOKEN)
    assert refusal(proof(), token=TOKEN) == "wrong_access_token"
    assert refusal(proof(access_token=TOKEN + "x"), token=TOKEN) == "wrong_access_token"


def test_a_changed_proof_does_not_hold() -> None:
    other = LocalSigner.from_secret(8)
    assert refusal(forged(signer=other)) == "token_signature"
    text = proof()
    head, payload, signature = text.split(".")
    raw = bytearray(decode_base64url(signature))
    raw[5] ^= 1
    assert refusal(f"{head}.{payload}.{encode_base64url(bytes(raw))}") == "token_signature"
    for broken in ("", ".", "..", "a.b.c", text + ".x", text + "=", "é" + text, "x" * (MAX_CHARS + 1)):
        assert refusal(broken) == "token_malformed", broken[:20]


CLAIMS = AccessClaims(
    issuer="https://keys.example",
    subject="per_mfrggzdfmztwq2lk",
    client_id="cli_mfrggzdfmztwq2lk",
    grant="app_mfrggzdfmztwq2lk",
    scope="command.unlock vehicle.read",
    token_id="AAECAwQFBgc",
    issued_at=NOW,
    expires_at=NOW + 600,
    auth_time=NOW - 5,
    thumbprint=thumbprint_of(KEY.public_key),
)
ISSUER = IssuerKey.of("keys", KEY.public_key)
TRUST = TrustedIssuers([ISSUER])


def access(**changes: Any) -> str:
    return encode_access(replace(CLAIMS, **changes), KEY, ISSUER.kid)


def test_an_access_token_comes_back_as_it_was_signed() -> None:
    assert decode_access(access(), TRUST, now=NOW, issuer=CLAIMS.issuer) == CLAIMS


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"issuer": "https://other.example"}, "wrong_issuer"),
        ({"expires_at": NOW}, "token_expired"),
        ({"subject": "a b"}, "token_malformed"),
        ({"scope": ""}, "token_malformed"),
        ({"scope": "A"}, "token_malformed"),
        ({"thumbprint": "x"}, "token_malformed"),
        ({"auth_time": True}, "token_malformed"),
    ],
)
def test_an_access_token_that_says_something_else_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(TokenError) as refused:
        decode_access(access(**changes), TRUST, now=NOW, issuer=CLAIMS.issuer)
    assert refused.value.code == code


def test_what_the_issuer_signs_of_another_kind_is_no_access_token() -> None:
    for typ in ("dk+jwt", "JWT", "statuslist+jwt", "dpop+jwt"):
        with pytest.raises(TokenError) as refused:
            decode_access(sign_jws(typ, {}, KEY, ISSUER.kid), TRUST, now=NOW, issuer=CLAIMS.issuer)
        assert refused.value.code == "wrong_type"
    payload = json.loads(decode_base64url(access().split(".")[1])) | {"aud": "https://other.example"}
    with pytest.raises(TokenError) as refused:
        decode_access(sign_jws(TYP, payload, KEY, ISSUER.kid), TRUST, now=NOW, issuer=CLAIMS.issuer)
    assert refused.value.code == "wrong_audience"

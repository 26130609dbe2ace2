"""The status list as a value and as a signed text: packing, limits, who may sign it, and what a token hears."""

from __future__ import annotations

import dataclasses
import math
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.model.ids import format_id
from keygw.token.claims import KeyClaims, StatusReference
from keygw.token.cwt import decode_cwt, encode_cwt
from keygw.token.jwt import decode_jwt, encode_jwt
from keygw.token.status_list import (
    MAX_BYTES,
    Status,
    StatusArray,
    check_status,
    compress,
    decompress,
    sign_status_list,
    verify_status_list,
)
from keygw.token.trust import IssuerKey, TrustedIssuers

ISSUER, OTHER, DEVICE, CAR = (LocalSigner.from_secret(secret) for secret in (11, 12, 13, 14))
KEY = IssuerKey.of("https://keys.example", ISSUER.public_key)
OTHER_KEY = IssuerKey.of("https://other.example", OTHER.public_key)
TRUST = TrustedIssuers([KEY, OTHER_KEY])
URI = "https://keys.example/v1/status-lists/1"
NOW = 1_800_000_000
CLAIMS = KeyClaims(
    issuer=KEY.issuer, key_id=format_id("key", b"owner-key!"), device_key=DEVICE.public_key,
    vehicle_id=format_id("veh", b"vehicle-01"), vehicle_thumbprint=thumbprint(CAR.public_key)[:16], role=Role.OWNER,
    entitlements=Entitlement(2047), index=1, issued_at=NOW, not_before=NOW, expires_at=NOW + 3600, max_depth=2,
    status=StatusReference(5, URI),
)  # fmt: skip


def signed(statuses: StatusArray, **more: Any) -> str:
    times = {"issued_at": NOW, "expires_at": NOW + 100, "ttl": 10}
    return sign_status_list(statuses, URI, more.pop("signer", ISSUER), more.pop("kid", KEY.kid), **{**times, **more})


@given(st.sampled_from((1, 2, 4, 8)), st.data())
def test_what_was_set_is_read_back_and_nothing_else_moves(bits: int, data: st.DataObject) -> None:
    size = 8 * data.draw(st.integers(1, 6))
    array, wanted = StatusArray(size, bits), [0] * size
    for index, status in data.draw(
        st.lists(st.tuples(st.integers(0, size - 1), st.integers(0, 2**bits - 1)), max_size=20)
    ):
        array[index] = status
        wanted[index] = status
    assert [int(array[index]) for index in range(len(array))] == wanted
    # Said once more with arithmetic alone: the first status is the lowest digit of one long number.
    number = sum(status << index * bits for index, status in enumerate(wanted))
    assert bytes(array) == number.to_bytes(size * bits // 8, "little")


@pytest.mark.parametrize("index", [-1, 8, 2**40])
def test_a_place_outside_is_an_error(index: int) -> None:
    array = StatusArray(8)
    with pytest.raises(IndexError):
        array[index] = 1
    with pytest.raises(IndexError):
        array[index]


@pytest.mark.parametrize("status", [-1, 4, True, 1.0])
def test_a_status_that_does_not_fit_is_an_error(status: Any) -> None:
    with pytest.raises(ValueError, match="status must be"):
        StatusArray(8)[0] = status


@pytest.mark.parametrize(("size", "bits"), [(0, 2), (3, 2), (8, 3), (-4, 2)])
def test_a_list_is_some_whole_bytes(size: int, bits: int) -> None:
    with pytest.raises(ValueError, match="whole bytes"):
        StatusArray(size, bits)


def test_a_stream_that_would_grow_beyond_the_limit_is_stopped_there() -> None:
    assert len(decompress(compress(bytes(MAX_BYTES)))) == MAX_BYTES
    with pytest.raises(ValueError, match="at most"):
        decompress(compress(bytes(MAX_BYTES + 1)))
    with pytest.raises(ValueError, match="at most"):
        decompress(zlib.compress(bytes(512 * MAX_BYTES), 1))
    with pytest.raises(ValueError, match="at most"):
        signed(StatusArray(MAX_BYTES * 4 + 4))


@pytest.mark.parametrize(
    ("status", "code"), [(0, None), (1, "status_invalid"), (2, "status_suspended"), (3, "status_invalid")]
)
def test_a_token_hears_its_own_status(status: int, code: str | None) -> None:
    statuses = StatusArray(16)
    for index in (4, 6):
        statuses[index] = 1
    statuses[5] = status
    listed = verify_status_list(signed(statuses), TRUST, URI, NOW)
    claims = decode_jwt(encode_jwt(CLAIMS, ISSUER, KEY.kid), TRUST, now=NOW)
    assert listed.statuses[5] is Status(status)
    if code is None:
        check_status(claims, listed)
        return
    with pytest.raises(TokenError) as refusal:
        check_status(claims, listed)
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "claims",
    [
        dataclasses.replace(CLAIMS, status=None),
        dataclasses.replace(CLAIMS, status=StatusReference(5, URI + "0")),
        dataclasses.replace(CLAIMS, status=StatusReference(16, URI)),
        dataclasses.replace(CLAIMS, issuer=OTHER_KEY.issuer),
    ],
    ids=["no status", "another list", "outside", "another issuer"],
)
def test_a_list_that_does_not_speak_of_the_token_says_nothing(claims: KeyClaims) -> None:
    with pytest.raises(TokenError) as refusal:
        check_status(claims, verify_status_list(signed(StatusArray(16)), TRUST, URI, NOW))
    assert refusal.value.code == "status_unknown"


def test_another_trusted_issuer_cannot_clear_a_key() -> None:
    """Its signature holds and the list has the right name, but it is not the word of the token's issuer."""
    cleared = verify_status_list(signed(StatusArray(16), signer=OTHER, kid=OTHER_KEY.kid), TRUST, URI, NOW)
    with pytest.raises(TokenError) as refusal:
        check_status(CLAIMS, cleared)
    assert refusal.value.code == "status_unknown"


@pytest.mark.parametrize(
    ("now", "code"),
    [(NOW - 61, "token_not_yet_valid"), (NOW + 100, "token_expired"), (math.nan, "token_not_yet_valid")],
)
def test_a_list_has_its_time(now: float, code: str) -> None:
    text = signed(StatusArray(16))
    for good in (NOW - 60, NOW, NOW + 99.9):
        verify_status_list(text, TRUST, URI, good)
    with pytest.raises(TokenError) as refusal:
        verify_status_list(text, TRUST, URI, now)
    assert refusal.value.code == code


@pytest.mark.parametrize("times", [{"ttl": 0}, {"expires_at": NOW}, {"issued_at": 0}, {"ttl": True}])
def test_a_list_that_nobody_could_read_is_not_signed(times: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be an integer"):
        signed(StatusArray(16), **times)


def test_the_status_is_in_the_jwt_alone() -> None:
    assert decode_jwt(encode_jwt(CLAIMS, ISSUER, KEY.kid), TRUST) == CLAIMS
    without = dataclasses.replace(CLAIMS, status=None)
    assert decode_cwt(encode_cwt(CLAIMS, ISSUER, KEY.kid), TRUST) == without
    assert decode_jwt(encode_jwt(without, ISSUER, KEY.kid), TRUST) == without


@pytest.mark.parametrize("uri", ["", "1", "ftp://a/b", "https://", "https://a b", 'https://a"', "https://" + "a" * 248])
def test_a_status_names_a_web_address(uri: str) -> None:
    with pytest.raises(ValueError, match="URI of the status list"):
        StatusReference(0, uri)


def test_two_places_in_one_token_are_the_same() -> None:
    assert dataclasses.replace(CLAIMS, status_index=5).status_index == 5
    with pytest.raises(ValueError, match="two different places"):
        dataclasses.replace(CLAIMS, status_index=6)

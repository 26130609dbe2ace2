"""The grant: what it says, what is none, and what it does not allow."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keygw.crypto import cbor, cose
from keygw.crypto.signer import thumbprint
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import TokenError
from keygw.token.claims import KeyClaims
from keygw.token.envelope import LIST_ACK, PAIR_TICKET
from keygw.token.grant import LEEWAY, Grant, check_grant, sign_grant, verify_grant
from keygw_sim.chance import chance, new_signer

OWNER = new_signer(chance("grant", "owner"))
FRIEND = new_signer(chance("grant", "friend")).public_key
STRANGER = new_signer(chance("grant", "stranger"))
VEHICLE = "veh_mfrggzdfmztwq2lk"
PARENT_ID, CHILD_ID = "key_aaaaaaaaaaaaaaaa", "key_bbbbbbbbbbbbbbbb"
NOW = 1_800_000_000
RIGHTS = PROFILES["access"] | Entitlement.KEY_SHARE
GRANT = Grant(VEHICLE, PARENT_ID, thumbprint(FRIEND), RIGHTS, NOW + 10, NOW + 10, NOW + 90 * 86400, 1, 2)
PARENT = KeyClaims(
    issuer="https://keys.example",
    key_id=PARENT_ID,
    device_key=OWNER.public_key,
    vehicle_id=VEHICLE,
    vehicle_thumbprint=bytes(16),
    role=Role.OWNER,
    entitlements=PROFILES["owner"],
    index=1,
    issued_at=NOW,
    not_before=NOW,
    expires_at=NOW + 365 * 86400,
    max_depth=2,
)
CHILD = replace(
    PARENT,
    key_id=CHILD_ID,
    device_key=FRIEND,
    role=Role.FRIEND,
    entitlements=PROFILES["access"],
    index=2,
    not_before=NOW + 20,
    expires_at=NOW + 72 * 3600,
    parent_id=PARENT_ID,
    depth=1,
    max_depth=2,
)
FIELDS = [bytes(10), bytes(10), bytes(32), 7, NOW, NOW, NOW + 60, 1, 2]


def code_of(refused: pytest.ExceptionInfo[TokenError]) -> str:
    return refused.value.code


def test_a_grant_reads_back() -> None:
    signed = sign_grant(GRANT, OWNER)
    assert verify_grant(signed, OWNER.public_key, VEHICLE) == GRANT
    assert len(signed) == 157
    check_grant(GRANT, PARENT, CHILD)


@pytest.mark.parametrize(
    "changes",
    [
        {"vehicle_id": "veh_short"},
        {"parent_id": VEHICLE},
        {"device": bytes(31)},
        {"entitlements": Entitlement(0)},
        {"entitlements": 2**32},
        {"issued_at": 0},
        {"issued_at": True},
        {"issued_at": GRANT.expires_at},
        {"not_before": GRANT.expires_at},
        {"expires_at": 253402300800},
        {"depth": 0},
        {"depth": 2, "max_depth": 1},
        {"depth": 3, "max_depth": 3},
        {"max_depth": 3},
    ],
)
def test_a_field_out_of_range_is_refused_where_it_is_made(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must|is not a"):
        replace(GRANT, **changes)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        cbor.encode({}),
        cbor.encode(FIELDS[:-1]),
        cbor.encode([*FIELDS, 0]),
        cbor.encode(FIELDS) + b"\x00",
        cbor.encode([bytes(9), *FIELDS[1:]]),
        cbor.encode(["a" * 10, *FIELDS[1:]]),
        cbor.encode([*FIELDS[:2], bytes(31), *FIELDS[3:]]),
        cbor.encode([*FIELDS[:3], 0, *FIELDS[4:]]),
        cbor.encode([*FIELDS[:3], 7.0, *FIELDS[4:]]),
        cbor.encode([*FIELDS[:3], -1, *FIELDS[4:]]),
        cbor.encode([*FIELDS[:4], True, *FIELDS[5:]]),
        cbor.encode([*FIELDS[:6], NOW, 1, 2]),
        cbor.encode([*FIELDS[:7], 1, 3]),
        cbor.encode([*FIELDS[:7], 2, 1]),
        cbor.encode(FIELDS).replace(b"\x07\x1a", b"\x18\x07\x1a", 1),
    ],
)
def test_a_payload_of_another_shape_is_malformed(payload: bytes) -> None:
    signed = cose.sign1(payload, OWNER, {cose.TYP: "dkgr"})
    with pytest.raises(TokenError) as refused:
        verify_grant(signed, OWNER.public_key, VEHICLE)
    assert code_of(refused) == "token_malformed"


def test_another_purpose_signer_or_vehicle_is_no_grant() -> None:
    signed = sign_grant(GRANT, OWNER)
    with pytest.raises(TokenError) as refused:
        verify_grant(signed, STRANGER.public_key, VEHICLE)
    assert code_of(refused) == "token_signature"
    with pytest.raises(TokenError) as refused:
        verify_grant(signed, OWNER.public_key, "veh_aaaaaaaaaaaaaaaa")
    assert code_of(refused) == "wrong_audience"
    for purpose in (LIST_ACK, PAIR_TICKET):
        with pytest.raises(TokenError) as refused:
            verify_grant(purpose.seal(cbor.encode(FIELDS), OWNER), OWNER.public_key, VEHICLE)
        assert code_of(refused) == "wrong_type"
    with pytest.raises(TokenError) as refused:
        verify_grant(signed + bytes(512), OWNER.public_key, VEHICLE)
    assert code_of(refused) == "token_malformed"
    with pytest.raises(TokenError):
        verify_grant(signed[:-1], OWNER.public_key, VEHICLE)


@pytest.mark.parametrize(
    ("grant", "parent", "child", "code"),
    [
        ({"vehicle_id": "veh_aaaaaaaaaaaaaaaa"}, {}, {}, "grant_foreign"),
        ({}, {"vehicle_id": "veh_aaaaaaaaaaaaaaaa"}, {}, "grant_foreign"),
        ({}, {}, {"vehicle_id": "veh_aaaaaaaaaaaaaaaa"}, "grant_foreign"),
        ({"parent_id": CHILD_ID}, {}, {}, "grant_foreign"),
        ({}, {"key_id": "key_cccccccccccccccc"}, {}, "grant_foreign"),
        ({}, {}, {"parent_id": "key_cccccccccccccccc"}, "grant_foreign"),
        ({"device": thumbprint(STRANGER.public_key)}, {}, {}, "grant_foreign"),
        ({}, {}, {"device_key": STRANGER.public_key}, "grant_foreign"),
        ({}, {"entitlements": RIGHTS & ~Entitlement.KEY_SHARE}, {}, "grant_unentitled"),
        ({"depth": 2}, {}, {}, "grant_depth"),
        ({"depth": 2}, {}, {"depth": 2}, "grant_depth"),
        ({}, {}, {"depth": 2}, "grant_depth"),
        ({"max_depth": 1}, {}, {}, "grant_depth"),
        ({}, {"max_depth": 1}, {}, "grant_depth"),
        ({}, {}, {"max_depth": 0}, "grant_depth"),
        ({"entitlements": RIGHTS | Entitlement(1 << 31)}, {}, {}, "grant_wider"),
        ({}, {"entitlements": PROFILES["delivery"] | Entitlement.KEY_SHARE}, {}, "grant_wider"),
        ({}, {}, {"entitlements": RIGHTS | Entitlement.ENGINE_START}, "grant_wider"),
        ({}, {}, {"entitlements": RIGHTS | Entitlement(1 << 31)}, "grant_wider"),
        ({"issued_at": NOW - LEEWAY - 1}, {}, {}, "grant_outlived"),
        ({"issued_at": NOW + 300}, {"expires_at": NOW + 300}, {}, "grant_outlived"),
        ({}, {"expires_at": CHILD.expires_at - 1}, {}, "grant_outlived"),
        ({"expires_at": CHILD.expires_at - 1}, {}, {}, "grant_outlived"),
        ({"not_before": CHILD.not_before + 1}, {}, {}, "grant_outlived"),
    ],
)
def test_what_a_grant_does_not_allow(
    grant: dict[str, object], parent: dict[str, object], child: dict[str, object], code: str
) -> None:
    changed = replace(GRANT, **grant), replace(PARENT, **parent), replace(CHILD, **child)  # type: ignore[arg-type]
    with pytest.raises(TokenError) as refused:
        check_grant(*changed)
    assert code_of(refused) == code


def test_what_a_grant_does_allow() -> None:
    """The bounds themselves, a renewed token, and a grant that outlives the token its parent has just now."""
    check_grant(replace(GRANT, issued_at=NOW - LEEWAY), PARENT, CHILD)
    check_grant(GRANT, replace(PARENT, expires_at=CHILD.expires_at), replace(CHILD, entitlements=RIGHTS))
    check_grant(GRANT, PARENT, replace(CHILD, issued_at=NOW + 86400, expires_at=GRANT.expires_at))

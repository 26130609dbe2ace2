"""The time proof: what it says, and what is no time proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keygw.crypto import cbor, cose
from keygw.model.errors import BadInput, TokenError
from keygw.token.envelope import REVOCATION_LIST
from keygw.token.time_proof import TimeProof, sign_time_proof, verify_time_proof
from keygw.token.trust import IssuerKey, TrustedIssuers
from keygw_sim.chance import chance, new_signer

ISSUER = new_signer(chance("time proof", "issuer"))
STRANGER = new_signer(chance("time proof", "stranger"))
KEY = IssuerKey.of("https://keys.example", ISSUER.public_key)
TRUST = TrustedIssuers([KEY])
VEHICLE = "veh_mfrggzdfmztwq2lk"
PROOF = TimeProof(VEHICLE, bytes(range(8)), 1_800_000_000, 7)
FIELDS = [b"vehicle-01", bytes(8), 1_800_000_000, 7]


def code(data: bytes, trust: TrustedIssuers = TRUST, vehicle_id: str = VEHICLE) -> str:
    with pytest.raises(TokenError) as refused:
        verify_time_proof(data, trust, vehicle_id)
    return refused.value.code


def test_a_proof_reads_back_and_is_small() -> None:
    for proof in (PROOF, replace(PROOF, time=1, list_sequence=0), replace(PROOF, list_sequence=2**32 - 1)):
        assert verify_time_proof(sign_time_proof(proof, ISSUER, KEY.kid), TRUST, VEHICLE) == proof
    largest = replace(PROOF, time=2**32 - 1, list_sequence=2**32 - 1)
    assert len(sign_time_proof(largest, ISSUER, KEY.kid)) == 121


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": bytes(7)}, {"nonce": bytes(9)}, {"nonce": "eight ch"}, {"time": 0}, {"time": -1}, {"time": True},
        {"time": 1.5}, {"time": 253402300800}, {"list_sequence": -1}, {"list_sequence": 2**32}, {"list_sequence": None},
    ],
)  # fmt: skip
def test_a_field_out_of_range_is_not_signed(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        sign_time_proof(replace(PROOF, **changes), ISSUER, KEY.kid)  # type: ignore[arg-type]  # wrong on purpose


def test_a_proof_for_something_else_than_a_vehicle_is_not_signed() -> None:
    with pytest.raises(BadInput):
        sign_time_proof(replace(PROOF, vehicle_id="key_mfrggzdfmztwq2lk"), ISSUER, KEY.kid)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        cbor.encode(FIELDS[:3]),
        cbor.encode([*FIELDS, 0]),
        cbor.encode([b"vehicle-1", *FIELDS[1:]]),
        cbor.encode([VEHICLE, *FIELDS[1:]]),
        cbor.encode([FIELDS[0], bytes(7), *FIELDS[2:]]),
        cbor.encode([FIELDS[0], "nonce678", *FIELDS[2:]]),
        cbor.encode([*FIELDS[:2], 0, 7]),
        cbor.encode([*FIELDS[:2], 1.5, 7]),
        cbor.encode([*FIELDS[:2], True, 7]),
        cbor.encode([*FIELDS[:2], 253402300800, 7]),
        cbor.encode([*FIELDS[:3], 2**32]),
        cbor.encode([*FIELDS[:3], None]),
        cbor.encode(FIELDS) + b"\x00",
        cbor.encode(FIELDS)[:-1] + b"\x18\x07",
        cbor.encode({}),
    ],
)
def test_a_payload_of_another_shape_is_malformed(payload: bytes) -> None:
    assert code(cose.sign1(payload, ISSUER, {cose.KID: KEY.kid, cose.TYP: "dktp"})) == "token_malformed"


def test_only_a_trusted_issuer_speaks_and_only_for_one_vehicle() -> None:
    signed = sign_time_proof(PROOF, ISSUER, KEY.kid)
    assert code(signed, vehicle_id="veh_aaaaaaaaaaaaaaaa") == "wrong_audience"
    assert code(signed, TrustedIssuers([])) == "unknown_issuer"
    assert code(sign_time_proof(PROOF, STRANGER, KEY.kid)) == "token_signature"
    assert code(REVOCATION_LIST.seal(cbor.encode(FIELDS), ISSUER, KEY.kid)) == "wrong_type"

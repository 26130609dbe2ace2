"""The statement of a new issuer key and its acknowledgement: what they say, and what is neither."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keygw.crypto import cbor, cose
from keygw.model.errors import BadInput, TokenError
from keygw.token.envelope import ISSUER_KEY, ISSUER_KEY_ACK, TIME_PROOF
from keygw.token.issuer_key import (
    NO_STATEMENT,
    IssuerKeyAck,
    IssuerKeyStatement,
    open_statement,
    sign_issuer_key_ack,
    sign_statement,
    verify_issuer_key_ack,
)
from keygw.token.trust import IssuerKey, kid_of
from keygw.wire.messages import MAX_STATEMENT_BYTES
from keygw_sim.chance import chance, new_signer
from keygw_sim.rehearsal import twin

OLD, NEW, CAR, STRANGER = (new_signer(chance("issuer key", who)) for who in ("old", "new", "car", "stranger"))
KEY = IssuerKey.of("https://keys.example", OLD.public_key)
AT = 1_800_000_000
STATEMENT = IssuerKeyStatement(KEY.issuer, 1, NEW.public_key, AT, AT + 7 * 86_400, AT)
FIELDS = [KEY.issuer, 1, NEW.public_key, AT, AT + 7 * 86_400, AT]
ACK = IssuerKeyAck("veh_mfrggzdfmztwq2lk", 1, kid_of(NEW.public_key), bytes(range(32)), 3)
ACK_FIELDS = [b"vehicle-01", 1, bytes(8), bytes(32), 3]


def statement_code(data: bytes, key: IssuerKey = KEY) -> str:
    with pytest.raises(TokenError) as refused:
        open_statement(data).verify(key)
    return refused.value.code


def ack_code(data: bytes) -> str:
    with pytest.raises(TokenError) as refused:
        verify_issuer_key_ack(data, CAR.public_key)
    return refused.value.code


def test_a_statement_reads_back_and_names_the_key_that_it_brings() -> None:
    at_once = replace(STATEMENT, not_before=AT, retire_at=AT, sequence=2**32 - 1)
    for statement in (STATEMENT, at_once, replace(STATEMENT, issuer="x" * 60)):
        opened = open_statement(sign_statement(statement, OLD, KEY.kid))
        assert (opened.kid, opened.statement) == (KEY.kid, statement)
        assert opened.verify(replace(KEY, issuer=statement.issuer)) == statement
        assert opened.statement.kid == kid_of(NEW.public_key)


def test_the_largest_statement_fits_the_message() -> None:
    end = 253402300799
    largest = IssuerKeyStatement("x" * 60, 2**32 - 1, NEW.public_key, end, end, end)
    assert len(sign_statement(largest, OLD, KEY.kid)) == 220 <= MAX_STATEMENT_BYTES
    with pytest.raises(ValueError, match="at most 512"):
        ISSUER_KEY.seal(bytes(440), OLD, KEY.kid)


def test_whoever_carries_it_cannot_give_it_another_name() -> None:
    signed = sign_statement(STATEMENT, OLD, KEY.kid)
    assert twin(signed) != signed
    assert open_statement(twin(signed)).digest == open_statement(signed).digest
    open_statement(twin(signed)).verify(KEY)


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": ""}, {"issuer": "x" * 61}, {"issuer": 'quote"'}, {"issuer": b"bytes"}, {"sequence": 0},
        {"sequence": 2**32}, {"sequence": True}, {"sequence": 1.0}, {"public_key": bytes(33)},
        {"public_key": b"\x02" + b"\xff" * 32}, {"public_key": NEW.public_key[:32]}, {"public_key": "key"},
        {"issued_at": 0}, {"issued_at": AT + 1}, {"not_before": AT - 1}, {"retire_at": AT - 1},
        {"retire_at": 253402300800}, {"not_before": None},
    ],
)  # fmt: skip
def test_a_field_out_of_range_is_neither_signed_nor_read(changes: dict[str, object]) -> None:
    wrong = replace(STATEMENT, **changes)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ValueError, match=r"."):
        sign_statement(wrong, OLD, KEY.kid)
    fields = [wrong.issuer, wrong.sequence, wrong.public_key, wrong.not_before, wrong.retire_at, wrong.issued_at]
    assert statement_code(ISSUER_KEY.seal(cbor.encode(fields), OLD, KEY.kid)) == "token_malformed"


@pytest.mark.parametrize(
    "payload",
    [
        b"", cbor.encode({}), cbor.encode(FIELDS[:5]), cbor.encode([*FIELDS, KEY.kid]), cbor.encode(FIELDS) + b"\0",
        cbor.encode(FIELDS).replace(b"\x01\x58\x21", b"\x18\x01\x58\x21"), cbor.encode([FIELDS]),
    ],
)  # fmt: skip
def test_another_shape_is_malformed(payload: bytes) -> None:
    assert statement_code(ISSUER_KEY.seal(payload, OLD, KEY.kid)) == "token_malformed"


def test_only_the_key_that_it_names_has_signed_it() -> None:
    signed = sign_statement(STATEMENT, OLD, KEY.kid)
    assert statement_code(sign_statement(STATEMENT, STRANGER, KEY.kid)) == "token_signature"
    assert statement_code(signed[:-64] + bytes(64)) == "token_signature"
    assert statement_code(signed, IssuerKey.of(KEY.issuer, NEW.public_key)) == "unknown_issuer"
    assert statement_code(signed, replace(KEY, issuer="https://other.example")) == "wrong_issuer"
    with pytest.raises(ValueError, match="kid"):
        sign_statement(STATEMENT, OLD, b"short")


def test_another_object_is_no_statement_and_no_acknowledgement() -> None:
    proof = TIME_PROOF.seal(cbor.encode(FIELDS), OLD, KEY.kid)
    assert statement_code(proof) == "wrong_type"
    assert ack_code(cose.sign1(cbor.encode(ACK_FIELDS), CAR, {cose.TYP: "dkra"})) == "wrong_type"
    assert statement_code(sign_issuer_key_ack(ACK, CAR)) == "wrong_type"
    assert ack_code(sign_statement(STATEMENT, OLD, KEY.kid)) == "wrong_type"


def test_an_acknowledgement_reads_back_and_is_small() -> None:
    for ack in (ACK, replace(ACK, sequence=0, statement_hash=NO_STATEMENT, boot_epoch=0)):
        assert verify_issuer_key_ack(sign_issuer_key_ack(ack, CAR), CAR.public_key) == ack
    assert len(sign_issuer_key_ack(replace(ACK, sequence=2**32 - 1, boot_epoch=2**32 - 1), CAR)) == 145
    assert ack_code(sign_issuer_key_ack(ACK, STRANGER)) == "token_signature"


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": -1}, {"sequence": 2**32}, {"sequence": True}, {"kid": bytes(7)}, {"kid": "kid"},
        {"statement_hash": bytes(31)}, {"statement_hash": None}, {"boot_epoch": 2**32}, {"boot_epoch": 1.0},
    ],
)  # fmt: skip
def test_an_acknowledgement_out_of_range_is_neither_signed_nor_read(changes: dict[str, object]) -> None:
    wrong = replace(ACK, **changes)  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ValueError, match=r"."):
        sign_issuer_key_ack(wrong, CAR)
    fields = [ACK_FIELDS[0], wrong.sequence, wrong.kid, wrong.statement_hash, wrong.boot_epoch]
    assert ack_code(ISSUER_KEY_ACK.seal(cbor.encode(fields), CAR)) == "token_malformed"


@pytest.mark.parametrize("fields", [[], ACK_FIELDS[:4], [*ACK_FIELDS, 0], ["vehicle-01", *ACK_FIELDS[1:]]])
def test_an_acknowledgement_of_another_shape_is_malformed(fields: list[object]) -> None:
    assert ack_code(ISSUER_KEY_ACK.seal(cbor.encode(fields), CAR)) == "token_malformed"


def test_an_acknowledgement_speaks_of_a_vehicle() -> None:
    with pytest.raises(BadInput):
        sign_issuer_key_ack(replace(ACK, vehicle_id="key_mfrggzdfmztwq2lk"), CAR)

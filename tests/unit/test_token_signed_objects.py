"""Revocation list, acknowledgement and receipt: what they say, who may sign them, and the chain of receipts."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import cbor2
import pytest

from keygw.crypto import cose
from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action, Outcome
from keygw.model.errors import BadInput, TokenError
from keygw.model.ids import format_id
from keygw.model.receipt import Receipt
from keygw.model.revocation import ListAck, RevocationList
from keygw.token.receipt import FIRST, receipt_hash, sign_receipt, verify_chain, verify_receipt
from keygw.token.revocation import MAX_ENTRIES, list_hash, sign_ack, sign_list, verify_ack, verify_list
from keygw.token.trust import IssuerKey, TrustedIssuers

ISSUER = LocalSigner.from_secret(11)
CAR = LocalSigner.from_secret(19)
STRANGER = LocalSigner.from_secret(13)
VEHICLE = format_id("veh", b"vehicle-01")
OTHER_VEHICLE = format_id("veh", b"vehicle-02")
NOW = 1_800_000_000
KEY = IssuerKey.of("https://keys.example", ISSUER.public_key)
TRUST = TrustedIssuers([KEY])
LIST = RevocationList(VEHICLE, 7, NOW, NOW + 604800, 2, (3, 9, 65535), (4, 500), NOW - 1000)
ACK = ListAck(VEHICLE, 7, bytes(32), 3)


def code(call: Callable[[], object]) -> str:
    with pytest.raises(TokenError) as refusal:
        call()
    return refusal.value.code


def issuer_signed(payload: object) -> bytes:
    body = payload if isinstance(payload, bytes) else cbor2.dumps(payload)
    return cose.sign1(body, ISSUER, {cose.KID: KEY.kid, cose.TYP: "dkrl"})


def car_signed(payload: object, typ: str) -> bytes:
    return cose.sign1(cbor2.dumps(payload), CAR, {cose.TYP: typ})


def test_a_list_survives_its_journey() -> None:
    for listed in (
        LIST,
        RevocationList(VEHICLE, 1, 1, 2),
        dataclasses.replace(LIST, sequence=2**32 - 1, min_epoch=65535),
    ):
        assert verify_list(sign_list(listed, ISSUER, KEY.kid), TRUST, VEHICLE) == listed


def test_a_list_with_five_entries_fits_its_budget() -> None:
    largest = RevocationList(
        VEHICLE, 2**32 - 1, 2**32 - 2, 2**32 - 1, 65535, (65531, 65532, 65533), (65534, 65535), 2**32 - 1
    )
    assert len(sign_list(LIST, ISSUER, KEY.kid)) <= 150
    assert len(sign_list(largest, ISSUER, KEY.kid)) == 142


def test_the_longest_list_fits_one_message() -> None:
    indices = tuple(range(65536 - MAX_ENTRIES, 65536))
    signed = sign_list(dataclasses.replace(LIST, revoked=indices, suspended=()), ISSUER, KEY.kid)
    assert len(signed) < 4096
    assert verify_list(signed, TRUST, VEHICLE).revoked == indices


def test_a_list_is_for_one_vehicle_and_from_a_trusted_issuer() -> None:
    signed = sign_list(LIST, ISSUER, KEY.kid)
    assert code(lambda: verify_list(signed, TRUST, OTHER_VEHICLE)) == "wrong_audience"
    assert code(lambda: verify_list(signed, TrustedIssuers([]), VEHICLE)) == "unknown_issuer"
    assert code(lambda: verify_list(sign_list(LIST, STRANGER, KEY.kid), TRUST, VEHICLE)) == "token_signature"


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": 0},
        {"sequence": 2**32},
        {"issued_at": 0},
        {"next_update": NOW},
        {"next_update": 253402300800},
        {"min_epoch": 65536},
        {"issued_before": -1},
        {"revoked": (3, 3)},
        {"revoked": (9, 3)},
        {"revoked": (65536,)},
        {"revoked": (-1,)},
        {"revoked": (True, 2)},
        {"suspended": (9,)},
        {"revoked": tuple(range(600)), "suspended": tuple(range(600, 1100))},
    ],
    ids=lambda change: str(change)[:40],
)
def test_a_list_that_would_be_refused_is_not_signed(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        sign_list(dataclasses.replace(LIST, **change), ISSUER, KEY.kid)


def test_a_list_of_a_key_instead_of_a_vehicle_is_not_signed() -> None:
    with pytest.raises(BadInput):
        sign_list(dataclasses.replace(LIST, vehicle_id=format_id("key", bytes(10))), ISSUER, KEY.kid)


FIELDS: list[Any] = [b"vehicle-01", 7, NOW, NOW + 604800, 2, NOW - 1000, [3, 9], [4]]


def test_the_field_builder_makes_a_list_that_is_accepted() -> None:
    assert verify_list(issuer_signed(FIELDS), TRUST, VEHICLE).revoked == (3, 9)


BAD_LIST_FIELDS: dict[int, tuple[object, ...]] = {
    0: (b"", b"vehicle-1", "vehicle-01", None, 1),
    1: (0, -1, 2**32, 7.0, True, None, "7", float("nan")),
    2: (0, float(NOW), None, True, 253402300800),
    3: (NOW, 0, None, float("inf")),
    4: (65536, -1, None, 2.0),
    5: (253402300800, None, False),
    6: ([9, 3], [3, 3], [4], [65536], [3.0], [True], [None], [[]], 3, b"\3", None, {}),
    7: ([3], [9], None, "x"),
}


@pytest.mark.parametrize(
    ("place", "value"), [(place, value) for place, values in BAD_LIST_FIELDS.items() for value in values], ids=str
)
def test_a_signed_list_out_of_its_rules_is_refused(place: int, value: object) -> None:
    fields = [*FIELDS[:place], value, *FIELDS[place + 1 :]]
    assert code(lambda: verify_list(issuer_signed(fields), TRUST, VEHICLE)) == "token_malformed"


@pytest.mark.parametrize(
    "payload",
    [
        FIELDS[:-1],
        [*FIELDS, 0],
        {},
        None,
        cbor2.dumps(FIELDS) + b"\0",
        cbor2.dumps(FIELDS)[:-1],
        b"\x98\x08" + cbor2.dumps(FIELDS)[1:],
        b"\x9f" + cbor2.dumps(FIELDS)[1:] + b"\xff",
        cbor2.dumps(FIELDS).replace(b"\x07\x1a", b"\x18\x07\x1a", 1),
        b"",
        b"\x81" * 500,
    ],
    ids=lambda payload: repr(payload)[:30],
)
def test_a_signed_list_of_another_shape_is_refused(payload: object) -> None:
    assert code(lambda: verify_list(issuer_signed(payload), TRUST, VEHICLE)) == "token_malformed"


def test_an_acknowledgement_is_the_cars_alone() -> None:
    signed_list = sign_list(LIST, ISSUER, KEY.kid)
    ack = dataclasses.replace(ACK, list_hash=list_hash(signed_list))
    assert verify_ack(sign_ack(ack, CAR), CAR.public_key) == ack
    for forger in (ISSUER, STRANGER):
        assert code(lambda forger=forger: verify_ack(sign_ack(ack, forger), CAR.public_key)) == "token_signature"  # type: ignore[misc]


@pytest.mark.parametrize(
    "fields",
    [
        [b"vehicle-01", 7, bytes(32)],
        [b"vehicle-01", 7, bytes(32), 3, 0],
        [b"vehicle-1", 7, bytes(32), 3],
        [b"vehicle-01", 0, bytes(32), 3],
        [b"vehicle-01", 7.0, bytes(32), 3],
        [b"vehicle-01", 7, bytes(31), 3],
        [b"vehicle-01", 7, "x" * 32, 3],
        [b"vehicle-01", 7, bytes(32), 2**32],
        [b"vehicle-01", 7, bytes(32), None],
    ],
    ids=str,
)
def test_a_signed_acknowledgement_out_of_its_rules_is_refused(fields: list[object]) -> None:
    assert code(lambda: verify_ack(car_signed(fields, "dkra"), CAR.public_key)) == "token_malformed"


def receipt(sequence: int, previous: bytes, vehicle_id: str = VEHICLE, outcome: Outcome = Outcome.DONE) -> Receipt:
    signed = sign_receipt(
        vehicle_id=vehicle_id,
        sequence=sequence,
        number=0xDEADBEEF,
        key_id=format_id("key", b"friend-key"),
        action=Action.UNLOCK,
        outcome=outcome,
        before=True,
        after=False if outcome.ok else None,
        boot_epoch=3,
        session=b"session1",
        previous=previous,
        at=NOW,
        signer=CAR,
    )
    return verify_receipt(signed, CAR.public_key)


def chain(length: int) -> list[Receipt]:
    receipts: list[Receipt] = []
    for sequence in range(1, length + 1):
        receipts.append(receipt(sequence, receipt_hash(receipts[-1].signed) if receipts else FIRST))
    return receipts


def test_a_receipt_says_what_the_car_did() -> None:
    first = receipt(1, FIRST, outcome=Outcome.NOT_ENTITLED)
    assert (first.vehicle_id, first.sequence, first.number, first.at) == (VEHICLE, 1, 0xDEADBEEF, NOW)
    assert (first.action, first.outcome, first.before, first.after) == (Action.UNLOCK, Outcome.NOT_ENTITLED, True, None)
    assert (first.session, first.previous, first.boot_epoch) == (b"session1", FIRST, 3)
    assert verify_receipt(first.signed, CAR.public_key) == first
    assert code(lambda: verify_receipt(first.signed, STRANGER.public_key)) == "token_signature"


def test_a_receipt_of_a_later_release_survives() -> None:
    assert receipt(1, FIRST, outcome=Outcome(200)).outcome == 200


def test_a_whole_chain_holds_in_one_go_and_in_parts() -> None:
    receipts = chain(5)
    verify_chain(receipts)
    verify_chain([])
    verify_chain(receipts[:2])
    verify_chain(receipts[2:], previous=receipts[1])


def test_a_broken_chain_is_told() -> None:
    receipts = chain(4)
    rewritten = receipt(2, receipts[0].previous)
    elsewhere = receipt(3, receipt_hash(receipts[1].signed), vehicle_id=OTHER_VEHICLE)
    broken: list[tuple[list[Receipt], Receipt | None]] = [
        (receipts[1:], None),
        ([receipts[0], receipts[2]], None),
        ([receipts[0], receipts[0]], None),
        ([receipts[1], receipts[0]], None),
        ([receipts[0], rewritten], None),
        ([receipts[0], rewritten, receipts[2]], None),
        ([elsewhere], receipts[1]),
        (receipts[3:], receipts[1]),
        ([receipt(1, bytes(31) + b"\1")], None),
    ]
    for receipts_, previous in broken:
        with pytest.raises(TokenError) as refusal:
            verify_chain(receipts_, previous)
        assert refusal.value.code == "receipt_chain"


RECEIPT: list[Any] = [b"vehicle-01", 1, 5, b"friend-key", 1, 0, True, False, 3, bytes(8), bytes(32), NOW]


def test_the_field_builder_makes_a_receipt_that_is_accepted() -> None:
    assert verify_receipt(car_signed(RECEIPT, "dkrc"), CAR.public_key).number == 5


BAD_BYTES: tuple[object, ...] = (b"", b"too short", "x" * 10, None, 1, bytes(33))
BAD_NUMBERS: tuple[object, ...] = (-1, 1.0, None, True, "1", 2**64 - 1, [])
BAD_STATES: tuple[object, ...] = (0, 1, "true", b"", [], 1.0)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *itertools.product((0, 3, 9, 10), BAD_BYTES),
        *itertools.product((1, 2, 4, 5, 8, 11), BAD_NUMBERS),
        *itertools.product((6, 7), BAD_STATES),
        (1, 0),
        (2, 2**32),
        (4, 256),
        (5, 256),
        (8, 2**32),
        (11, 253402300800),
    ],
    ids=str,
)
def test_a_signed_receipt_out_of_its_rules_is_refused(place: int, value: object) -> None:
    fields = [*RECEIPT[:place], value, *RECEIPT[place + 1 :]]
    assert code(lambda: verify_receipt(car_signed(fields, "dkrc"), CAR.public_key)) == "token_malformed"


def test_a_receipt_that_would_be_refused_is_not_signed() -> None:
    with pytest.raises(ValueError, match="previous"):
        receipt(2, b"short")
    with pytest.raises(ValueError, match="sequence"):
        receipt(0, FIRST)

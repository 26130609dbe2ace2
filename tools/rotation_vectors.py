"""Statements of new issuer keys, acknowledgements, what is neither, and what a vehicle makes of them: for
``tools/make_token_vectors.py``.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from fixed_signer import FixedSigner
from malformed import malformed, numbers, texts
from token_cast import CAR, ISSUER, ISSUER_NAME, KEY, LIST, NOW, STRANGER, VEHICLE, plain

from keygw.crypto import cbor, cose
from keygw.crypto.kdf import sha256
from keygw.token.issuer_key import (
    NO_STATEMENT,
    IssuerKeyAck,
    IssuerKeyStatement,
    open_statement,
    sign_issuer_key_ack,
    sign_statement,
)
from keygw.token.revocation import sign_list
from keygw.token.trust import kid_of

SECOND, THIRD_ISSUER, RIVAL = FixedSigner(0x1010), FixedSigner(0x1011), FixedSigner(0x1012)
WEEK = 7 * 86_400
STATEMENTS = {
    "second": IssuerKeyStatement(ISSUER_NAME, 1, SECOND.public_key, NOW + 86_400, NOW + 86_400 + WEEK, NOW),
    "third": IssuerKeyStatement(ISSUER_NAME, 2, THIRD_ISSUER.public_key, NOW + 60, NOW + 60, NOW + 60),
    "sooner": IssuerKeyStatement(ISSUER_NAME, 2, SECOND.public_key, NOW + 60, NOW + 60, NOW + 60),
    "rival": IssuerKeyStatement(ISSUER_NAME, 1, RIVAL.public_key, NOW, NOW, NOW),
}
BY = {"second": ISSUER, "third": SECOND, "sooner": SECOND, "rival": ISSUER}


def signed(statement: IssuerKeyStatement, signer: FixedSigner) -> bytes:
    return sign_statement(statement, signer, kid_of(signer.public_key))


def ack_of(name: str, signer: FixedSigner, newest: FixedSigner, boot_epoch: int = 3) -> IssuerKeyAck:
    """That the vehicle has that statement, by ``signer``, and so ``newest`` for its newest key."""
    digest = open_statement(signed(STATEMENTS[name], signer)).digest
    return IssuerKeyAck(VEHICLE, STATEMENTS[name].sequence, kid_of(newest.public_key), digest, boot_epoch)


def issuer_keys() -> dict[str, object]:
    statements = []
    for name, statement in STATEMENTS.items():
        made = signed(statement, BY[name])
        statements.append(
            {
                "name": name,
                "fields": {field: plain(getattr(statement, field)) for field in statement.__slots__},
                "signer": kid_of(BY[name].public_key).hex(),
                "kid": statement.kid.hex(),
                "signed": made.hex(),
                "hash": open_statement(made).digest.hex(),
            }
        )
    acks = []
    first = IssuerKeyAck(VEHICLE, 0, KEY.kid, NO_STATEMENT, 3)
    for name, ack in (("first", first), ("second", ack_of("second", ISSUER, SECOND))):
        fields = {field: plain(getattr(ack, field)) for field in ack.__slots__}
        acks.append({"name": name, "fields": fields, "signed": sign_issuer_key_ack(ack, CAR).hex()})
    return {
        "about": "Statements of new issuer keys, each by the key that it follows, and what a vehicle makes of them. Its"
        " first issuer key is that of keys.json, with sequence 0; 'keys' are those that follow.",
        "keys": {
            name: {
                "secret": f"{signer.secret:064x}",
                "public_key": signer.public_key.hex(),
                "kid": kid_of(signer.public_key).hex(),
            }
            for name, signer in (("second", SECOND), ("third", THIRD_ISSUER), ("rival", RIVAL))
        },
        "statements": statements,
        "acks": acks,
        "invalid": [*invalid_statements(), *invalid_acks()],
        "meetings": meetings(),
    }


def invalid_statements() -> list[dict[str, str]]:
    """Read as one that follows the first key. Signed by it or tampered with; ``code`` as in *Refusals*."""
    rows: list[dict[str, str]] = []

    def add(name: str, data: bytes, code: str = "token_malformed") -> None:
        rows.append({"name": name, "object": "issuer_key", "data": data.hex(), "code": code})

    statement = STATEMENTS["second"]
    good = signed(statement, ISSUER)
    header: dict[int, object] = {cose.KID: KEY.kid, cose.TYP: "dkik"}
    fields: list[Any] = cbor.decode(cose.open1(good).payload)

    def sealed(value: object) -> bytes:
        return cose.sign1(value if isinstance(value, bytes) else cbor.encode(value), ISSUER, header)

    def put(at: int, value: object) -> bytes:
        return sealed([*fields[:at], value, *fields[at + 1 :]])

    add("signed by a stranger", sign_statement(statement, STRANGER, KEY.kid), "token_signature")
    add("a signature of zeros", good[:-64] + bytes(64), "token_signature")
    add("signed by the key that it brings", signed(statement, SECOND), "unknown_issuer")
    other = dataclasses.replace(statement, issuer="https://other.example")
    add("of another issuer", signed(other, ISSUER), "wrong_issuer")
    add("a list", sign_list(LIST, ISSUER, KEY.kid), "wrong_type")
    add("an acknowledgement", sign_issuer_key_ack(ack_of("second", ISSUER, SECOND), CAR), "wrong_type")
    add("the header with crit", cose.sign1(cbor.encode(fields), ISSUER, header | {2: [99]}))
    add("no kid", cose.sign1(cbor.encode(fields), ISSUER, {cose.TYP: "dkik"}))
    add("tagged", b"\xd2" + good)
    add("one byte too many", good + b"\0")
    for why, value in (("empty", ""), ("of 61 characters", "x" * 61), ("with a quote", 'a"b'), ("bytes", b"a")):
        add(f"the issuer is {why}", put(0, value))
    for at, what, limit in ((1, "sequence", 2**32), (3, "not_before", 253402300800), (4, "retire_at", 253402300800),
                            (5, "issued_at", 253402300800)):  # fmt: skip
        for why, payload in numbers(fields, at, limit, what):
            add(why, sealed(payload))
    add("sequence is 0", put(1, 0))
    add("issued_at is 0", put(5, 0))
    add("not_before is before issued_at", put(5, NOW + 86_401))
    add("retire_at is before not_before", put(4, NOW + 86_399))
    for why, payload in texts(fields, 2, "the public key"):
        add(why, sealed(payload))
    add("the public key is off the curve", put(2, b"\x02" + bytes(31) + b"\x01"))
    add("the public key is not compressed", put(2, b"\x04" + bytes(32)))
    for why, payload in malformed(fields):
        add(why, sealed(payload))
    return rows


def invalid_acks() -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []

    def add(name: str, data: bytes, code: str = "token_malformed") -> None:
        rows.append({"name": name, "object": "issuer_key_ack", "data": data.hex(), "code": code})

    ack = ack_of("second", ISSUER, SECOND)
    good = sign_issuer_key_ack(ack, CAR)
    fields: list[Any] = cbor.decode(cose.open1(good).payload)
    add("signed by the issuer", sign_issuer_key_ack(ack, ISSUER), "token_signature")
    add("a statement", signed(STATEMENTS["second"], ISSUER), "wrong_type")
    add("the header with a kid", cose.sign1(cbor.encode(fields), CAR, {cose.KID: KEY.kid, cose.TYP: "dkia"}))
    cases = [
        *texts(fields, 0, "the vehicle id"), *numbers(fields, 1, 2**32, "sequence"), *texts(fields, 2, "the kid"),
        *texts(fields, 3, "the hash"), *numbers(fields, 4, 2**32, "boot_epoch"), *malformed(fields),
    ]  # fmt: skip
    for why, payload in cases:
        add(why, cose.sign1(payload, CAR, {cose.TYP: "dkia"}))
    return rows


def meetings() -> list[dict[str, object]]:
    """Messages that come one after the other to a vehicle which knows the first key: what is its newest key then, and
    which former ones still count by the floor that this leaves; or the code with which the last message is refused."""
    made = {name: signed(statement, BY[name]) for name, statement in STATEMENTS.items()}
    known = dataclasses.replace(STATEMENTS["third"], public_key=ISSUER.public_key)
    forged = sign_statement(STATEMENTS["third"], STRANGER, kid_of(SECOND.public_key))
    rows: list[tuple[str, list[list[bytes]], int, str, list[str]]] = [
        ("one key", [[made["second"]]], 1, "second", ["first"]),
        ("two keys at once, the second ending both before it", [[made["second"], made["third"]]], 2, "third", []),
        ("two keys one after the other", [[made["second"]], [made["third"]]], 2, "third", []),
        ("one is missing", [[made["third"]]], 0, "first", []),
        ("the same again", [[made["second"]], [made["second"]]], 1, "second", ["first"]),
        ("the whole chain again", [[made["second"]], [made["second"], made["third"]]], 2, "third", []),
        ("the newest key ends those before it", [[made["second"]], [made["sooner"]]], 2, "second", []),
        ("a fork: the first that comes stays", [[made["second"]], [made["rival"]]], 1, "second", ["first"]),
        ("a fork, the other way round", [[made["rival"]], [made["second"]]], 1, "rival", []),
        ("forged in the name of a former key", [[made["second"]], [
            sign_statement(STATEMENTS["rival"], STRANGER, KEY.kid)]], 1, "second", ["first"]),
    ]  # fmt: skip
    found: list[dict[str, object]] = [
        {"name": name, "brought": [[each.hex() for each in message] for message in brought], "sequence": sequence,
         "newest": newest, "former": former, "code": None}
        for name, brought, sequence, newest, former in rows
    ]  # fmt: skip
    refused = [
        ("forged in the name of the newest key", [[made["second"], forged]], "token_signature"),
        ("a key that the vehicle knows", [[made["second"]], [signed(known, SECOND)]], "issuer_key_refused"),
        ("another issuer", [[signed(dataclasses.replace(STATEMENTS["second"], issuer="https://other.example"),
                                    ISSUER)]], "unknown_issuer"),
        ("no statement", [[sha256(b"noise")]], "token_malformed"),
    ]  # fmt: skip
    for name, brought, code in refused:
        found.append({"name": name, "brought": [[each.hex() for each in message] for message in brought], "code": code})
    return found

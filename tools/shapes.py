"""What each message and signed object looks like, for ``tools/make_examples.py``: the names of its CDDL and fields.

A new message needs one row in ``MESSAGES``, a new signed object one in ``OBJECTS``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from annotate import Array, Each, Embedded, Field, Found, Map, Packed, head

from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.open_enum import OpenEnum
from keygw.model.signal import SignalId
from keygw.wire.messages import LinkKind, TimeState
from keygw.wire.ranging import RangingMethod, Zone


@dataclass(frozen=True)
class Shape:
    """``body``: packed parts, a CBOR sequence, or ``None`` for ciphertext and tag. ``plaintext``: what is sealed."""

    cddl: str
    body: Packed | Sequence[Field] | None = None
    plaintext: Field | Packed | None = None


def called(enum: type[OpenEnum]) -> Callable[[int], str]:
    return lambda value: enum(value).label


def text_id(prefix: str, name: str) -> Field:
    """An id of 10 bytes, and its text."""
    return Field(name, say=lambda raw: f"{prefix}_{base64.b32encode(raw).decode().lower()}")


def array(name: str, *fields: Field | str) -> Field:
    return Field(name, Array([Field(field) if isinstance(field, str) else field for field in fields]))


VEHICLE, KEY, PARENT = text_id("veh", "vehicle"), text_id("key", "key"), text_id("key", "parent")
ACTION, OUTCOME = Field("action", say=called(Action)), Field("outcome", say=called(Outcome))
LINK = Field("link", say=called(LinkKind))
TIME = Field("time", say=called(TimeState))
COSE_KEY = Field(
    "COSE_Key",
    Map({1: Field("kty", say=lambda _: "EC2"), -1: Field("crv", say=lambda _: "P-256"), -2: Field("x"),
         -3: Field("y is odd")}),
)  # fmt: skip

# -- signed objects: typ -> CDDL name, payload -------------------------------------------------------------------------

CLAIMS = Field(
    "claims",
    Map({
        4: Field("exp"), 5: Field("nbf"), 6: Field("iat"), 7: text_id("key", "cti"),
        8: Field("cnf", Map({1: COSE_KEY})),
        -65537: array("keygw", VEHICLE, "vehicle_key", Field("role", say=called(Role)), "entitlements", "index",
                      PARENT, "depth", "max_depth", "epoch", "status_index", "user_verification"),
    }),
)  # fmt: skip

OBJECTS: dict[str, tuple[str, Field]] = {
    "dk": ("Key_Token", CLAIMS),
    "dkgr": (
        "Grant",
        array("grant", VEHICLE, PARENT, "device", "entitlements", "issued_at", "not_before", "expires_at", "depth",
              "max_depth"),
    ),
    "dkrl": (
        "Revocation_List",
        array("list", VEHICLE, "sequence", "issued_at", "next_update", "min_epoch", "issued_before",
              Field("revoked", Each(Field("index"))), Field("suspended", Each(Field("index")))),
    ),
    "dkip": (
        "Invitation_Proof",
        array("proof of possession", "act", text_id("inv", "invitation"), "secret_hash", "device"),
    ),
    "dkds": ("Device_Statement", array("device statement", "act", "subject", "number", "device")),
    "dkdp": ("device_proof", array("device proof", "challenge", "device", "attestation_hash")),
    "dktp": ("Time_Proof", array("time proof", VEHICLE, "nonce", Field("time"), "list")),
    "dkik": (
        "Issuer_Key",
        array("statement", "issuer", "sequence", "public_key", "not_before", "retire_at", "issued_at"),
    ),
    "dkia": ("Issuer_Key_Ack", array("acknowledgement", VEHICLE, "sequence", "kid", "statement_hash", "boot_epoch")),
    "dkra": ("List_Ack", array("acknowledgement", VEHICLE, "sequence", "list_hash", "boot_epoch")),
    "dkrc": (
        "Receipt",
        array("receipt", VEHICLE, "sequence", "command", KEY, ACTION, OUTCOME, "before", "after", "boot_epoch",
              "session", "previous", "at"),
    ),
    "dkpt": ("ticket", array("ticket", VEHICLE, "device", "transcript", "counter")),
    "enrol to be signed": (
        "",
        array("to be signed", "purpose", "th_proven", "device_key", "attestation"),
    ),
}  # fmt: skip
HEADER = Field("header", Map({1: Field("alg", say=lambda _: "ES256"), 4: Field("kid"), 16: Field("typ")}))


def _signed(data: bytes) -> Field:
    """The COSE_Sign1 at the start of ``data``, by the ``typ`` of its protected header."""
    _, size, start = head(data, 1)
    protected = data[start : start + size]
    typ = protected[protected.index(b"\x10\x64" if b"\x10\x64" in protected else b"\x10\x62") + 2 :].decode()
    name, payload = OBJECTS[typ]
    return array(
        name, Field("protected", Embedded(HEADER)), "unprotected", Field("payload", Embedded(payload)), "signature"
    )


SIGNED = Field("", Found(_signed))


def signed_structure(typ: str) -> Field:
    """What is signed of an object of that ``typ``."""
    payload = Field("payload", Embedded(OBJECTS[typ][1]))
    return array("Sig_structure", "context", Field("protected", Embedded(HEADER)), "external_aad", payload)


# -- messages ----------------------------------------------------------------------------------------------------------

COMMAND = array("command", "number", ACTION)
INFO = Field("info", Array([Field("versions", Each(Field("version"))), Field("rotating_id")]))
INTENT = array("intent", "hello", LINK, "subscribe", COMMAND)
PLAINTEXT_2 = [Field("C_R"), Field("ID_CRED_R, the kid 00"), Field("signature_2")]
EAD_3 = [Field("EAD_3 label, critical"), Field("EAD_3 value", Embedded(INTENT))]
PLAINTEXT_3 = [Field("ID_CRED_I", Map({13: SIGNED})), Field("signature_3"), *EAD_3]
PLAINTEXT_3_KEPT = [Field("ID_CRED_I, the kid 01 of index 1"), Field("signature_3"), *EAD_3]
SEQUENCE = array("sequence", "sequence")
ENROL = (("confirmP", 32), ("ciphertext", -16), ("tag", None))

METHOD = Field("METHOD", say=lambda _: "both sides sign")
SUITES = Field("SUITES_I", say=lambda _: "A128GCM, SHA-256, X25519, ES256")

MESSAGES: dict[str, Shape] = {
    "HELLO": Shape("hello", Packed((("version", 1), ("n_v", 16), ("G_V", 32), ("boot epoch", 4)))),
    "HELLO_REQ": Shape("hello_req", Packed(())),
    "MESSAGE_1": Shape("message_1", (METHOD, SUITES, Field("G_X"), Field("C_I"))),
    "MESSAGE_2": Shape("message_2", (Field("message_2", Packed((("G_Y", 32), ("CIPHERTEXT_2", None)))),)),
    "MESSAGE_3": Shape("message_3", (Field("message_3", Packed((("CIPHERTEXT_3", -16), ("tag", None)))),)),
    "RESULT": Shape("result", None, array("result", OUTCOME, "number", "receipt", "list", "time_nonce", TIME)),
    "FAST": Shape(
        "fast",
        Packed((("ktag", 8), ("G_D", 32), ("ciphertext", 6), ("tag", 16))),
        Packed((("number", 4), ("action", 1), ("subscribe in bit 7, link in the others", 1))),
    ),
    "FAST_RESULT": Shape(
        "fast_result",
        Packed((("ciphertext", 9), ("tag", 16))),
        Packed((("outcome", 1), ("receipt", 4), ("list", 4))),
    ),
    "CMD": Shape("command", None, COMMAND),
    "RES": Shape("response", None, array("response", "number", OUTCOME, "receipt")),
    "EVENT": Shape(
        "event",
        None,
        Field("event", Each(array("reading", Field("signal", say=lambda value: SignalId(value).path), "value", "at"))),
    ),
    "RECEIPT_GET": Shape("sequence", None, SEQUENCE),
    "RECEIPT": Shape(
        "receipts",
        None,
        array("receipts", Field("signed", Each(Field("", Embedded(SIGNED)))), "more"),
    ),
    "RECEIPT_ACK": Shape("sequence", None, SEQUENCE),
    "CRED_PUT": Shape(
        "chain",
        None,
        Field("chain", Each(array("link", Field("grant", Embedded(SIGNED)), Field("token", Embedded(SIGNED))))),
    ),
    "RANGE": Shape(
        "ranging",
        None,
        array(
            "ranging",
            "round",
            Field("method", say=called(RangingMethod)),
            array("finding", Field("zone", say=called(Zone)), "bound, cm", "quality", "valid, ms"),
        ),
    ),
    "ISSUER_KEY": Shape("issuer_keys", None, Field("statements", Each(Field("", Embedded(SIGNED))))),
    "ISSUER_KEY_ACK": Shape("Issuer_Key_Ack", None, SIGNED),
    "TIME_PROOF": Shape("Time_Proof", None, SIGNED),
    "RL_PUSH": Shape("Revocation_List", None, SIGNED),
    "RL_GET": Shape(""),
    "RL_GIVE": Shape("Revocation_List", None, SIGNED),
    "RL_ACK": Shape("List_Ack", None, SIGNED),
    "PAIR_ASK": Shape("pair_ask", Packed((("suite", 1),))),
    "PAIR_OFFER": Shape("pair_offer", Packed((("salt", 16),))),
    "PAIR_SHARE": Shape("pair_share", Packed((("shareP", 65),))),
    "PAIR_PROOF": Shape("pair_proof", Packed((("shareV", 65), ("confirmV", 32)))),
    "ENROL": Shape("enrol", Packed(ENROL), array("enrol", "device_key", "signature", "attestation")),
    "ENROL attested": Shape(
        "enrol",
        Packed(ENROL),
        array("enrol", "device_key", "signature", array("attestation", "format", "evidence")),
    ),
    "PAIR_TICKET": Shape(
        "credential",
        None,
        array("credential", Field("ticket", Embedded(SIGNED)), VEHICLE, "vehicle_key", "advertising_key"),
    ),
    "OWNER_TOKEN": Shape("Key_Token", None, SIGNED),
    "OWNER_TOKEN answer": Shape("outcome", None, array("outcome", OUTCOME)),
    "ERROR": Shape("error", Packed((("code", 1),))),
}

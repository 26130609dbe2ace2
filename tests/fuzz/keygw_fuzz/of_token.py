"""Targets for everything signed. Twice each: as it comes, and with the right key's signature under any content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from authenticator import Authenticator
from keygw.crypto.kdf import sha256
from keygw.model import base64url
from keygw.model.audit import AuditCheckpoint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import Entitlement
from keygw.model.errors import TokenError
from keygw.model.ids import format_id
from keygw.model.receipt import Receipt
from keygw.model.revocation import ListAck, RevocationList
from keygw.token import (
    access,
    audit,
    cwt,
    dpop,
    envelope,
    grant,
    issuer_key,
    jwt,
    passkey,
    possession,
    receipt,
    revocation,
    statement,
    status_list,
    strict_json,
    ticket,
    time_proof,
)  # fmt: skip
from keygw.token.claims import KeyClaims, StatusReference
from keygw.token.envelope import Envelope, Purpose
from keygw_fuzz.target import TOKEN, VALUE, Broken, Target
from keygw_fuzz.world import CAR, DEVICE, ISSUER, KID, TRUST, VEHICLE, EchoSigner, SteadySigner

NOW = 1_800_000_000
GATEWAY = "https://keys.example"
PROVED = f"{GATEWAY}/oauth2/token"
STATUS_URI = "https://keys.example/v1/status-lists/1"
CLAIMS = (
    KeyClaims(
        issuer="https://keys.example", key_id=format_id("key", b"owner-key!"), device_key=DEVICE.public_key,
        vehicle_id=VEHICLE, vehicle_thumbprint=bytes(16), role=Role.OWNER, entitlements=Entitlement(2047), index=1,
        issued_at=NOW, not_before=NOW, expires_at=NOW + 3600, max_depth=2,
    ),
    KeyClaims(
        issuer="https://keys.example", key_id=format_id("key", b"friend-key"), device_key=CAR.public_key,
        vehicle_id=VEHICLE, vehicle_thumbprint=bytes(16), role=Role.FRIEND, entitlements=Entitlement.DOOR_UNLOCK,
        index=700, issued_at=NOW, not_before=NOW, expires_at=2**34, parent_id=format_id("key", b"owner-key!"), depth=1,
        epoch=3, status_index=70000, user_verification=True, status=StatusReference(70000, STATUS_URI),
    ),
)  # fmt: skip
LOOKED_UP = replace(CLAIMS[0], status=StatusReference(3, STATUS_URI))
LISTS = (
    RevocationList(VEHICLE, 1, NOW, NOW + 7),
    RevocationList(VEHICLE, 4, NOW, 2**34, min_epoch=9, revoked=(1, 24, 300), suspended=(2, 65535), issued_before=5),
)
ACK = ListAck(VEHICLE, 4, sha256(b"list"), 3)
PROOFS = (
    time_proof.TimeProof(VEHICLE, bytes(8), NOW, 0),
    time_proof.TimeProof(VEHICLE, b"nonce..8", 2**34, 2**32 - 1),
)
CHECKPOINTS = (AuditCheckpoint(1, 1, bytes(32), NOW), AuditCheckpoint(2, 2**40, sha256(b"head"), 2**34))
CHALLENGE, EVIDENCE = sha256(b"challenge"), ("packed", b"evidence")
STATEMENTS = (
    issuer_key.IssuerKeyStatement(TRUST.find(KID).issuer, 1, CAR.public_key, NOW, NOW, NOW),
    issuer_key.IssuerKeyStatement(TRUST.find(KID).issuer, 2**32 - 1, DEVICE.public_key, NOW + 1, 2**34, NOW),
)
ISSUER_KEY_ACK = issuer_key.IssuerKeyAck(VEHICLE, 7, KID, sha256(b"statement"), 3)
INVITATION, SECRET = format_id("inv", b"invitation"), bytes(range(32))
TICKET = ticket.PairingTicket(VEHICLE, sha256(b"device"), sha256(b"transcript"), 77)

GRANTS = (
    grant.Grant(VEHICLE, CLAIMS[0].key_id, sha256(b"friend"), Entitlement.DOOR_UNLOCK, NOW, NOW, NOW + 60),
    grant.Grant(VEHICLE, CLAIMS[1].key_id, sha256(b"other"), Entitlement(2**32 - 1), 1, NOW, 2**34, 2, 2),
)


def receipts() -> list[bytes]:
    first = receipt.sign_receipt(
        vehicle_id=VEHICLE, sequence=1, number=5, key_id=CLAIMS[0].key_id, action=Action.UNLOCK, outcome=Outcome.DONE,
        before=True, after=False, boot_epoch=1, session=bytes(8), previous=receipt.FIRST, at=NOW, signer=CAR,
    )  # fmt: skip
    refused = receipt.sign_receipt(
        vehicle_id=VEHICLE, sequence=2, number=2**32 - 1, key_id=CLAIMS[1].key_id, action=Action(200),
        outcome=Outcome.KEY_REVOKED, before=None, after=None, boot_epoch=0, session=bytes(8),
        previous=receipt.receipt_hash(first), at=0, signer=CAR,
    )  # fmt: skip
    return [first, refused]


def lists() -> list[bytes]:
    return [revocation.sign_list(one, ISSUER, KID) for one in LISTS]


def cwts() -> list[bytes]:
    return [cwt.encode_cwt(claims, ISSUER, KID) for claims in CLAIMS]


def jwts() -> list[bytes]:
    return [jwt.encode_jwt(claims, ISSUER, KID).encode() for claims in CLAIMS]


def _signed(
    name: str,
    purpose: Purpose,
    signer: SteadySigner,
    take: Callable[[bytes], object],
    seal: Callable[[Any, EchoSigner], bytes],
    seeds: Callable[[], list[bytes]],
    covers: tuple[str, ...],
    longest: int = 512,
) -> list[Target]:
    """The object as it comes, its content under a good signature, and its envelope alone.

    ``seal``: the value back to the signed form. Signatures are not repeated but echoed: only the form is compared.
    ``longest``: content that still fits the purpose once it is sealed.
    """
    kid = KID if purpose.by_issuer else b""

    def opened(data: bytes) -> tuple[object, bytes]:
        return take(data), data[-64:]

    def written(value: tuple[object, bytes]) -> bytes:
        return seal(value[0], EchoSigner(value[1]))

    def under_a_good_signature(payload: bytes) -> object:
        return take(purpose.seal(payload, signer, kid))

    def payload_of(value: object) -> bytes:
        return purpose.open(seal(value, EchoSigner(bytes(64)))).payload

    def enveloped(value: Envelope) -> bytes:
        return purpose.seal(value.payload, EchoSigner(value.signature), value.kid)

    def payloads() -> list[bytes]:
        return [purpose.open(seed).payload for seed in seeds()]

    return [
        Target(f"token.{name}", opened, TOKEN, seeds, written, covers),
        Target(f"token.{name}.payload", under_a_good_signature, TOKEN, payloads, payload_of, covers, longest),
        Target(f"token.{name}.envelope", purpose.open, TOKEN, seeds, enveloped, ("token.envelope.Purpose.open",)),
    ]


def proofs() -> list[bytes]:
    return [possession.sign_possession(possession.InvitationAct.CLAIM, INVITATION, SECRET, DEVICE)]


def _proof(data: bytes) -> None:
    claim = possession.InvitationAct.CLAIM
    possession.verify_possession(data, claim, INVITATION, sha256(SECRET), DEVICE.public_key)


def _seal_proof(_: None, signer: EchoSigner) -> bytes:
    """There is one right content, so nothing has to be remembered of it."""
    purpose = envelope.INVITATION_PROOF
    return purpose.seal(purpose.open(proofs()[0]).payload, signer)


def statements() -> list[bytes]:
    return [statement.sign_statement(statement.StatementAct.GIVE_BACK, CLAIMS[0].key_id, 0, DEVICE)]


def _statement(data: bytes) -> None:
    statement.verify_statement(data, statement.StatementAct.GIVE_BACK, CLAIMS[0].key_id, 0, DEVICE.public_key)


def _seal_statement(_: None, signer: EchoSigner) -> bytes:
    purpose = envelope.DEVICE_STATEMENT
    return purpose.seal(purpose.open(statements()[0]).payload, signer)


def device_proofs() -> list[bytes]:
    return [possession.sign_registration(CHALLENGE, EVIDENCE, DEVICE)]


def _device_proof(data: bytes) -> None:
    possession.verify_registration(data, CHALLENGE, EVIDENCE, DEVICE.public_key)


def _seal_device_proof(_: None, signer: EchoSigner) -> bytes:
    purpose = envelope.DEVICE_PROOF
    return purpose.seal(purpose.open(device_proofs()[0]).payload, signer)


def _seal_receipt(value: Receipt, signer: EchoSigner) -> bytes:
    fields = {name: getattr(value, name) for name in value.__slots__ if name != "signed"}
    return receipt.sign_receipt(**fields, signer=signer)


def _claims_of(token: str) -> KeyClaims:
    """JSON has many spellings, so a token is not held to one; but what it says must survive being said again."""
    claims = jwt.decode_jwt(token, TRUST, now=NOW, vehicle_id=VEHICLE)
    if jwt.decode_jwt(jwt.encode_jwt(claims, ISSUER, KID), TRUST) != claims:
        raise Broken("the claims did not survive")
    return claims


def _jwt(data: bytes) -> KeyClaims:
    return _claims_of(data.decode("utf-8", "surrogateescape"))


def _jws(header: bytes, payload: bytes) -> KeyClaims:
    head = f"{base64url.encode_base64url(header)}.{base64url.encode_base64url(payload)}"
    return _claims_of(f"{head}.{base64url.encode_base64url(ISSUER.sign(head.encode()))}")


def _dpop_of(text: str) -> dpop.Proof:
    return dpop.open_proof(text, "POST", PROVED, now=NOW, access_token="eyJ.x.y")


def _dpop(data: bytes) -> dpop.Proof:
    return _dpop_of(data.decode("utf-8", "surrogateescape"))


def _dpop_header(data: bytes) -> dpop.Proof:
    """Signed by the key that the header names, whenever it can be read."""
    head = f"{base64url.encode_base64url(data)}.{_proofs()[0].decode().split('.')[1]}"
    return _dpop_of(f"{head}.{base64url.encode_base64url(ISSUER.sign(head.encode()))}")


def _dpop_claims(data: bytes) -> dpop.Proof:
    head = f"{_proofs()[0].decode().split('.')[0]}.{base64url.encode_base64url(data)}"
    return _dpop_of(f"{head}.{base64url.encode_base64url(ISSUER.sign(head.encode()))}")


@cache
def _proofs() -> list[bytes]:
    made = dpop.make_proof(ISSUER, "POST", PROVED, now=NOW, jti="a-unique-one", nonce="n", access_token="eyJ.x.y")
    return [made.encode()]


SITE = passkey.Site("keys.example", "https://keys.example")
CHALLENGE = b"sixteen or more bytes"


@cache
def _passkey() -> Authenticator:
    """The same in each run: Ed25519 signs without randomness."""
    made = Authenticator(SITE.origin, -8, id=bytes(range(32)))
    made.key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    return made


@cache
def _made() -> dict[str, bytes]:
    """The parts of a registration and of an assertion, both good."""
    asked = {"challenge": base64url.encode_base64url(CHALLENGE)}
    made, signed = _passkey().make(asked), _passkey().sign(asked)
    told = {name: base64url.decode_base64url(value) for name, value in signed.items()}
    return {
        **told,
        "attestation_object": base64url.decode_base64url(made["attestation_object"]),
        "made_client_data": base64url.decode_base64url(made["client_data"]),
    }


def _registration(data: bytes) -> passkey.Credential:
    return passkey.open_registration(SITE, CHALLENGE, _made()["made_client_data"], data)


def _assertion(data: bytes) -> int:
    made = _made()
    known = passkey.open_registration(SITE, CHALLENGE, made["made_client_data"], made["attestation_object"])
    said = passkey.Assertion(known.id, made["client_data"], data, made["signature"])
    return passkey.verify_assertion(SITE, CHALLENGE, known, said)


def _access(data: bytes) -> access.AccessClaims:
    return access.decode_access(data.decode("utf-8", "surrogateescape"), TRUST, now=NOW, issuer=GATEWAY)


def _access_claims(data: bytes) -> access.AccessClaims:
    head = f"{_accesses()[0].decode().split('.')[0]}.{base64url.encode_base64url(data)}"
    claims = _access(f"{head}.{base64url.encode_base64url(ISSUER.sign(head.encode()))}".encode())
    if _access(access.encode_access(claims, ISSUER, KID).encode()) != claims:
        raise Broken("the claims did not survive")
    return claims


@cache
def _accesses() -> list[bytes]:
    claims = access.AccessClaims(
        issuer=GATEWAY, subject="per_mfrggzdfmztwq2lk", client_id="cli_mfrggzdfmztwq2lk", grant="app_mfrggzdfmztwq2lk",
        scope="command.unlock vehicle.read", token_id="AAECAwQFBgc", issued_at=NOW, expires_at=NOW + 600, auth_time=NOW,
        thumbprint="A" * 43,
    )  # fmt: skip
    return [access.encode_access(claims, ISSUER, KID).encode()]


def _jwt_header(data: bytes) -> KeyClaims:
    return _jws(data, _part(jwts()[0], 1))


def _jwt_claims(data: bytes) -> KeyClaims:
    return _jws(_part(jwts()[0], 0), data)


def _part(token: bytes, place: int) -> bytes:
    return base64url.decode_base64url(token.decode().split(".")[place])


@cache
def status_lists() -> list[bytes]:
    """Of four statuses, and of some thousand that compress to next to nothing."""
    few, many = status_list.StatusArray(4), status_list.StatusArray(2**14)
    few[1], few[3], many[3] = 1, 2, 1
    return [
        status_list.sign_status_list(
            one, STATUS_URI, ISSUER, KID, issued_at=NOW, expires_at=2**34, ttl=300, aggregation_uri=more
        ).encode()
        for one, more in ((few, None), (many, STATUS_URI))
    ]


def _listed(text: str) -> status_list.StatusList:
    """A key token may always be looked up in what was taken."""
    found = status_list.verify_status_list(text, TRUST, STATUS_URI, NOW)
    try:
        status_list.check_status(LOOKED_UP, found)
    except TokenError as error:
        if not error.code.startswith("status_"):
            raise Broken(f"looked up with {error.code}") from error
    return found


def _status_list(data: bytes) -> status_list.StatusList:
    return _listed(data.decode("utf-8", "surrogateescape"))


def _status_claims(data: bytes) -> status_list.StatusList:
    head = f"{status_lists()[0].decode().split('.')[0]}.{base64url.encode_base64url(data)}"
    return _listed(f"{head}.{base64url.encode_base64url(ISSUER.sign(head.encode()))}")


def _base64url(data: bytes) -> bytes:
    return base64url.decode_base64url(data.decode("utf-8", "surrogateescape"))


TARGETS = [
    *_signed(
        "cwt", envelope.KEY_TOKEN, ISSUER, lambda data: cwt.decode_cwt(data, TRUST, vehicle_id=VEHICLE),
        lambda value, signer: cwt.encode_cwt(value, signer, KID),
        cwts, ("token.cwt.decode_cwt", "token.envelope.Envelope.verify"),
    ),
    *_signed(
        "list", envelope.REVOCATION_LIST, ISSUER, lambda data: revocation.verify_list(data, TRUST, VEHICLE),
        lambda value, signer: revocation.sign_list(value, signer, KID),
        lists, ("token.revocation.verify_list", "token.revocation.read_list"),
    ),
    *_signed(
        "ack", envelope.LIST_ACK, CAR, lambda data: revocation.verify_ack(data, CAR.public_key),
        revocation.sign_ack,
        lambda: [revocation.sign_ack(ACK, CAR)], ("token.revocation.verify_ack",),
    ),
    *_signed(
        "receipt", envelope.RECEIPT, CAR, lambda data: receipt.verify_receipt(data, CAR.public_key),
        _seal_receipt, receipts, ("token.receipt.verify_receipt",),
    ),
    *_signed(
        "ticket", envelope.PAIR_TICKET, CAR, lambda data: ticket.verify_ticket(data, CAR.public_key),
        ticket.sign_ticket,
        lambda: [ticket.sign_ticket(TICKET, CAR)], ("token.ticket.verify_ticket",),
    ),
    *_signed(
        "grant", envelope.GRANT, CAR, lambda data: grant.verify_grant(data, CAR.public_key, VEHICLE),
        grant.sign_grant,
        lambda: [grant.sign_grant(one, CAR) for one in GRANTS], ("token.grant.verify_grant",), longest=400,
    ),
    *_signed(
        "time_proof", envelope.TIME_PROOF, ISSUER, lambda data: time_proof.verify_time_proof(data, TRUST, VEHICLE),
        lambda value, signer: time_proof.sign_time_proof(value, signer, KID),
        lambda: [time_proof.sign_time_proof(one, ISSUER, KID) for one in PROOFS],
        ("token.time_proof.verify_time_proof",),
    ),
    *_signed(
        "issuer_key", envelope.ISSUER_KEY, ISSUER, lambda data: issuer_key.open_statement(data).verify(TRUST.find(KID)),
        lambda value, signer: issuer_key.sign_statement(value, signer, KID),
        lambda: [issuer_key.sign_statement(one, ISSUER, KID) for one in STATEMENTS],
        ("token.issuer_key.open_statement", "token.issuer_key.SignedStatement.verify"), longest=400,
    ),
    *_signed(
        "issuer_key_ack", envelope.ISSUER_KEY_ACK, CAR,
        lambda data: issuer_key.verify_issuer_key_ack(data, CAR.public_key), issuer_key.sign_issuer_key_ack,
        lambda: [issuer_key.sign_issuer_key_ack(ISSUER_KEY_ACK, CAR)],
        ("token.issuer_key.verify_issuer_key_ack",), longest=400,
    ),
    *_signed(
        "checkpoint", envelope.AUDIT_CHECKPOINT, ISSUER, lambda data: audit.verify_checkpoint(data, TRUST),
        lambda value, signer: audit.sign_checkpoint(value, signer, KID),
        lambda: [audit.sign_checkpoint(one, ISSUER, KID) for one in CHECKPOINTS],
        ("token.audit.verify_checkpoint", "token.audit.read_checkpoint"), longest=140,
    ),
    *_signed(
        "proof", envelope.INVITATION_PROOF, DEVICE, _proof, _seal_proof, proofs,
        ("token.possession.verify_possession",), longest=400,
    ),
    *_signed(
        "statement", envelope.DEVICE_STATEMENT, DEVICE, _statement, _seal_statement, statements,
        ("token.statement.verify_statement",), longest=400,
    ),
    *_signed(
        "device_proof", envelope.DEVICE_PROOF, DEVICE, _device_proof, _seal_device_proof, device_proofs,
        ("token.possession.verify_registration",), longest=400,
    ),
    Target("token.cwt.index", cwt.index_of, TOKEN, cwts, covers=("token.cwt.index_of",)),
    Target(
        "token.status_list", _status_list, TOKEN, status_lists,
        covers=("token.status_list.verify_status_list", "token.jws.open_jws", "token.status_list.check_status"),
        longest=1200, unpacks=3 * status_list.MAX_BYTES,
    ),
    Target(
        "token.status_list.claims", _status_claims, TOKEN, lambda: [_part(text, 1) for text in status_lists()],
        covers=("token.status_list.verify_status_list", "token.claims.check_status_uri"), longest=1200,
        unpacks=3 * status_list.MAX_BYTES,
    ),
    Target(
        "token.status_list.zlib", status_list.decompress, VALUE,
        lambda: [status_list.compress(b"\x04\x08" * 40), status_list.compress(bytes(2**16))], longest=300,
        unpacks=3 * status_list.MAX_BYTES,
    ),
    Target("token.jwt", _jwt, TOKEN, jwts, covers=("token.jwt.decode_jwt",), longest=1200),
    Target(
        "token.jwt.header", _jwt_header, TOKEN, lambda: [_part(token, 0) for token in jwts()],
        covers=("token.jwt.decode_jwt",),
    ),
    Target(
        "token.jwt.claims", _jwt_claims, TOKEN, lambda: [_part(token, 1) for token in jwts()],
        covers=("token.jwt.decode_jwt",), longest=1200,
    ),
    Target("token.dpop", _dpop, TOKEN, _proofs, covers=("token.dpop.open_proof",), longest=1200),
    Target(
        "token.dpop.header", _dpop_header, TOKEN, lambda: [_part(token, 0) for token in _proofs()],
        covers=("token.dpop.open_proof",), longest=600,
    ),
    Target(
        "token.dpop.claims", _dpop_claims, TOKEN, lambda: [_part(token, 1) for token in _proofs()],
        covers=("token.dpop.open_proof",), longest=600,
    ),
    Target(
        "token.passkey.client", passkey.decode_challenge, TOKEN, lambda: [_made()["client_data"]],
        covers=("token.passkey.decode_challenge",), longest=600,
    ),
    Target(
        "token.passkey.registration", _registration, TOKEN, lambda: [_made()["attestation_object"]],
        covers=("token.passkey.open_registration",), longest=400, steps=12_000,
    ),
    Target(
        "token.passkey.assertion", _assertion, TOKEN, lambda: [_made()["authenticator_data"]],
        covers=("token.passkey.verify_assertion",), longest=400, steps=12_000,
    ),
    Target("token.access", _access, TOKEN, _accesses, covers=("token.access.decode_access",), longest=1200),
    Target(
        "token.access.claims", _access_claims, TOKEN, lambda: [_part(token, 1) for token in _accesses()],
        covers=("token.access.decode_access",), longest=800,
    ),
    Target(
        "token.json.object", strict_json.parse_object, VALUE, lambda: [_part(token, 1) for token in jwts()],
        covers=("token.strict_json.parse_object",), longest=1200,
    ),
    Target(
        "token.json.base64url", _base64url, VALUE, lambda: [b"", b"AA", b"AP8Qpf4-", b"_-8"],
        lambda data: base64url.encode_base64url(data).encode(),
        longest=80,
    ),
]  # fmt: skip

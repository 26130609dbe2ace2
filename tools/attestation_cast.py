"""Authenticators and their makers, made by us for tests and vectors: the same bytes every time, no vendor's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from fixed_signer import FixedSigner

from keygw.crypto.kdf import sha256
from keygw.model.base64url import encode_base64url
from keygw.token.strict_json import dump_object
from keygw.token.webauthn import AuthenticatorData, Flag, RelyingParty, Statement

START, END = 1_767_225_600, 2_082_758_400
"""2026 and 2036, the first days of."""
NOW = 1_800_000_000
PARTY = RelyingParty("keys.example", frozenset({"https://keys.example", "android:apk-key-hash:test"}))
AAGUID = bytes.fromhex("6b657967772d746573742d6d6f64656c")
AAGUID_OID = "1.3.6.1.4.1.45724.1.1.4"
ROOT, MAKER, AUTHENTICATOR = FixedSigner(0xA1), FixedSigner(0xA2), FixedSigner(0xA3)
OTHER_ROOT = FixedSigner(0xA4)
DEVICE, OTHER_DEVICE = FixedSigner(0xB1), FixedSigner(0xB2)
CHALLENGE = sha256(b"keygw attestation vectors")

Names = Sequence[tuple[str, str]]
Extensions = Sequence[tuple[str, bool, bytes]]
UNIT: tuple[str, str] = ("2.5.4.11", "Authenticator Attestation")


def names(common: str, *more: tuple[str, str]) -> Names:
    return (("2.5.4.6", "DE"), ("2.5.4.10", "keygw tests"), *more, ("2.5.4.3", common))


ROOT_NAME, MAKER_NAME, OWN_NAME = names("Test root"), names("Test maker"), names("Test authenticator", UNIT)


def certificate(
    subject: Names,
    key: FixedSigner,
    issuer: Names,
    by: FixedSigner,
    *,
    ca: bool | None,
    path_length: int | None = None,
    extensions: Extensions = (),
    not_before: int = START,
    not_after: int = END,
    may_sign: bool = True,
    serial: int = 1,
) -> bytes:
    """DER. ``extensions``: (dotted OID, critical, DER value)."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public_key))
        .serial_number(serial)
        .not_valid_before(datetime.fromtimestamp(not_before, UTC))
        .not_valid_after(datetime.fromtimestamp(not_after, UTC))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if ca:
        usage = x509.KeyUsage(not may_sign, False, False, False, False, may_sign, False, False, False)
        builder = builder.add_extension(usage, critical=True)
    for oid, critical, value in extensions:
        builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical)
    signer = ec.derive_private_key(by.secret, ec.SECP256R1())
    return builder.sign(signer, hashes.SHA256(), ecdsa_deterministic=True).public_bytes(Encoding.DER)


def _name(pairs: Names) -> x509.Name:
    # Unchecked, or no country of three letters could be made.
    return x509.Name([x509.NameAttribute(x509.ObjectIdentifier(oid), text, _validate=False) for oid, text in pairs])


def model(aaguid: bytes = AAGUID, *, critical: bool = False) -> Extensions:
    return ((AAGUID_OID, critical, b"\x04\x10" + aaguid),)


def pem(*certificates: bytes) -> bytes:
    return b"".join(x509.load_der_x509_certificate(each).public_bytes(Encoding.PEM) for each in certificates)


def maker(**changes: Any) -> bytes:
    """The certificate between the root and the authenticator's."""
    said: dict[str, Any] = {"subject": MAKER_NAME, "key": MAKER, "issuer": ROOT_NAME, "by": ROOT}
    return certificate(**{**said, "ca": True, "path_length": 0, "serial": 2, **changes})


def own(**changes: Any) -> bytes:
    """An authenticator's, as section 8.2.1 wants it."""
    said: dict[str, Any] = {"subject": OWN_NAME, "key": AUTHENTICATOR, "issuer": MAKER_NAME, "by": MAKER}
    return certificate(**{**said, "ca": False, "extensions": model(), "serial": 3, **changes})


ROOT_CERTIFICATE = certificate(ROOT_NAME, ROOT, ROOT_NAME, ROOT, ca=True)
OTHER_ROOT_CERTIFICATE = certificate(ROOT_NAME, OTHER_ROOT, ROOT_NAME, OTHER_ROOT, ca=True)
CHAIN = (own(), maker())


@dataclass(frozen=True)
class Making:
    """One making of a key, as an authenticator and its browser tell of it; ``evidence`` is what goes to the gateway."""

    device: FixedSigner = DEVICE
    challenge: bytes = CHALLENGE
    signer: FixedSigner = AUTHENTICATOR
    chain: tuple[bytes, ...] = CHAIN
    flags: int = Flag.UP | Flag.UV | Flag.AT
    aaguid: bytes = AAGUID
    rp_id: str = PARTY.id
    credential_id: bytes = bytes(16)
    extensions: bytes = b""
    client: dict[str, Any] = field(default_factory=dict)
    """Members of the client data that are otherwise; ``None`` leaves one out."""

    @property
    def client_data(self) -> bytes:
        said: dict[str, Any] = {"type": "webauthn.create", "challenge": encode_base64url(self.challenge)}
        said |= {"origin": "https://keys.example", "crossOrigin": False, **self.client}
        return dump_object({name: value for name, value in said.items() if value is not None})

    @property
    def authenticator(self) -> bytes:
        public_key = self.device.public_key
        parts = (sha256(self.rp_id.encode()), int(self.flags), 0, self.aaguid, self.credential_id, public_key)
        return AuthenticatorData(*parts, self.extensions).encode()

    @property
    def statement(self) -> Statement:
        authenticator, client_data = self.authenticator, self.client_data
        raw = self.signer.sign(authenticator + sha256(client_data))
        return Statement(authenticator, client_data, der(raw), self.chain)

    @property
    def evidence(self) -> bytes:
        return self.statement.encode()


def der(signature: bytes) -> bytes:
    """The DER form of r || s."""
    body = b""
    for half in (signature[:32], signature[32:]):
        number = int.from_bytes(half, "big")
        raw = number.to_bytes(number.bit_length() // 8 + 1, "big")
        body += bytes((2, len(raw))) + raw
    return bytes((0x30, len(body))) + body


def self_attested(device: FixedSigner = DEVICE, challenge: bytes = CHALLENGE) -> Making:
    return Making(device=device, challenge=challenge, signer=device, chain=())

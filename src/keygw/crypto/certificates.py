"""X.509 chains of attestation certificates: DER in, plain facts out. Roots are the operator's, and there are no others.

The path is built and checked by ``cryptography`` (RFC 5280: signatures, validity, CA flags, path lengths, critical
extensions). What a certificate must say to attest a key is for the attestation format to ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import verification

from keygw.crypto.errors import CryptoError

MAX_CERTIFICATE = 2048
MAX_CHAIN = 4
"""Certificates that a statement may bring, its own one among them."""
_SHOWN = 120
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True)
class LeafCertificate:
    """A certificate under one of the roots. ``public_key``: P-256, 33 bytes. ``version``: 3 for X.509 v3.

    ``subject``: every attribute as (dotted OID, value), in order. ``ca``: basic constraints, ``None`` without any.
    ``extensions``: of those that ``cryptography`` knows nothing of, dotted OID -> DER value; none of them is critical.
    ``chain``: the subjects from this one up to the root, for people.
    """

    public_key: bytes
    version: int
    subject: tuple[tuple[str, str], ...]
    ca: bool | None
    extensions: dict[str, bytes] = field(repr=False)
    chain: tuple[str, ...]


class Roots:
    """The certificates that an operator trusts to vouch for devices; without any, no chain holds."""

    __slots__ = ("_store", "names")

    def __init__(self, certificates: Sequence[x509.Certificate] = ()) -> None:
        self.names = tuple(_name(each) for each in certificates)
        self._store = verification.Store(list(certificates)) if certificates else None

    @classmethod
    def from_pem(cls, pem: bytes) -> Roots:
        """One or more PEM certificates; ``CryptoError`` if there is none, or one cannot be read."""
        try:
            return cls(x509.load_pem_x509_certificates(pem))
        except _UNREADABLE as error:
            raise CryptoError("not a file of PEM certificates") from error

    def verify(self, chain: Sequence[bytes], now: float) -> LeafCertificate:
        """The first of these DER certificates, if the others lead from it to a root at ``now`` (Unix seconds).

        ``CryptoError`` otherwise; also for more than ``MAX_CHAIN``, or a leaf whose key is not of P-256.
        """
        if not 1 <= len(chain) <= MAX_CHAIN or any(len(der) > MAX_CERTIFICATE for der in chain):
            raise CryptoError("too many certificates, or one that is too long")
        if self._store is None:
            raise CryptoError("there is no root to trust")
        builder = verification.PolicyBuilder().store(self._store).time(datetime.fromtimestamp(now, UTC))
        verifier = (
            builder.max_chain_depth(MAX_CHAIN - 1)
            .extension_policies(ca_policy=_AUTHORITY, ee_policy=verification.ExtensionPolicy.permit_all())
            .build_client_verifier()
        )
        # Certificates are read lazily: what is malformed deep inside shows wherever it is first looked at.
        try:
            leaf, *others = [x509.load_der_x509_certificate(der) for der in chain]
            return _facts(leaf, verifier.verify(leaf, others).chain)
        except verification.VerificationError as error:
            raise CryptoError("no trusted root vouches for the certificate now") from error
        except _UNREADABLE as error:
            raise CryptoError("a certificate cannot be read") from error


def _may_sign(policy: verification.Policy, certificate: x509.Certificate, usage: x509.KeyUsage) -> None:
    if not usage.key_cert_sign:
        raise ValueError("a certificate in the chain may not sign others")


def _facts(leaf: x509.Certificate, path: Sequence[x509.Certificate]) -> LeafCertificate:
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CryptoError("the certificate's key is not of P-256")
    constraints = [each.value for each in leaf.extensions if isinstance(each.value, x509.BasicConstraints)]
    return LeafCertificate(
        public_key=key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint),
        version=leaf.version.value + 1,
        subject=tuple((each.oid.dotted_string, str(each.value)) for each in leaf.subject),
        ca=constraints[0].ca if constraints else None,
        extensions={
            each.oid.dotted_string: each.value.value
            for each in leaf.extensions
            if isinstance(each.value, x509.UnrecognizedExtension)
        },
        chain=tuple(_name(each) for each in path),
    )


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string()[:_SHOWN]


_AUTHORITY = (
    verification.ExtensionPolicy.permit_all()
    .require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, None)
    .require_present(x509.KeyUsage, verification.Criticality.AGNOSTIC, _may_sign)
)
"""Of every certificate that signs another. That basic constraints say CA is looked at by the verifier itself."""

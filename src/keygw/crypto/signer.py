"""ES256 keys: who signs, who verifies, and the names of a key.

A public key is its SEC1 compressed point (33 bytes) everywhere in keygw; a signature is r || s (64 bytes, RFC 7518
section 3.4). A private key is only ever behind ``Signer``, so that it may live in an enclave, an HSM or a KMS.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from keygw.crypto import cbor
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import sha256
from keygw.model.ids import ID_BYTES, format_id

PUBLIC_KEY_BYTES = 33
SIGNATURE_BYTES = 64
_ES256 = ec.ECDSA(hashes.SHA256())
_CURVE = ec.SECP256R1()
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


class Signer(Protocol):
    """Holds one P-256 private key and never gives it away. Any thread may sign.

    The contract suite is ``tests/contracts/test_signer_contract.py``; every implementation must pass it.
    """

    @property
    def public_key(self) -> bytes:
        """33 bytes; asked for without effort, and always the same."""

    def sign(self, message: bytes) -> bytes:
        """ES256 over ``message``: 64 bytes. Never waits longer than a bound of its own.

        ``SignerError`` if the key cannot be used now; nothing was signed then that anybody could see.
        """


class LocalSigner:
    """A signer whose key lives in this process."""

    __slots__ = ("_how", "_key", "public_key")

    def __init__(self, key: ec.EllipticCurvePrivateKey, *, repeatable: bool = False) -> None:
        """``repeatable``: the same message has the same signature each time (RFC 6979)."""
        if key.curve.name != _CURVE.name:
            raise CryptoError("not a P-256 private key")
        self._key = key
        self._how = ec.ECDSA(hashes.SHA256(), deterministic_signing=True) if repeatable else _ES256
        self.public_key = _compressed(key.public_key())

    @classmethod
    def generate(cls) -> LocalSigner:
        return cls(ec.generate_private_key(_CURVE))

    @classmethod
    def from_secret(cls, secret: int) -> LocalSigner:
        """From the private scalar: for test vectors, and for keys that a seed makes repeatable, signatures and all."""
        if not 0 < secret < _ORDER:
            raise CryptoError("the private scalar is out of range")
        return cls(ec.derive_private_key(secret, _CURVE), repeatable=True)

    @classmethod
    def from_pem(cls, pem: bytes, passphrase: bytes | None = None, *, repeatable: bool = False) -> LocalSigner:
        """PKCS#8 PEM; ``CryptoError`` if it is anything else or the passphrase is wrong."""
        try:
            key = serialization.load_pem_private_key(pem, passphrase)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise CryptoError("not a readable private key, or the wrong passphrase") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CryptoError("not a P-256 private key")
        return cls(key, repeatable=repeatable)

    def to_pem(self, passphrase: bytes | None = None) -> bytes:
        """PKCS#8 PEM, encrypted if there is a passphrase."""
        protection: serialization.KeySerializationEncryption = (
            serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        )
        return self._key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._key.sign(message, self._how))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def __repr__(self) -> str:
        return f"LocalSigner({device_id(self.public_key)})"


def verify(public_key: bytes, signature: bytes, message: bytes) -> None:
    """Return if ``signature`` is ES256 over ``message`` by that key; ``CryptoError`` otherwise."""
    key = _load(public_key)
    if len(signature) != SIGNATURE_BYTES:
        raise CryptoError("a signature has 64 bytes")
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        key.verify(encode_dss_signature(r, s), message, _ES256)
    except InvalidSignature as error:
        raise CryptoError("the signature does not verify") from error


def from_der(signature: bytes) -> bytes:
    """The r || s (64 bytes) of an ECDSA signature in DER (RFC 3279 section 2.2.3), as X.509 and WebAuthn carry it."""
    try:
        r, s = decode_dss_signature(signature)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    except (ValueError, OverflowError) as error:
        raise CryptoError("not a DER signature of P-256") from error


def check_public_key(public_key: bytes) -> bytes:
    """The same bytes if they are a point of the curve in compressed form; ``CryptoError`` otherwise."""
    _load(public_key)
    return public_key


@lru_cache(maxsize=512)
def coordinates(public_key: bytes) -> tuple[bytes, bytes]:
    """``(x, y)``, 32 bytes each."""
    numbers = _load(public_key).public_numbers()
    return numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")


def compress(x: bytes, y: bytes) -> bytes:
    """The 33-byte form of a point given by its coordinates; ``CryptoError`` if it is not on the curve."""
    if len(x) != 32 or len(y) != 32:
        raise CryptoError("a P-256 coordinate has 32 bytes")
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x, "big"), int.from_bytes(y, "big"), _CURVE)
    try:
        return _compressed(numbers.public_key())
    except ValueError as error:
        raise CryptoError("the point is not on P-256") from error


def cose_key(public_key: bytes) -> dict[int, object]:
    """COSE_Key of it (RFC 9053 section 7.1.1) with y as a sign bit: ``{1: 2, -1: 1, -2: x, -3: bool}``."""
    check_public_key(public_key)
    return {1: 2, -1: 1, -2: public_key[1:], -3: public_key[0] == 3}


def from_cose_key(value: object) -> bytes:
    """The reverse of ``cose_key``; ``CryptoError`` for any other shape."""
    if not isinstance(value, dict) or set(value) != {1, -1, -2, -3} or value[1] != 2 or value[-1] != 1:
        raise CryptoError("not a P-256 COSE_Key")
    x, odd = value[-2], value[-3]
    if not isinstance(x, bytes) or len(x) != 32 or not isinstance(odd, bool):
        raise CryptoError("not a P-256 COSE_Key")
    key = bytes((3 if odd else 2,)) + x
    if cbor.encode(value) != cbor.encode(cose_key(key)):  # 2.0 and true would compare equal to 2 and 1
        raise CryptoError("not a P-256 COSE_Key")
    return key


@lru_cache(maxsize=1024)
def thumbprint(public_key: bytes) -> bytes:
    """COSE key thumbprint (RFC 9679) with SHA-256: 32 bytes.

    Over the deterministic CBOR of ``{1: 2, -1: 1, -2: x, -3: y}``, written out. A memo: an issue asks for the device's
    three times, and for the vehicle's each time.
    """
    return sha256(b"\xa4\x01\x02\x20\x01\x21\x58\x20%b\x22\x58\x20%b" % coordinates(public_key))


@lru_cache(maxsize=1024)
def device_id(public_key: bytes) -> str:
    """``dev_...``: the head of the thumbprint, so that the id cannot be claimed for another key."""
    return format_id("dev", thumbprint(public_key)[:ID_BYTES])


@lru_cache(maxsize=512)
def _load(public_key: bytes) -> ec.EllipticCurvePublicKey:
    """A memo of a pure function: decompressing the same issuer's point cost as much as a third of each verification."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise CryptoError("a public key has 33 bytes")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, public_key)
    except ValueError as error:
        raise CryptoError("the point is not on P-256") from error


def _compressed(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)

"""COSE_Sign1 (RFC 9052 section 4.2), untagged, ES256, everything that matters in the protected header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keygw.crypto import cbor
from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import SIGNATURE_BYTES, Signer, verify
from keygw.model.errors import ProtocolError

ALG, KID, TYP = 1, 4, 16
ES256 = -7


@dataclass(frozen=True, slots=True)
class Sign1:
    """A parsed message whose signature has not been looked at yet."""

    protected: dict[Any, Any]
    payload: bytes
    signature: bytes
    _protected_raw: bytes

    def verify(self, public_key: bytes, external_aad: bytes = b"") -> None:
        """Return if it was signed by that key over that ``external_aad``; ``CryptoError`` otherwise."""
        verify(public_key, self.signature, to_be_signed(self._protected_raw, self.payload, external_aad))


def to_be_signed(protected: bytes, payload: bytes, external_aad: bytes = b"") -> bytes:
    """The Sig_structure of RFC 9052 section 4.4; ``protected`` is the serialised map."""
    return cbor.encode(["Signature1", protected, external_aad, payload])


def sign1(payload: bytes, signer: Signer, protected: Mapping[int, object], external_aad: bytes = b"") -> bytes:
    """``[protected, {}, payload, signature]``; ``alg`` is added to ``protected``."""
    header = cbor.encode({ALG: ES256, **protected})
    return cbor.encode([header, {}, payload, signer.sign(to_be_signed(header, payload, external_aad))])


def open1(message: bytes) -> Sign1:
    """Parse, strictly: four elements, deterministic CBOR, ES256, an empty unprotected header. ``CryptoError`` else."""
    try:
        value = cbor.decode(message)
        if not isinstance(value, list) or len(value) != 4:
            raise CryptoError("not a COSE_Sign1")
        raw, unprotected, payload, signature = value
        if not (isinstance(raw, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)):
            raise CryptoError("not a COSE_Sign1")
        header = cbor.decode(raw)
    except ProtocolError as error:
        raise CryptoError("not a COSE_Sign1") from error
    if unprotected != {} or not isinstance(header, dict) or any(type(label) not in (int, str) for label in header):
        raise CryptoError("not an ES256 COSE_Sign1 with an empty unprotected header")
    if type(header.get(ALG)) is not int or header[ALG] != ES256:  # -7.0 and a label of true would compare equal
        raise CryptoError("not an ES256 COSE_Sign1 with an empty unprotected header")
    if len(signature) != SIGNATURE_BYTES:
        raise CryptoError("a signature has 64 bytes")
    return Sign1(header, payload, signature, raw)

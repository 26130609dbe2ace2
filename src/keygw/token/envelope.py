"""The COSE_Sign1 around every CBOR object of this room (RFC 9052 section 4.2; typ: RFC 9596).

Untagged, deterministic, ES256, empty unprotected header, no external data. The protected header is
``{1: -7, 4: kid, 16: typ}`` for issuers and ``{1: -7, 16: typ}`` for vehicles and devices, so every byte around kid,
payload and signature is known beforehand and is compared, not parsed: a header that could mean anything else never
gets in.
``keygw.crypto.cose`` is the general form; a test holds both equal.
"""

from __future__ import annotations

from dataclasses import dataclass

from keygw.crypto.cbor import byte_string, only_byte_string
from keygw.crypto.cose import TYP, open1
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import sha256
from keygw.crypto.signer import SIGNATURE_BYTES, Signer, verify
from keygw.model.errors import TokenError
from keygw.token.claims import malformed
from keygw.token.trust import KID_BYTES

_SIGNATURE_HEAD = b"\x58\x40"


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message of the right form and typ, its signature not yet looked at. ``kid`` is empty unless of an issuer."""

    kid: bytes
    payload: bytes
    signature: bytes
    signed: bytes
    """The Sig_structure (RFC 9052 section 4.4)."""

    @property
    def digest(self) -> bytes:
        """What names this object, 32 bytes: SHA-256 of what was signed, the very hash that ES256 signs.

        The signature is left out: whoever carries the object can turn (r, s) into (r, n - s), which verifies as well.
        """
        return sha256(self.signed)

    def verify(self, public_key: bytes) -> None:
        """``TokenError`` token_signature unless that key signed it."""
        try:
            verify(public_key, self.signature, self.signed)
        except CryptoError as error:
            raise TokenError("the signature does not hold", code="token_signature") from error


class Purpose:
    """One ``typ``, and how its messages are written and read. ``by_issuer``: the header names a key by kid."""

    __slots__ = ("_before_kid", "_header_bytes", "_limit", "_message_head", "_typ", "by_issuer", "typ")

    def __init__(self, typ: str, *, by_issuer: bool, limit: int) -> None:
        self.typ = typ
        self.by_issuer = by_issuer
        self._limit = limit
        self._typ = b"\x10" + bytes((0x60 + len(typ),)) + typ.encode()
        self._before_kid = b"\xa3\x01\x26\x04\x48" if by_issuer else b"\xa2\x01\x26"
        self._header_bytes = len(self._before_kid) + KID_BYTES * by_issuer + len(self._typ)
        self._message_head = bytes((0x84, 0x40 + self._header_bytes))

    def seal(self, payload: bytes, signer: Signer, kid: bytes = b"") -> bytes:
        """The signed message. ``ValueError`` for a kid that does not fit the purpose, a message over the limit, or a
        signer that does not give 64 bytes (an HSM that was left on DER).
        """
        if len(kid) != KID_BYTES * self.by_issuer:
            raise ValueError(f"a kid has {KID_BYTES} bytes")
        header = self._before_kid + kid + self._typ
        body = byte_string(payload)
        signature = signer.sign(self._to_be_signed(header, body))
        if len(signature) != SIGNATURE_BYTES:
            raise ValueError(f"the signer must give {SIGNATURE_BYTES} bytes, r || s")
        message = b"%b%b\xa0%b%b%b" % (self._message_head, header, body, _SIGNATURE_HEAD, signature)
        if len(message) > self._limit:
            raise ValueError(f"a message of typ {self.typ} has at most {self._limit} bytes")
        return message

    def open(self, message: bytes) -> Envelope:
        """Take it apart. ``TokenError``: wrong_type for another typ, token_malformed for anything else."""
        if not isinstance(message, bytes) or len(message) > self._limit:
            raise malformed("not a byte string of bounded length")
        head, kid_at = len(self._message_head), len(self._message_head) + len(self._before_kid)
        typ_at, end = kid_at + KID_BYTES * self.by_issuer, head + self._header_bytes
        if message[:kid_at] != self._message_head + self._before_kid or message[typ_at:end] != self._typ:
            raise self._refusal(message)
        body, tail = message[end + 1 : -SIGNATURE_BYTES - 2], message[-SIGNATURE_BYTES - 2 :]
        payload = only_byte_string(body)
        if payload is None or message[end : end + 1] != b"\xa0" or tail[:2] != _SIGNATURE_HEAD:
            raise malformed("not the COSE_Sign1 of this specification")
        return Envelope(
            kid=message[kid_at:typ_at],
            payload=payload,
            signature=tail[2:],
            signed=self._to_be_signed(message[head:end], body),
        )

    def digest(self, message: bytes) -> bytes:
        """``Envelope.digest`` of a message of this purpose; the errors of ``open``."""
        return self.open(message).digest

    def _to_be_signed(self, header: bytes, body: bytes) -> bytes:
        return b"\x84\x6aSignature1%c%b\x40%b" % (0x40 + len(header), header, body)

    def _refusal(self, message: bytes) -> TokenError:
        """Tell another purpose from noise, so that a caller who mixed up two objects sees it."""
        try:
            typ = open1(message).protected.get(TYP)
        except CryptoError:
            typ = self.typ
        if isinstance(typ, str) and typ != self.typ:
            return TokenError(f"this is a {typ[:16]!r}, not a {self.typ!r}", code="wrong_type")
        return malformed("not the COSE_Sign1 of this specification")


KEY_TOKEN = Purpose("dk", by_issuer=True, limit=1024)
REVOCATION_LIST = Purpose("dkrl", by_issuer=True, limit=4095)
LIST_ACK = Purpose("dkra", by_issuer=False, limit=1024)
RECEIPT = Purpose("dkrc", by_issuer=False, limit=1024)
PAIR_TICKET = Purpose("dkpt", by_issuer=False, limit=1024)
GRANT = Purpose("dkgr", by_issuer=False, limit=512)
TIME_PROOF = Purpose("dktp", by_issuer=True, limit=1024)
INVITATION_PROOF = Purpose("dkip", by_issuer=False, limit=512)
DEVICE_PROOF = Purpose("dkdp", by_issuer=False, limit=512)
AUDIT_CHECKPOINT = Purpose("dkac", by_issuer=True, limit=256)
ISSUER_KEY = Purpose("dkik", by_issuer=True, limit=512)
ISSUER_KEY_ACK = Purpose("dkia", by_issuer=False, limit=512)
AUDIT_CHECKPOINT = Purpose("dkac", by_issuer=True, limit=256)
DEVICE_STATEMENT = Purpose("dkds", by_issuer=False, limit=512)

"""The chain of the audit trail, and the checkpoints that the issuer signs (``protocols/audit_trail``).

``hash(n) = SHA-256(hash(n - 1) | n as 8 bytes, big-endian | entry)``, where ``entry`` is deterministic CBOR and
``hash(0)`` is 32 zero bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256

from keygw.crypto import cbor
from keygw.crypto.kdf import HASH_BYTES
from keygw.crypto.signer import Signer
from keygw.model.audit import AuditCheckpoint, AuditEntry, Datum
from keygw.model.errors import ProtocolError
from keygw.token.claims import MAX_TIME, check_number, malformed
from keygw.token.envelope import AUDIT_CHECKPOINT
from keygw.token.trust import TrustedIssuers

GENESIS = bytes(HASH_BYTES)
"""The hash before the first entry."""
_MAX_SEQUENCE = 2**63
_ENTRY_HEAD = b"\x89"


@lru_cache(maxsize=4096)
def _text(value: str | None) -> bytes:
    # Actors, actions, outcomes, vehicles: the same few stand in most entries.
    return cbor.encode(value)


def encode_data(data: Mapping[str, Datum]) -> bytes:
    """The last element of an entry."""
    return cbor.encode(data)


def decode_data(data: bytes) -> dict[str, Datum]:
    """``ProtocolError`` unless it is what ``encode_data`` writes."""
    found = cbor.decode(data)
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise ProtocolError("the data of an audit entry are a map with text keys")
    return found


def encode_entry(entry: AuditEntry, data: bytes) -> bytes:
    """The deterministic CBOR of an entry, whose ``data`` are encoded already."""
    return b"".join(
        (
            _ENTRY_HEAD,
            cbor.integer(entry.at),
            _text(entry.actor),
            _text(entry.action),
            _text(entry.tenant_id),
            _text(entry.vehicle_id),
            _text(entry.key_id),
            _text(entry.device_id),
            _text(entry.outcome),
            data,
        )
    )


def link(previous: bytes, sequence: int, entry: bytes) -> bytes:
    """The hash of the entry with that sequence (32 bytes). ``entry``: of ``encode_entry``."""
    return sha256(b"%b%b%b" % (previous, sequence.to_bytes(8, "big"), entry)).digest()


def sign_checkpoint(checkpoint: AuditCheckpoint, signer: Signer, kid: bytes) -> bytes:
    """COSE_Sign1 of typ ``dkac``. ``ValueError`` for a field out of range."""
    return AUDIT_CHECKPOINT.seal(_payload(checkpoint), signer, kid)


def verify_checkpoint(data: bytes, issuers: TrustedIssuers) -> AuditCheckpoint:
    """The checkpoint, if a trusted issuer signed it.

    ``TokenError``: wrong_type, token_malformed, unknown_issuer, token_signature.
    """
    envelope = AUDIT_CHECKPOINT.open(data)
    envelope.verify(issuers.find(envelope.kid).public_key)
    return _checkpoint(envelope.payload)


def read_checkpoint(data: bytes) -> tuple[bytes, AuditCheckpoint]:
    """``(kid, checkpoint)``, its signature not looked at. ``TokenError``: wrong_type, token_malformed."""
    envelope = AUDIT_CHECKPOINT.open(data)
    return envelope.kid, _checkpoint(envelope.payload)


def _checkpoint(payload: bytes) -> AuditCheckpoint:
    try:
        value = cbor.decode(payload)
        if not isinstance(value, list) or len(value) != 4:
            raise ValueError("not an array of 4")
        found = AuditCheckpoint(*value)
        if _payload(found) != payload:
            raise ValueError("not the one encoding of its value")
    except (ValueError, ProtocolError) as error:
        raise malformed(str(error)) from error
    return found


def _payload(checkpoint: AuditCheckpoint) -> bytes:
    check_number("sequence", checkpoint.sequence, _MAX_SEQUENCE, least=1)
    check_number("first", checkpoint.first, checkpoint.sequence + 1, least=1)
    check_number("time", checkpoint.at, MAX_TIME)
    if not isinstance(checkpoint.head, bytes) or len(checkpoint.head) != HASH_BYTES:
        raise ValueError(f"a head has {HASH_BYTES} bytes")
    return cbor.encode([checkpoint.first, checkpoint.sequence, checkpoint.head, checkpoint.at])

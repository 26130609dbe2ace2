"""A device's own word about what is its own: it gives a digital key back, or it was found again.

Specification: ``protocols/key_token``. ``typ`` ``dkds``, signed by the device key. It names the act, the key or device
that it is about, and a number: that of the loss which it ends, so that no word about an earlier loss ends a later one.
"""

from __future__ import annotations

from enum import IntEnum

from keygw.crypto import cbor
from keygw.crypto.kdf import constant_time_equal
from keygw.crypto.signer import Signer, thumbprint
from keygw.model.errors import TokenError
from keygw.model.ids import id_bytes
from keygw.token.envelope import DEVICE_STATEMENT


class StatementAct(IntEnum):
    GIVE_BACK = 1
    """``subject``: the key; number 0."""
    FOUND = 2
    """``subject``: the device; number of the loss."""


_PREFIX = {StatementAct.GIVE_BACK: "key", StatementAct.FOUND: "dev"}


def sign_statement(act: StatementAct, subject: str, number: int, device_signer: Signer) -> bytes:
    """``subject``: an id of a key or a device, by the act."""
    return DEVICE_STATEMENT.seal(_payload(act, subject, number, device_signer.public_key), device_signer)


def verify_statement(data: bytes, act: StatementAct, subject: str, number: int, device_key: bytes) -> None:
    """Return if that device key (P-256, 33 bytes) signed exactly this.

    ``TokenError``: wrong_type, token_malformed, token_signature, statement_foreign (another act, subject, number or
    device).
    """
    envelope = DEVICE_STATEMENT.open(data)
    envelope.verify(device_key)
    # There is one right payload, so it is compared, not parsed.
    if not constant_time_equal(envelope.payload, _payload(act, subject, number, device_key)):
        raise TokenError("the statement is about another act, thing or device", code="statement_foreign")


def _payload(act: StatementAct, subject: str, number: int, device_key: bytes) -> bytes:
    return cbor.encode([int(act), id_bytes(subject, _PREFIX[act]), number, thumbprint(device_key)])

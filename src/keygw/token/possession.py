"""Proof of possession for an invitation: the device key's own word that this device claims, or declines, this one.

Specification: ``protocols/key_token``. ``typ`` ``dkip``, signed by the device key. It names the invitation, the hash of
its secret and the device, so it is of no use for another invitation, another link, or another device's key.
"""

from __future__ import annotations

from enum import IntEnum

from keygw.crypto import cbor
from keygw.crypto.kdf import constant_time_equal, sha256
from keygw.crypto.signer import Signer, thumbprint
from keygw.model.errors import TokenError
from keygw.model.ids import id_bytes
from keygw.token.envelope import INVITATION_PROOF


class InvitationAct(IntEnum):
    CLAIM = 1
    DECLINE = 2


def sign_possession(act: InvitationAct, invitation_id: str, secret: bytes, device_signer: Signer) -> bytes:
    """``secret``: the bytes behind the ``#`` of the link."""
    return INVITATION_PROOF.seal(_payload(act, invitation_id, sha256(secret), device_signer.public_key), device_signer)


def verify_possession(
    data: bytes, act: InvitationAct, invitation_id: str, secret_hash: bytes, device_key: bytes
) -> None:
    """Return if that device key (P-256, 33 bytes) signed exactly this.

    ``TokenError``: wrong_type, token_malformed, token_signature, possession_foreign (another act, invitation, secret or
    device).
    """
    envelope = INVITATION_PROOF.open(data)
    envelope.verify(device_key)
    # There is one right payload, so it is compared, not parsed.
    if not constant_time_equal(envelope.payload, _payload(act, invitation_id, secret_hash, device_key)):
        raise TokenError("the proof is about another invitation, act or device", code="possession_foreign")


def _payload(act: InvitationAct, invitation_id: str, secret_hash: bytes, device_key: bytes) -> bytes:
    return cbor.encode([int(act), id_bytes(invitation_id, "inv"), secret_hash, thumbprint(device_key)])

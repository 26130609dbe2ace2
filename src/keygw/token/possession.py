"""Proofs of possession: the device key's own word, for one invitation or for one registration.

Specification: ``protocols/key_token`` for ``typ`` ``dkip``, ``protocols/attestation`` for ``dkdp``. Both are signed by
the device key. The first names the invitation, the hash of its secret and the device, so it is of no use for another
invitation, another link, or another device's key; the second names the gateway's challenge, the device, and the
attestation that comes along.
"""

from __future__ import annotations

from enum import IntEnum

from keygw.crypto import cbor
from keygw.crypto.kdf import constant_time_equal, sha256
from keygw.crypto.signer import Signer, thumbprint
from keygw.model.errors import TokenError
from keygw.model.ids import id_bytes
from keygw.token.envelope import DEVICE_PROOF, INVITATION_PROOF, Purpose


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
    _check(INVITATION_PROOF, data, device_key, _payload(act, invitation_id, secret_hash, device_key))


def invitation_challenge(invitation_id: str, secret_hash: bytes, device_key: bytes) -> bytes:
    """What an attestation must answer that comes with a claim: SHA-256 of what the proof of possession says."""
    return sha256(_payload(InvitationAct.CLAIM, invitation_id, secret_hash, device_key))


def sign_registration(challenge: bytes, attestation: tuple[str, bytes] | None, device_signer: Signer) -> bytes:
    """``challenge``: 32 bytes of the gateway's. ``attestation``: format and evidence, if some comes along."""
    return DEVICE_PROOF.seal(_registration(challenge, attestation, device_signer.public_key), device_signer)


def verify_registration(
    data: bytes, challenge: bytes, attestation: tuple[str, bytes] | None, device_key: bytes
) -> None:
    """Return if that device key (P-256, 33 bytes) signed exactly this. ``TokenError`` as ``verify_possession``."""
    _check(DEVICE_PROOF, data, device_key, _registration(challenge, attestation, device_key))


def _check(purpose: Purpose, data: bytes, device_key: bytes, payload: bytes) -> None:
    envelope = purpose.open(data)
    envelope.verify(device_key)
    # There is one right payload, so it is compared, not parsed.
    if not constant_time_equal(envelope.payload, payload):
        raise TokenError("the proof is about another act, challenge or device", code="possession_foreign")


def _registration(challenge: bytes, attestation: tuple[str, bytes] | None, device_key: bytes) -> bytes:
    evidence = None if attestation is None else sha256(cbor.encode(list(attestation)))
    return cbor.encode([challenge, thumbprint(device_key), evidence])


def _payload(act: InvitationAct, invitation_id: str, secret_hash: bytes, device_key: bytes) -> bytes:
    return cbor.encode([int(act), id_bytes(invitation_id, "inv"), secret_hash, thumbprint(device_key)])

"""FOR COMPARISON ONLY: cipher suites 0, 2 and 3 of RFC 9528 section 3.6."""

from __future__ import annotations

from keygw.crypto import eddsa, signer
from keygw.crypto.aead import AesCcm
from keygw.crypto.agreement import EphemeralKey, P256Key
from keygw.session.edhoc.suites import Suite

SUITE_0 = Suite(0, AesCcm(8), 8, EphemeralKey, eddsa.verify)
"""AES-CCM-16-64-128, SHA-256, X25519, EdDSA."""
SUITE_2 = Suite(2, AesCcm(8), 8, P256Key, signer.verify)
"""AES-CCM-16-64-128, SHA-256, P-256, ES256."""
SUITE_3 = Suite(3, AesCcm(16), 16, P256Key, signer.verify)
"""AES-CCM-16-128-128, SHA-256, P-256, ES256."""

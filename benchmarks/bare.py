"""The raw operations of a session: what no implementation can do without, with nothing around them.

Counted is each cryptographic operation that the protocol asks of either role, once, in the order in which a session
meets it (so processor caches treat both alike), on inputs as long as the real ones: ES256 with key objects at hand and
DER signatures, X25519 from 32 random bytes, HKDF, SHA-256, AES-128-GCM with a new key each time, and the randomness.
Left out is what an implementation may keep from one session to the next (reading points and private keys), and all
encoding, parsing and comparing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from hmac import digest as hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

_SHA256 = hashes.SHA256()
_ES256 = ec.ECDSA(_SHA256)
_INFO = bytes(37)
"""label | context | length of a key derived from a transcript hash."""
COLD_COUNT = {
    "es256_sign": 2,  # vehicle, device
    "es256_verify": 3,  # vehicle, key token, device
    "x25519_key_pair": 3,  # G_V, G_X, G_Y
    "x25519_agreement": 2,
    "hkdf_extract": 2,  # PRK_2e
    # KEYSTREAM_2, MAC_2, K_3, IV_3, MAC_3, PRK_out, PRK_exporter, key and IV of RESULT, K_fast, K_id; each twice
    "hkdf_expand": 22,
    "sha256": 12,  # message_1, TH_2, TH_3, TH_4, HELLO, session hash; each twice
    "aes_gcm": 4,  # message_3 and RESULT, sealed and opened
}
FAST_COUNT = {
    "x25519_key_pair": 2,  # G_V, G_D
    "x25519_agreement": 2,
    "hmac": 2,  # ktag, made and checked
    "hkdf_extract": 2,
    "hkdf_expand": 8,  # key and IV of each direction; each twice
    "sha256": 4,  # TH_F, session hash; each twice
    "aes_gcm": 4,  # FAST and FAST_RESULT, sealed and opened
}


def cold_handshake(token: int) -> Callable[[], None]:
    """HELLO to RESULT, both roles; the key token has ``token`` bytes."""
    issuer, vehicle, device = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    issuer_key, vehicle_key, device_key = (key.public_key() for key in (issuer, vehicle, device))
    claims = bytes(token - 66)
    issued = issuer.sign(claims, _ES256)
    hello, message_1, hashed, cred_r = bytes(64), bytes(37), bytes(68), bytes(80)
    plaintext_2, signed_2, context_2 = bytes(68), bytes(160), bytes(120)
    plaintext_3, signed_3, context_3 = bytes(token + 90), bytes(token + 100), bytes(token + 60)
    exporter, aad_3, aad, result = bytes(60), bytes(45), bytes(42), bytes(18)

    def transcript(g: bytes) -> bytes:
        return HKDF.extract(_SHA256, sha256(hashed + sha256(message_1).digest()).digest(), g)

    def run() -> None:
        os.urandom(16), _key_pair()
        g_x, public_x = _key_pair()
        # the vehicle takes message_1
        g_y, public_y = _key_pair()
        prk_v = transcript(g_y.exchange(X25519PublicKey.from_public_bytes(public_x)))
        _expand(prk_v, context_2)
        signature_2 = vehicle.sign(signed_2, _ES256)
        _expand(prk_v, _INFO, len(plaintext_2))
        sha256(plaintext_2 + cred_r).digest()
        # the device takes message_2
        prk_d = transcript(g_x.exchange(X25519PublicKey.from_public_bytes(public_y)))
        _expand(prk_d, _INFO, len(plaintext_2))
        _expand(prk_d, context_2)
        vehicle_key.verify(signature_2, signed_2, _ES256)
        sha256(plaintext_2 + cred_r).digest()
        sha256(hello).digest()
        _expand(prk_d, context_3)
        signature_3 = device.sign(signed_3, _ES256)
        key, nonce = _expand(prk_d, _INFO, 16), _expand(prk_d, _INFO, 12)
        sealed = AESGCM(key).encrypt(nonce, plaintext_3, aad_3)
        exporter_d = _finish(prk_d, plaintext_3)
        # the vehicle takes message_3
        key, nonce = _expand(prk_v, _INFO, 16), _expand(prk_v, _INFO, 12)
        AESGCM(key).decrypt(nonce, sealed, aad_3)
        issuer_key.verify(issued, claims, _ES256)
        _expand(prk_v, context_3)
        device_key.verify(signature_3, signed_3, _ES256)
        sha256(hello).digest()
        exporter_v = _finish(prk_v, plaintext_3)
        _expand(exporter_v, exporter), _expand(exporter_v, exporter)
        key, nonce = _expand(exporter_v, exporter, 16), _expand(exporter_v, exporter, 12)
        sealed = AESGCM(key).encrypt(nonce, result, aad)
        # the device takes RESULT
        _expand(exporter_d, exporter), _expand(exporter_d, exporter)
        key, nonce = _expand(exporter_d, exporter, 16), _expand(exporter_d, exporter, 12)
        AESGCM(key).decrypt(nonce, sealed, aad)

    return run


def fast_unlock() -> Callable[[], None]:
    """HELLO to FAST_RESULT, both roles; the car knows one device."""
    k_fast, k_id, tagged, hashed = bytes(32), bytes(32), bytes(100), bytes(120)
    aad, command, result = bytes(42), bytes(6), bytes(9)

    def channel(g: bytes) -> tuple[tuple[AESGCM, bytes], tuple[AESGCM, bytes]]:
        sha256(sha256(hashed).digest()).digest()
        prk = HKDF.extract(_SHA256, k_fast, g)
        there = AESGCM(_expand(prk, _INFO, 16)), _expand(prk, _INFO, 12)
        back = AESGCM(_expand(prk, _INFO, 16)), _expand(prk, _INFO, 12)
        return there, back

    def run() -> None:
        os.urandom(16)
        g_v, public_v = _key_pair()
        # the device takes HELLO
        g_d, public_d = _key_pair()
        hmac(k_id, tagged, "sha256")
        (key, nonce), (key_back, nonce_back) = channel(g_d.exchange(X25519PublicKey.from_public_bytes(public_v)))
        sealed = key.encrypt(nonce, command, aad)
        # the vehicle takes FAST
        hmac(k_id, tagged, "sha256")
        (key, nonce), (other, nonce_v) = channel(g_v.exchange(X25519PublicKey.from_public_bytes(public_d)))
        key.decrypt(nonce, sealed, aad)
        sealed = other.encrypt(nonce_v, result, aad)
        # the device takes FAST_RESULT
        key_back.decrypt(nonce_back, sealed, aad)

    return run


def _key_pair() -> tuple[X25519PrivateKey, bytes]:
    private = X25519PrivateKey.from_private_bytes(os.urandom(32))
    return private, private.public_key().public_bytes_raw()


def _expand(prk: bytes, info: bytes, length: int = 32) -> bytes:
    return HKDFExpand(_SHA256, length, info).derive(prk)


def _finish(prk: bytes, plaintext_3: bytes) -> bytes:
    """TH_4, the session hash, PRK_out and PRK_exporter."""
    sha256(sha256(plaintext_3).digest()).digest()
    return _expand(_expand(prk, _INFO), bytes(4))

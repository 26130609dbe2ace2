"""Targets below everything else: CBOR, COSE, keys, points, tags."""

from __future__ import annotations

from functools import partial

from keygw.crypto import aead, cbor, cose, eddsa, p256, signer
from keygw.crypto.agreement import EphemeralKey, P256Key
from keygw.crypto.signer import LocalSigner
from keygw.crypto.spake2plus import Keys, Prover, Record, Secret, Verifier
from keygw_fuzz.target import CRYPTO, PROTOCOL, Broken, Target
from keygw_fuzz.world import CAR, ISSUER

KEY, NONCE, AAD = bytes(range(16)), bytes(12), b"aad"
CCM_NONCE = bytes(13)
SECRET = Secret(0x1111, 0x2222)
MESSAGE = b"signed"
EDDSA_SECRET = bytes(range(32))
EDDSA_PUBLIC = bytes.fromhex("03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8")
GOOD_CBOR: tuple[object, ...] = (
    {1: -7, 4: b"kidkidki", 16: "dk"},
    [0, 23, 24, 255, 256, 65536, 2**32, 2**64 - 1, -1, -25, -(2**64)],
    [None, True, False, 1.5, 100000.0, 1.1, float("inf"), "text", b"", [], {}, {"a": {-1: [b"x"]}}],
)


def _seals() -> list[bytes]:
    return [
        aead.seal(KEY, NONCE, b"plain", AAD),
        aead.AesCcm(8).seal(KEY, CCM_NONCE, b"plain", AAD),
        aead.AesCcm(16).seal(KEY, CCM_NONCE, b"", AAD),
    ]


def _every_aead(data: bytes) -> None:
    """Each way to open a ciphertext refuses it with the one error, or gives what it would seal to."""
    gcm = aead.A128GCM()
    for opens, seals in (
        (partial(aead.open_, KEY, NONCE), partial(aead.seal, KEY, NONCE)),
        (partial(gcm.open, KEY, NONCE), partial(gcm.seal, KEY, NONCE)),
        (partial(aead.GcmKey(KEY).open, NONCE), partial(aead.GcmKey(KEY).seal, NONCE)),
        (partial(aead.AesCcm(8).open, KEY, CCM_NONCE), partial(aead.AesCcm(8).seal, KEY, CCM_NONCE)),
        (partial(aead.AesCcm(16).open, KEY, CCM_NONCE), partial(aead.AesCcm(16).seal, KEY, CCM_NONCE)),
    ):
        try:
            plaintext = opens(data, AAD)
        except CRYPTO:
            continue
        if seals(plaintext, AAD) != data:
            raise Broken("opened, and sealed otherwise")


def _write_cose(message: cose.Sign1) -> bytes:
    return cbor.encode([cbor.encode(message.protected), {}, message.payload, message.signature])


def _verify_cose(data: bytes) -> None:
    cose.open1(data).verify(ISSUER.public_key)


def _verify(data: bytes) -> None:
    signer.verify(data[:33], data[33:97], data[97:])


def _verify_eddsa(data: bytes) -> None:
    eddsa.verify(data[:32], data[32:96], data[96:])


def _point(data: bytes) -> tuple[p256.Point, int]:
    return p256.decode(data), len(data)


def _write_point(value: tuple[p256.Point, int]) -> bytes:
    point, size = value
    whole = point.encode()
    return whole if size == len(whole) else bytes((2 | point.y & 1,)) + whole[1:33]


def _agree(data: bytes) -> bytes:
    return EphemeralKey(b"\x55" * 32).agree(data)


def _agree_p256(data: bytes) -> bytes:
    return P256Key(b"\x55" * 32).agree(data)


def _verifier() -> Verifier:
    return Verifier(SECRET.record(), bytes(48), b"context", b"device", b"vehicle")


def _prover() -> Prover:
    return Prover(SECRET, b"\x01" * 48, b"context", b"device", b"vehicle")


def _take_share_p(data: bytes) -> Keys:
    keys = _verifier().finish(data[:65])
    keys.check_prover(data[65:])
    return keys


def _take_share_v(data: bytes) -> Keys:
    keys = _prover().finish(data[:65])
    keys.check_verifier(data[65:])
    return keys


def _shares_p() -> list[bytes]:
    share = _prover().share
    return [share + _verifier().finish(share).confirm_prover, share]


def _shares_v() -> list[bytes]:
    share = _verifier().share
    return [share + _prover().finish(share).confirm_verifier, share]


TARGETS = [
    Target(
        "crypto.cbor.decode", cbor.decode, PROTOCOL, lambda: map(cbor.encode, GOOD_CBOR), cbor.encode,
        covers=("crypto.cbor.decode",), longest=5000,
    ),
    Target(
        "crypto.cbor.sequence", cbor.split_sequence, PROTOCOL, lambda: [b"".join(map(cbor.encode, GOOD_CBOR))],
        lambda items: b"".join(cbor.encode(value) for value, _ in items),
        covers=("crypto.cbor.split_sequence", "crypto.cbor.decode_sequence"), longest=5000,
    ),
    Target(
        "crypto.cose.open1", cose.open1, CRYPTO, lambda: [cose.sign1(MESSAGE, ISSUER, {4: b"kid", 16: "dk"})],
        _write_cose, covers=("crypto.cose.open1",),
    ),
    Target(
        "crypto.cose.verify", _verify_cose, CRYPTO, lambda: [cose.sign1(MESSAGE, ISSUER, {4: b"kid"})],
        covers=("crypto.cose.Sign1.verify",),
    ),
    Target(
        "crypto.signer.verify", _verify, CRYPTO, lambda: [CAR.public_key + CAR.sign(MESSAGE) + MESSAGE],
        covers=("crypto.signer.verify",),
    ),
    Target(
        "crypto.signer.public_key", signer.check_public_key, CRYPTO, lambda: [CAR.public_key, ISSUER.public_key],
        lambda key: key, covers=("crypto.signer.check_public_key",), longest=80,
    ),
    Target(
        "crypto.signer.cose_key", lambda data: signer.from_cose_key(cbor.decode(data)), CRYPTO + PROTOCOL,
        lambda: [cbor.encode(signer.cose_key(CAR.public_key))], lambda key: cbor.encode(signer.cose_key(key)),
        covers=("crypto.signer.from_cose_key",), longest=120,
    ),
    Target(
        "crypto.signer.pem", LocalSigner.from_pem, CRYPTO, lambda: [LocalSigner.from_secret(7).to_pem()],
        covers=("crypto.signer.LocalSigner.from_pem",),
    ),
    Target(
        "crypto.eddsa.verify", _verify_eddsa, CRYPTO,
        lambda: [EDDSA_PUBLIC + eddsa.sign(EDDSA_SECRET, MESSAGE) + MESSAGE], covers=("crypto.eddsa.verify",),
    ),
    Target(
        "crypto.p256.decode", _point, CRYPTO, lambda: [CAR.public_key, p256.base(5).encode()], _write_point,
        covers=("crypto.p256.decode",), longest=80,
    ),
    Target(
        "crypto.spake2plus.record", Record.decode, CRYPTO, lambda: [SECRET.record().encode()],
        lambda record: record.encode(), covers=("crypto.spake2plus.Record.decode",), longest=120,
    ),
    Target(
        "crypto.spake2plus.share_p", _take_share_p, CRYPTO, _shares_p,
        covers=("crypto.spake2plus.Verifier.finish", "crypto.spake2plus.Keys.check_prover"), longest=120, slow=True,
    ),
    Target(
        "crypto.spake2plus.share_v", _take_share_v, CRYPTO, _shares_v,
        covers=("crypto.spake2plus.Prover.finish", "crypto.spake2plus.Keys.check_verifier"), longest=120, slow=True,
    ),
    Target(
        "crypto.agreement.x25519", _agree, CRYPTO, lambda: [EphemeralKey(b"\x66" * 32).public],
        covers=("crypto.agreement.EphemeralKey.agree",), longest=48,
    ),
    Target(
        "crypto.agreement.p256", _agree_p256, CRYPTO, lambda: [P256Key(b"\x66" * 32).public, CAR.public_key],
        covers=("crypto.agreement.P256Key.agree",), longest=48,
    ),
    Target(
        "crypto.aead", _every_aead, (), _seals,
        covers=("crypto.aead.open_", "crypto.aead.A128GCM.open", "crypto.aead.AesCcm.open", "crypto.aead.GcmKey.open"),
        longest=120,
    ),
]  # fmt: skip

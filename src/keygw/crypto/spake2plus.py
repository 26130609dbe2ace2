"""SPAKE2+ (RFC 9383) on P-256: two sides prove to each other that one knows a code, and the other its record.

The prover (the device) knows the code. The verifier (the vehicle) keeps only ``Record``: (w0, L), from which the code
can be guessed but not read, and with which nobody can play the prover without guessing.

Production uses ``P256_SHA256`` alone; the other suites are here for the RFC's vectors. What is not constant-time is
said in ``keygw.crypto.p256``.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.hashes import SHA256, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from keygw.crypto import p256
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import constant_time_equal
from keygw.crypto.p256 import ORDER, POINT_BYTES, Point

M = p256.decode(bytes.fromhex("02886e2f97ace46e55ba9dd7242579f2993b64e16ef3dcab95afd497333d8fa12f"))
N = p256.decode(bytes.fromhex("03d8bbd6c639c62937b04d997f38c3770719c629d7014d49a24b4f98baa1292b49"))
"""RFC 9383 section 4: points whose discrete logarithms nobody knows."""

SHARE_BYTES = POINT_BYTES
SECRET_BYTES = 48
"""Randomness for one ephemeral scalar: 128 bits more than the order has, so that reducing it leaves no bias."""
SALT_BYTES = 16
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1
"""16 MiB and some 50 ms. They slow down whoever has stolen a record; a code is dead long before that matters."""
_HALF_BYTES = 40
"""Of each half of the PBKDF's output: 64 bits more than the order has (RFC 9383 section 3.2)."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A row of RFC 9383 section 4, for P-256. ``mac(key, data)``; ``mac_key_bytes``: of each confirmation key."""

    hash: str
    algorithm: HashAlgorithm
    mac: Callable[[bytes, bytes], bytes]
    mac_key_bytes: int


def _hmac256(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _hmac512(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha512")


def _cmac(key: bytes, data: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(data)
    return mac.finalize()


P256_SHA256 = Suite("sha256", SHA256(), _hmac256, 32)
P256_SHA512 = Suite("sha512", SHA512(), _hmac512, 64)
P256_SHA256_CMAC = Suite("sha256", SHA256(), _cmac, 16)
P256_SHA512_CMAC = Suite("sha512", SHA512(), _cmac, 16)


@dataclass(frozen=True, slots=True)
class Secret:
    """What the prover makes of the code: two scalars."""

    w0: int = field(repr=False)
    w1: int = field(repr=False)

    def record(self) -> Record:
        """What the verifier may keep of it."""
        return Record(self.w0, p256.base(self.w1))


@dataclass(frozen=True, slots=True)
class Record:
    """The registration record: w0 and L = w1*P."""

    w0: int = field(repr=False)
    l: Point = field(repr=False)  # noqa: E741 - the RFC's name

    def encode(self) -> bytes:
        """w0 (32 bytes) | L (65 bytes)."""
        return self.w0.to_bytes(32, "big") + self.l.encode()

    @classmethod
    def decode(cls, data: bytes) -> Record:
        """``CryptoError`` for anything that ``encode`` does not write."""
        w0 = int.from_bytes(data[:32], "big")
        if len(data) != 32 + POINT_BYTES or not 0 < w0 < ORDER:
            raise CryptoError("not a registration record")
        return cls(w0, p256.decode(data[32:]))


def secret_of(code: bytes, prover: bytes, verifier: bytes, salt: bytes) -> Secret:
    """RFC 9383 section 3.2 with scrypt (RFC 7914, N = 2^14, r = 8, p = 1). Slow on purpose; ``salt`` has 16 bytes."""
    if len(salt) != SALT_BYTES:
        raise CryptoError(f"a salt has {SALT_BYTES} bytes")
    stretched = Scrypt(salt=salt, length=2 * _HALF_BYTES, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(
        _sized(code) + _sized(prover) + _sized(verifier)
    )
    w0 = int.from_bytes(stretched[:_HALF_BYTES], "big") % ORDER
    w1 = int.from_bytes(stretched[_HALF_BYTES:], "big") % ORDER
    if not w0 or not w1:
        raise CryptoError("the code gives a scalar of zero")
    return Secret(w0, w1)


@dataclass(frozen=True, slots=True)
class Keys:
    """What both sides end up with. ``confirm_prover`` is what the prover says, ``confirm_verifier`` the verifier."""

    transcript: bytes = field(repr=False)
    """TT, with w0 in it: a secret."""
    main: bytes = field(repr=False)
    confirm_key_prover: bytes = field(repr=False)
    confirm_key_verifier: bytes = field(repr=False)
    confirm_prover: bytes = field(repr=False)
    confirm_verifier: bytes = field(repr=False)
    shared: bytes = field(repr=False)
    """K_shared: to be used only once the peer's confirmation has been verified."""

    def check_prover(self, confirmation: bytes) -> None:
        """``CryptoError`` unless it is the prover's."""
        _check(confirmation, self.confirm_prover)

    def check_verifier(self, confirmation: bytes) -> None:
        """``CryptoError`` unless it is the verifier's."""
        _check(confirmation, self.confirm_verifier)


class Prover:
    """The device: ``share`` goes out, then ``finish`` with the verifier's. ``random``: ``SECRET_BYTES`` of it."""

    def __init__(
        self, secret: Secret, random: bytes, context: bytes, prover: bytes, verifier: bytes, suite: Suite = P256_SHA256
    ) -> None:
        self._secret = secret
        self._x = _scalar(random)
        self._about = (context, prover, verifier, suite)
        self.share = p256.add(p256.base(self._x), p256.multiply(M, secret.w0)).encode()

    def finish(self, share: bytes) -> Keys:
        """``share``: the verifier's, 65 bytes. ``CryptoError`` if it is no point, or one that leads to infinity."""
        peer = p256.add(_share(share), p256.negate(p256.multiply(N, self._secret.w0)))
        z, v = p256.multiply(peer, self._x), p256.multiply(peer, self._secret.w1)
        return _keys(*self._about, self.share, share, z, v, self._secret.w0)


class Verifier:
    """The vehicle: ``share`` goes out, together with what ``finish`` gives for the prover's."""

    def __init__(
        self, record: Record, random: bytes, context: bytes, prover: bytes, verifier: bytes, suite: Suite = P256_SHA256
    ) -> None:
        self._record = record
        self._y = _scalar(random)
        self._about = (context, prover, verifier, suite)
        self.share = p256.add(p256.base(self._y), p256.multiply(N, record.w0)).encode()

    def finish(self, share: bytes) -> Keys:
        """``share``: the prover's, 65 bytes. ``CryptoError`` if it is no point, or one that leads to infinity."""
        peer = p256.add(_share(share), p256.negate(p256.multiply(M, self._record.w0)))
        z, v = p256.multiply(peer, self._y), p256.multiply(self._record.l, self._y)
        return _keys(*self._about, share, self.share, z, v, self._record.w0)


def _scalar(random: bytes) -> int:
    if len(random) != SECRET_BYTES:
        raise ValueError(f"an ephemeral scalar is made of {SECRET_BYTES} random bytes")
    return 1 + int.from_bytes(random, "big") % (ORDER - 1)


def _share(data: bytes) -> Point:
    if len(data) != SHARE_BYTES or data[0] != 4:
        raise CryptoError("a share is an uncompressed point")
    return p256.decode(data)


def _sized(data: bytes) -> bytes:
    """With its length in front, 8 bytes, little-endian (RFC 9383 section 3.3)."""
    return len(data).to_bytes(8, "little") + data


def _keys(
    context: bytes,
    prover: bytes,
    verifier: bytes,
    suite: Suite,
    share_p: bytes,
    share_v: bytes,
    z: Point,
    v: Point,
    w0: int,
) -> Keys:
    """The key schedule of RFC 9383 section 3.4."""
    points = (M.encode(), N.encode(), share_p, share_v, z.encode(), v.encode())
    transcript = b"".join(_sized(part) for part in (context, prover, verifier, *points, w0.to_bytes(32, "big")))
    main = hashlib.new(suite.hash, transcript).digest()
    confirmation = _hkdf(suite, main, b"ConfirmationKeys", 2 * suite.mac_key_bytes)
    key_p, key_v = confirmation[: suite.mac_key_bytes], confirmation[suite.mac_key_bytes :]
    return Keys(
        transcript=transcript,
        main=main,
        confirm_key_prover=key_p,
        confirm_key_verifier=key_v,
        confirm_prover=suite.mac(key_p, share_v),
        confirm_verifier=suite.mac(key_v, share_p),
        shared=_hkdf(suite, main, b"SharedKey", len(main)),
    )


def _hkdf(suite: Suite, secret: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=suite.algorithm, length=length, salt=None, info=info).derive(secret)


def _check(said: bytes, expected: bytes) -> None:
    if not constant_time_equal(said, expected):
        raise CryptoError("the other side does not know the code")

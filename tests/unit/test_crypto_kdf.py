"""HKDF-SHA-256 with RFC 5869's vectors, and AES-GCM's borders."""

from __future__ import annotations

import hmac

import pytest

from keygw.crypto import aead
from keygw.crypto.errors import CryptoError
from keygw.crypto.kdf import constant_time_equal, hkdf_expand, hkdf_extract, hmac256, sha256

RFC_5869 = {
    "A.1": (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    "A.2": (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
        "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    "A.3": (
        "0b" * 22,
        "",
        "",
        "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
}


@pytest.mark.parametrize("case", RFC_5869)
def test_rfc_5869(case: str) -> None:
    secret, salt, info, prk, okm = (bytes.fromhex(part) for part in RFC_5869[case])
    assert hkdf_extract(salt, secret) == prk
    assert hkdf_expand(prk, info, len(okm)) == okm


def test_expand_is_bounded() -> None:
    assert hkdf_expand(bytes(32), b"", 0) == b""
    assert len(hkdf_expand(bytes(32), b"", 255 * 32)) == 255 * 32
    for length in (-1, 255 * 32 + 1):
        with pytest.raises(ValueError, match="at most"):
            hkdf_expand(bytes(32), b"", length)


def test_hash_and_mac() -> None:
    assert sha256(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    # RFC 4231, case 2
    for length in (0, 1, 32, 63, 64, 65, 131, 300):
        assert hmac256(bytes(range(length % 251)) + b"k", bytes(length)) == hmac.digest(
            bytes(range(length % 251)) + b"k", bytes(length), "sha256"
        )
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    assert hmac256(b"Jefe", b"what do ya want for nothing?").hex() == expected
    assert constant_time_equal(b"ab", b"ab")
    assert not constant_time_equal(b"ab", b"abc")


@pytest.mark.parametrize("suite", [aead.A128GCM(), aead.AesCcm(8), aead.AesCcm(16)])
def test_an_aead_opens_only_what_was_sealed(suite: aead.Aead) -> None:
    key, nonce = bytes(suite.key_bytes), bytes(suite.nonce_bytes)
    sealed = suite.seal(key, nonce, b"plain", b"aad")
    assert suite.open(key, nonce, sealed, b"aad") == b"plain"
    for other in (
        (key, nonce, sealed[:-1], b"aad"),
        (key, nonce, sealed, b"AAD"),
        (key, b"\x01" + nonce[1:], sealed, b"aad"),
        (b"\x01" + key[1:], nonce, sealed, b"aad"),
        (key, nonce, b"", b"aad"),
        (key, nonce, sealed[:7], b"aad"),
    ):
        with pytest.raises(CryptoError):
            suite.open(*other)


@pytest.mark.parametrize(("key", "nonce"), [(15, 12), (32, 12), (16, 11), (16, 13), (0, 0)])
def test_wrong_sizes_are_our_own_fault_and_say_so(key: int, nonce: int) -> None:
    with pytest.raises(ValueError, match="16-byte key"):
        aead.seal(bytes(key), bytes(nonce), b"", b"")
    with pytest.raises(ValueError, match="16-byte key"):
        aead.open_(bytes(key), bytes(nonce), bytes(16), b"")

"""COSE_Sign1: what is signed is what is verified, and no other shape is read."""

from __future__ import annotations

import pytest

from keygw.crypto import cbor
from keygw.crypto.cose import ALG, KID, TYP, open1, sign1, to_be_signed
from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import LocalSigner

SIGNER = LocalSigner.from_secret(7)
HEADER = cbor.encode({1: -7})


def test_signed_opened_verified() -> None:
    message = sign1(b"payload", SIGNER, {KID: b"12345678", TYP: "dk"}, b"aad")
    opened = open1(message)
    assert opened.payload == b"payload"
    assert opened.protected == {ALG: -7, KID: b"12345678", TYP: "dk"}
    opened.verify(SIGNER.public_key, b"aad")


def test_the_sig_structure_is_that_of_rfc_9052() -> None:
    assert to_be_signed(HEADER, b"p", b"a") == b"\x84\x6aSignature1\x43\xa1\x01\x26\x41a\x41p"


def test_another_key_aad_header_or_payload_does_not_verify() -> None:
    message = sign1(b"payload", SIGNER, {}, b"aad")
    header, unprotected, payload, signature = cbor.decode(message)
    with pytest.raises(CryptoError):
        open1(message).verify(LocalSigner.from_secret(8).public_key, b"aad")
    with pytest.raises(CryptoError):
        open1(message).verify(SIGNER.public_key)
    for changed in (
        [cbor.encode({1: -7, 16: "x"}), unprotected, payload, signature],
        [header, unprotected, payload + b"!", signature],
        [header, unprotected, payload, bytes(64)],
    ):
        with pytest.raises(CryptoError):
            open1(cbor.encode(changed)).verify(SIGNER.public_key, b"aad")


@pytest.mark.parametrize(
    "shape",
    [
        [HEADER, {}, b"p"],
        [HEADER, {}, b"p", bytes(64), b""],
        [HEADER, {4: b"kid"}, b"p", bytes(64)],
        [HEADER, {}, None, bytes(64)],
        [HEADER, {}, "p", bytes(64)],
        [HEADER, [], b"p", bytes(64)],
        [HEADER, {}, b"p", bytes(63)],
        [HEADER, {}, b"p", bytes(72)],
        [b"", {}, b"p", bytes(64)],
        [b"\xa0", {}, b"p", bytes(64)],
        [cbor.encode({1: -35}), {}, b"p", bytes(64)],
        [cbor.encode({1: -7.0}), {}, b"p", bytes(64)],
        [b"\xa1\xf5\x26", {}, b"p", bytes(64)],
        [cbor.encode({1: "ES256"}), {}, b"p", bytes(64)],
        [b"\xbf\x01\x26\xff", {}, b"p", bytes(64)],
        [{1: -7}, {}, b"p", bytes(64)],
        {1: HEADER},
        b"",
    ],
)
def test_any_other_shape_is_refused(shape: object) -> None:
    with pytest.raises(CryptoError):
        open1(cbor.encode(shape))


@pytest.mark.parametrize("change", [b"\xd2%b", b"%b\x00", b"\x98\x04%b"])
def test_tagged_trailing_and_padded_forms_are_refused(change: bytes) -> None:
    message = sign1(b"payload", SIGNER, {})
    with pytest.raises(CryptoError):
        open1(change % (message[1:] if change[0] == 0x98 else message))

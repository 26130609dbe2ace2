"""ES256 keys: signing, verifying, the names of a key, and what is no key at all."""

from __future__ import annotations

import pytest

from keygw.crypto.errors import CryptoError
from keygw.crypto.signer import (
    LocalSigner,
    check_public_key,
    compress,
    coordinates,
    cose_key,
    device_id,
    from_cose_key,
    thumbprint,
    verify,
)
from keygw.model.base64url import encode_base64url

# RFC 6979 A.2.5: a P-256 key and its signature over "sample" with SHA-256.
SECRET = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
X = bytes.fromhex("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6")
Y = bytes.fromhex("7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299")
SIGNATURE = bytes.fromhex(
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
)
KEY = b"\x03" + X
ED25519_PEM = (
    b"-----BEGIN PRIVATE KEY-----\n"
    b"MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
    b"-----END PRIVATE KEY-----\n"
)


@pytest.fixture(scope="module")
def signer() -> LocalSigner:
    return LocalSigner.from_secret(SECRET)


def test_a_published_key_and_signature(signer: LocalSigner) -> None:
    assert signer.public_key == KEY
    assert coordinates(KEY) == (X, Y)
    assert compress(X, Y) == KEY
    verify(KEY, SIGNATURE, b"sample")


def test_what_is_signed_verifies_and_nothing_else_does(signer: LocalSigner) -> None:
    signature = signer.sign(b"message")
    assert len(signature) == 64
    verify(signer.public_key, signature, b"message")
    other = LocalSigner.generate()
    for key, signed, message in (
        (signer.public_key, signature, b"messagE"),
        (other.public_key, signature, b"message"),
        (signer.public_key, bytes(64), b"message"),
        (signer.public_key, signature[32:] + signature[:32], b"message"),
        (signer.public_key, bytes((signature[0] ^ 1,)) + signature[1:], b"message"),
    ):
        with pytest.raises(CryptoError):
            verify(key, signed, message)


@pytest.mark.parametrize("length", [0, 1, 32, 63, 65, 72, 128])
def test_a_signature_has_64_bytes(signer: LocalSigner, length: int) -> None:
    with pytest.raises(CryptoError):
        verify(signer.public_key, (SIGNATURE * 2)[:length], b"sample")


@pytest.mark.parametrize(
    "key",
    [
        b"",
        KEY[:-1],
        KEY + b"\x00",
        b"\x04" + X,
        b"\x00" * 33,
        b"\x01" + X,
        b"\x04" + X + Y,  # a valid point, in the form that keygw does not use
        b"\x02" + b"\xff" * 32,  # x beyond the field
        b"\x02" + bytes(31) + b"\x01",  # x = 1 has no y on P-256
    ],
)
def test_what_is_no_compressed_point_is_refused_everywhere(key: bytes) -> None:
    for use in (check_public_key, coordinates, thumbprint, cose_key, device_id):
        with pytest.raises(CryptoError):
            use(key)
    with pytest.raises(CryptoError):
        verify(key, SIGNATURE, b"sample")


@pytest.mark.parametrize(
    ("x", "y"), [(X, X), (X, Y[:-1] + bytes((Y[-1] ^ 1,))), (bytes(32), bytes(32)), (X[1:], Y), (X, b"\0" + Y)]
)
def test_coordinates_off_the_curve_are_refused(x: bytes, y: bytes) -> None:
    with pytest.raises(CryptoError):
        compress(x, y)


def test_pem_survives_with_and_without_a_passphrase(signer: LocalSigner) -> None:
    plain, sealed = signer.to_pem(), signer.to_pem(b"correct horse")
    assert LocalSigner.from_pem(plain).public_key == KEY
    assert LocalSigner.from_pem(sealed, b"correct horse").public_key == KEY
    assert b"ENCRYPTED" in sealed
    assert b"ENCRYPTED" not in plain


def test_a_pem_that_cannot_be_used_is_one_error(signer: LocalSigner) -> None:
    sealed = signer.to_pem(b"correct horse")
    unknown_algorithm = b"-----BEGIN PRIVATE KEY-----\nMBQCAQAwBQYDKgMEBAgEBgECAwQFBg==\n-----END PRIVATE KEY-----\n"
    for pem, passphrase in (
        (sealed, b"wrong"),
        (sealed, None),
        (signer.to_pem(), b"a passphrase nobody asked for"),
        (b"", None),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None),
        (unknown_algorithm, None),
        (ED25519_PEM, None),
    ):
        with pytest.raises(CryptoError):
            LocalSigner.from_pem(pem, passphrase)


@pytest.mark.parametrize("secret", [0, -1, 2**256, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551])
def test_a_scalar_out_of_range_is_refused(secret: int) -> None:
    with pytest.raises(CryptoError):
        LocalSigner.from_secret(secret)


def test_repr_holds_no_secret(signer: LocalSigner) -> None:
    text = f"{signer!r} {signer}"
    assert text.count(device_id(KEY)) == 2
    assert f"{SECRET:x}" not in text.lower()
    assert str(SECRET) not in text
    assert not hasattr(signer, "__dict__")


def test_the_thumbprint_is_that_of_rfc_9679() -> None:
    """RFC 9679 section 6: the key of the example, and the thumbprint given there."""
    x = bytes.fromhex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d")
    y = bytes.fromhex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c")
    expected = "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    assert thumbprint(compress(x, y)).hex() == expected


def test_a_device_id_is_the_head_of_the_thumbprint() -> None:
    assert device_id(KEY).startswith("dev_")
    assert len(device_id(KEY)) == 20
    assert device_id(KEY) != device_id(b"\x02" + X)


def test_cose_keys_go_there_and_back() -> None:
    for key in (KEY, b"\x02" + X):
        assert from_cose_key(cose_key(key)) == key


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        {1: 2, -1: 1, -2: X},
        {1: 1, -1: 1, -2: X, -3: True},
        {1: 2, -1: 2, -2: X, -3: True},
        {1: 2, -1: 1, -2: X[1:], -3: True},
        {1: 2, -1: 1, -2: X, -3: Y},
        {1: 2, -1: 1, -2: X, -3: 1},
        {1: 2, -1: 1, -2: X, -3: True, 2: b"kid"},
        {1: 2, -1: 1, -2: bytes(31) + b"\x01", -3: True},
        {1: 2.0, -1: 1, -2: X, -3: True},
        {1: 2, -1: True, -2: X, -3: True},
    ],
)
def test_any_other_cose_key_is_refused(value: object) -> None:
    with pytest.raises(CryptoError):
        from_cose_key(value)


def test_public_keys_in_json_have_no_padding() -> None:
    assert encode_base64url(KEY) == "A2D-1LolWp0xyWHrdMY1bWjASbiSO2H6bOZpYi5g8p-2"

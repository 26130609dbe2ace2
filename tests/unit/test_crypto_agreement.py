"""X25519: RFC 7748's vectors, and the points of low order that must never lead to a key. P-256: its borders."""

from __future__ import annotations

import pytest

from keygw.crypto.agreement import EphemeralKey, P256Key
from keygw.crypto.errors import CryptoError

LOW_ORDER = {
    "0": "00" * 32,
    "1": "01" + "00" * 31,
    "order 8": "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "order 8, the other": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "p - 1": "ec" + "ff" * 30 + "7f",
    "p": "ed" + "ff" * 30 + "7f",
    "p + 1": "ee" + "ff" * 30 + "7f",
}
"""Every u of low order below 2^255 (cr.yp.to/ecdh.html). The top bit is ignored (RFC 7748, 5): each has a twin."""


@pytest.mark.parametrize("twin", [False, True])
@pytest.mark.parametrize("name", LOW_ORDER)
def test_a_point_of_low_order_is_refused(name: str, twin: bool) -> None:
    point = bytearray.fromhex(LOW_ORDER[name])
    point[-1] |= 0x80 if twin else 0
    with pytest.raises(CryptoError):
        EphemeralKey(bytes(range(32))).agree(bytes(point))


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_a_key_has_32_bytes(size: int) -> None:
    with pytest.raises(CryptoError):
        EphemeralKey(bytes(range(32))).agree(b"\x09" * size)


def test_rfc_7748_section_5_2() -> None:
    first = EphemeralKey(bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"))
    point = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    assert first.agree(point).hex() == "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"

    k = u = b"\x09" + bytes(31)
    for _ in range(1000):
        k, u = EphemeralKey(k).agree(u), k
    assert k.hex() == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


def test_both_sides_agree_and_the_secret_stays_inside() -> None:
    ours, theirs = EphemeralKey(b"\x11" * 32), EphemeralKey(b"\x22" * 32)
    assert ours.agree(theirs.public) == theirs.agree(ours.public)
    assert repr(ours) == "EphemeralKey(...)"
    assert not hasattr(ours, "__dict__")


P = 2**256 - 2**224 + 2**192 + 2**96 - 1
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def test_p256_takes_an_x_alone_and_either_y() -> None:
    ours, theirs = P256Key(b"\x11" * 32), P256Key(b"\x22" * 32)
    secret = ours.agree(theirs.public)
    assert secret == theirs.agree(ours.public)
    assert secret == ours.agree(b"\x02" + theirs.public) == ours.agree(b"\x03" + theirs.public)
    assert repr(ours) == "P256Key(...)"
    assert not hasattr(ours, "__dict__")


@pytest.mark.parametrize(
    "peer",
    [
        *(b"", bytes(31), bytes(34), bytes(65)),
        bytes.fromhex("a04e73601df544a70ba7ea1e57030f7d4b4eb7f673924e58d54ca77a5e7d4d4a"),  # no y for this x
        *(x.to_bytes(32, "big") for x in (P, P + 5, 2**256 - 1)),  # not a field element; P + 5 would be a point mod P
        b"\x00" * 33,  # infinity
        *(bytes((form,)) + P256Key(b"\x22" * 32).public for form in (0, 1, 4, 5, 6, 7)),
    ],
)
def test_p256_refuses_what_is_no_point(peer: bytes) -> None:
    with pytest.raises(CryptoError):
        P256Key(b"\x11" * 32).agree(peer)


@pytest.mark.parametrize("secret", [bytes(32), ORDER.to_bytes(32, "big"), b"\xff" * 32, b"\x01" * 31, b"\x01" * 33])
def test_p256_refuses_a_scalar_out_of_range(secret: bytes) -> None:
    with pytest.raises(CryptoError):
        P256Key(secret)

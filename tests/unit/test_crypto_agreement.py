"""X25519: RFC 7748's vectors, and the points of low order that must never lead to a key."""

from __future__ import annotations

import pytest

from keygw.crypto.agreement import EphemeralKey
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

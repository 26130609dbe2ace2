"""The advertisement and the names in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygw.wire import gatt


def test_the_advertisement_fills_a_legacy_packet_exactly() -> None:
    data = gatt.advertisement(bytes.fromhex("00ff10a5fe3e"))
    assert len(data) == gatt.ADVERTISEMENT_BYTES
    assert data[:3] == bytes.fromhex("020106")
    assert data[3:5] == bytes.fromhex("1107")
    assert data[5:21][::-1].hex() == gatt.SERVICE.replace("-", "")
    assert data[21:23] == bytes.fromhex("0909")
    assert data[23:] == b"AP8Qpf4-"


def test_our_uuids_are_our_own_and_differ() -> None:
    uuids = {gatt.SERVICE, gatt.RX, gatt.TX, gatt.INFO}
    assert len(uuids) == 4
    assert all(len(u) == 36 and u == u.lower() and not u.endswith("00805f9b34fb") for u in uuids)


@given(st.binary(min_size=6, max_size=6))
def test_a_name_gives_back_its_rotating_id(rotating_id: bytes) -> None:
    assert gatt.rotating_id(gatt.advertised_name(rotating_id)) == rotating_id


@pytest.mark.parametrize(
    "name", [None, "", "short", "ninechars", "abc+/def", "abcdefg=", "abcdefg\n", "äbcdefgh", "abcd efg"]
)
def test_another_name_is_no_rotating_id(name: str | None) -> None:
    assert gatt.rotating_id(name) is None


@pytest.mark.parametrize("length", [0, 5, 7, 16])
def test_a_rotating_id_has_six_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="6 bytes"):
        gatt.advertised_name(bytes(length))

"""What anybody's radio may say while we scan: a sighting, or nothing; never an error in the scanner."""

from __future__ import annotations

import pytest
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bumble import hci
from bumble.core import UUID
from bumble.device import Advertisement

from keygw.ble.bumble_backend import BumbleScanner, advertisement_data
from keygw.wire import gatt

OURS = gatt.advertisement(bytes(range(6)))


def heard(data: bytes) -> Advertisement:
    return Advertisement(address=hci.Address("C0:00:00:00:00:01"), rssi=-40, data_bytes=data)


def test_our_own_advertisement_is_understood() -> None:
    seen = advertisement_data(heard(OURS))
    assert gatt.rotating_id(seen.local_name) == bytes(range(6))
    assert seen.service_uuids == [gatt.SERVICE]


@pytest.mark.parametrize("data", ["03ff", "01ff", "02ff01", "0201060107", "031107b2", "05110102030405"])
def test_an_element_that_is_cut_short_is_a_value_error_or_nothing_of_ours(data: str) -> None:
    """A company id of one byte was a ``struct.error``, which the scanner did not expect (found by fuzzing)."""
    try:
        seen = advertisement_data(heard(bytes.fromhex(data)))
    except ValueError:
        return
    assert gatt.rotating_id(seen.local_name) is None


@pytest.mark.parametrize("data", [b"\x02\xff\x01", b"\x03\xff", OURS[:-3], b"\xff" * 31, b""])
def test_the_scanner_goes_on_after_it(data: bytes) -> None:
    seen: list[tuple[BLEDevice, AdvertisementData]] = []
    scanner = BumbleScanner(lambda device, data: seen.append((device, data)), [gatt.SERVICE])
    scanner.seen_devices = {}
    scanner._on_advertisement(heard(data))
    scanner._on_advertisement(heard(OURS))
    assert gatt.rotating_id(seen[-1][1].local_name) == bytes(range(6))


def test_invented_uuids_are_not_remembered() -> None:
    """Bumble keeps every UUID that it reads, for good, and looks each new one up among them (found by fuzzing)."""
    known = len(UUID.UUIDS)
    for number in range(50):
        data = b"\x11\x07" + number.to_bytes(16, "little") + b"\x03\x03" + (0xE000 + number).to_bytes(2, "little")
        assert len(advertisement_data(heard(data)).service_uuids) == 2
    assert len(UUID.UUIDS) == known

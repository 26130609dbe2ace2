"""Every library's error becomes one of four codes, with the right answer to "may it have happened?"."""

from __future__ import annotations

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)
from bleak_retry_connector import BleakConnectionError, BleakNotFoundError, BleakOutOfConnectionSlotsError
from bumble import core as bumble
from bumble.att import ATT_Error
from bumble.hci import HCI_Error
from bumble.transport.common import TransportLostError, TransportSpecError

from keygw.ble.faults import bleak_error, busy, fault, link_error
from keygw.model.errors import LinkError

NO_RADIO = BleakBluetoothNotAvailableError("none here", BleakBluetoothNotAvailableReason.NO_BLUETOOTH)
SWITCHED_OFF = BleakBluetoothNotAvailableError("off", BleakBluetoothNotAvailableReason.POWERED_OFF)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), "link_timeout"),
        (bumble.TimeoutError(), "link_timeout"),
        (bumble.CommandTimeoutError(), "link_timeout"),
        (BleakDBusError("org.freedesktop.DBus.Error.NoReply", []), "link_timeout"),
        (BleakDeviceNotFoundError("x"), "out_of_range"),
        (BleakNotFoundError("x"), "out_of_range"),
        (BleakDBusError("org.freedesktop.DBus.Error.UnknownObject", []), "out_of_range"),
        (BleakError("Device with address X was not found"), "out_of_range"),
        (NO_RADIO, "radio_unavailable"),
        (SWITCHED_OFF, "radio_unavailable"),
        (BleakDBusError("org.bluez.Error.NotReady", []), "radio_unavailable"),
        (BleakDBusError("org.bluez.Error.InProgress", []), "radio_busy"),
        (BleakError("No Bluetooth adapters found."), "radio_unavailable"),
        (FileNotFoundError("the D-Bus socket"), "radio_unavailable"),
        (ConnectionRefusedError(), "radio_unavailable"),
        (TransportLostError(), "radio_unavailable"),
        (TransportSpecError("unknown transport scheme"), "radio_unavailable"),
        (BleakDBusError("org.bluez.Error.Failed", ["Not connected"]), "link_lost"),
        (BleakOutOfConnectionSlotsError("x"), "radio_busy"),
        (BleakCharacteristicNotFoundError("x"), "link_lost"),
        (BleakError("disconnected"), "link_lost"),
        (BrokenPipeError(), "link_lost"),
        (EOFError(), "link_lost"),
        (KeyError("org.bluez.GattService1"), "link_lost"),
        (bumble.InvalidStateError(), "link_lost"),
        (HCI_Error(0x3E), "link_lost"),  # type: ignore[no-untyped-call]
        (bumble.ConnectionError(0x3E, None, None), "link_lost"),  # type: ignore[no-untyped-call]
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_each_error_has_its_code(error: Exception, code: str) -> None:
    mapped = link_error(error, sent=True)
    assert mapped.code == code
    assert mapped.may_have_happened
    assert not link_error(error).may_have_happened


class WinError(OSError):
    """As ``ctypes.WinError`` makes it on Windows: elsewhere Python has no place for ``winerror``."""

    def __init__(self, winerror: int, text: str) -> None:
        super().__init__(22, text)
        self.winerror = winerror


@pytest.mark.parametrize(
    ("error", "code"),
    [
        # WinRT, from an operation under which the link went, and from a radio that is off
        (WinError(-2147483629, "The object has been closed"), "link_lost"),
        (WinError(-2147023673, "The operation was canceled by the user"), "link_lost"),
        (WinError(-2147020577, "The device is not ready for use"), "radio_unavailable"),
        (WinError(5, "Access is denied"), "radio_unavailable"),
        (BleakError("Could not get GATT services: Unreachable"), "link_lost"),
        (BleakError("Could not get GATT services: Access Denied"), "link_lost"),
        (BleakError("device does not support GATT sessions"), "link_lost"),
        # CoreBluetooth
        (BleakError("failed to connect: Peer removed pairing information"), "link_lost"),
        (BleakError("Failed to discover services The connection has timed out unexpectedly."), "link_lost"),
        (BleakError("Bluetooth device is turned off"), "radio_unavailable"),
        (ValueError("Characteristic notifications already started"), "link_lost"),
    ],
    ids=str,
)
def test_what_windows_and_macos_say(error: Exception, code: str) -> None:
    """By bleak's own backends; nobody has run them against a car yet."""
    assert link_error(error).code == code


def test_the_cause_counts_not_the_wrapping() -> None:
    wrapped = BleakConnectionError("failed to connect after 2 attempts")
    wrapped.__cause__ = SWITCHED_OFF
    assert link_error(wrapped).code == "radio_unavailable"


@pytest.mark.parametrize("refusal", [BleakGATTProtocolError(0x11), ATT_Error(0x11)])
def test_what_the_vehicle_refused_has_not_happened(refusal: Exception) -> None:
    mapped = link_error(refusal, sent=True)
    assert mapped.code == "link_lost"
    assert not mapped.may_have_happened


def test_only_what_may_heal_is_retryable() -> None:
    assert link_error(SWITCHED_OFF).retryable
    assert not link_error(NO_RADIO).retryable
    assert not link_error(TransportSpecError("unknown transport scheme")).retryable


def test_our_own_error_passes_unchanged() -> None:
    ours = fault("out_of_range")
    assert link_error(ours, sent=True) is ours


def test_busy_is_told_from_broken() -> None:
    wrapped = BleakConnectionError("x")
    wrapped.__cause__ = BleakDBusError("org.bluez.Error.InProgress", [])
    assert busy(wrapped)
    assert not busy(BleakDBusError("org.bluez.Error.NotReady", []))


def test_bumble_errors_become_bleak_errors() -> None:
    refused = bleak_error(ATT_Error(0x05))
    assert isinstance(refused, BleakGATTProtocolError)
    assert refused.code == 0x05
    assert isinstance(bleak_error(TransportLostError("gone")), BleakBluetoothNotAvailableError)
    assert isinstance(bleak_error(ConnectionRefusedError()), BleakBluetoothNotAvailableError)
    assert type(bleak_error(bumble.InvalidStateError("x"))) is BleakError


@pytest.mark.parametrize("code", ["out_of_range", "link_lost", "link_timeout", "radio_unavailable"])
def test_every_message_names_a_next_step(code: str) -> None:
    error = fault(code, "detail")
    assert isinstance(error, LinkError)
    assert "; " in str(error)
    assert "(detail)" in str(error)

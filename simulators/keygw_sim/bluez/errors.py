"""BlueZ's errors by name and text. bleak and Chromium tell some apart by the text alone, so these are BlueZ's own."""

from __future__ import annotations

from bleak.exc import BleakGATTProtocolError


class BusError(Exception):
    """Answered to the caller as a D-Bus error: ``name`` and one line of text."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name
        self.text = text


def _bluez(kind: str, text: str) -> BusError:
    return BusError(f"org.bluez.Error.{kind}", text)


def not_ready() -> BusError:
    """The adapter is off."""
    return _bluez("NotReady", "Resource Not Ready")


def busy() -> BusError:
    """This client has a discovery already."""
    return _bluez("InProgress", "Operation already in progress")


def in_progress(text: str = "In Progress") -> BusError:
    return _bluez("InProgress", text)


def failed(text: str) -> BusError:
    return _bluez("Failed", text)


def not_supported() -> BusError:
    return _bluez("NotSupported", "Operation is not supported")


def does_not_exist() -> BusError:
    return _bluez("DoesNotExist", "Does Not Exist")


def already_exists() -> BusError:
    return _bluez("AlreadyExists", "Already Exists")


def invalid_arguments(text: str = "Invalid arguments in method call") -> BusError:
    return _bluez("InvalidArguments", text)


def att_error(error: BleakGATTProtocolError) -> BusError:
    """What BlueZ makes of an ATT error (its ``create_gatt_dbus_error``)."""
    match int(error.code):
        case 0x02:
            return _bluez("NotPermitted", "Read not permitted")
        case 0x03:
            return _bluez("NotPermitted", "Write not permitted")
        case 0x05 | 0x0C | 0x0F:
            return _bluez("NotPermitted", "Not paired")
        case 0x06:
            return not_supported()
        case 0x07:
            return invalid_arguments("Invalid offset")
        case 0x08:
            return _bluez("NotAuthorized", "Operation Not Authorized")
        case 0x0D:
            return invalid_arguments("Invalid Length")
        case code:
            return failed(f"Operation failed with ATT error: 0x{code:02x}")

"""The one map from what Bluetooth libraries raise to ``LinkError`` (law 8), and from bumble to bleak.

Where a library tells errors apart by text only, the text is matched here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator

from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakCharacteristicNotFoundError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
    BleakGATTProtocolError,
)
from bleak_retry_connector import BleakNotFoundError, BleakOutOfConnectionSlotsError
from bumble import core as bumble
from bumble.att import ATT_Error
from bumble.transport.common import TransportInitError, TransportLostError, TransportSpecError

from keygw.model.errors import LinkError

OUT_OF_RANGE = "out_of_range"
LINK_LOST = "link_lost"
LINK_TIMEOUT = "link_timeout"
RADIO_UNAVAILABLE = "radio_unavailable"
RADIO_BUSY = "radio_busy"

_ADVICE = {
    OUT_OF_RANGE: "the vehicle was not heard; move closer and try again",
    LINK_LOST: "the link to the vehicle was lost; connect again",
    LINK_TIMEOUT: "the vehicle did not answer in time; connect again",
    RADIO_BUSY: "the radio is at something else, or all its connections are taken; try again, or end a link",
    RADIO_UNAVAILABLE: "the Bluetooth radio cannot be used; check that it is plugged in, switched on and permitted",
}

_HOPELESS = frozenset(
    {
        BleakBluetoothNotAvailableReason.NO_BLUETOOTH,
        BleakBluetoothNotAvailableReason.NO_BLE_CENTRAL_ROLE,
        BleakBluetoothNotAvailableReason.DENIED_BY_USER,
        BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM,
    }
)

_DBUS = {
    "org.bluez.Error.InProgress": RADIO_BUSY,
    "org.bluez.Error.NotReady": RADIO_UNAVAILABLE,
    "org.bluez.Error.NotAuthorized": RADIO_UNAVAILABLE,
    "org.freedesktop.DBus.Error.AccessDenied": RADIO_UNAVAILABLE,
    "org.freedesktop.DBus.Error.ServiceUnknown": RADIO_UNAVAILABLE,
    "org.freedesktop.DBus.Error.NameHasNoOwner": RADIO_UNAVAILABLE,
    "org.freedesktop.DBus.Error.NoReply": LINK_TIMEOUT,
    "org.freedesktop.DBus.Error.UnknownObject": OUT_OF_RANGE,
    "org.bluez.Error.DoesNotExist": OUT_OF_RANGE,
}

# BlueZ and the platform backends put these into a plain BleakError.
_TEXTS = (
    ("Bluetooth device is turned off", RADIO_UNAVAILABLE),
    ("No Bluetooth adapters found", RADIO_UNAVAILABLE),
    ("was not found", OUT_OF_RANGE),
)

_NOT_READY = 0x800710DF
"""HRESULT of WinRT for a radio that is off ("the device is not ready for use")."""

BUSY_ADAPTER = "org.bluez.Error.InProgress"


def fault(code: str, detail: str = "", *, sent: bool = False, retryable: bool = True) -> LinkError:
    """A ``LinkError`` with our own sentence. ``sent``: bytes may have reached the vehicle before it failed."""
    message = f"{_ADVICE[code]} ({detail})" if detail else _ADVICE[code]
    return LinkError(message, code=code, may_have_happened=sent, retryable=retryable)


def link_error(error: BaseException, *, sent: bool = False) -> LinkError:
    """What a library raised, as the ``LinkError`` the rest of the house understands.

    ``sent``: bytes may have reached the vehicle before it was raised. A refusal by the vehicle's own ATT server is
    proof that they were not taken.
    """
    if isinstance(error, LinkError):
        return error
    for cause in _causes(error):
        code = _code(cause)
        if code is None:
            continue
        refused = isinstance(cause, BleakGATTProtocolError | ATT_Error)
        return fault(code, _detail(cause), sent=sent and not refused, retryable=_retryable(cause))
    return fault(LINK_LOST, _detail(error), sent=sent)


def busy(error: BaseException) -> bool:
    """Is it only that the adapter is doing something else just now?"""
    return any(isinstance(c, BleakDBusError) and c.dbus_error == BUSY_ADAPTER for c in _causes(error))


def radio_gone(detail: str) -> BleakBluetoothNotAvailableError:
    """The bleak error for an HCI transport that cannot be opened or has died."""
    return BleakBluetoothNotAvailableError(detail, BleakBluetoothNotAvailableReason.UNKNOWN)


def bleak_error(error: Exception) -> BleakError:
    """What bumble raised, as the bleak error that a backend for bleak must raise."""
    match error:
        case BleakError():
            return error
        case ATT_Error():
            return BleakGATTProtocolError(error.error_code)
        case TransportSpecError():
            return BleakBluetoothNotAvailableError(str(error), BleakBluetoothNotAvailableReason.NO_BLUETOOTH)
        case TransportLostError() | TransportInitError() | OSError():
            return radio_gone(str(error) or type(error).__name__)
        case _:
            return BleakError(str(error) or type(error).__name__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from, most telling first: connectors wrap the real one."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:
        chain.append(cause)
        cause = cause.__cause__
    return reversed(chain)


def _code(error: BaseException) -> str | None:
    match error:
        case TimeoutError() | bumble.TimeoutError() | bumble.CommandTimeoutError():
            return LINK_TIMEOUT
        case BleakDBusError():
            return _DBUS.get(error.dbus_error, LINK_LOST)
        case BleakOutOfConnectionSlotsError():
            return RADIO_BUSY
        case BleakDeviceNotFoundError() | BleakNotFoundError():
            return OUT_OF_RANGE
        case BleakGATTProtocolError() | BleakCharacteristicNotFoundError() | bumble.BaseError():
            return LINK_LOST
        case BleakBluetoothNotAvailableError() | TransportLostError() | TransportInitError() | TransportSpecError():
            return RADIO_UNAVAILABLE
        case EOFError() | BrokenPipeError():
            return LINK_LOST
        case OSError():
            return LINK_LOST if _of_the_link(error) else RADIO_UNAVAILABLE
        case BleakError():
            return next((code for text, code in _TEXTS if text in str(error)), None)
        case _:
            return None


def _of_the_link(error: OSError) -> bool:
    """WinRT tells whatever ends an operation as an ``OSError`` with an HRESULT, of which one is about the radio."""
    result = getattr(error, "winerror", None)
    return result is not None and result < 0 and result & 0xFFFFFFFF != _NOT_READY


def _retryable(error: BaseException) -> bool:
    if isinstance(error, BleakBluetoothNotAvailableError):
        return error.reason not in _HOPELESS
    return not isinstance(error, TransportSpecError)


def _detail(error: BaseException) -> str:
    if isinstance(error, BleakBluetoothNotAvailableError):
        return str(error.args[0])
    return str(error) or type(error).__name__

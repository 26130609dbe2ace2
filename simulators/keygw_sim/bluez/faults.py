"""Faults to order: the next calls of a method answered with an error of BlueZ's, or not at all."""

from __future__ import annotations

from dataclasses import dataclass

from keygw_sim.bluez.errors import BusError

TEXTS = {
    "InProgress": "Operation already in progress",
    "NotReady": "Resource Not Ready",
    "NotAuthorized": "Operation Not Authorized",
    "DoesNotExist": "Does Not Exist",
    "NotSupported": "Operation is not supported",
    "AuthenticationFailed": "Authentication Failed",
    "Failed": "le-connection-unknown",
}
MAX_TIMES = 10_000


@dataclass(slots=True)
class Fault:
    """``error``: a name under ``org.bluez.Error``, a whole D-Bus error name, or ``""`` for no answer ever."""

    member: str
    error: str
    text: str
    times: int


class Faults:
    """What was ordered, by method. ``meet`` is asked before each call is served."""

    def __init__(self) -> None:
        self._ordered: dict[str, Fault] = {}

    def order(self, member: str, error: str = "InProgress", *, text: str | None = None, times: int = 1) -> None:
        """The next ``times`` calls of ``member``, such as ``Connect``. A later order replaces it; 0 takes it back."""
        if not 0 <= times <= MAX_TIMES:
            raise ValueError(f"times is 0 to {MAX_TIMES}, not {times}")
        self._ordered[member] = Fault(member, error, TEXTS.get(error, "ordered") if text is None else text, times)

    def meet(self, member: str) -> BusError | None:
        """The error to answer this call with; one without a name means silence; ``None``: serve it."""
        fault = self._ordered.get(member)
        if fault is None or fault.times == 0:
            return None
        fault.times -= 1
        bare = fault.error and "." not in fault.error
        return BusError(f"org.bluez.Error.{fault.error}" if bare else fault.error, fault.text)

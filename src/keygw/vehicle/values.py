"""Values that the gateway's side of a car hands upwards: how a link is, what became of a command."""

from __future__ import annotations

from dataclasses import dataclass

from keygw.model.command import CommandState, Outcome
from keygw.model.receipt import Receipt


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """One link to one vehicle. ``state``: ``connected``, ``authenticated`` or ``disconnected``.

    ``list_sequence``: the revocation-list sequence that the vehicle reported in this session, if it did.
    """

    vehicle_id: str
    state: str
    key_id: str | None = None
    scan_connect_ms: float | None = None
    handshake_ms: float | None = None
    round_trips: int = 0
    message_bytes: int = 0
    air_bytes: int = 0
    list_sequence: int | None = None

    @property
    def up(self) -> bool:
        return self.state != "disconnected"


@dataclass(frozen=True, slots=True)
class Measures:
    """What one command cost. ``ms`` is the whole; bytes count both directions; ``None``: that part did not run."""

    ms: float
    handshake_ms: float | None = None
    round_trips: int = 0
    message_bytes: int = 0
    air_bytes: int = 0
    connect_ms: float | None = None
    road: str | None = None
    """``session`` (it was open), ``fast`` or ``full``."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended. ``state``: confirmed, failed, expired or unknown; ``reason`` in words of the field."""

    state: CommandState
    reason: str | None = None
    outcome: Outcome | None = None
    receipt: Receipt | None = None
    measures: Measures | None = None


@dataclass(frozen=True, slots=True)
class Discovered:
    """A vehicle heard nearby. ``vehicle_id`` only if we hold the advertising key that resolves ``rotating_id``."""

    vehicle_id: str | None
    rotating_id: bytes
    link: str = "ble"

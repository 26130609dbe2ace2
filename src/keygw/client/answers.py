"""What the gateway answers, as values. Fields that a newer gateway adds are left alone; a missing one is an error.

Times are aware datetimes, in UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Answer(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Vehicle(Answer):
    """``public_key``: of the vehicle, base64url of 65 bytes (uncompressed P-256)."""

    id: str
    name: str
    public_key: str
    tenant_id: str


class Link(Answer):
    vehicle_id: str
    state: Literal["connected", "authenticated", "disconnected"]
    key_id: str | None
    presence: str | None = None


class ListState(Answer):
    current: int
    acknowledged: int


class Key(Answer):
    """``state``: whether it may be used; ``stage``: how far its life is: ``revoking`` until the car has heard."""

    id: str
    vehicle_id: str
    device_id: str
    role: str
    label: str
    entitlements: tuple[str, ...]
    state: str
    stage: str
    parent_id: str | None
    not_before: datetime
    expires_at: datetime
    list: ListState


class Session(Answer):
    """``reason``: of a closed one. ``resume_until``: of a suspended one."""

    id: str
    vehicle_id: str
    state: Literal["negotiating", "active", "suspended", "closed"]
    reason: str | None
    wanted: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    resume_until: datetime | None


class SessionEvent(Answer):
    """What was sent into a car. ``state``: of a destination, what somebody there has made of it."""

    id: str
    session_id: str
    type: Literal["destination", "voice"]
    state: Literal["offered", "accepted", "refused"]
    created_at: datetime
    expires_at: datetime


class Command(Answer):
    """``settled``: ``state`` is final. ``unknown`` is not: it may have happened, and is settled from the vehicle's
    receipts when it is next met. ``retryable``: the same wish may be made again, by a new command."""

    id: str
    vehicle_id: str
    key_id: str
    action: str
    state: Literal[
        "accepted", "queued", "sent", "acknowledged", "confirmed", "failed", "expired", "cancelled", "unknown"
    ]
    reason: str | None
    settled: bool
    may_have_happened: bool
    retryable: bool
    created_at: datetime
    expires_at: datetime
    updated_at: datetime

    @property
    def confirmed(self) -> bool:
        """The vehicle has signed for it, and its signals agree."""
        return self.state == "confirmed"


class Check(Answer):
    """What would become of a command."""

    action: str
    accepted: bool
    code: str | None
    detail: str | None
    retryable: bool
    key_id: str | None
    expires_at: datetime | None
    waits_for_vehicle: bool
    queued: bool
    foreseen: str | None


class Capability(Answer):
    id: str
    standing: Literal["supported", "unsupported", "forbidden", "unavailable"]
    reason: str | None
    until: datetime | None
    required_scope: str | None


class Signal(Answer):
    """``quality`` ``live`` alone may be shown as a fact. ``error``: ``unsupported`` or ``forbidden``; then, and while
    it is ``unknown``, there is no value."""

    path: str
    value: bool | int | float | str | None = None
    unit: str | None = None
    ts: datetime | None = None
    received_at: datetime | None = None
    source: str | None = None
    quality: Literal["live", "stale", "unknown"] | None = None
    error: Literal["unsupported", "forbidden"] | None = None
    required_scope: str | None = None

    @property
    def fact(self) -> bool | int | float | str | None:
        """The value, if it is true right now; else ``None``."""
        return self.value if self.quality == "live" else None


class Pairing(Answer):
    """``key_id`` of the owner key, once ``state`` is ``done``; ``reason`` once it is ``failed``."""

    id: str
    state: str
    reason: str | None = None
    vehicle_id: str | None = None
    key_id: str | None = None

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed")


class Event(Answer):
    """A CloudEvent. ``position``: where it stands in the stream, for coming back behind it. A gap (``keygw.gap``) has
    none: read anew what its ``data`` names."""

    type: str
    source: str
    id: str = ""
    subject: str | None = None
    time: datetime | None = None
    data: dict[str, JsonValue] = Field(default_factory=dict)
    position: str = ""

    @property
    def gap(self) -> bool:
        return self.type == GAP

    def whole(self) -> dict[str, Any]:
        """As it came."""
        return self.model_dump(mode="json", exclude={"position"})


GAP = "keygw.gap"


class OpenSession(Answer):
    """A session, and how everything stands. ``events_after``: for ``Keygw.events``, so that nothing is missed."""

    session: Session
    vehicle: Vehicle
    keys: tuple[Key, ...]
    capabilities: tuple[Capability, ...]
    signals: tuple[Signal, ...]
    events_after: str

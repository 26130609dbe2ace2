"""People's accounts: an owner is somebody, and not the phone that he holds this year."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PersonState(StrEnum):
    ACTIVE = "active"
    CLOSED = "closed"
    ERASED = "erased"
    """Closed, and no name is kept."""


@dataclass(frozen=True, slots=True)
class Person:
    """Apps act for a person, and the owner keys that they make are bound to the account. ``created_at``: Unix seconds.

    ``name``: as whoever made the account calls it; it stands in no log and in no audit entry.
    """

    id: str
    tenant_id: str
    name: str
    created_at: int
    state: PersonState = PersonState.ACTIVE

"""What status lists need from the store: a part of ``CredentialReads`` and ``CredentialTransaction``.

The contract suite is ``tests/contracts/test_status_store_contract.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StatusPage:
    """One list. ``base``: the URL it was opened under, ``uri`` what its key tokens name. ``taken``: places given.

    ``version`` counts the transactions that changed a status in it, 0 for none.
    """

    number: int
    base: str
    version: int = 0
    taken: int = 0

    @property
    def uri(self) -> str:
        return f"{self.base}/{self.number}"


@dataclass(frozen=True, slots=True)
class StatusPlace:
    """The place of one digital key, which it never leaves, and the status that stands there."""

    page: int
    index: int
    status: int = 0


class StatusReads(Protocol):
    """Questions. Absent things are ``None`` or empty."""

    async def status_pages(self) -> Sequence[StatusPage]:
        """All, by number."""

    async def status_page(self, number: int) -> StatusPage | None: ...

    async def status_changes(self, number: int, after: int) -> Sequence[tuple[int, int, int]]:
        """``(index, status, version)`` of each place in that page whose status changed in a later version than that,
        once each as it is now, the oldest change first. It costs as much as there are."""

    async def status_place(self, key_id: str) -> tuple[StatusPage, StatusPlace] | None: ...

    async def status_places(self, vehicle_id: str, at: int) -> Mapping[str, StatusPlace]:
        """By key id: of the vehicle's keys with ``expires_at > at``."""


class StatusWrites(Protocol):
    """Within a transaction."""

    async def take_status_page(self, base: str, most: int) -> StatusPage:
        """The newest page under that base with fewer than ``most`` places given, one more of them given now; a new page
        if there is none. Numbers ascend and are never used again. What else reads the page in the transaction does not
        see the place counted yet."""

    async def take_status_place(self, page: int, index: int, key_id: str) -> bool:
        """Give that place, whose status is 0, to that key; ``False`` if another has it. The key is added in the same
        transaction."""

    async def set_statuses(self, changes: Mapping[str, int]) -> None:
        """By key id: statuses that differ from the present ones. Each page concerned gets one new version."""

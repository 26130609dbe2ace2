"""Which gateway has the link of which vehicle, where several gateways share one database: the values and the port.

A *lease* says that one gateway, and no other, meets a vehicle. Its ``fence`` grows whenever the lease changes hands; a
gateway that was taken for dead shows an old one, and the database refuses what it writes about the vehicle's commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Lease:
    """``gateway_id``: who has it. ``fence``: the number of times it has been given out."""

    vehicle_id: str
    gateway_id: str
    fence: int


class LeaseStore(Protocol):
    """Every write is durable when it returns. ``StoreError`` if the database cannot be used.

    A gateway beats by adding to a count. Whoever sees a count stand still for long enough, by a clock of its own,
    buries that gateway: no clock is compared with another machine's.
    """

    async def join(self, gateway_id: str) -> None:
        """Be one of the gateways; the count begins at 0."""

    async def beat(self, gateway_id: str) -> Mapping[str, int] | None:
        """Add one to the count; the counts of all gateways by id. ``None``: this one has been buried."""

    async def bury(self, gateway_id: str, count: int, heir: str) -> Sequence[Lease]:
        """Take over from a gateway whose count still is ``count``: the leases that the heir has of it now.

        Nothing happens if it has moved on, or if somebody was quicker.
        """

    async def leave(self, gateway_id: str) -> None:
        """No longer be one of them, and give every lease back."""

    async def take(self, vehicle_id: str, gateway_id: str) -> Lease:
        """The lease of that vehicle: this gateway's if none of the gateways had it, else as it is.

        ``StoreError`` store_busy (retryable) if this gateway has been buried; ``add_command`` does the same.
        """

    async def give_back(self, lease: Lease) -> bool:
        """Whether it is given back; not while a command is neither settled nor unknown, nor if it is
        somebody else's now."""

    async def lease(self, vehicle_id: str) -> Lease | None:
        """Who has it, if anybody."""

    async def tell_heard(self, heard: Mapping[Lease, str | None]) -> None:
        """What is heard of these vehicles, as text for the other gateways; ``None``: nothing any more. Forgotten when
        the lease changes hands.

        Nothing is written of a lease that does not stand any more.
        """

    async def heard(self, vehicle_id: str | None = None) -> Mapping[str, str | None]:
        """What was told last, of that vehicle or of all that ever were leased; ``None``: nothing since."""

    async def announce(self, text: str) -> None:
        """Tell the other gateways; they may hear it twice, or late, or (after a lost connection) never."""

"""An ``Air`` that reaches as far as the phone's radio does: nobody is beyond it, and nothing works in flight mode."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from keygw.model.errors import LinkError
from keygw.vehicle.ports import Air, Link, Sighting

REACH_METRES = 30.0
"""Of Bluetooth, from a pocket, in a car park."""


class ReachAir:
    """``on``: whether the radio is; ``near``: whether the car is in its reach. Both are asked anew each time."""

    def __init__(self, air: Air, on: Callable[[], bool], near: Callable[[], bool]) -> None:
        self._air, self._on, self._near = air, on, near
        self._links: list[Link] = []

    async def scan(self, seconds: float) -> Sequence[Sighting]:
        return await self._air.scan(seconds) if self._on() and self._near() else []

    async def open(self, wanted: Callable[[bytes], bool], timeout: float, avoid: Collection[str] = ()) -> Link:
        if not self._on():
            raise LinkError("the phone is in flight mode; turn that off", code="radio_unavailable")
        if not self._near():
            raise LinkError("the car is out of the phone's reach; go nearer", code="out_of_range")
        link = await self._air.open(wanted, timeout, avoid)
        self._links = [link]  # a phone that opens another has done with the one before
        return link

    async def cut(self) -> None:
        """The radio is off, or the car out of reach: whatever was open is lost."""
        links, self._links = self._links, []
        for link in links:
            await link.close()

    async def close(self) -> None:
        await self.cut()
        await self._air.close()

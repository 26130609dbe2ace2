"""What the gateway that has a vehicle's link hears over it, shown to the others: their apps ask for it, too."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict

import structlog

from keygw.bridge.fault import describe
from keygw.bridge.feed import Feed
from keygw.bridge.lease_ports import LeaseStore
from keygw.bridge.leases import Leases
from keygw.model.signal import Signal, SignalId
from keygw.vehicle.values import LinkStatus

log = structlog.get_logger(__name__)

PAUSE_SECONDS = 0.2
"""Between two writes: a vehicle that tells something ten times a second is written five times."""


class Mirror:
    """``link``: of this gateway's own fleet."""

    def __init__(self, store: LeaseStore, leases: Leases, feed: Feed, link: Callable[[str], LinkStatus | None]) -> None:
        self._store = store
        self._leases = leases
        self._feed = feed
        self._link = link
        self._due: dict[str, None] = {}
        self._seen: dict[str, LinkStatus] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def status(self, vehicle_id: str) -> LinkStatus | None:
        """How the link of another gateway is."""
        return self._seen.get(vehicle_id)

    def note(self, vehicle_id: str) -> None:
        """Something was heard over a link of ours: write it soon."""
        self._due[vehicle_id] = None
        if self._task is None and not self._stopped:
            self._task = asyncio.get_running_loop().create_task(self._write(), name="mirror")

    async def heard(self, vehicle_id: str) -> None:
        """Another gateway has written what it hears, or that it hears nothing more."""
        self._show(vehicle_id, (await self._store.heard(vehicle_id)).get(vehicle_id))

    async def look(self) -> None:
        """All of it, because something may have been missed."""
        for vehicle_id, text in (await self._store.heard()).items():
            self._show(vehicle_id, text)

    async def stop(self) -> None:
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _show(self, vehicle_id: str, text: str | None) -> None:
        if self._leases.of(vehicle_id) is not None:
            text = None  # what we hear ourselves is truer
        if text is None:
            if self._seen.pop(vehicle_id, None) is not None and self._link(vehicle_id) is None:
                self._feed.on_mirror(vehicle_id, False, ())
            return
        status, signals = _read(text)
        self._seen[vehicle_id] = status
        self._feed.on_mirror(vehicle_id, status.up, signals)

    async def _write(self) -> None:
        try:
            while self._due:
                due, self._due = self._due, {}
                leases = [lease for vehicle_id in due if (lease := self._leases.of(vehicle_id)) is not None]
                texts = {lease: self._text(lease.vehicle_id) for lease in leases}
                try:
                    await self._store.tell_heard(texts)  # nothing of a vehicle whose link has ended stays written
                except Exception as error:  # what is heard next is written then
                    log.warning("heard_not_written", **describe(error))
                await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._task = None

    def _text(self, vehicle_id: str) -> str | None:
        status = self._link(vehicle_id)
        if status is None:
            return None
        signals = [
            [int(each.id), each.value, each.at, each.received_at] for each in self._feed.signals.heard(vehicle_id)
        ]
        return json.dumps({"link": asdict(status), "signals": signals}, separators=(",", ":"))


def _read(text: str) -> tuple[LinkStatus, list[Signal]]:
    data = json.loads(text)
    signals = [Signal(SignalId(number), value, at, received_at) for number, value, at, received_at in data["signals"]]
    return LinkStatus(**data["link"]), signals

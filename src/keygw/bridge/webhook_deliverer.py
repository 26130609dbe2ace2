"""Who delivers webhooks: a lane for each that is this gateway's, so that none waits for another's receiver.

Of several gateways on a database one has each webhook, as long as it lives; the others take over what it leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from keygw.bridge.fault import describe
from keygw.bridge.webhook_lane import Lane, Office

log = structlog.get_logger(__name__)

ROUND_SECONDS = 5.0
"""From one look at what is nobody's to the next."""
SETTLE_ROUNDS = 12
"""After so many it is written down what was passed over."""


class Deliverer:
    """``gateway_id``: as whom this gateway is in the books now (``Leases``)."""

    def __init__(self, office: Office, gateway_id: Callable[[], str], seconds: float = ROUND_SECONDS) -> None:
        self._office = office
        self._gateway_id = gateway_id
        self._seconds = seconds
        self._lanes: dict[str, tuple[Lane, asyncio.Task[None]]] = {}
        self._poked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        office.feed.on_recorded.append(self._hear)

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._work(), name="webhooks")

    async def stop(self) -> None:
        """What is on its way is cut off, and sent again by whoever is next."""
        if self._task is None:
            return
        tasks = [self._task, *(task for _, task in self._lanes.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            await self._settle()
            await self._office.store.let_webhooks_go(self._gateway_id())
        except Exception as error:  # those who bury us take them over
            log.warning("webhooks_not_given_back", **describe(error))
        self._lanes.clear()

    def changed(self, webhook_id: str) -> None:
        """By this gateway or another."""
        if webhook_id in self._lanes:
            self._lanes[webhook_id][0].changed()
        self._poked.set()

    def look(self) -> None:
        """Any of them may have changed."""
        for lane, _ in self._lanes.values():
            lane.changed()
        self._poked.set()

    def _hear(self, event_id: str, kind: str, data: Mapping[str, Any]) -> None:
        fresh = self._office.tail.add(event_id, kind, data)
        for lane, _ in self._lanes.values():
            lane.hear(fresh)

    async def _work(self) -> None:
        rounds = 0
        while True:
            self._poked.clear()
            try:
                await self._take()
                rounds += 1
                if rounds % SETTLE_ROUNDS == 0:
                    await self._settle()
            except Exception as error:  # a database that is busy now is not so for ever
                log.error("webhooks_not_looked_at", **describe(error))
            try:
                await asyncio.wait_for(self._poked.wait(), self._seconds)
            except TimeoutError:
                continue

    async def _take(self) -> None:
        """Begin what is ours by now, and end what is not."""
        holds = {hold.webhook_id: hold for hold in await self._office.store.hold_webhooks(self._gateway_id())}
        for webhook_id, (lane, task) in list(self._lanes.items()):
            if holds.get(webhook_id) != lane.hold or task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                del self._lanes[webhook_id]
        for webhook_id, hold in holds.items():
            if webhook_id not in self._lanes:
                lane = Lane(self._office, hold)
                task = asyncio.get_running_loop().create_task(lane.run(), name=f"webhook {webhook_id}")
                self._lanes[webhook_id] = (lane, task)

    async def _settle(self) -> None:
        """Write down what was passed over: else, after a while, it would be missed in the books, and told as a gap."""
        behind = {lane: lane.position for lane, _ in self._lanes.values() if lane.position > lane.written}
        if behind:
            await self._office.store.pass_over({lane.hold: position for lane, position in behind.items()})
            for lane, position in behind.items():
                lane.written = max(lane.written, position)

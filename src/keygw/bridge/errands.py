"""Errands to vehicles: fetch the receipts that settle unknown commands, carry new issuer keys and
revocation lists that are behind."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import structlog

from keygw.bridge.access import usable
from keygw.bridge.fault import describe
from keygw.bridge.ports import Clock, Credentials, Fleet
from keygw.bridge.records import CommandRecord
from keygw.bridge.settlement import Settlement
from keygw.model.device import DeviceKind
from keygw.model.digital_key import Role
from keygw.model.errors import KeygwError, StoreError

log = structlog.get_logger(__name__)

BACKOFF = (1.0, 4.0, 15.0)
"""Seconds between attempts; after the last one the errand waits for the next contact."""


@dataclass(slots=True)
class _Run:
    task: asyncio.Task[None]
    again: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Errands:
    """At most one task per vehicle; requests that come meanwhile are served by it."""

    def __init__(
        self,
        fleet: Fleet,
        credentials: Credentials,
        settlement: Settlement,
        clock: Clock,
        backoff: tuple[float, ...] = BACKOFF,
    ) -> None:
        self._clock = clock
        self._fleet = fleet
        self._credentials = credentials
        self._settlement = settlement
        self._backoff = backoff
        self._runs: dict[str, _Run] = {}
        self._stopped = False

    def request(self, vehicle_id: str) -> None:
        """There is something new to carry or to fetch. Returns at once."""
        run = self._runs.get(vehicle_id)
        if run is not None:
            run.again = True
            run.wake.set()
        elif not self._stopped:
            task = asyncio.get_running_loop().create_task(self._work(vehicle_id), name=f"errand {vehicle_id}")
            self._runs[vehicle_id] = _Run(task)

    async def refresh(self, vehicle_id: str) -> None:
        """Sign the vehicle's list now if it is due, so that a phone finds it at once, and set out with it.

        What has been done before this stands: a store that does not take the list now gets it with the errand.
        """
        try:
            await self._credentials.refresh_list(vehicle_id)
        except StoreError as error:
            log.warning("list_not_signed_yet", vehicle_id=vehicle_id, code=error.code)
        self.request(vehicle_id)

    def busy(self, vehicle_id: str) -> bool:
        """Is somebody on the way, or about to be?"""
        return vehicle_id in self._runs

    async def in_doubt(self, record: CommandRecord) -> None:
        """The command may have happened: look for its receipt in the store, and if it is not there send for it."""
        await self._settlement.watch(record)
        if self._settlement.unsettled(record.command.vehicle_id):
            self.request(record.command.vehicle_id)

    def contact(self, vehicle_id: str) -> None:
        """The vehicle can be reached. Ends a pause; a contact that our own errand made starts nothing new."""
        run = self._runs.get(vehicle_id)
        if run is None:
            self.request(vehicle_id)
        else:
            run.wake.set()

    async def stop(self) -> None:
        self._stopped = True
        tasks = [run.task for run in self._runs.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, vehicle_id: str) -> None:
        run = self._runs[vehicle_id]
        failures = 0
        try:
            while True:
                run.again = False
                run.wake.clear()
                try:
                    await self._do(vehicle_id)
                except Exception as error:
                    _report(vehicle_id, error)
                    if failures >= len(self._backoff) and not run.again:
                        return
                    await _pause(run.wake, self._backoff[min(failures, len(self._backoff) - 1)])
                    failures += 1
                else:
                    if not run.again:
                        return
                    failures = 0
        finally:
            del self._runs[vehicle_id]

    async def _do(self, vehicle_id: str) -> None:
        """All errands, even if one fails: a list must not wait for the sake of a lost key's receipts.

        One that is due is signed first, wherever the vehicle may be: a phone may meet it sooner than we do.
        """
        await self._credentials.refresh_list(vehicle_id)
        try:
            await self._fetch(vehicle_id)
        finally:
            try:
                await self._fleet.sync_issuer_keys(vehicle_id)  # the list may be signed by the new one
            finally:
                if vehicle_id in await self._credentials.vehicles_behind():
                    await self._fleet.sync_list(vehicle_id)

    async def _fetch(self, vehicle_id: str) -> None:
        unknown = self._settlement.unsettled(vehicle_id)
        for key_id in dict.fromkeys(record.command.key_id for record in unknown):
            reader = await self._reader(vehicle_id, key_id)
            await self._fleet.settle(vehicle_id, reader)
            # Only a session of the same key ends that key's earlier ones at the vehicle. With another key a command
            # that was held back on its way may still arrive, so nothing can be concluded from its absence.
            if reader == key_id:
                asked = [record for record in unknown if record.command.key_id == key_id]
                await self._settlement.after_fetch(vehicle_id, asked)

    async def _reader(self, vehicle_id: str, key_id: str) -> str:
        """The key to ask with: the command's own or, if that has ended, a hosted owner key, which reads everything."""
        now = self._clock()
        if usable(await self._credentials.key(key_id), now):
            return key_id
        for key in await self._credentials.keys(vehicle_id=vehicle_id):
            if key.role is Role.OWNER and usable(key, now):
                device = await self._credentials.device(key.device_id)
                if device.kind is DeviceKind.HOSTED:
                    return key.id
        return key_id


async def _pause(wake: asyncio.Event, seconds: float) -> None:
    wake.clear()
    try:
        async with asyncio.timeout(seconds):
            await wake.wait()
    except TimeoutError:
        pass


def _report(vehicle_id: str, error: Exception) -> None:
    if isinstance(error, KeygwError):
        log.info("errand_postponed", vehicle_id=vehicle_id, code=error.code)
    else:
        log.error("errand_broke", vehicle_id=vehicle_id, **describe(error))

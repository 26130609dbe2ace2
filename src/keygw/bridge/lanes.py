"""A lane per vehicle: its commands run one after the other, in the order they came, in bounded number."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from keygw.bridge.executor import Ending, Executor, Job
from keygw.bridge.fault import describe
from keygw.bridge.records import CommandRecord
from keygw.model.command import CommandState
from keygw.model.errors import Conflict, KeygwError, StoreError

log = structlog.get_logger(__name__)

ROOM = 16
SLOWEST = 15.0
"""Seconds: the longest pause between two attempts to write an outcome that the store refused."""


@dataclass(slots=True)
class _Lane:
    waiting: deque[Job] = field(default_factory=deque)
    taken: int = 0
    worker: asyncio.Task[None] | None = None


class Lanes:
    """``after``: awaited with each record whose job ended in doubt. A worker exists only while its lane has jobs.

    A command that has ended keeps its place until that is on the disk: where the store refuses, the lane goes on, and
    the outcome is offered again and again, more and more slowly, until it is taken or the gateway stops.
    """

    def __init__(
        self, executor: Executor, after: Callable[[CommandRecord], Awaitable[None]], again: float, room: int = ROOM
    ) -> None:
        self._executor = executor
        self._after = after
        self._again = again
        self._room = room
        self._lanes: dict[str, _Lane] = {}
        self._jobs: dict[str, Job] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._owed: set[asyncio.Task[None]] = set()
        self._stopped = False

    def job(self, command_id: str) -> Job | None:
        """The running or waiting job of a command."""
        return self._jobs.get(command_id)

    def busy(self, vehicle_id: str) -> bool:
        """Would a new job have to wait behind another?"""
        lane = self._lanes.get(vehicle_id)
        return lane is not None and lane.worker is not None

    def idle(self, vehicle_id: str) -> bool:
        """Is there no job for it, waiting or running?"""
        return vehicle_id not in self._lanes

    def reserve(self, vehicle_id: str) -> None:
        """Take a place, before anything is promised. ``Conflict`` busy if there is none."""
        self.check(vehicle_id)
        self._lanes.setdefault(vehicle_id, _Lane()).taken += 1

    def check(self, vehicle_id: str) -> None:
        """``Conflict`` busy if there is no place; none is taken."""
        lane = self._lanes.get(vehicle_id)
        if lane is not None and lane.taken >= self._room:
            raise Conflict("too many commands wait for this vehicle; try again soon", code="busy", retryable=True)

    def release(self, vehicle_id: str) -> None:
        lane = self._lanes[vehicle_id]
        lane.taken -= 1
        if lane.taken == 0 and lane.worker is None:
            del self._lanes[vehicle_id]

    def put(self, job: Job) -> None:
        """Start or queue a job whose place was reserved."""
        self._jobs[job.record.id] = job
        self._enqueue(job)

    def drop(self, job: Job) -> bool:
        """Take a job that has not started out of its lane; False if it is running."""
        lane = self._lanes[job.record.command.vehicle_id]
        timer = self._timers.pop(job.record.id, None)
        if timer is not None:
            timer.cancel()
        elif job in lane.waiting:
            lane.waiting.remove(job)
        else:
            return False
        return True

    async def write(self, job: Job) -> None:
        """The job is done: make its ending durable now, if it is not yet. ``StoreError``: the store still refuses."""
        await self._executor.write(job)

    def finish(self, job: Job) -> None:
        """The job is over: free its place and wake whoever waits for it. The second time nothing happens."""
        job.done.set()
        if self._jobs.pop(job.record.id, None) is None:
            return
        self.release(job.record.command.vehicle_id)

    def contact(self, vehicle_id: str) -> None:
        """The vehicle can be heard: jobs that paused for it need not wait any longer."""
        for job in list(self._jobs.values()):
            timer = self._timers.get(job.record.id)
            if timer is not None and job.record.command.vehicle_id == vehicle_id:
                timer.cancel()
                self._resume(job)

    async def abandon(self, vehicle_id: str) -> None:
        """The vehicle is another gateway's now: drop its jobs where they are; that one goes by their durable states."""
        jobs = [job for job in self._jobs.values() if job.record.command.vehicle_id == vehicle_id]
        for job in jobs:
            timer = self._timers.pop(job.record.id, None)
            if timer is not None:
                timer.cancel()
        lane = self._lanes.get(vehicle_id)
        if lane is not None:
            lane.waiting.clear()
            if lane.worker is not None:
                lane.worker.cancel()
                await asyncio.gather(lane.worker, return_exceptions=True)
                lane.worker = None  # one that was cancelled before its first step has not said so itself
        for job in jobs:
            self.finish(job)

    async def stop(self) -> None:
        """Drop everything where it is, as a crash would; the next start tidies up by the durable states."""
        self._stopped = True
        for timer in self._timers.values():
            timer.cancel()
        tasks = [task for lane in self._lanes.values() if (task := lane.worker) is not None]
        tasks.extend(self._owed)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _enqueue(self, job: Job) -> None:
        lane = self._lanes[job.record.command.vehicle_id]
        lane.waiting.append(job)
        self._start(job.record.command.vehicle_id, lane)

    def _start(self, vehicle_id: str, lane: _Lane) -> None:
        if lane.worker is None and lane.waiting and not self._stopped:
            lane.worker = asyncio.create_task(self._work(vehicle_id, lane), name=f"lane {vehicle_id}")

    def _resume(self, job: Job) -> None:
        self._timers.pop(job.record.id, None)
        self._enqueue(job)

    async def _work(self, vehicle_id: str, lane: _Lane) -> None:
        try:
            while lane.waiting:
                await self._attempt(lane.waiting.popleft())
        finally:
            lane.worker = None
            self._start(vehicle_id, lane)  # whatever ended this one, nobody is left waiting
            if lane.taken == 0:
                self._lanes.pop(vehicle_id, None)

    async def _attempt(self, job: Job) -> None:
        job.task = asyncio.create_task(self._executor.run(job), name=f"command {job.record.id}", context=job.context)
        try:
            await asyncio.wait({job.task})
        except asyncio.CancelledError:
            job.task.cancel()
            await asyncio.gather(job.task, return_exceptions=True)
            raise
        error = asyncio.CancelledError() if job.task.cancelled() else job.task.exception()
        if error is not None:
            # Most likely the store: what could not be made durable is not announced, so the last durable state stands.
            log.error("command_not_recorded", command_id=job.record.id, state=job.record.state.value, **describe(error))
            if job.ending is None:
                job.ending = Ending(CommandState.UNKNOWN if job.sent else CommandState.FAILED, "internal")
            job.done.set()
            task = asyncio.create_task(self._insist(job), name=f"outcome of {job.record.id}")
            self._owed.add(task)
            task.add_done_callback(self._owed.discard)
        elif job.task.result():
            await self._over(job)
        else:
            loop = asyncio.get_running_loop()
            pause = max(0.0, min(self._again, job.deadline - loop.time()))
            self._timers[job.record.id] = loop.call_later(pause, self._resume, job)

    async def _insist(self, job: Job) -> None:
        """Write the outcome that the store refused, however long that takes."""
        pause = self._again
        while True:
            await asyncio.sleep(pause)
            pause = min(2 * pause, SLOWEST)
            try:
                await self._executor.write(job)
            except Exception as error:
                if isinstance(error, KeygwError) and not isinstance(error, StoreError):
                    # Not the disk: the record is gone, or it ended by another road.
                    log.error("command_not_recordable", command_id=job.record.id, **describe(error))
                    return self.finish(job)
                continue
            log.info("command_recorded_late", command_id=job.record.id, state=job.record.state.value)
            return await self._over(job)

    async def _over(self, job: Job) -> None:
        self.finish(job)
        if job.record.may_have_happened and not job.record.state.settled:
            try:
                await self._after(job.record)
            except Exception as error:
                # It stays unknown, as the disk says; the next contact with the vehicle looks again.
                log.error("doubt_not_pursued", command_id=job.record.id, **describe(error))

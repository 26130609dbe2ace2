"""A lane per vehicle: its commands run one after the other, in the order they came, in bounded number."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from keygw.bridge.executor import Executor, Job
from keygw.bridge.fault import describe
from keygw.bridge.records import CommandRecord
from keygw.model.errors import Conflict

log = structlog.get_logger(__name__)

ROOM = 16


@dataclass(slots=True)
class _Lane:
    waiting: deque[Job] = field(default_factory=deque)
    taken: int = 0
    worker: asyncio.Task[None] | None = None


class Lanes:
    """``after``: awaited with each record whose job ended in doubt. A worker exists only while its lane has jobs."""

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

    def job(self, command_id: str) -> Job | None:
        """The running or waiting job of a command."""
        return self._jobs.get(command_id)

    def busy(self, vehicle_id: str) -> bool:
        """Would a new job have to wait behind another?"""
        lane = self._lanes.get(vehicle_id)
        return lane is not None and lane.worker is not None

    def reserve(self, vehicle_id: str) -> None:
        """Take a place, before anything is promised. ``Conflict`` busy if there is none."""
        lane = self._lanes.setdefault(vehicle_id, _Lane())
        if lane.taken >= self._room:
            raise Conflict("too many commands wait for this vehicle; try again soon", code="busy", retryable=True)
        lane.taken += 1

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

    def finish(self, job: Job) -> None:
        """The job is over: free its place and wake whoever waits for it."""
        self._jobs.pop(job.record.id, None)
        job.done.set()
        self.release(job.record.command.vehicle_id)

    def contact(self, vehicle_id: str) -> None:
        """The vehicle can be heard: jobs that paused for it need not wait any longer."""
        for job in list(self._jobs.values()):
            timer = self._timers.get(job.record.id)
            if timer is not None and job.record.command.vehicle_id == vehicle_id:
                timer.cancel()
                self._resume(job)

    async def stop(self) -> None:
        """Drop everything where it is, as a crash would; the next start tidies up by the durable states."""
        for timer in self._timers.values():
            timer.cancel()
        tasks = [task for lane in self._lanes.values() if (task := lane.worker) is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _enqueue(self, job: Job) -> None:
        lane = self._lanes[job.record.command.vehicle_id]
        lane.waiting.append(job)
        if lane.worker is None:
            vehicle_id = job.record.command.vehicle_id
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
            if lane.taken == 0:
                del self._lanes[vehicle_id]

    async def _attempt(self, job: Job) -> None:
        job.task = asyncio.create_task(self._executor.run(job), name=f"command {job.record.id}")
        try:
            over = await job.task
        except asyncio.CancelledError:
            job.task.cancel()
            await asyncio.gather(job.task, return_exceptions=True)
            raise
        except Exception as error:
            # Most likely the store: what could not be made durable is not announced; the last durable state stands.
            log.error("command_not_recorded", command_id=job.record.id, state=job.record.state.value, **describe(error))
            over = True
        if not over:
            loop = asyncio.get_running_loop()
            pause = max(0.0, min(self._again, job.deadline - loop.time()))
            self._timers[job.record.id] = loop.call_later(pause, self._resume, job)
            return
        self.finish(job)
        if job.record.may_have_happened and not job.record.state.settled:
            await self._after(job.record)

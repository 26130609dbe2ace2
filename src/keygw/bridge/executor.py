"""Runs one command: asks the policy, hands it to the fleet, and never lets it outlive its time."""

from __future__ import annotations

import asyncio
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

import structlog

from keygw.bridge.access import begun
from keygw.bridge.fault import describe
from keygw.bridge.ledger import Ledger
from keygw.bridge.ports import Authorize, Clock, Credentials, Fleet
from keygw.bridge.records import CommandRecord
from keygw.model.command import AuthorizedCommand, CommandState, Outcome
from keygw.model.errors import Forbidden, KeygwError, NotFound, StoreError
from keygw.model.receipt import Receipt
from keygw.vehicle.values import CommandResult, Measures

log = structlog.get_logger(__name__)

_ENDS = frozenset({CommandState.CONFIRMED, CommandState.FAILED, CommandState.EXPIRED, CommandState.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. ``doors``: life of a lock and the most an unlock ever has; ``other``: life of everything else.

    ``absent``: how long one attempt looks for a vehicle before bytes left; ``answer``: how long to wait for the answer
    after; ``again``: pause between attempts of a patient command; ``longest``: the latest expiry an app may set;
    ``rewrite``: pauses between attempts to write an outcome to a store that is busy.
    """

    doors: float = 4.0
    other: float = 15.0
    absent: float = 3.5
    answer: float = 10.0
    again: float = 1.0
    longest: float = 86_400.0
    rewrite: tuple[float, ...] = (0.05, 0.5, 2.0)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ended, on its way to the disk."""

    state: CommandState
    reason: str | None
    found: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Job:
    """A command on its way through this process. ``deadline`` is loop time: a clock set back gives no more life.

    ``ending``: how it ended, as soon as that is known. ``done``: nothing more happens but, where the store refused,
    the writing of that.
    """

    record: CommandRecord
    deadline: float
    sent: bool = False
    cancelled: bool = False
    task: asyncio.Task[bool] | None = None
    in_fleet: bool = False
    ending: Ending | None = None
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    context: Context = field(default_factory=copy_context)
    """Of the request that asked for it, so that logs and traces of its attempts name that one."""
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def left(self, now: float) -> float:
        """Seconds it may still live; the stricter of the wall clock and the loop's."""
        return min(self.record.command.expires_at - now, self.deadline - asyncio.get_running_loop().time())


class Executor:
    def __init__(
        self, ledger: Ledger, credentials: Credentials, authorize: Authorize, fleet: Fleet, clock: Clock, timing: Timing
    ) -> None:
        self._ledger = ledger
        self._credentials = credentials
        self._authorize = authorize
        self._fleet = fleet
        self._clock = clock
        self._timing = timing

    async def run(self, job: Job) -> bool:
        """One attempt. False: the vehicle is absent and the command is patient, so try again later; else it ended.

        What it raises is for the log: ``job.ending`` is set all the same, and ``write`` is still to succeed.
        """
        try:
            return await self._run(job)
        except Exception as error:
            if job.ending is None:
                job.ending = _broken(job, error)
            raise

    async def write(self, job: Job) -> None:
        """Make the ending durable, once; it may be called again after a failure. ``StoreError``: not now."""
        async with job.writing:
            ending = job.ending
            if ending is not None and job.record.state is not ending.state:
                job.record = await self._ledger.move(job.record, ending.state, reason=ending.reason, **ending.found)

    async def _run(self, job: Job) -> bool:
        command = job.record.command
        if job.left(self._clock()) <= 0:
            await self._end(job, CommandState.EXPIRED, "command_expired")
            return True
        try:
            key = await self._credentials.key(command.key_id)
            authorized = self._authorize(key, command, begun(key, self._clock()))
        except (Forbidden, NotFound) as refusal:
            await self._end(job, CommandState.FAILED, refusal.code)
            return True
        if job.cancelled:
            await self._end(job, CommandState.CANCELLED, None)
            return True
        result = await self._send(job, authorized)
        absent = result.state is CommandState.FAILED and result.reason == "out_of_range" and not job.sent
        if absent and job.record.patient and not job.cancelled:
            if job.left(self._clock()) > 0:
                return False
            result = CommandResult(CommandState.EXPIRED, "out_of_range")
        reason = result.reason
        if reason is None and result.outcome not in (None, Outcome.DONE):
            reason = result.outcome.label
        await self._end(job, result.state, reason, receipt=result.receipt, measures=result.measures)
        return True

    async def _send(self, job: Job, authorized: AuthorizedCommand) -> CommandResult:
        loop = asyncio.get_running_loop()
        timer = asyncio.timeout(min(self._timing.absent, job.left(self._clock())))

        async def on_state(state: CommandState, reason: str | None = None) -> None:
            if state is CommandState.SENT and not job.sent:
                if job.cancelled or job.left(self._clock()) <= 0:
                    raise asyncio.CancelledError  # the last gate: nothing has left yet, and now nothing will
                job.sent = True  # from here on nobody may cancel, even while the write is still under way
                timer.reschedule(loop.time() + self._timing.answer)
            elif state is not CommandState.ACKNOWLEDGED or job.record.state is not CommandState.SENT:
                return
            try:
                job.record = await self._ledger.move(job.record, state, reason=reason)
            except BaseException:
                job.sent = job.record.state is not CommandState.ACCEPTED and job.record.state is not CommandState.QUEUED
                raise  # what is not on disk must not go on the air

        try:
            job.in_fleet = True
            async with timer:
                result = await self._fleet.execute(authorized, on_state)
        except TimeoutError:
            return self._timed_out(job)
        except asyncio.CancelledError:
            if job.cancelled and not job.sent:
                _absorb_cancel()
                return CommandResult(CommandState.CANCELLED)
            if _being_cancelled():
                raise  # the gateway stops
            if not job.sent:  # refused at the last gate
                return CommandResult(CommandState.EXPIRED, "command_expired")
            return CommandResult(CommandState.UNKNOWN, "internal")
        except Exception as error:
            log.error("command_broke", command_id=job.record.id, sent=job.sent, **describe(error))
            broken = _broken(job, error)
            return CommandResult(broken.state, broken.reason)
        finally:
            job.in_fleet = False
        if result.state not in _ENDS or (result.state is CommandState.UNKNOWN and not job.sent):
            log.error("command_result_out_of_place", command_id=job.record.id, state=result.state.value)
            return CommandResult(CommandState.UNKNOWN if job.sent else CommandState.FAILED, "internal")
        if result.state is CommandState.CONFIRMED and not job.sent:
            log.error("command_confirmed_unsent", command_id=job.record.id)
            return CommandResult(CommandState.FAILED, "internal")
        return result

    def _timed_out(self, job: Job) -> CommandResult:
        if job.sent:
            return CommandResult(CommandState.UNKNOWN, "no_answer")
        link = self._fleet.link(job.record.command.vehicle_id)
        absent = link is None or link.state == "disconnected"
        return CommandResult(CommandState.FAILED, "out_of_range" if absent else "link_timeout")

    async def _end(self, job: Job, state: CommandState, reason: str | None, **found: Receipt | Measures | None) -> None:
        """Write the outcome; a store that is only busy gets a few more chances, for this must not be lost."""
        job.ending = Ending(state, reason, found)
        for pause in (*self._timing.rewrite, None):
            try:
                await self.write(job)
                return
            except StoreError as error:
                if pause is None or not error.retryable:
                    raise
                await asyncio.sleep(pause)


def _broken(job: Job, error: Exception) -> Ending:
    reason = error.code if isinstance(error, KeygwError) else "internal"
    return Ending(CommandState.UNKNOWN if job.sent else CommandState.FAILED, reason)


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _absorb_cancel() -> None:
    """Our own cancel has done its work; the task goes on to write the outcome."""
    task = asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()

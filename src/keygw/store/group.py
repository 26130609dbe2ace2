"""Group commit: writers that wait at the same time share one transaction, and so one flush to the disk.

A *work* is an async function that asks and writes through its ``Transaction`` and awaits nothing else. Works run one
after the other, each sees the writes of those before it, and all are committed together. A work that fails takes no
neighbour with it: where it had written something the group runs once more, each work in a savepoint of its own. So a
work may run more than once, and must leave nothing behind outside of its transaction.

What every work adds a little to (the audit trail, the outbox) is written once for all of them: ``Transaction.append``.
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from keygw.model.errors import StoreError

GROUP = 64
"""Works in one transaction at most: what the next ones wait for stays short."""
MOST_WAITING = 1024

T = TypeVar("T")
Row = Sequence[Any]
Fetch = Callable[..., Coroutine[Any, Any, list[Row]]]
"""``await fetch(sql, parameters)``: every row of the answer."""
Ledger = Callable[[Fetch, Sequence[Any]], Awaitable[None]]
"""Writes what the works of a group have appended, in their order. It raises nothing but the storage's own errors."""


class Transaction:
    """The open transaction. Only of use inside its work."""

    __slots__ = ("_announcer", "_callbacks", "_fetch", "_open", "appended", "broken", "failed", "memo", "wrote")

    def __init__(self, fetch: Fetch, memo: dict[str, Any] | None = None, announcer: Ledger | None = None) -> None:
        self._fetch = fetch
        self._announcer = announcer
        self.memo: dict[str, Any] = {} if memo is None else memo
        """What has been read or written in this group, for who keeps it true. Forgotten when a work fails."""
        self._callbacks: list[Callable[[], None]] = []
        self._open = True
        self.appended: list[tuple[Ledger, Any]] = []
        self.wrote = False
        self.broken: StoreError | None = None
        """The storage itself failed in here: nothing that follows can be trusted to be committed."""
        self.failed: Exception | None = None
        """A statement failed. PostgreSQL refuses all that follow, so no work may go on as if nothing had been."""

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        if not self._open:
            raise RuntimeError("the transaction has ended")
        self.wrote = self.wrote or not sql.lstrip().startswith("SELECT")
        try:
            return await self._fetch(sql, parameters)
        except StoreError as error:
            self.broken = error
            raise
        except Exception as error:
            self.wrote, self.failed = True, error
            raise

    def append(self, ledger: Ledger, item: Any) -> None:
        """Let ``ledger`` write it just before the commit, with what the other works of the group append to it.

        The work itself does not see the row. If the work fails nothing is written.
        """
        self.appended.append((ledger, item))

    def announce(self, text: Callable[[], str]) -> None:
        """Tell the other processes on this database, with the commit. ``text`` is asked for when all is written."""
        if self._announcer is not None:
            self.append(self._announcer, text)

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Run it on the event loop right after the commit, in order; never if the transaction ends otherwise."""
        self._callbacks.append(callback)

    def end(self) -> list[Callable[[], None]]:
        self._open = False
        return self._callbacks


Work = Callable[[Transaction], Awaitable[T]]


class Job(Generic[T]):
    """A work that waits, and then what became of it. ``done`` belongs to the event loop, the rest to who runs it."""

    __slots__ = ("callbacks", "done", "error", "result", "work")

    def __init__(self, work: Work[T], done: asyncio.Future[T]) -> None:
        self.work = work
        self.done = done
        self.result: T | None = None
        self.error: Exception | None = None
        self.callbacks: list[Callable[[], None]] = []

    def tell(self) -> None:
        """Run what was to follow the commit, and wake the writer."""
        self.renew()
        if self.error is not None:
            self.done.set_exception(self.error)
            return
        for callback in self.callbacks:
            try:
                callback()
            except Exception as error:
                # The commit stands, so the writer must not hear of a failure; but nobody may overlook it either.
                self.done.get_loop().call_exception_handler(
                    {"message": "a callback after a commit failed", "exception": error}
                )
        self.done.set_result(self.result)  # type: ignore[arg-type]  # a work that returned has set it

    def renew(self) -> None:
        """A writer that is cancelled takes the future along; the work goes on, and somebody is to be told."""
        if self.done.cancelled():
            self.done = self.done.get_loop().create_future()


class Storage(Protocol):
    """What the stores stand on, SQLite or PostgreSQL. SQL is written once: ``?`` for each value, no dialect's own.

    Errors of the storage are ``StoreError``, a broken constraint is a ``store.errors.Duplicate``.
    """

    @property
    def name(self) -> str:
        """Where the data are, as it may be shown."""

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        """Ask one question of the committed state."""

    async def write(self, work: Work[T]) -> T:
        """``work(transaction)``, committed durably on return."""

    def watch(self, on_group: Callable[[int, float], None]) -> None:
        """Tell it of every group that is committed: works, seconds. Quick, and it must not raise."""

    def listen(self, hear: Callable[[str | None], None]) -> None:
        """Hand on what other processes on this database announce, until it is closed.

        ``None``: something may have been missed, so look at everything. Where no other process can be, nothing comes.
        """

    async def close(self) -> None:
        """Wait for the writes that were begun, refuse those that follow. The second time nothing happens."""


class Door(Protocol):
    """One connection's way through a transaction. Every failure of the storage is a ``StoreError``."""

    @property
    def announcer(self) -> Ledger | None:
        """Tells the other processes on this database what functions that give texts say; ``None``: there are none."""

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]: ...
    async def begin(self) -> None:
        """Returns as the only writer there is."""

    async def commit(self) -> None:
        """Durable on return."""

    async def rollback(self) -> None:
        """Raises nothing, whatever state the transaction is in."""


async def run_group(door: Door, jobs: Sequence[Job[Any]]) -> None:
    """Run and commit them. Raises nothing: each job knows what became of it."""
    try:
        if not await _attempt(door, jobs, careful=False):
            await _attempt(door, jobs, careful=True)
    except Exception as error:
        for job in jobs:  # each gets its own: a raised exception collects the traceback of who hears it
            job.error = copy.copy(error)


async def _attempt(door: Door, jobs: Sequence[Job[Any]], *, careful: bool) -> bool:
    """False if a work failed after it had written and nothing could undo its writes alone; then nothing is committed.

    ``careful``: each work in a savepoint.
    """
    appended: dict[Ledger, list[Any]] = {}
    memo: dict[str, Any] = {}
    await door.begin()
    try:
        for job in jobs:
            if careful:
                await door.fetch("SAVEPOINT work")
            if not await _run(door, job, appended, memo):
                if not careful:
                    await door.rollback()
                    return False
                await door.fetch("ROLLBACK TO SAVEPOINT work")
            if careful:
                await door.fetch("RELEASE SAVEPOINT work")
        said = [] if door.announcer is None else appended.pop(door.announcer, [])
        for ledger, items in appended.items():
            await ledger(door.fetch, items)
        if door.announcer is not None and said:
            await door.announcer(door.fetch, said)  # last: what is said names rows that the others have just written
        await door.commit()
    except BaseException:
        await door.rollback()
        raise
    return True


async def _run(door: Door, job: Job[Any], appended: dict[Ledger, list[Any]], memo: dict[str, Any]) -> bool:
    """False if the work failed and left writes behind; raises what is not the work's own fault."""
    tx = Transaction(door.fetch, memo, door.announcer)
    job.result = job.error = None
    try:
        job.result = await job.work(tx)
    except Exception as error:
        job.error = error
    finally:
        job.callbacks = tx.end()
    if tx.broken is not None:
        raise tx.broken
    if job.error is None:
        job.error = tx.failed
    if job.error is None:
        for ledger, item in tx.appended:
            appended.setdefault(ledger, []).append(item)
    else:
        memo.clear()
    return job.error is None or not tx.wrote


def _unwatched(works: int, seconds: float) -> None:
    """Nobody looks on."""


class GroupCommit:
    """Collects the works that wait and hands them on in groups, one group at a time."""

    def __init__(self, run: Callable[[Sequence[Job[Any]]], Awaitable[None]]) -> None:
        self._run = run
        self.on_group: Callable[[int, float], None] = _unwatched
        """Told of every group: how many works, and the seconds until they were committed or given up."""
        self._waiting: deque[Job[Any]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def write(self, work: Work[T]) -> T:
        """The work's result, once it is committed.

        A cancellation before its group began takes it out of the line; later it waits for the end of the group: what
        was committed is also told. ``StoreError`` store_busy (retryable) if the line is full.
        """
        if len(self._waiting) >= MOST_WAITING:
            raise StoreError("too many writes wait for the database: try again", code="store_busy", retryable=True)
        job: Job[T] = Job(work, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        if self._runner is None:
            self._runner = asyncio.create_task(self._work_off())
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                result = await job.done
            except asyncio.CancelledError as error:
                if job in self._waiting:
                    self._waiting.remove(job)
                    raise
                cancelled = error
                job.renew()
            except Exception:
                if cancelled is None:
                    raise
                raise cancelled from None
            else:
                if cancelled is not None:
                    raise cancelled
                return result

    async def idle(self) -> None:
        """Return once nothing waits and nothing runs."""
        while self._runner is not None:
            await asyncio.wait({self._runner})

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                # Whoever was woken by the last group, or is about to write at this moment, comes along.
                await asyncio.sleep(0)
                group = [self._waiting.popleft() for _ in range(min(GROUP, len(self._waiting)))]
                began = time.perf_counter()
                try:
                    await self._run(group)
                except Exception as error:
                    # Our own mistake; whoever waits hears of it, and the next ones have their turn.
                    for job in group:
                        job.error = StoreError("the write was not carried out", may_have_happened=True)
                        job.error.__cause__ = error
                self.on_group(len(group), time.perf_counter() - began)
                for job in group:
                    job.tell()
        finally:
            self._runner = None


async def finish(work: Coroutine[Any, Any, None]) -> None:
    """Await ``work`` to its end even if this task is cancelled meanwhile; the cancellation is raised afterwards."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()
        raise cancelled
    task.result()

"""The life of a process that is simulated in this one: whatever runs in it ends at once, at a moment one chooses.

A life counts the moments of its database: before each statement, before each commit and after it. Its fuse says at
which of them it dies. From then on nothing it does reaches a disk, a link or a caller, and what is left of it is
cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

from keygw.model.errors import StoreError
from keygw.store.group import Door, Ledger, Row

T = TypeVar("T")
_LIFE: ContextVar[Life | None] = ContextVar("life", default=None)
_MOST_ROUNDS = 50


class Gone(Exception):
    """The process does not answer: it is dead, or died over this."""


class Life:
    """``on_death`` is called at the very moment."""

    def __init__(self, on_death: Callable[[], None]) -> None:
        self.alive = True
        self.fuse: int | None = None
        """So many more moments, then it dies."""
        self.moments = 0
        self._on_death = on_death
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run it in this life, and all that it begins."""
        context = copy_context()
        context.run(_LIFE.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """What the process answers. ``Gone`` if it is dead by then."""
        if not self.alive:
            work.close()
            raise Gone
        task = self.begin(work)
        await asyncio.wait({task})
        if not self.alive or task.cancelled():
            if not task.cancelled():
                task.exception()
            raise Gone
        return task.result()

    def die(self) -> None:
        if self.alive:
            self.alive = False
            self._on_death()

    def moment(self) -> None:
        """One passes. ``StoreError`` once it is dead."""
        self.moments += 1
        if self.alive and self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.die()
        if not self.alive:
            raise StoreError("the process has died", may_have_happened=True)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self._tasks[task] = None
        task.add_done_callback(self._forget)
        if not self.alive:
            task.cancel()

    async def bury(self) -> None:
        """Cancel what is left, in the order in which it was begun. ``RuntimeError`` for what will not end."""
        for _ in range(_MOST_ROUNDS):
            if not self._tasks:
                return
            for task in list(self._tasks):
                task.cancel()
            await asyncio.sleep(0.001)
        raise RuntimeError(f"{next(iter(self._tasks))} outlives its process")

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if not self.alive and not task.cancelled():
            task.exception()  # a dead process has nobody to tell; of a living one the loop's handler hears


def tasks_have_lives(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    """A task factory: each task belongs to the life in which it was begun."""
    task = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    life = _LIFE.get() if context is None else context.get(_LIFE)
    if life is not None:
        life.adopt(task)
    return task


class MortalDoor:
    """``store.group.Door`` of a process that may die at any of its moments."""

    def __init__(self, door: Door, life: Life) -> None:
        self._door = door
        self._life = life

    @property
    def announcer(self) -> Ledger | None:
        return self._door.announcer

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[Row]:
        self._life.moment()
        return await self._door.fetch(sql, parameters)

    async def begin(self) -> None:
        self._life.moment()
        await self._door.begin()

    async def commit(self) -> None:
        self._life.moment()
        await self._door.commit()
        self._life.moment()

    async def rollback(self) -> None:
        await self._door.rollback()

"""What every database here has alike: works that are committed in groups, and a door that is closed once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from keygw.model.errors import StoreError
from keygw.store.group import GroupCommit, Job, Work

T = TypeVar("T")


class Grouped:
    """The part of ``store.group.Storage`` that is no dialect's. ``name``: as people know it. ``run``:
    commits a group."""

    def __init__(self, name: str, run: Callable[[Sequence[Job[Any]]], Awaitable[None]]) -> None:
        self.name = name
        self._groups = GroupCommit(run)
        self._closed = False

    async def write(self, work: Work[T]) -> T:
        """``work(transaction)``, committed on return; see ``store.group`` for what a work may do."""
        self._check_open()
        return await self._groups.write(work)

    def watch(self, on_group: Callable[[int, float], None]) -> None:
        """Tell it of every group that is committed: works, seconds. Quick, and it must not raise."""
        self._groups.on_group = on_group

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"the database {self.name} has been closed")


class OneGateway(Grouped):
    """One that no other gateway is on."""

    def listen(self, hear: Callable[[str | None], None]) -> None:
        """There is nobody else."""

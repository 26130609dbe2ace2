"""The one place where a command changes state: durable with the event that tells of it, then told to who waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from keygw.bridge.leases import Leases, lease_lost
from keygw.bridge.ports import Clock, CommandStore, Word
from keygw.bridge.present import command_json
from keygw.bridge.records import CommandRecord
from keygw.credentials.outbox_ports import OutboxEvent, Told
from keygw.credentials.values import Notify
from keygw.model.command import CommandState as S
from keygw.model.errors import Conflict

UPDATED = "command.updated"

TRANSITIONS: dict[S, frozenset[S]] = {
    S.ACCEPTED: frozenset({S.QUEUED, S.SENT, S.FAILED, S.EXPIRED, S.CANCELLED}),
    S.QUEUED: frozenset({S.SENT, S.FAILED, S.EXPIRED, S.CANCELLED}),
    S.SENT: frozenset({S.ACKNOWLEDGED, S.CONFIRMED, S.FAILED, S.EXPIRED, S.UNKNOWN}),
    S.ACKNOWLEDGED: frozenset({S.CONFIRMED, S.FAILED, S.EXPIRED, S.UNKNOWN}),
    S.UNKNOWN: frozenset({S.CONFIRMED, S.FAILED}),
    S.CONFIRMED: frozenset(),
    S.FAILED: frozenset(),
    S.EXPIRED: frozenset(),
    S.CANCELLED: frozenset(),
}
"""Every legal step of a command. A vehicle may refuse what was sent as too late, hence SENT to EXPIRED."""

OnSettled = Callable[[CommandRecord], None]
"""Told of every command that has ended, for figures; quick, and it must not raise."""


class Ledger:
    def __init__(
        self,
        store: CommandStore,
        leases: Leases,
        notify: Notify,
        clock: Clock,
        on_settled: OnSettled = lambda record: None,
    ) -> None:
        self._store = store
        self._leases = leases
        self._notify = notify
        self._clock = clock
        self._on_settled = on_settled
        self._waiting: dict[str, set[asyncio.Future[CommandRecord]]] = {}

    async def add(self, record: CommandRecord) -> tuple[CommandRecord, bool]:
        """Durable when it returns. Gives back an earlier record if the idempotency key was used before.

        And whether it is ours to carry; else the gateway that has the vehicle has been told.
        """
        stored, lease = await self._store.add_command(record, self._leases.gateway_id, self._word(record))
        ours = self._leases.note(lease)
        return stored, ours

    async def move(self, record: CommandRecord, state: S, **changes: Any) -> CommandRecord:
        """Write the step, and what is told of it. ``Conflict`` illegal_step if the table has no such step,
        lease_lost if another gateway has taken the vehicle over."""
        if state not in TRANSITIONS[record.state]:
            raise Conflict(f"a command cannot go from {record.state} to {state}", code="illegal_step")
        moved = record.moved(state, self._clock(), **changes)
        lease = self._leases.of(record.command.vehicle_id)
        if lease is None or not await self._store.save_command(moved, record.state, lease, self._word(moved)):
            raise lease_lost()
        self._ended(moved)
        if moved.state.settled:
            self._on_settled(moved)
        return moved

    async def heard(self, command_id: str) -> CommandRecord | None:
        """Another gateway has written that command: tell those who wait here. The record as it is, if anybody does."""
        record = await self._store.command(command_id) if command_id in self._waiting else None
        if record is not None:
            self._ended(record)
        return record

    def waited_for(self) -> list[str]:
        """The commands for whose end somebody waits here."""
        return list(self._waiting)

    async def get(self, command_id: str) -> CommandRecord | None:
        return await self._store.command(command_id)

    async def wait(self, record: CommandRecord, seconds: float) -> CommandRecord:
        """The record as soon as it is settled, or as it stands after ``seconds``."""
        if record.state.settled:
            return record
        future: asyncio.Future[CommandRecord] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(record.id, set())
        waiting.add(future)
        try:
            # It may have moved between the caller's read and now.
            latest = await self._store.command(record.id) or record
            if latest.state.settled:
                return latest
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            return await self._store.command(record.id) or record
        finally:
            waiting.discard(future)
            if not waiting:
                self._waiting.pop(record.id, None)

    def _word(self, record: CommandRecord) -> Word:
        event = OutboxEvent(UPDATED, record.command.vehicle_id, command_json(record), int(record.updated_at))
        return Word(event, self._told)

    def _told(self, told: Told) -> None:
        self._notify(told.event.type, dict(told.event.data), told.event_id)

    def _ended(self, record: CommandRecord) -> None:
        if record.state.settled:
            for future in self._waiting.get(record.id, ()):
                if not future.done():
                    future.set_result(record)

"""Settles commands whose outcome is unknown, from nothing but the vehicle's signed receipts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from keygw.bridge.ledger import Ledger
from keygw.bridge.ports import Credentials
from keygw.bridge.records import CommandRecord
from keygw.model.command import CommandState, Outcome
from keygw.model.errors import KeygwError, StoreError
from keygw.model.receipt import Receipt
from keygw.model.signal import SignalId, SignalValue
from keygw.vehicle.expectation import contradicts

log = structlog.get_logger(__name__)

DISAGREES = "signal_disagrees"
Readings = Callable[[str], dict[SignalId, SignalValue]]

_PAGE = 100


class Settlement:
    """``readings``: the live signals of a vehicle; asked only where a receipt and the signals did not agree before."""

    def __init__(self, ledger: Ledger, credentials: Credentials, readings: Readings) -> None:
        self._readings = readings
        self._ledger = ledger
        self._credentials = credentials
        self._unknown: dict[str, CommandRecord] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def unsettled(self, vehicle_id: str | None = None) -> list[CommandRecord]:
        """Commands in state unknown, oldest first."""
        return [r for r in self._unknown.values() if vehicle_id in (None, r.command.vehicle_id)]

    def forget(self, vehicle_id: str) -> None:
        """The vehicle is another gateway's now, and so are its doubts."""
        for record in self.unsettled(vehicle_id):
            del self._unknown[record.id]

    async def watch(self, record: CommandRecord) -> None:
        """Take on a command that just became unknown; its receipt may already be there.

        Where the receipt is known and the signals spoke against it, only a fresh look at the vehicle can tell.
        """
        self._unknown[record.id] = record
        if record.reason != DISAGREES:
            await self._search(record)

    def on_receipt(self, vehicle_id: str, receipt: Receipt) -> None:
        """A stored receipt has come in; settle the command it speaks of, if it is one of ours."""
        for record in self.unsettled(vehicle_id):
            if record.reason != DISAGREES and _tells_of(receipt, record):
                task = asyncio.get_running_loop().create_task(self._settle(record, receipt))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def after_fetch(self, vehicle_id: str, asked: list[CommandRecord]) -> None:
        """All receipts that the vehicle has for these commands' keys are in. What has none did not happen.

        That is concluded only from a log without holes since the command was made: a friend's key reads only its own
        receipts, and a hole may hide the one in question. ``asked``: what was unknown before the fetch began.
        """
        for record in asked:
            if record.id not in self._unknown:
                continue
            complete = await self._search(record)
            # One that the vehicle answered did happen, or was refused: no receipt means that it lost its log, or lies.
            answered = any(state is CommandState.ACKNOWLEDGED for state, _ in record.timeline)
            if complete and not answered and record.id in self._unknown:
                await self._close(record, CommandState.FAILED, "not_executed", None)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _search(self, record: CommandRecord) -> bool:
        """Settle from the stored receipts if one tells; returns whether the log since then has no holes."""
        vehicle_id, after, complete = record.command.vehicle_id, record.receipt_floor, True
        while page := await self._credentials.receipts(vehicle_id, after=after, limit=_PAGE):
            for receipt in page:
                complete = complete and receipt.sequence == after + 1
                after = receipt.sequence
                if _tells_of(receipt, record):
                    await self._settle(record, receipt)
                    return complete
        return complete

    async def _settle(self, record: CommandRecord, receipt: Receipt) -> None:
        outcome = receipt.outcome
        state = CommandState.CONFIRMED if outcome.ok else CommandState.FAILED
        reason = None if outcome is Outcome.DONE else outcome.label
        if record.reason == DISAGREES and contradicts(record.command.action, self._readings(record.command.vehicle_id)):
            state, reason = CommandState.FAILED, DISAGREES
        await self._close(record, state, reason, receipt)

    async def _close(
        self, record: CommandRecord, state: CommandState, reason: str | None, receipt: Receipt | None
    ) -> None:
        if self._unknown.pop(record.id, None) is None:
            return
        try:
            await self._ledger.move(record, state, reason=reason, receipt=receipt)
        except KeygwError as error:
            if isinstance(error, StoreError):  # else it has ended by another road, or is another gateway's
                self._unknown[record.id] = record
            log.warning("settlement_not_recorded", command_id=record.id, code=error.code)
        else:
            log.info("command_settled", command_id=record.id, state=state.value, reason=reason)


def _tells_of(receipt: Receipt, record: CommandRecord) -> bool:
    """Numbers are deduplicated per key, and a receipt older than the command cannot be its own."""
    command = record.command
    return (
        receipt.vehicle_id == command.vehicle_id
        and receipt.key_id == command.key_id
        and receipt.number == command.number
        and receipt.action == command.action
        and receipt.sequence > record.receipt_floor
    )

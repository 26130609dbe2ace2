"""Command resources: made durable before they are answered, run at most once, and always brought to an end."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable

import structlog

from keygw.bridge.access import Access, View, begun, require
from keygw.bridge.apps import require_proof
from keygw.bridge.executor import Job, Timing
from keygw.bridge.foresight import Live, Rehearsal, foreseen
from keygw.bridge.lanes import Lanes
from keygw.bridge.ledger import Ledger
from keygw.bridge.ports import Authorize, Clock, CommandStore, Credentials
from keygw.bridge.records import App, CommandRecord
from keygw.bridge.scopes import COMMAND_SCOPES, Scope
from keygw.model.command import Action, Command, CommandState
from keygw.model.errors import BadInput, Conflict, Forbidden, NotFound, StoreError
from keygw.model.ids import Random, new_id

log = structlog.get_logger(__name__)

Announce = Callable[[str], Awaitable[None]]
"""Tells the other gateways."""
WAITING = frozenset({CommandState.ACCEPTED, CommandState.QUEUED})
"""Nothing has left yet."""
ELSEWHERE_SECONDS = 2.0
"""How long another gateway gets to take a command back."""

_UNLOCKS = (Action.UNLOCK, Action.PASSIVE_UNLOCK)
_DOORS = (Action.LOCK, *_UNLOCKS)


class Commands:
    """``in_doubt``: awaited with a command that may have happened and has no outcome. ``live``: what a vehicle tells
    now."""

    def __init__(
        self,
        store: CommandStore,
        announce: Announce,
        ledger: Ledger,
        lanes: Lanes,
        in_doubt: Callable[[CommandRecord], Awaitable[None]],
        access: Access,
        credentials: Credentials,
        authorize: Authorize,
        clock: Clock,
        random: Random,
        timing: Timing,
        live: Callable[[str], Live],
    ) -> None:
        self._store = store
        self._announce = announce
        self._ledger = ledger
        self._lanes = lanes
        self._in_doubt = in_doubt
        self._access = access
        self._credentials = credentials
        self._authorize = authorize
        self._clock = clock
        self._random = random
        self._timing = timing
        self._live = live
        self._launching: set[str] = set()
        self._launches: set[asyncio.Task[tuple[CommandRecord, bool]]] = set()

    async def create(
        self,
        app: App,
        vehicle_id: str,
        *,
        action: str,
        idempotency_key: str,
        key_id: str | None = None,
        expires_at: float | None = None,
    ) -> tuple[CommandRecord, bool]:
        """The command resource, and whether it is new. It is on disk in state ``accepted`` when this returns.

        The same idempotency key with the same request gives the same resource, however it stands; with another request
        ``Conflict`` idempotency_mismatch. Else: NotFound unknown_vehicle / unknown_key, BadInput unknown_action /
        expires_in_past / expires_too_late, Forbidden with the policy's reason, Conflict busy, ``ProofRequired``.
        """
        view = await self._access.view(app, vehicle_id)
        wanted = _action(action)
        require(app, COMMAND_SCOPES[wanted])
        require_proof(app)
        fingerprint = _fingerprint(vehicle_id, action, key_id, expires_at)
        earlier = await self._store.command_by_idempotency_key(app.id, idempotency_key)
        if earlier is not None:
            return _same(earlier, fingerprint), False

        # Asked again just before sending; here it saves a doomed resource.
        command, patient = self._plan(view, wanted, key_id, expires_at)
        now = command.created_at
        record = CommandRecord(
            command=command,
            app_id=app.id,
            idempotency_key=idempotency_key,
            fingerprint=fingerprint,
            state=CommandState.ACCEPTED,
            updated_at=now,
            timeline=((CommandState.ACCEPTED, now),),
            receipt_floor=await self._credentials.last_receipt_sequence(vehicle_id),
            patient=patient,
        )
        deadline = asyncio.get_running_loop().time() + (command.expires_at - now)
        # Shielded: a caller that hangs up must not leave a stored command that nobody runs.
        launch = asyncio.create_task(self._launch(record, deadline))
        self._launches.add(launch)
        launch.add_done_callback(self._launches.discard)
        return await asyncio.shield(launch)

    async def check(
        self,
        app: App,
        vehicle_id: str,
        *,
        action: str,
        key_id: str | None = None,
        expires_at: float | None = None,
    ) -> Rehearsal:
        """What would become of it: the questions of ``create``, of the same code, and nothing is written or sent.

        Errors as of ``create``, but for what the policy, or a lack of a key or of room, says against it now: that is in
        the answer.
        """
        view = await self._access.view(app, vehicle_id)
        wanted = _action(action)
        require(app, COMMAND_SCOPES[wanted])
        waits = self._lanes.busy(vehicle_id)
        try:
            command, patient = self._plan(view, wanted, key_id, expires_at)
            self._lanes.check(vehicle_id)
        except (Forbidden, Conflict) as refusal:
            return Rehearsal(wanted, refusal=refusal)
        return Rehearsal(wanted, command, patient, waits, foreseen(wanted, self._live(vehicle_id)))

    def _plan(self, view: View, action: Action, key_id: str | None, expires_at: float | None) -> tuple[Command, bool]:
        """The command, and whether it waits for an absent vehicle. ``BadInput``, ``NotFound``, ``Forbidden`` as of
        ``create``."""
        now = self._clock()
        key = self._access.own_key(view, key_id, action.required)
        ends, patient = self._expiry(action, now, expires_at)
        number = int.from_bytes(self._random(4), "big")
        command = Command(new_id("cmd", self._random), number, view.vehicle.id, key.id, action, now, ends)
        self._authorize(key, command, begun(key, now))
        return command, patient

    async def _launch(self, record: CommandRecord, deadline: float) -> tuple[CommandRecord, bool]:
        vehicle_id = record.command.vehicle_id
        self._lanes.reserve(vehicle_id)
        self._launching.add(record.id)
        entered = False
        try:
            stored, ours = await self._ledger.add(record)
            if stored.id != record.id:  # a twin of this request was quicker
                return _same(stored, record.fingerprint), False
            if not ours:  # whoever has the vehicle was told, and carries it
                return stored, True
            entered = True
            return await self._enter(stored, deadline), True
        finally:
            self._launching.discard(record.id)
            if not entered:
                self._lanes.release(vehicle_id)

    async def _enter(self, record: CommandRecord, deadline: float) -> CommandRecord:
        """Into its lane, where it has a place."""
        if self._lanes.busy(record.command.vehicle_id) and record.state is CommandState.ACCEPTED:
            try:
                record = await self._ledger.move(record, CommandState.QUEUED)
            except (StoreError, Conflict) as error:  # accepted is on disk, and it runs all the same
                log.warning("queued_not_recorded", command_id=record.id, code=error.code)
        self._lanes.put(Job(record, deadline))
        return record

    def _expiry(self, action: Action, now: float, asked: float | None) -> tuple[float, bool]:
        """When it ends, and whether it waits for an absent vehicle until then. An unlock never lives long."""
        if asked is None:
            return now + (self._timing.doors if action in _DOORS else self._timing.other), False
        if asked <= now:
            raise BadInput("expires_at is in the past; is the app's clock right?", code="expires_in_past")
        if asked > now + self._timing.longest:
            raise BadInput(f"expires_at is more than {self._timing.longest:.0f} s ahead", code="expires_too_late")
        if action in _UNLOCKS:
            return min(asked, now + self._timing.doors), False
        return asked, True

    async def get(self, app: App, vehicle_id: str, command_id: str) -> CommandRecord:
        """``NotFound`` unknown_command unless it is this app's own (an operator reads those of its tenant)."""
        return await self._known(app, vehicle_id, command_id, Scope.COMMAND_READ)

    async def _known(self, app: App, vehicle_id: str, command_id: str, of_others: Scope) -> CommandRecord:
        record = await self._ledger.get(command_id)
        if record is None or record.command.vehicle_id != vehicle_id or not (app.operator or record.app_id == app.id):
            raise _unknown()
        if record.app_id != app.id:
            require(app, of_others)
            try:
                await self._access.view(app, vehicle_id)
            except NotFound:
                raise _unknown() from None
        return record

    async def wait(self, record: CommandRecord, seconds: float) -> CommandRecord:
        """The record once settled, or as it stands after ``seconds``."""
        return await self._ledger.wait(record, seconds)

    async def cancel(self, app: App, vehicle_id: str, command_id: str) -> CommandRecord:
        """Take it back while nothing has left. ``Conflict`` already_sent or already_settled when it is too late.

        ``StoreError`` if it has ended, unsent, and the store does not take that: try again.
        """
        await self._known(app, vehicle_id, command_id, Scope.VEHICLE_MANAGE)
        job = self._lanes.job(command_id)
        if job is None:
            return _cancelled(
                await self._cancelled_elsewhere(await self._known(app, vehicle_id, command_id, Scope.VEHICLE_MANAGE))
            )
        if job.sent:
            raise _already_sent()
        if not job.done.is_set():
            job.cancelled = True
            dropped = await self._stop(job)
            if dropped is not None:
                return dropped
        await self._lanes.write(job)
        return _cancelled(await self._known(app, vehicle_id, command_id, Scope.VEHICLE_MANAGE))

    async def _cancelled_elsewhere(self, record: CommandRecord) -> CommandRecord:
        """The record, once the gateway that carries it has had its time to stop it."""
        if record.state not in WAITING or record.id in self._launching:
            return record
        await self._announce(f"cancel {record.id}")
        return await self._ledger.wait(record, ELSEWHERE_SECONDS)

    async def stop(self) -> None:
        """Wait for those that are being written down."""
        await asyncio.gather(*self._launches, return_exceptions=True)

    async def cancel_here(self, command_id: str) -> None:
        """Another gateway was asked to take it back; it hears what became of that as of every step."""
        job = self._lanes.job(command_id)
        if job is not None and not (job.sent or job.done.is_set()):
            job.cancelled = True
            await self._stop(job)

    async def _stop(self, job: Job) -> CommandRecord | None:
        """The cancelled record of a job that had not started; of one that had, ``None`` as soon as it has stopped."""
        if self._lanes.drop(job):
            try:
                job.record = await self._ledger.move(job.record, CommandState.CANCELLED)
            except BaseException:
                job.cancelled = False
                self._lanes.put(job)
                raise
            self._lanes.finish(job)
            return job.record
        if job.in_fleet and job.task is not None:
            job.task.cancel()
        await job.done.wait()
        return None

    async def take_on(self, vehicle_id: str) -> None:
        """The vehicle is ours: so is what it is owed, and what another gateway has left in the middle.

        What may have left is unknown; what has not is carried, if it still lives. Nothing that we have is touched.
        """
        for record in await self._store.open_commands(vehicle_id):
            if record.id in self._launching or self._lanes.job(record.id) is not None:
                continue
            if record.state in WAITING:
                await self._carry(record)
            else:
                await self._pursue(record)

    async def recover(self, vehicle_id: str) -> None:
        """At start nothing is acted upon: as ``take_on``, but what has not left has expired."""
        now = self._clock()
        for record in await self._store.open_commands(vehicle_id):
            if record.state in WAITING:
                reason = "command_expired" if now >= record.command.expires_at else "gateway_restarted"
                await self._ledger.move(record, CommandState.EXPIRED, reason=reason)
            else:
                await self._pursue(record)

    async def _carry(self, record: CommandRecord) -> None:
        left = record.command.expires_at - self._clock()
        try:
            self._lanes.reserve(record.command.vehicle_id)
        except Conflict as error:
            await self._ledger.move(record, CommandState.FAILED, reason=error.code)
            return
        log.info("command_taken_on", command_id=record.id)
        await self._enter(record, asyncio.get_running_loop().time() + left)

    async def _pursue(self, record: CommandRecord) -> None:
        if record.state is not CommandState.UNKNOWN:
            record = await self._ledger.move(record, CommandState.UNKNOWN, reason="gateway_restarted")
        log.info("command_in_doubt", command_id=record.id)
        await self._in_doubt(record)


def _action(name: str) -> Action:
    """Of those that an app may ask for: an action may also be one that stands in receipts alone."""
    action = next((each for each in COMMAND_SCOPES if each.label == name), None)
    if action is None:
        known = ", ".join(each.label for each in COMMAND_SCOPES)
        raise BadInput(f"{name[:40]!r} is not an action; known: {known}", code="unknown_action")
    return action


def _fingerprint(vehicle_id: str, action: str, key_id: str | None, expires_at: float | None) -> bytes:
    return hashlib.sha256(json.dumps([vehicle_id, action, key_id, expires_at]).encode()).digest()


def _same(earlier: CommandRecord, fingerprint: bytes) -> CommandRecord:
    if earlier.fingerprint != fingerprint:
        raise Conflict(
            "this Idempotency-Key was used for another request; use a fresh one for each wish",
            code="idempotency_mismatch",
        )
    return earlier


def _cancelled(record: CommandRecord) -> CommandRecord:
    if record.state is CommandState.CANCELLED:
        return record
    if record.state.settled:
        raise Conflict(f"the command has already ended: {record.state}", code="already_settled")
    if not record.may_have_happened:  # between being stored and being queued
        raise Conflict("the command is about to start; ask again", retryable=True)
    raise _already_sent()


def _unknown() -> NotFound:
    return NotFound("there is no such command for this app", code="unknown_command")


def _already_sent() -> Conflict:
    return Conflict(
        "the command has been sent; read it until it is settled", code="already_sent", may_have_happened=True
    )

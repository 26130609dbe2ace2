"""Owner pairing as an app sees it: give the code that the car shows, watch a resource until it is done.

The car itself counts tries and closes; what is counted here, for each app, only keeps an app from spending the tries of
every car around. Pairings live in memory: they last two minutes, and a restart ends them without harm.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

import structlog

from keygw.bridge.access import Access, require
from keygw.bridge.fault import describe
from keygw.bridge.keys import KeyView, shown
from keygw.bridge.ports import Clock, Credentials, Fleet, KeyToken, SignedList
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.credentials.attestation import Evidence
from keygw.credentials.issuing import checked_public_key
from keygw.credentials.once import Once, Replayed
from keygw.crypto.signer import device_id
from keygw.model.command import Outcome
from keygw.model.device import Device, DeviceKind
from keygw.model.errors import BadInput, Conflict, KeygwError, NotFound, TokenError
from keygw.model.ids import Random, new_id
from keygw.model.tenant import DEFAULT_TENANT
from keygw.model.vehicle import Vehicle
from keygw.session.events import Ticketed
from keygw.session.pairing import CODE_DIGITS, enrolled_hash
from keygw.vehicle.pairing import PairingTask

log = structlog.get_logger(__name__)

SECONDS = 120.0
"""A code lives no longer, so there is no use in looking longer."""
MOST_TRIES = 5
LOCKED_SECONDS = 600.0
KEPT = 100


class PairingState(StrEnum):
    SEARCHING = "searching"
    PROVING = "proving"
    """A car shows a code; the guess is staked."""
    ENROLLED = "enrolled"
    """The car has signed the ticket; the owner key is on its way."""
    DONE = "done"
    FAILED = "failed"

    @property
    def settled(self) -> bool:
        return self in (PairingState.DONE, PairingState.FAILED)


@dataclass(frozen=True, slots=True)
class Pairing:
    """``vehicle_id`` and ``key_id`` from ``ENROLLED`` on; ``reason`` with ``FAILED``. Times: Unix seconds.

    ``FAILED`` with a key: the car has not said that it took the token; it takes it at the next session.
    """

    id: str
    app_id: str
    tenant_id: str | None
    name: str
    created_at: float
    expires_at: float
    state: PairingState = PairingState.SEARCHING
    reason: str | None = None
    vehicle_id: str | None = None
    key_id: str | None = None


@dataclass(frozen=True, slots=True)
class PhoneExchange:
    """A pairing that a phone went through by itself, up to the ticket. ``vehicle``: as it introduced itself, with the
    name that it is to have here. ``proven``: ``th_proven``, 32 bytes; ``enrol``: ENROL as it was sent."""

    vehicle: Vehicle
    device_key: bytes
    ticket: bytes
    proven: bytes
    enrol: bytes
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What the phone brings the vehicle, and what it needs to find it again."""

    key: KeyView
    token: KeyToken
    vehicle: Vehicle
    revocations: SignedList


class Pairings:
    def __init__(self, credentials: Credentials, access: Access, fleet: Fleet, clock: Clock, random: Random) -> None:
        self._credentials = credentials
        self._access = access
        self._fleet = fleet
        self._clock = clock
        self._random = random
        self._known: dict[str, Pairing] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._wrong: dict[str, tuple[int, float]] = {}
        self._devices: dict[str, Device] = {}

    async def start(self, app: App, code: str, name: str) -> Pairing:
        """Begin; returns at once. ``Conflict`` pairing_under_way (one at a time), pairing_locked (5 wrong codes).

        ``name``: what the vehicle is to be called here, if it is not known yet. ``BadInput`` bad_code.
        """
        require(app, Scope.KEY_MANAGE)
        if len(code) != CODE_DIGITS or not (code.isascii() and code.isdecimal()):
            raise BadInput(f"a pairing code has {CODE_DIGITS} digits", code="bad_code")
        wrong, last = self._wrong.get(app.id, (0, 0.0))
        if wrong >= MOST_TRIES and self._clock() < last + LOCKED_SECONDS:
            raise Conflict("too many wrong codes; wait some minutes, then use a new code", code="pairing_locked")
        if any(each.app_id == app.id and not each.state.settled for each in self._known.values()):
            raise Conflict("this app is pairing already; wait for it or cancel it", code="pairing_under_way")
        now = self._clock()
        pairing = Pairing(new_id("par", self._random), app.id, app.tenant_id, name, now, now + SECONDS)
        self._keep(pairing)
        self._tasks[pairing.id] = asyncio.create_task(self._run(app, pairing.id, code), name=f"pairing {pairing.id}")
        return pairing

    async def redeem(self, app: App, exchange: PhoneExchange, once: Once | None = None) -> Redeemed:
        """The owner key for a phone that has paired by its own radio: what the hosted device gets in ``_issue``.

        Beside the codes of ``pair_owner``: what is wrong with the ticket, and bad_public_key, as ``BadInput``;
        ``Forbidden`` insufficient_scope: a vehicle that nobody knows here is made known only by who may register
        vehicles.
        """
        require(app, Scope.KEY_MANAGE)
        device_key = checked_public_key(exchange.device_key)
        vehicle = replace(exchange.vehicle, tenant_id=await self._tenant(app, exchange.vehicle.id))
        try:
            known = app.reaches((await self._credentials.vehicle(vehicle.id)).tenant_id)
        except NotFound:
            known = False
        if not known:
            require(app, Scope.VEHICLE_MANAGE)
        device = Device(device_id(device_key), DeviceKind.PHONE, device_key, vehicle.name, app.id)
        try:
            key = await (self._credentials if once is None else self._credentials.under(once)).pair_owner(
                vehicle,
                device,
                exchange.ticket,
                enrolled_hash(exchange.proven, exchange.enrol),
                label=vehicle.name,
                evidence=exchange.evidence,
                challenge=exchange.proven,
                actor=app.actor,
            )
        except TokenError as error:
            raise BadInput(f"the ticket is refused: {error}", code=error.code) from error
        except Replayed as again:
            key = await self._credentials.key(again.resource)
        self._access.forget_device(key.device_id)
        return Redeemed(
            shown(await self._credentials.standing(key.id)),
            await self._credentials.key_token(key.id),
            await self._credentials.vehicle(key.vehicle_id),
            await self._credentials.current_list(key.vehicle_id),
        )

    def get(self, app: App, pairing_id: str) -> Pairing:
        """``NotFound`` unknown_pairing, also for another app's."""
        require(app, Scope.KEY_MANAGE)
        found = self._known.get(pairing_id)
        if found is None or not (found.app_id == app.id or (app.operator and app.reaches(found.tenant_id))):
            raise NotFound("there is no such pairing for this app", code="unknown_pairing")
        return found

    async def cancel(self, app: App, pairing_id: str) -> None:
        """End it, or forget a settled one. ``Conflict`` already_enrolled once the car has signed: revoke the key."""
        pairing = self.get(app, pairing_id)
        if pairing.state is PairingState.ENROLLED:
            raise Conflict("the car has enrolled the device; wait, then revoke the key", code="already_enrolled")
        task = self._tasks.pop(pairing_id, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._known.pop(pairing_id, None)

    async def wait(self, pairing_id: str) -> None:
        """Until it is settled."""
        task = self._tasks.get(pairing_id)
        if task is not None:
            await asyncio.wait([task])

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, app: App, pairing_id: str, code: str) -> None:
        try:
            device = await self._device(app, self._known[pairing_id].name)
            signer = await self._credentials.device_signer(device.id)
            task = PairingTask(
                code,
                signer,
                proving=partial(self._now_is, pairing_id, state=PairingState.PROVING),
                issue=partial(self._issue, app, pairing_id, device),
            )
            outcome = await self._fleet.pair(task, SECONDS)
        except KeygwError as error:
            if error.code == "pairing_code_wrong":
                self._wrong[app.id] = (self._wrong.get(app.id, (0, 0.0))[0] % MOST_TRIES + 1, self._clock())
            self._now_is(pairing_id, state=PairingState.FAILED, reason=error.code)
        except Exception as error:
            log.error("pairing_broke", pairing_id=pairing_id, **describe(error))
            self._now_is(pairing_id, state=PairingState.FAILED, reason="internal")
        else:
            self._wrong.pop(app.id, None)
            done = outcome is Outcome.DONE
            state = PairingState.DONE if done else PairingState.FAILED
            self._now_is(pairing_id, state=state, reason=None if done else outcome.label)
        finally:
            try:
                await self._tell(self._known.get(pairing_id))
            finally:
                self._tasks.pop(pairing_id, None)

    async def _issue(self, app: App, pairing_id: str, device: Device, ticketed: Ticketed) -> bytes:
        """The ticket for an owner key, and the key's token for the car."""
        said, name = ticketed.credential, self._known[pairing_id].name
        self._now_is(pairing_id, state=PairingState.ENROLLED, vehicle_id=said.vehicle_id)
        tenant_id = await self._tenant(app, said.vehicle_id)
        vehicle = Vehicle(said.vehicle_id, name, said.public_key, said.advertising_key, tenant_id)
        key = await self._credentials.pair_owner(
            vehicle, device, said.ticket, ticketed.transcript, label=name, actor=app.actor
        )
        self._devices.pop(app.id, None)
        self._now_is(pairing_id, key_id=key.id)
        return (await self._credentials.key_token(key.id)).cwt

    async def _tenant(self, app: App, vehicle_id: str) -> str:
        """The app's own: a car of another's is then another vehicle. Who looks after all takes it as it is known."""
        if app.platform:
            with contextlib.suppress(NotFound):
                return (await self._credentials.vehicle(vehicle_id)).tenant_id
        return app.tenant_id or DEFAULT_TENANT

    async def _device(self, app: App, name: str) -> Device:
        """A fresh hosted device, or the one that an attempt before this has not used up."""
        if app.id not in self._devices:
            self._devices[app.id] = await self._credentials.create_hosted_device(app.id, name, actor=app.actor)
        return self._devices[app.id]

    def _now_is(self, pairing_id: str, **changes: object) -> None:
        self._known[pairing_id] = replace(self._known[pairing_id], **changes)  # type: ignore[arg-type]  # its own fields

    def _keep(self, pairing: Pairing) -> None:
        self._known[pairing.id] = pairing
        for old in [each.id for each in self._known.values() if each.state.settled][: max(0, len(self._known) - KEPT)]:
            del self._known[old]

    async def _tell(self, pairing: Pairing | None) -> None:
        """Every owner of the vehicle hears how it ended, once there is a key; that there is one was told with it."""
        if pairing is None or pairing.key_id is None or pairing.vehicle_id is None or not pairing.state.settled:
            return
        try:
            await self._credentials.tell_pairing(
                pairing.key_id, pairing.vehicle_id, pairing.state.value, pairing.reason
            )
        except KeygwError as error:
            log.warning("pairing_not_told", pairing_id=pairing.id, code=error.code)

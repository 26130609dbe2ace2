"""Owner pairing as an app sees it: give the code that the car shows, watch a resource until it is done.

The car itself counts tries and closes; what is counted here, for each app, only keeps an app from spending the tries of
every car around. A pairing is kept where every gateway on the database sees it; the one that was asked searches for the
car, and takes no step once somebody has dropped it there.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from functools import partial

import structlog

from keygw.bridge.access import Access, require
from keygw.bridge.fault import describe
from keygw.bridge.keys import KeyView, shown
from keygw.bridge.pairing_ports import INTERRUPTED, Pairing, PairingState, PairingStore
from keygw.bridge.ports import Clock, Credentials, Fleet, KeyToken, SignedList
from keygw.bridge.records import App
from keygw.bridge.scopes import Scope
from keygw.credentials.attestation import Evidence
from keygw.credentials.issuing import checked_public_key
from keygw.credentials.once import Once, Replayed
from keygw.crypto.signer import device_id
from keygw.model.command import Outcome
from keygw.model.device import Device, DeviceKind
from keygw.model.errors import BadInput, Conflict, Forbidden, KeygwError, NotFound, TokenError
from keygw.model.ids import Random, new_id
from keygw.model.tenant import DEFAULT_TENANT
from keygw.model.vehicle import Vehicle
from keygw.session.events import Ticketed
from keygw.session.pairing import CODE_DIGITS, enrolled_hash
from keygw.vehicle.pairing import PairingTask

log = structlog.get_logger(__name__)

SECONDS = 120
"""A code lives no longer, so there is no use in looking longer."""
MOST_TRIES = 5
LOCKED_SECONDS = 600
KEPT = 100
"""Of each app."""


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
    """``sole``: no other gateway can be at a pairing of this database."""

    def __init__(
        self,
        store: PairingStore,
        credentials: Credentials,
        access: Access,
        fleet: Fleet,
        clock: Clock,
        random: Random,
        *,
        sole: bool,
    ) -> None:
        self._store = store
        self._credentials = credentials
        self._access = access
        self._fleet = fleet
        self._clock = clock
        self._random = random
        self._sole = sole
        self._under_way: dict[str, Pairing] = {}
        """Those that are searched for here, as they are written down."""
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._devices: dict[str, Device] = {}

    async def recover(self) -> None:
        """What the last run has left under way has failed."""
        if self._sole:
            await self._store.interrupt_pairings()

    async def start(self, app: App, code: str, name: str) -> Pairing:
        """Begin; returns at once. ``Conflict`` pairing_under_way (one at a time), pairing_locked (5 wrong codes).

        ``name``: what the vehicle is to be called here, if it is not known yet. ``BadInput`` bad_code. ``Forbidden``
        use_pairing_grant: the owner key would be wider than the grant that asks.
        """
        require(app, Scope.KEY_MANAGE)
        if app.home_id is not None:
            raise Forbidden(
                "give the code to the token endpoint, as the pairing-code grant: the vehicle then joins this grant",
                code="use_pairing_grant",
            )
        if len(code) != CODE_DIGITS or not (code.isascii() and code.isdecimal()):
            raise BadInput(f"a pairing code has {CODE_DIGITS} digits", code="bad_code")
        now, guesses = int(self._clock()), await self._store.guesses(app.id)
        if guesses.wrong >= MOST_TRIES and now < guesses.last + LOCKED_SECONDS:
            raise Conflict("too many wrong codes; wait some minutes, then use a new code", code="pairing_locked")
        pairing = Pairing(new_id("par", self._random), app.id, app.tenant_id, name, now, now + SECONDS)
        if not await self._store.add_pairing(pairing, KEPT):
            raise Conflict("this app is pairing already; wait for it or cancel it", code="pairing_under_way")
        self._under_way[pairing.id] = pairing
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

    async def get(self, app: App, pairing_id: str) -> Pairing:
        """``NotFound`` unknown_pairing, also for another app's."""
        require(app, Scope.KEY_MANAGE)
        found = await self._store.pairing(pairing_id)
        if found is None or not (found.app_id == app.id or (app.operator and app.reaches(found.tenant_id))):
            raise _unknown()
        return found.seen(self._clock())

    async def cancel(self, app: App, pairing_id: str) -> None:
        """End it, or forget a settled one. ``Conflict`` already_enrolled once the car has signed: revoke the key."""
        await self.get(app, pairing_id)
        if not await self._store.drop_pairing(pairing_id, int(self._clock())):
            raise Conflict("the car has enrolled the device; wait, then revoke the key", code="already_enrolled")
        await self._end(pairing_id)

    async def look(self, pairing_id: str | None = None) -> None:
        """Somebody may have dropped it, or any, at another gateway."""
        for each in [*self._tasks] if pairing_id is None else [pairing_id]:
            if each in self._tasks and await self._store.pairing(each) is None:
                await self._end(each)

    async def wait(self, pairing_id: str) -> None:
        """Until it is settled."""
        task = self._tasks.get(pairing_id)
        if task is not None:
            await asyncio.wait([task])

    async def stop(self) -> None:
        """End those that are under way here, as interrupted."""
        await asyncio.gather(*(self._end(pairing_id) for pairing_id in [*self._tasks]))

    async def _run(self, app: App, pairing_id: str, code: str) -> None:
        try:
            device = await self._device(app, self._under_way[pairing_id].name)
            signer = await self._credentials.device_signer(device.id)
            task = PairingTask(
                code,
                signer,
                proving=partial(self._stake, app, pairing_id),
                issue=partial(self._issue, app, pairing_id, device),
            )
            outcome = await self._fleet.pair(task, SECONDS)
        except asyncio.CancelledError:
            await self._settle(pairing_id, INTERRUPTED)
            raise
        except KeygwError as error:
            await self._settle(pairing_id, error.code)
        except Exception as error:
            log.error("pairing_broke", pairing_id=pairing_id, **describe(error))
            await self._settle(pairing_id, "internal")
        else:
            await self._settle(pairing_id, None if outcome is Outcome.DONE else outcome.label)
        finally:
            self._forget(pairing_id)

    async def _stake(self, app: App, pairing_id: str) -> None:
        """The guess goes out next. It counts as a wrong one until the car has proven it right, even if somebody takes
        the pairing back meanwhile: the car has counted it too."""
        await self._store.note_guess(app.id, True, int(self._clock()), MOST_TRIES)
        await self._now_is(pairing_id, state=PairingState.PROVING)

    async def _settle(self, pairing_id: str, reason: str | None) -> None:
        """How it ended. One that cannot be written down is seen as interrupted in the end."""
        try:
            state = PairingState.DONE if reason is None else PairingState.FAILED
            await self._now_is(pairing_id, state=state, reason=reason)
        except NotFound:
            return
        except KeygwError as error:
            log.warning("pairing_not_written", pairing_id=pairing_id, code=error.code)
        await self._tell(self._under_way[pairing_id])

    async def _end(self, pairing_id: str) -> None:
        task = self._tasks.get(pairing_id)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._forget(pairing_id)  # one that had not begun yet does not do so itself

    def _forget(self, pairing_id: str) -> None:
        self._tasks.pop(pairing_id, None)
        self._under_way.pop(pairing_id, None)

    async def _issue(self, app: App, pairing_id: str, device: Device, ticketed: Ticketed) -> bytes:
        """The ticket for an owner key, and the key's token for the car."""
        said, name = ticketed.credential, self._under_way[pairing_id].name
        await self._store.note_guess(app.id, False, int(self._clock()), MOST_TRIES)
        await self._now_is(pairing_id, state=PairingState.ENROLLED, vehicle_id=said.vehicle_id)
        tenant_id = await self._tenant(app, said.vehicle_id)
        vehicle = Vehicle(said.vehicle_id, name, said.public_key, said.advertising_key, tenant_id)
        key = await self._credentials.pair_owner(
            vehicle, device, said.ticket, ticketed.transcript, label=name, actor=app.actor
        )
        self._devices.pop(app.id, None)
        await self._now_is(pairing_id, key_id=key.id)
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

    async def _now_is(self, pairing_id: str, **changes: object) -> None:
        """``NotFound`` unknown_pairing if somebody has dropped it, here or at another gateway."""
        before = self._under_way[pairing_id]
        after = replace(before, **changes)  # type: ignore[arg-type]  # its own fields
        if not await self._store.save_pairing(after, before.state):
            raise _unknown()
        self._under_way[pairing_id] = after

    async def _tell(self, pairing: Pairing) -> None:
        """Every owner of the vehicle hears how it ended, once there is a key; that there is one was told with it."""
        if pairing.key_id is None or pairing.vehicle_id is None or not pairing.state.settled:
            return
        try:
            await self._credentials.tell_pairing(
                pairing.key_id, pairing.vehicle_id, pairing.state.value, pairing.reason
            )
        except KeygwError as error:
            log.warning("pairing_not_told", pairing_id=pairing.id, code=error.code)


def _unknown() -> NotFound:
    return NotFound("there is no such pairing for this app", code="unknown_pairing")

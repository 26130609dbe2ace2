"""Owners with an app, friends with a phone, and what they do: patient, and honest but for who stole a phone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from keygw.bridge.bridge import Bridge
from keygw.bridge.keys import KeyView
from keygw.bridge.records import App, CommandRecord
from keygw.credentials.issuer_keys import IssuerKeyState
from keygw.crypto.signer import thumbprint
from keygw.model.command import Action, Command
from keygw.model.digital_key import KeyState
from keygw.model.entitlement import PROFILES
from keygw.model.errors import Conflict, KeygwError, StoreError
from keygw.model.ids import Random
from keygw_sim.chance import chance, new_signer
from keygw_sim.phone.phone import Invitation, Phone, Tried
from keygw_sim.phone.satchel import CarriedList, Satchel
from keygw_sim.world.air import Ether, Radio
from keygw_sim.world.car import SimulatedCar
from keygw_sim.world.gateway import OPERATOR, Gateway
from keygw_sim.world.life import Gone
from keygw_sim.world.model import Granted, Model

T = TypeVar("T")
SCOPES = ("vehicle.manage", "vehicle.read", "key.manage", "key.share", "key.read", "command.unlock", "command.lock")
AGAIN_SECONDS = 1.0
MOST_TRIES = 60
WAIT_SECONDS = 30.0
"""For the end of a command."""


async def insist(gateway: Gateway, work: Callable[[Bridge], Coroutine[Any, Any, T]]) -> T:
    """Ask until the gateway answers; again after a crash, and while its database is busy. ``KeygwError`` else."""
    for _ in range(MOST_TRIES):
        try:
            return await gateway.call(work)
        except Gone:
            pass
        except StoreError as error:
            if not error.retryable:
                raise
        await asyncio.sleep(AGAIN_SECONDS)
    raise RuntimeError("the gateway does not come back")


async def rotate(gateway: Gateway, overlap: int | None) -> None:
    """The operator makes the issuer a new key, or goes on with one that was made, and lets it sign. ``Conflict``."""
    operator = await insist(gateway, lambda b: b.apps.authenticate(OPERATOR))
    made = await insist(gateway, lambda b: b.issuer_keys.list(operator))
    waiting = [record.name for record in made if record.state is IssuerKeyState.NEXT]
    name = waiting[0] if waiting else (await insist(gateway, lambda b: b.issuer_keys.prepare(operator, None))).name
    await insist(gateway, lambda b: b.issuer_keys.activate(operator, name, overlap))


class Owner:
    """Of one car, with an app whose device the gateway hosts."""

    def __init__(self, car: SimulatedCar, gateway: Gateway, model: Model, seed: str) -> None:
        self.car = car
        self.name = f"owner of {car.name}"
        self.app: App
        self.key_id = ""
        self.commands: dict[str, Command] = {}
        """Every one that the gateway has taken on."""
        self._gateway = gateway
        self._model = model
        self._random: Random = chance(seed, self.name)
        self._admin = asyncio.Lock()

    async def move_in(self) -> bytes:
        """Register app and car, get the first key; the thumbprint of its device."""
        gateway, car = self._gateway, self.car
        self.app, _ = await gateway.call(lambda b: b.apps.register(self.name, SCOPES, machine=True))
        await gateway.call(lambda b: b.vehicles.register(self.app, car.vehicle))
        view, public_key = await gateway.call(lambda b: b.keys.issue_owner(self.app, car.vehicle.id, "Owner"))
        self.key_id = view.key.id
        self._grant(view)
        return thumbprint(public_key)

    async def unlock(self) -> CommandRecord:
        """Ask for it, and wait for its end, through crashes. ``KeygwError`` if it is not taken on."""
        self.car.relock()
        once, car = self._random(8).hex(), self.car.vehicle.id

        async def ask(bridge: Bridge) -> CommandRecord:
            record, _ = await bridge.commands.create(
                self.app, car, action=Action.UNLOCK.label, idempotency_key=once, key_id=self.key_id
            )
            return record

        record = await insist(self._gateway, ask)
        self.commands[record.id] = record.command
        return await self.look(record.id, WAIT_SECONDS)

    async def look(self, command_id: str, seconds: float = 0.0) -> CommandRecord:
        """How that command stands, once it is settled or after so long."""

        async def wait(bridge: Bridge) -> CommandRecord:
            record = await bridge.commands.get(self.app, self.car.vehicle.id, command_id)
            return await bridge.commands.wait(record, seconds) if seconds else record

        return await insist(self._gateway, wait)

    async def share(self, friend: Friend, until: float) -> None:
        """A key for that friend's phone; it fetches the token at once."""
        async with self._admin:
            view = await insist(
                self._gateway,
                lambda b: b.keys.share(
                    self.app,
                    self.key_id,
                    device_public_key=friend.phone.public_key,
                    entitlements=PROFILES["access"],
                    expires_at=int(until),
                    label=friend.name,
                ),
            )
            self._grant(view)
        friend.key_id, friend.owner = view.key.id, self
        await friend.fetch()

    async def suspend(self, key_id: str) -> None:
        await self._change(key_id, lambda b: b.keys.suspend(self.app, key_id))

    async def resume(self, key_id: str) -> None:
        await self._change(key_id, lambda b: b.keys.resume(self.app, key_id))

    async def revoke(self, key_id: str) -> None:
        await self._change(key_id, lambda b: b.keys.revoke(self.app, key_id))

    async def newest(self, key_id: str) -> Invitation:
        """What a phone takes in: the token, what it stands on, and the newest list."""
        token, chain, vehicle, newest = await insist(self._gateway, lambda b: b.keys.token(self.app, key_id))
        carried = CarriedList(vehicle.id, newest.sequence, newest.signed) if newest.sequence else None
        links = tuple((link.grant, link.parent_token) for link in chain)
        return Invitation(key_id, token.cwt, vehicle, carried, links)

    async def prove_time(self, nonce: bytes) -> tuple[bytes, CarriedList | None]:
        vehicle_id = self.car.vehicle.id
        proof, newest = await self._gateway.call(lambda b: b.vehicles.time_proof(self.app, vehicle_id, nonce))
        return proof, CarriedList(vehicle_id, newest.sequence, newest.signed) if newest.sequence else None

    async def hand_in(self, ack: bytes) -> None:
        """What the car has signed, from whoever met it."""
        try:
            await insist(self._gateway, lambda b: b.lists.acknowledge(self.app, self.car.vehicle.id, ack))
        except Conflict as error:
            if error.code != "ack_older":
                raise

    async def _change(self, key_id: str, how: Callable[[Bridge], Coroutine[Any, Any, KeyView]]) -> None:
        """One at a time. What was not answered is in doubt until it was looked up."""
        async with self._admin:
            before = await insist(self._gateway, lambda b: b.keys.get(self.app, key_id))
            self._model.keys[key_id].in_doubt = True
            try:
                view = await self._gateway.call(how)
            except (Gone, Conflict, StoreError):
                view = await insist(self._gateway, lambda b: b.keys.get(self.app, key_id))
            if view.key.state is not KeyState.EXPIRED:
                lifted = view.key.state is KeyState.ACTIVE
                self._model.changed(key_id, view.key.state, before.current + 1 if lifted else view.current)

    def _grant(self, view: KeyView) -> None:
        key = view.key
        self._model.granted(
            Granted(key.id, self.car.name, key.index, key.entitlements, float(key.expires_at), key.parent_id)
        )


class Friend:
    """Somebody with a phone, and perhaps a key to one car."""

    def __init__(self, name: str, ether: Ether, seed: str) -> None:
        self.name = name
        self.key_id = ""
        self.owner: Owner | None = None
        self.stolen = False
        self._radio = Radio(ether, name)
        self._random: Random = chance(seed, name)
        self._signer = new_signer(self._random)
        self.phone = Phone(self._radio, self._signer, self._random, asyncio.get_running_loop().time)
        self.busy = asyncio.Lock()

    async def fetch(self) -> None:
        """The newest token and list from the gateway, and to it what cars have signed."""
        if self.owner is None or self.stolen:
            return
        self.phone.accept(await self.owner.newest(self.key_id))
        ack = self.phone.satchel.acks.get(self.owner.car.vehicle.id)
        if ack is not None:
            await self.owner.hand_in(ack)

    async def unlock(self) -> Tried | None:
        """One try; with a time proof, if the car wants one. ``None`` without a key, or while another try is made."""
        if self.owner is None or self.busy.locked():
            return None
        async with self.busy:
            self.owner.car.relock()
            tried = await self.phone.command(Action.UNLOCK)
            if tried.time_nonce is None:
                return tried
            try:
                proof, newest = await self.owner.prove_time(tried.time_nonce)
                return await self.phone.prove_time(proof, newest)
            except (Gone, KeygwError):
                await self.phone.leave()
                return tried

    def lose(self) -> None:
        """Somebody else has the phone, brings no list to anybody, and is spared by whoever owns the links."""
        self.stolen = True
        self._radio.fair = True
        self.phone.satchel = Satchel()

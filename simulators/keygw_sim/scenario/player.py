"""Plays a scenario: cars on a virtual radio, phones with bleak over Bumble, and an office that signs their keys.

No gateway takes part: a phone speaks to its car, as it does where there is no network. Time does not pass by itself for
bodies; ``lets_pass`` moves it, and so does a walk.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from keygw.ble.air import BleAir
from keygw.crypto.signer import LocalSigner, thumbprint
from keygw.model.command import Action, Outcome
from keygw.model.digital_key import Role
from keygw.model.entitlement import PROFILES, Entitlement
from keygw.model.errors import KeygwError
from keygw.model.vehicle import Vehicle
from keygw.token.claims import KeyClaims
from keygw.vehicle.conversation import Conversation
from keygw.vehicle.ports import HeldKey
from keygw.wire.messages import Chain, Cmd
from keygw.wire.ranging import RangingMethod, Zone
from keygw_sim.chance import chance, new_signer
from keygw_sim.phone.living import WALK
from keygw_sim.phone.reach import REACH_METRES, ReachAir
from keygw_sim.radio.virtual import VirtualRadio
from keygw_sim.ranging.geometry import ORIGIN, Point
from keygw_sim.ranging.space import Anchors, Space, Transponder
from keygw_sim.rehearsal import ISSUED_AT, Office
from keygw_sim.scenario.model import (
    CarStep,
    FlightStep,
    Friend,
    PhoneStep,
    RevokeStep,
    Scenario,
    ShowStep,
    Step,
    WaitStep,
    WalkStep,
)
from keygw_sim.vehicle.car import Car
from keygw_sim.vehicle.flash import Flash, Issuer
from keygw_sim.vehicle.hands import obey
from keygw_sim.vehicle.runner import new_vehicle
from keygw_sim.vehicle.yard import Yard

PATIENCE = 15.0
CLOSE_ENOUGH = 0.01
AT_THE_DOOR = Point(0.5, 1.9)


@dataclass(frozen=True, slots=True)
class Played:
    """One step: what was expected, and what came."""

    number: int
    what: str
    expected: str
    came: str
    ms: float

    @property
    def holds(self) -> bool:
        return self.expected == self.came

    def to_json(self) -> dict[str, object]:
        return {**asdict(self), "ms": round(self.ms, 1), "holds": self.holds}


@dataclass(slots=True)
class _Phone:
    name: str
    car: Car
    vehicle: Vehicle
    signer: LocalSigner = field(repr=False)
    claims: KeyClaims
    chain: Chain
    air: ReachAir
    radio: Transponder
    carries: bytes = b""
    """A revocation list for the car, not there yet."""


class Player:
    """``async with Player(scenario, folder, seed) as player: await player.play(told)``."""

    def __init__(self, scenario: Scenario, folder: Path, seed: str) -> None:
        self._scenario = scenario
        self._folder = folder
        self._random = chance(seed, "scenario")
        self._office = Office(self._random)
        self._stack = AsyncExitStack()
        self._cars: dict[str, Car] = {}
        self._spaces: dict[str, Space] = {}
        """Of the cars with anchors."""
        self._phones: dict[str, _Phone] = {}
        self._revoked: dict[str, list[int]] = {}
        self._lists: dict[str, int] = {}
        self._number = 0
        self._started = time.monotonic()
        self._air: BleAir

    async def __aenter__(self) -> Player:
        try:
            await self._set_up()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def play(self, told: Callable[[Played], None]) -> bool:
        """Whether every step came as expected; the first that did not is the last."""
        for number, step in enumerate(self._scenario.steps, 1):
            began = time.perf_counter()
            what, expected, came = await self._step(step)
            played = Played(number, what, expected, came, (time.perf_counter() - began) * 1000)
            told(played)
            if not played.holds:
                return False
        return True

    async def _set_up(self) -> None:
        radio = await self._stack.enter_async_context(VirtualRadio())
        self._air = BleAir.bumble((await radio.add_controller(tcp=False)).open)
        for n, wanted in enumerate(self._scenario.cars):
            folder = self._folder / f"car-{n + 1:03}"
            memory = new_vehicle(wanted.name, self._random)
            memory.issuers.append(Issuer(self._office.key.issuer, self._office.kid, self._office.key.public_key))
            memory.body = dict(wanted.body)
            vehicle = Vehicle(memory.vehicle_id, wanted.name, memory.signer.public_key, memory.advertising_key)
            anchors = None
            if wanted.anchors:
                self._spaces[wanted.name] = space = Space()
                anchors = Anchors(space)
            car = Car(folder, (await radio.add_controller(tcp=False)).open, wanted.name, ranger=anchors)
            self._cars[wanted.name] = car
            for phone in self._scenario.phones:
                if not isinstance(phone, Friend) and phone.owns == wanted.name:
                    signer = new_signer(self._random)
                    memory.owners.append(thumbprint(signer.public_key))
                    claims = self._office.claims(vehicle, signer.public_key, index=self._index(wanted.name))
                    self._add(phone.name, car, vehicle, signer, claims, ())
            Flash(folder).save(memory)
        for phone in self._scenario.phones:
            if isinstance(phone, Friend):
                self._share(phone)
        await self._stack.enter_async_context(Yard(list(self._cars.values())))
        for car in self._cars.values():
            car.brain.warp = 0
        self._stack.push_async_callback(self._air.close)

    def _share(self, friend: Friend) -> None:
        parent, signer = self._phones[friend.friend_of], new_signer(self._random)
        shared = Entitlement(PROFILES[friend.profile] & parent.claims.entitlements)
        claims = self._office.claims(
            parent.vehicle,
            signer.public_key,
            role=Role.FRIEND,
            depth=parent.claims.depth + 1,
            parent_id=parent.claims.key_id,
            index=self._index(parent.car.name),
            entitlements=shared,
        )
        link = self._office.link(parent.claims, parent.signer, claims)
        self._add(friend.name, parent.car, parent.vehicle, signer, claims, (link, *parent.chain))

    def _add(self, name: str, car: Car, vehicle: Vehicle, signer: LocalSigner, claims: KeyClaims, chain: Chain) -> None:
        """A phone that stands at its car."""
        radio = Transponder(AT_THE_DOOR)
        reach = ReachAir(self._air, lambda: radio.on, lambda: radio.at.to(ORIGIN) <= REACH_METRES)
        if car.name in self._spaces:
            self._spaces[car.name].add(radio)
        self._phones[name] = _Phone(name, car, vehicle, signer, claims, chain, reach, radio)

    def _index(self, car: str) -> int:
        return 1 + sum(phone.car.name == car for phone in self._phones.values())

    async def _step(self, step: Step) -> tuple[str, str, str]:
        match step:
            case PhoneStep():
                phone = self._phones[step.phone]
                what = f"{step.phone} asks {phone.car.name} to {step.asks}"
                return what, step.expect, await self._ask(phone, Action.from_label(step.asks))
            case WalkStep():
                x, y = step.walks_to
                came = await self._walk(self._phones[step.phone], Point(x, y))
                return f"{step.phone} walks to {x:g}, {y:g}", step.expect or came, came
            case FlightStep():
                self._phones[step.phone].radio.on = not step.flight
                return f"{step.phone}: flight mode {'on' if step.flight else 'off'}", "ok", "ok"
            case CarStep():
                try:
                    await obey(self._cars[step.car], step.does)
                    came = "ok"
                except KeygwError as error:
                    came = error.code
                return f"{step.car}: {step.does.do}", step.expect, came
            case WaitStep():
                self._cars[step.car].brain.let_pass(step.lets_pass)
                return f"{step.lets_pass:g} s pass for {step.car}", "ok", "ok"
            case ShowStep():
                body = self._cars[step.car].brain.body
                stands = {part: getattr(body, part) for part in step.shows}
                alike = all(_alike(stands[part], value) for part, value in step.shows.items())
                return f"{step.car} shows", _told(step.shows), _told(step.shows if alike else stands)
            case RevokeStep():
                self._revoke(self._phones[step.revoke], self._phones[step.carried_by])
                return f"{step.revoke} is revoked; {step.carried_by} carries the news", "ok", "ok"

    def _revoke(self, phone: _Phone, carrier: _Phone) -> None:
        name = phone.car.name
        revoked = self._revoked.setdefault(name, [])
        revoked.append(phone.claims.index)
        self._lists[name] = self._lists.get(name, 0) + 1
        carrier.carries = self._office.sign_list(phone.vehicle, self._lists[name], revoked=tuple(sorted(revoked)))

    async def _walk(self, phone: _Phone, to: Point) -> str:
        """Where the car finds it then; time passes on the way."""
        phone.car.brain.let_pass(phone.radio.at.to(to) / WALK)
        phone.radio.at = to
        return await self._meet(phone, lambda talk: self._measure(phone, talk))

    async def _ask(self, phone: _Phone, action: Action) -> str:
        async def ask(talk: Conversation) -> str:
            if phone.carries:
                await talk.push_list(phone.carries)
                phone.carries = b""
            await self._measure(phone, talk)
            self._number += 1
            return (await talk.command(Cmd(self._number, action))).outcome.label

        return await self._meet(phone, ask)

    async def _measure(self, phone: _Phone, talk: Conversation) -> str:
        """One ranging round, where the car has anchors."""
        if phone.car.name not in self._spaces:
            return Zone.UNMEASURED.label

        async def arm(method: RangingMethod, key: bytes) -> None:
            phone.radio.arm(method, key)

        try:
            return (await talk.range(RangingMethod.UWB, arm)).zone.label
        finally:
            phone.radio.disarm()

    async def _meet(self, phone: _Phone, then: Callable[[Conversation], Awaitable[str]]) -> str:
        """On a new connection, by the full handshake; a time proof is brought where it is asked for."""
        key = HeldKey(self._office.hand(phone.claims, phone.chain), phone.signer)
        try:
            talk = await Conversation.open(phone.air, phone.vehicle, key, self._random, PATIENCE)
        except KeygwError as error:
            return error.code
        try:
            result = await talk.authenticate()
            if result.outcome in (Outcome.TIME_PROOF_REQUIRED, Outcome.LIST_REQUIRED):
                now = ISSUED_AT + 60 + time.monotonic() - self._started
                newest = self._lists.get(phone.car.name, 0)
                proof = self._office.prove_time(phone.vehicle, result.time_nonce, now, newest)
                result = await talk.prove_time(proof)
            return await then(talk) if result.outcome.ok else result.outcome.label
        except KeygwError as error:
            return error.code
        finally:
            await talk.close()


def _alike(stands: bool | float, wanted: bool | float) -> bool:
    if isinstance(stands, bool) or isinstance(wanted, bool):
        return stands is wanted
    return abs(stands - wanted) <= CLOSE_ENOUGH * max(1.0, abs(wanted))


def _told(parts: dict[str, bool | int | float]) -> str:
    said = {True: "yes", False: "no"}
    return ", ".join(f"{name}={said[v] if isinstance(v, bool) else format(v, 'g')}" for name, v in parts.items())

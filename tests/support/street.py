"""A car in a street, people with phones who walk about in it, and a clock that moves when the story says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keygw.crypto.signer import LocalSigner
from keygw.model.command import Action
from keygw_sim.chance import chance
from keygw_sim.garage import Garage
from keygw_sim.head_unit.car import BrainCar
from keygw_sim.head_unit.cards import Pressed
from keygw_sim.head_unit.head_unit import HeadUnit
from keygw_sim.memory_air import MemoryAir
from keygw_sim.phone.handset import Handset
from keygw_sim.phone.phone import Invitation, Phone
from keygw_sim.ranging.geometry import ORIGIN, Point
from keygw_sim.ranging.geometry import Path as Way

TICK = 0.25
STRIDE = 1.4
"""Metres a second, walking."""
DOOR, SEAT, HOUSE = Point(0.5, 1.9), Point(0.3, 0.4), Point(45.0, 10.0)


class Street:
    """``async with Street(folder) as street``. ``pressed``: what was pressed on cards."""

    def __init__(self, folder: Path) -> None:
        self.garage = Garage(folder).fit_anchors()
        self.pressed: list[Pressed] = []
        self.screen = HeadUnit(BrainCar(lambda: self.garage.brain), self.clock, self.pressed.append)
        self.people: dict[str, Handset] = {}
        self.air = MemoryAir(self.garage.brain)
        self._heard = 0
        self.listen()

    async def __aenter__(self) -> Street:
        return self

    async def __aexit__(self, *_: object) -> None:
        for handset in self.people.values():
            await handset.close()
        await self.air.close()

    def clock(self) -> float:
        return self.garage.monotonic

    def comes(self, who: str, at: Point = HOUSE, car: Point = ORIGIN) -> Handset:
        """That person, with the key that the garage has for it. ``car``: where Bluetooth finds the car."""
        signer: LocalSigner = self.garage.signers[who]
        handset = Handset(
            lambda reach: Phone(reach, signer, chance(who, "phone"), self.clock), self.air, self.clock, car=car, at=at
        )
        claims = self.garage.claims(who)
        chain = self.garage.chain(claims)
        token = self.garage.office.hand(claims).token
        handset.phone.accept(Invitation(claims.key_id, token, self.garage.vehicle, None, chain))
        self.garage.space.add(handset.radio)
        self.people[who] = handset
        return handset

    async def passes(self, seconds: float) -> None:
        """So much time, in small steps."""
        for _ in range(round(seconds / TICK)):
            self.garage.monotonic += TICK
            self.garage.brain.tick()
            for handset in self.people.values():
                await handset.step()
            self.listen()

    async def walks(self, who: str, *stops: Point) -> None:
        """From where they are, along those points, at a walk; and the time that it takes."""
        handset = self.people[who]
        at, now, way = handset.at, self.clock(), [(self.clock(), handset.at)]
        for stop in stops:
            now += max(TICK, at.to(stop) / STRIDE)
            way.append((now, stop))
            at = stop
        handset.walk(Way(way))
        await self.passes(now - self.clock() + 1.0)

    def listen(self) -> None:
        """The head unit hears what the car has to say."""
        for what, data in self.garage.log[self._heard :]:
            self.screen.hear(what, data)
        self._heard = len(self.garage.log)

    @property
    def locked(self) -> bool:
        return self.garage.brain.body.locked

    def lock(self, locked: bool) -> None:
        """By hand, from inside."""
        self.garage.brain.set_body({"locked": locked})


def told(handset: Handset, what: str) -> list[dict[str, Any]]:
    """What that phone's user could see of one kind, oldest first."""
    return [data for kind, data in handset.events if kind == what]


def commands(handset: Handset) -> list[tuple[str, str]]:
    return [(data["action"], data["outcome"]) for data in told(handset, "command")]


PASSIVE = Action.PASSIVE_UNLOCK.label
